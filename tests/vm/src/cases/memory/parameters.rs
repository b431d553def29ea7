// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parameters of the memory regions under /sys/module: items 64 and 65, and their defaults.
//!
//! The harness puts every parameter back after the case.

use crate::harness::check::*;
use crate::harness::raw::request::{pools_info, port_info, vale_find};
use crate::harness::raw::*;
use crate::harness::traces::{read_parameter, write_parameter};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_064_parameters_have_the_documented_defaults,
    item_064_shared_region_changes_only_without_users,
    item_064_private_regions_have_at_least_the_parameters,
    item_065_shared_parameters_out_of_range_are_refused_at_use,
    item_065_private_parameters_out_of_range_are_refused_at_use,
];

fn item_064_parameters_have_the_documented_defaults() -> Outcome {
    for (name, want) in [
        ("if_size", "1024"),
        ("if_num", "100"),
        ("ring_size", "36864"),
        ("ring_num", "200"),
        ("buf_size", "2048"),
        ("buf_num", "163840"),
        ("priv_if_size", "1024"),
        ("priv_if_num", "2"),
        ("priv_ring_size", "20480"),
        ("priv_ring_num", "4"),
        ("priv_buf_size", "2048"),
        ("priv_buf_num", "4098"),
        ("no_timestamp", "0"),
        ("bridge_batch", "1024"),
        ("max_bridges", "8"),
        ("default_pipes", "0"),
        ("verbose", "0"),
        ("admode", "0"),
        ("fwd", "0"),
        ("txsync_retry", "2"),
        ("no_pendintr", "1"),
        ("ptnet_vnet_hdr", "1"),
        ("generic_mit", "100000"),
        ("generic_ringsize", "1024"),
        ("generic_rings", "1"),
        ("generic_hwcsum", "0"),
        ("generic_txqdisc", "1"),
    ] {
        same(name, read_parameter(name)?.as_str(), want)?;
    }
    null(GLOBAL_MEM_ID).try_bind()?;
    for (name, want) in [
        ("if_curr_size", "1024"),
        ("if_curr_num", "100"),
        ("ring_curr_size", "36864"),
        ("ring_curr_num", "200"),
        ("buf_curr_size", "2048"),
        ("buf_curr_num", "163840"),
    ] {
        same(name, read_parameter(name)?.as_str(), want)?;
        that(
            format!("{name} is read-only"),
            write_parameter(name, "1").is_err(),
        )?;
    }
    let fixed = write_parameter("max_bridges", "9").is_err();
    that("max_bridges is read-only", fixed)
}

fn item_064_shared_region_changes_only_without_users() -> Outcome {
    let user = null(GLOBAL_MEM_ID).bind()?;
    write_parameter("buf_num", "20000")?;
    write_parameter("buf_size", "4096")?;
    write_parameter("if_num", "12")?;
    let other = null(GLOBAL_MEM_ID).bind()?;
    same(
        "size while in use",
        other.reg.nr_memsize,
        user.reg.nr_memsize,
    )?;
    same("buffer size while in use", other.tx(0).buf_size(), 2048)?;
    same(
        "buf_curr_num while in use",
        read_parameter("buf_curr_num")?.as_str(),
        "163840",
    )?;
    drop((user, other));

    let changed = null(GLOBAL_MEM_ID).bind()?;
    same("buffer size afterwards", changed.tx(0).buf_size(), 4096)?;
    let slot = changed.tx(0).slot(0);
    same("length of a fresh slot", slot.len, 4096)?;
    for (name, want) in [
        ("buf_curr_num", "20000"),
        ("buf_curr_size", "4096"),
        ("if_curr_num", "12"),
        ("ring_curr_num", "200"),
    ] {
        same(name, read_parameter(name)?.as_str(), want)?;
    }
    let pools = pools_info("vale64:x", GLOBAL_MEM_ID)?;
    same("buffers", pools.nr_buf_pool_objtotal, 20_000)?;
    same("size", pools.nr_memsize, changed.reg.nr_memsize)
}

fn item_064_private_regions_have_at_least_the_parameters() -> Outcome {
    write_parameter("priv_buf_num", "10000")?;
    write_parameter("priv_buf_size", "4096")?;
    let pools = pools_info("vale64:x", 0)?;
    that(
        "10000 buffers or more",
        pools.nr_buf_pool_objtotal >= 10_000,
    )?;
    same("size of a buffer", pools.nr_buf_pool_objsize, 4096)?;
    // What a port needs counts more than a small parameter.
    write_parameter("priv_buf_num", "4")?;
    write_parameter("priv_ring_size", "256")?;
    let big = vale("vale64:y").rings(4, 4).slots(2048, 2048).bind()?;
    same("slots", big.reg.nr_tx_slots, 2048)?;
    same("size of a buffer", big.tx(3).buf_size(), 4096)
}

/// Each `name` set to each of the values, one at a time: `operation` must fail with EINVAL, and
/// must work again when the value is back.
fn check_range(table: &[(&str, &[&str])], operation: impl Fn() -> Result<(), Errno>) -> Outcome {
    for (name, values) in table {
        let good = read_parameter(name)?;
        for value in *values {
            write_parameter(name, value)?;
            fails(format!("{name} = {value}"), operation(), Errno::EINVAL)?;
            write_parameter(name, &good)?;
            works(format!("{name} restored after {value}"), operation())?;
        }
    }
    Ok(())
}

fn item_065_shared_parameters_out_of_range_are_refused_at_use() -> Outcome {
    // A small region, so that making it anew costs little.
    write_parameter("buf_num", "4000")?;
    let table: &[(&str, &[&str])] = &[
        ("if_size", &["55", "4097", "0"]),
        ("if_num", &["9", "10001", "-1"]),
        ("ring_size", &["255", "131073"]),
        ("ring_num", &["1", "1025"]),
        ("buf_size", &["63", "65537", "-2048"]),
        ("buf_num", &["3", "1000001", "2147483647"]),
    ];
    check_range(table, || null(GLOBAL_MEM_ID).try_bind())?;
    write_parameter("buf_size", "63")?;
    let result = pools_info("vale65:x", GLOBAL_MEM_ID).map(drop);
    fails("POOLS_INFO_GET", result, Errno::EINVAL)?;
    fails("VALE_LIST afterwards", vale_find("vale65:x"), Errno::ENOENT)
}

fn item_065_private_parameters_out_of_range_are_refused_at_use() -> Outcome {
    let table: &[(&str, &[&str])] = &[
        ("priv_if_size", &["4097"]),
        ("priv_if_num", &["101"]),
        ("priv_ring_size", &["131073"]),
        ("priv_ring_num", &["1025"]),
        ("priv_buf_size", &["63", "65537"]),
        ("priv_buf_num", &["1000001"]),
    ];
    check_range(table, || vale("vale65:x").slots(64, 64).try_bind())?;
    write_parameter("priv_buf_size", "63")?;
    let result = port_info("vale65:x", Default::default()).map(drop);
    fails("PORT_INFO_GET", result, Errno::EINVAL)?;
    fails("VALE_LIST afterwards", vale_find("vale65:x"), Errno::ENOENT)
}
