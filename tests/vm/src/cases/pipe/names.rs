// SPDX-License-Identifier: MIT OR Apache-2.0

//! What pipes are called, and what rings they have.

use super::pipe;
use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made, newif};
use crate::harness::raw::request::{port_info, vale_list, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::NmreqPortInfoGet;
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_150_ends_connect_by_name,
    item_151_a_pipe_on_a_new_name_makes_an_interface,
    item_152_both_ends_and_the_base_share_memory,
    item_159_the_creators_numbers_are_the_masters,
    item_160_how_many_pipes_and_which_modes,
    item_161_a_pipe_needs_a_base_and_an_id,
    pipe_is_exclusive_by_end,
    pipe_numbers_have_limits,
    pipe_is_made_for_nobody_by_asking,
    pipe_has_no_virtio_header,
    pipe_outlives_its_interface,
    pipe_is_its_bases_whatever_that_is_called,
    pipe_is_shown_in_debugfs,
];

fn item_150_ends_connect_by_name() -> Outcome {
    let _base = shared("vale150:a").bind()?;
    // Ids are compared as they are.
    let ids = ["1", "01", "x", "X", "a name"];
    let mut pipes = Vec::new();
    for (i, id) in ids.into_iter().enumerate() {
        let (master, slave) = (format!("vale150:a{{{id}"), format!("vale150:a}}{id}"));
        let bind = |name: &str| vale(name).slots(64, 64).bind();
        // Either end may be the first.
        pipes.push(match i % 2 {
            0 => (bind(&master)?, bind(&slave)?),
            _ => (bind(&slave)?, bind(&master)?),
        });
    }
    // Behind the mark of a master the other mark is part of the id.
    let odd = vale("vale150:a{}").slots(4, 4).bind()?;
    same("its name", odd.port_name(), "vale150:a{}")?;
    for (number, (from, _)) in (0..).zip(&pipes) {
        from.send(&[frame(BROADCAST, station(1), number)])?;
    }
    for (number, (from, to)) in (0..).zip(&pipes) {
        same("its own frame", got(to)?, [number])?;
        same("none of its own", got(from)?, [0; 0])?;
    }
    let mut names = pipes.iter().map(|(from, _)| from.port_name());
    same("its name", names.next().as_deref(), Some("vale150:a{1"))
}

fn item_151_a_pipe_on_a_new_name_makes_an_interface() -> Outcome {
    let there = || std::path::Path::new("/sys/class/net/foo").exists();
    let (master, slave) = pipe("foo", "1")?;
    that("the interface is there", there())?;
    master.send(&[frame(BROADCAST, station(1), 1)])?;
    same("in the pipe", got(&slave)?, [1])?;
    same("region", master.reg.nr_mem_id, slave.reg.nr_mem_id)?;
    let other = vale("foo{2").slots(4, 4).bind()?;
    same("the same region", other.reg.nr_mem_id, master.reg.nr_mem_id)?;
    drop((master, slave));
    that("while there is a pipe", there())?;
    let info = port_info("foo", NmreqPortInfoGet::default())?;
    same("its base", info.nr_mem_id, other.reg.nr_mem_id)?;
    drop(other);
    that("with the last one it goes", !there())?;
    let info = port_info("foo}x", NmreqPortInfoGet::default())?;
    same("asked", (info.nr_tx_rings, info.nr_tx_slots), (1, 1024))?;
    that("asking leaves nothing", !there())?;
    refused(vale("a/b{1"), Errno::EINVAL, &["a/b"])?;
    refused(
        vale("sixteen_letters_{1"),
        Errno::EINVAL,
        &["sixteen_letters_"],
    )
}

fn item_152_both_ends_and_the_base_share_memory() -> Outcome {
    let (master, slave) = pipe("vale152:a", "x")?;
    let base = vale("vale152:a").bind()?;
    let ids = [&master, &slave, &base].map(|bound| bound.reg.nr_mem_id);
    same("regions", ids, [ids[0]; 3])?;
    let info = port_info("vale152:a}x", NmreqPortInfoGet::default())?;
    same("told", info.nr_mem_id, ids[0])?;
    // A region of the program's choice, which the base then has.
    let chosen = shared("vale152:b{x").bind()?;
    same("chosen", chosen.reg.nr_mem_id, GLOBAL_MEM_ID)?;
    let base = vale("vale152:b").bind()?;
    same("its base", base.reg.nr_mem_id, GLOBAL_MEM_ID)?;
    // Of one that is there, it is as it is.
    let ignored = vale("vale152:a{y").mem(GLOBAL_MEM_ID).bind()?;
    same("the base's", ignored.reg.nr_mem_id, ids[0])
}

fn rings(bound: &Bound) -> [u32; 4] {
    let reg = &bound.reg;
    let rings = [reg.nr_tx_rings, reg.nr_rx_rings].map(u32::from);
    [rings[0], rings[1], reg.nr_tx_slots, reg.nr_rx_slots]
}

fn item_159_the_creators_numbers_are_the_masters() -> Outcome {
    let slave = vale("vale159:a}x").rings(2, 3).slots(64, 128).bind()?;
    same("the slave that made it", rings(&slave), [3, 2, 128, 64])?;
    let master = vale("vale159:a{x").rings(7, 7).slots(8, 8).bind()?;
    same("the master", rings(&master), [2, 3, 64, 128])?;
    same("its ring", (master.tx(1).n(), master.rx(2).n()), (64, 128))?;
    same("its host rings", master.reg.nr_host_rx_rings, 0)?;
    // Without a wish: one each way, with the slots of the base.
    let _base = vale("vale159:b").rings(2, 2).slots(32, 256).bind()?;
    let plain = vale("vale159:b}x").bind()?;
    same("by default", rings(&plain), [1, 1, 256, 32])
}

fn item_160_how_many_pipes_and_which_modes() -> Outcome {
    write_parameter("priv_ring_num", "300")?;
    write_parameter("priv_if_num", "100")?;
    let _base = vale("vale160:a").slots(64, 64).bind()?;
    let name = |n| format!("vale160:a{{{n}");
    let mut pipes = Vec::new();
    for n in 0..64 {
        pipes.push(vale(&name(n)).slots(4, 4).bind()?);
    }
    refused(vale(&name(64)), Errno::EINVAL, &["vale160:a", "64 pipes"])?;
    let _other_end = vale("vale160:a}7").bind()?;
    let _other_base = shared("vale160:b{64").bind()?;
    pipes.pop();
    works("when one has gone", vale(&name(64)).slots(4, 4).try_bind())?;
    for mode in [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW] {
        refused(
            vale("vale160:c{x").mode(mode),
            Errno::EINVAL,
            &["host rings"],
        )?;
    }
    for mode in [NR_REG_DEFAULT, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE, 9] {
        refused(vale("vale160:c{x").mode(mode), Errno::EINVAL, &["nr_mode"])?;
    }
    let two = vale("vale160:c{x").rings(2, 2).one(1).slots(4, 4).bind()?;
    same("one ring", two.ring_numbers(), (vec![1], vec![1]))?;
    refused(vale("vale160:c{x").one(2), Errno::EINVAL, &["ring 2"])
}

fn item_161_a_pipe_needs_a_base_and_an_id() -> Outcome {
    for name in [
        "{",
        "}",
        "{1",
        "}1",
        "vale161:a{",
        "vale161:a}",
        "vale161:a{1{",
    ] {
        refused(vale(name), Errno::EINVAL, &["base", "id"])?;
    }
    refused(
        vale("vale161{1"),
        Errno::EINVAL,
        &["vale161", "valeSWITCH:PORT"],
    )?;
    same("nothing is left", vale_list()?, [])
}

fn pipe_is_exclusive_by_end() -> Outcome {
    let exclusive = || vale("vale150:e{x").flags(NR_EXCLUSIVE);
    let _master = exclusive().slots(4, 4).bind()?;
    let _slave = vale("vale150:e}x").bind()?;
    works("the other end again", vale("vale150:e}x").try_bind())?;
    refused(vale("vale150:e{x"), Errno::EBUSY, &["exclusively"])?;
    fails("again", exclusive().try_bind(), Errno::EBUSY)
}

fn pipe_numbers_have_limits() -> Outcome {
    let sizes = |rings, slots| NmreqPortInfoGet {
        nr_tx_rings: rings,
        nr_rx_rings: 1,
        nr_tx_slots: slots,
        nr_rx_slots: 4,
        ..NmreqPortInfoGet::default()
    };
    let info = port_info("vale150:l{x", sizes(u16::MAX, u32::MAX))?;
    same(
        "the most",
        (info.nr_tx_rings, info.nr_tx_slots),
        (256, 4096),
    )?;
    let info = port_info("vale150:l}x", sizes(5, 6))?;
    same("the slave's", (info.nr_rx_rings, info.nr_rx_slots), (5, 6))?;
    // What does not fit the region is refused, and nothing is left of it.
    refused(
        shared("vale150:l{x").rings(256, 256).slots(4, 4),
        Errno::ENOMEM,
        &["rings of region 1"],
    )?;
    same("nothing is left", vale_list()?, [])
}

fn pipe_is_made_for_nobody_by_asking() -> Outcome {
    let asked = NmreqPortInfoGet {
        nr_tx_rings: 3,
        ..NmreqPortInfoGet::default()
    };
    let info = port_info("vale150:i{x", asked)?;
    same("would have", (info.nr_tx_rings, info.nr_rx_rings), (3, 1))?;
    same("nothing is left", vale_list()?, [])?;
    let made = vale("vale150:i{x").bind()?;
    same("then", made.reg.nr_tx_rings, 1)
}

fn pipe_has_no_virtio_header() -> Outcome {
    fails("not there", vnet_hdr("vale150:h{x"), Errno::ENODEV)?;
    let _pipe = pipe("vale150:h", "x")?;
    for name in ["vale150:h{x", "vale150:h}x"] {
        same(name, vnet_hdr(name)?, 0)?;
        fails(name, request::set_vnet_hdr(name, 12), Errno::ENXIO)?;
    }
    fails("another", vnet_hdr("vale150:h{y"), Errno::ENODEV)?;
    fails("its base", vnet_hdr("vale150:g{x"), Errno::ENODEV)
}

fn pipe_outlives_its_interface() -> Outcome {
    wire()?;
    made("p0")?;
    for base in ["p0", "k0", "fm0"] {
        let (master, slave) = pipe(base, "x")?;
        master.send(&numbered(1..2))?;
        ip(&format!("link del {base}"))?;
        master.send(&numbered(2..3))?;
        same("frames", got(&slave)?, [1, 2])?;
        slave.send(&numbered(3..4))?;
        same("frames", got(&master)?, [3])?;
        let events = PollFlags::POLLIN | PollFlags::POLLOUT;
        same("room", master.poll(events, 0)?, PollFlags::POLLOUT)?;
        // An interface of that name is another one, and so are its pipes.
        match base {
            "p0" => made("p0")?,
            "fm0" => ip("link add fm0 type veth peer name fm1")?,
            _ => {}
        }
        let (other, its_slave) = pipe(base, "x")?;
        let shared = other.reg.nr_mem_id == master.reg.nr_mem_id;
        same(format!("region of {base}"), shared, base == "fm0")?;
        other.send(&numbered(4..5))?;
        same("not here", got(&slave)?, [0; 0])?;
        same("there", got(&its_slave)?, [4])?;
        // And by its name nobody comes to the old one any more.
        drop(slave);
        let again = vale(&format!("{base}}}x")).bind()?;
        same("the other's", again.reg.nr_mem_id, other.reg.nr_mem_id)?;
        master.send(&numbered(5..6))?;
        same("not that", got(&again)?, [0; 0])?;
    }
    works("deleted", delif("p0"))
}

fn pipe_is_shown_in_debugfs() -> Outcome {
    let (master, slave) = pipe("vale150:d", "x")?;
    master.send(&numbered(0..3))?;
    same("sent", debug_counter("vale150:d{x", "tx0", "frames")?, 3)?;
    same("got", debug_counter("vale150:d}x", "rx0", "frames")?, 3)?;
    drop(slave);
    let gone = debug_counter("vale150:d}x", "rx0", "frames");
    that("an end that nobody has open is not shown", gone.is_err())
}

// A monitor of `p0{1` was shown what went through the pipe on the port that had been p0 before.
fn pipe_is_its_bases_whatever_that_is_called() -> Outcome {
    wire()?;
    made("p0")?;
    for (old, new) in [("p0", "q0"), ("fm0", "gm0")] {
        let (master, slave) = pipe(old, "1")?;
        ip(&format!("link set {old} down"))?;
        ip(&format!("link set {old} name {new}"))?;
        let watch = |base: &str| vale(&format!("{base}}}1")).flags(NR_MONITOR_RX);
        let header = |base: &str| vnet_hdr(&format!("{base}{{1"));
        fails("by the old name", watch(old).try_bind(), Errno::EINVAL)?;
        fails("by the old name", header(old), Errno::ENODEV)?;
        let monitor = works("by the new name", watch(new).bind())?;
        works("by the new name", header(new))?;
        let again = works("by the new name", vale(&format!("{new}}}1")).bind())?;
        same("it is the same", again.reg.nr_mem_id, slave.reg.nr_mem_id)?;
        same("its name", again.port_name(), format!("{new}}}1"))?;
        drop(again);
        // A port that has the name by now is another one.
        works("its old name is free", newif(old))?;
        let other = pipe(old, "1")?;
        other.0.send(&[frame(BROADCAST, station(1), 7)])?;
        same("in the other pipe", got(&other.1)?, [7])?;
        same("none of it", got(&monitor)?, [0; 0])?;
        master.send(&[frame(BROADCAST, station(1), 1)])?;
        same("in the pipe", got(&slave)?, [1])?;
        same("seen", got(&monitor)?, [1])?;
        drop((other, monitor, master, slave));
        works("deleted", delif(old))?;
    }
    // By each name of its base.
    works("plugged in", attach("vale228:q0"))?;
    let (master, slave) = pipe("q0", "1")?;
    for name in ["vale228:q0}1", "q0}1"] {
        let monitor = vale(name).flags(NR_MONITOR_RX).bind();
        let region = works(name, monitor)?.reg.nr_mem_id;
        that("a region of its own", region != slave.reg.nr_mem_id)?;
    }
    drop((master, slave));
    works("pulled out", detach("vale228:q0"))?;
    works("deleted", delif("q0"))
}
