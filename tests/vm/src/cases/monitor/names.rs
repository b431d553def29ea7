// SPDX-License-Identifier: MIT OR Apache-2.0

//! What monitors are called, what rings and which memory they have, and who may have one.

use super::*;
use crate::harness::raw::request::port_info;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_163_a_port_that_nobody_has_open_cannot_be_monitored,
    item_167_a_copy_monitor_has_a_region_of_its_own,
    item_168_a_monitor_cannot_send,
    monitor_names_count_from_zero,
    monitor_has_as_many_rings_as_the_port_in_either_direction,
    monitor_of_host_rings_has_all_of_them,
    monitor_chooses_its_slots,
    monitor_chooses_its_rings,
    monitor_of_a_monitor_is_refused,
    monitor_minds_no_exclusive_binding,
    monitor_says_that_frames_have_headers,
    monitor_zero_copy_is_in_the_ports_region,
    monitor_seats_are_as_many_as_there_are,
    monitor_probe_leaves_nothing,
];

fn item_163_a_port_that_nobody_has_open_cannot_be_monitored() -> Outcome {
    let new = |name: &str| vale(name).flags(NR_MONITOR_RX);
    refused(new("vale163:a"), Errno::EINVAL, &["open"])?;
    // It was not made for that.
    fails(
        "there is none",
        vale("vale163:b").flags(NR_ZCOPY_MON).try_bind(),
        Errno::EINVAL,
    )?;
    let port = vale("vale163:a").slots(64, 64).bind()?;
    // A null port has no name to be found by, and the flags mean nothing there.
    let null = null(port.reg.nr_mem_id).flags(NR_MONITOR_RX);
    works("null", null.try_bind())?;
    refused(new("vale163:a{x"), Errno::EINVAL, &["open"])?;
    let _pipe = vale("vale163:a{x").bind()?;
    // The other end is there, but nobody has it.
    refused(new("vale163:a}x"), Errno::EINVAL, &["open"])?;
    works("this end", new("vale163:a{x").try_bind())?;
    wire()?;
    refused(new("fm0"), Errno::EINVAL, &["open"])?;
    refused(new("fm7"), Errno::ENXIO, &["no network interface"])
}

fn item_167_a_copy_monitor_has_a_region_of_its_own() -> Outcome {
    let port = vale("vale167:a").slots(64, 64).bind()?;
    let one = monitor("vale167:a", BOTH)?;
    let other = monitor("vale167:a", BOTH)?;
    let ids = [&port, &one, &other].map(|bound| bound.reg.nr_mem_id);
    that(
        format!("three regions: {ids:?}"),
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
    )?;
    same("private", one.nifp().ni_flags & NI_PRIV_MEM, NI_PRIV_MEM)?;
    // Or one that it is told to use.
    let there = vale("vale167:a")
        .flags(BOTH)
        .mem(port.reg.nr_mem_id)
        .bind()?;
    same("as told", there.reg.nr_mem_id, port.reg.nr_mem_id)
}

fn item_168_a_monitor_cannot_send() -> Outcome {
    let port = vale("vale168:a").slots(64, 64).bind()?;
    for flags in [NR_MONITOR_TX, NR_MONITOR_RX, NR_ZCOPY_MON] {
        let monitor = monitor("vale168:a", flags)?;
        let poll = |events| monitor.poll(events, 0);
        same("POLLIN", poll(PollFlags::POLLIN)?, PollFlags::empty())?;
        same("POLLOUT", poll(PollFlags::POLLOUT)?, PollFlags::POLLERR)?;
        same(
            "both",
            poll(PollFlags::POLLIN | PollFlags::POLLOUT)?,
            PollFlags::POLLERR,
        )?;
        let tx = monitor.tx(0);
        same("no room", tx.cursors(), (0, 0, 0))?;
        that(
            "no buffers",
            tx.slots().iter().all(|slot| slot.buf_idx == 0),
        )?;
        // Whatever it writes there, nothing happens.
        tx.edit_slot(0, |slot| {
            slot.buf_idx = port.tx(0).slot(0).buf_idx;
            slot.len = 60;
        });
        tx.set_head_cur(5);
        works("txsync", monitor.device.txsync())?;
        same("still", tx.cursors(), (5, 5, 0))?;
        same("POLLIN", poll(PollFlags::POLLIN)?, PollFlags::empty())?;
    }
    same("free", port.tx(0).space(), 63)
}

fn monitor_names_count_from_zero() -> Outcome {
    let _port = vale("vale160:a").slots(64, 64).bind()?;
    let named = |flags| Ok::<_, Errno>(monitor("vale160:a", flags)?.port_name());
    same("name", named(NR_MONITOR_RX)?, "vale160:a/r#0")?;
    // It was the only one.
    same("name", named(NR_MONITOR_TX)?, "vale160:a/t#0")?;
    let _first = monitor("vale160:a", BOTH)?;
    same("name", named(BOTH)?, "vale160:a/rt#1")?;
    // The number of the newest one is free when that goes.
    let zero = monitor("vale160:a", NR_ZCOPY_MON)?;
    same("name", zero.port_name(), "vale160:a/zrt#1")?;
    let flags = NR_ZCOPY_MON | BOTH;
    same("flags that come back", zero.reg.nr_flags, flags)?;
    let one = monitor("vale160:a", NR_MONITOR_TX)?;
    same("as they were", one.reg.nr_flags, NR_MONITOR_TX)?;
    let names = std::fs::read_to_string("/sys/kernel/debug/netmap/ports")?;
    let line = format!(
        "vale160:a/zrt#1 monitor zero-copy region {}\n",
        zero.reg.nr_mem_id
    );
    that("it is listed", names.contains(&line))?;
    that(
        "and the other",
        names.contains("vale160:a/t#2 monitor copies region"),
    )
}

fn monitor_has_as_many_rings_as_the_port_in_either_direction() -> Outcome {
    for (tx, rx) in [(1, 1), (3, 2), (2, 5)] {
        let _port = vale("vale161:a").rings(tx, rx).slots(128, 32).bind()?;
        let monitor = monitor("vale161:a", BOTH)?;
        let reg = &monitor.reg;
        let rings = (reg.nr_tx_rings, reg.nr_rx_rings);
        same("rings", rings, (1, tx.max(rx)))?;
        let host = (reg.nr_host_tx_rings, reg.nr_host_rx_rings);
        same("host rings", host, (0, 0))?;
        let slots = (reg.nr_tx_slots, reg.nr_rx_slots);
        same("slots", slots, (128, 32))?;
        let all = (0..u32::from(tx.max(rx))).collect::<Vec<_>>();
        same("bound", monitor.ring_numbers(), (vec![0], all))?;
    }
    Ok(())
}

fn monitor_of_host_rings_has_all_of_them() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let mut ask = vale("fm0").mode(NR_REG_NIC_SW);
    (ask.body.nr_host_tx_rings, ask.body.nr_host_rx_rings) = (3, 4);
    let port = ask.bind()?;
    let all = vale("fm0").flags(BOTH).mode(NR_REG_NIC_SW).bind()?;
    let nic = u32::from(port.reg.nr_rx_rings.max(port.reg.nr_tx_rings));
    same(
        "host rings",
        (all.reg.nr_host_tx_rings, all.reg.nr_host_rx_rings),
        (1, 4),
    )?;
    same(
        "bound",
        all.ring_numbers(),
        (vec![0, 1], (0..nic + 4).collect()),
    )?;
    let host = vale("fm0").flags(BOTH).mode(NR_REG_SW).bind()?;
    same(
        "bound",
        host.ring_numbers(),
        (vec![1], (nic..nic + 4).collect()),
    )?;
    let mut one = vale("fm0").flags(BOTH).mode(NR_REG_ONE_SW);
    one.body.nr_ringid = 3;
    same(
        "bound",
        one.bind()?.ring_numbers(),
        (vec![1], vec![nic + 3]),
    )?;
    let vale_port = vale("vale162:a").slots(64, 64).bind()?;
    fails(
        "a port without",
        vale("vale162:a").flags(BOTH).mode(NR_REG_SW).try_bind(),
        Errno::EINVAL,
    )?;
    drop(vale_port);
    Ok(())
}

fn monitor_chooses_its_slots() -> Outcome {
    let _port = vale("vale162:a").slots(64, 64).bind()?;
    let slots = |tx, rx, flags| {
        let monitor = vale("vale162:a").flags(flags).slots(tx, rx).bind()?;
        let n = (monitor.tx(0).n(), monitor.rx(0).n());
        Ok::<_, Errno>((monitor.reg.nr_tx_slots, monitor.reg.nr_rx_slots, n))
    };
    same("slots", slots(0, 256, BOTH)?, (64, 256, (64, 256)))?;
    same(
        "at most",
        slots(9000, 5000, BOTH)?,
        (4096, 4096, (4096, 4096)),
    )?;
    same("slots", slots(0, 16, NR_ZCOPY_MON)?, (64, 16, (64, 16)))
}

fn monitor_chooses_its_rings() -> Outcome {
    let _port = vale("vale162:a").rings(3, 2).slots(64, 64).bind()?;
    let ask = || vale("vale162:a").flags(BOTH);
    same(
        "one",
        ask().one(2).bind()?.ring_numbers(),
        (vec![0], vec![2]),
    )?;
    fails("no such", ask().one(3).try_bind(), Errno::EINVAL)?;
    let rx_only = ask().flags(NR_RX_RINGS_ONLY).bind()?;
    same("rings", rx_only.ring_numbers(), (vec![], vec![0, 1, 2]))
}

fn monitor_of_a_monitor_is_refused() -> Outcome {
    let _port = vale("vale162:a").slots(64, 64).bind()?;
    let first = monitor("vale162:a", BOTH)?;
    refused(
        vale(&first.port_name()).flags(BOTH),
        Errno::EINVAL,
        &["open"],
    )?;
    // Nor is it a port of the switch.
    that(
        "no other",
        port_info("vale162:b", Default::default()).is_ok(),
    )?;
    let names: Vec<_> = request::vale_list()?
        .into_iter()
        .map(|(n, _, _)| n)
        .collect();
    same("ports", names, ["vale162:a"])
}

fn monitor_minds_no_exclusive_binding() -> Outcome {
    let port = vale("vale162:a").slots(64, 64).flags(NR_EXCLUSIVE).bind()?;
    let one = monitor("vale162:a", BOTH | NR_EXCLUSIVE)?;
    let other = monitor("vale162:a", BOTH | NR_EXCLUSIVE)?;
    port.send(&crate::harness::frame::numbered(0..2))?;
    same("one", seen(&one)?, sent(0..2))?;
    same("other", seen(&other)?, sent(0..2))
}

fn monitor_says_that_frames_have_headers() -> Outcome {
    let _port = vale("vale162:a").slots(64, 64).bind()?;
    request::set_vnet_hdr("vale162:a", 12)?;
    let ask = || vale("vale162:a").flags(BOTH);
    refused(ask(), Errno::EIO, &["12 bytes"])?;
    works("who can cope", ask().flags(NR_ACCEPT_VNET_HDR).try_bind())
}

fn monitor_zero_copy_is_in_the_ports_region() -> Outcome {
    let port = vale("vale162:a").slots(64, 64).bind()?;
    let other = vale("vale162:b").slots(64, 64).bind()?;
    let ask = || vale("vale162:a").flags(NR_ZCOPY_MON);
    let (here, there) = (port.reg.nr_mem_id, other.reg.nr_mem_id);
    refused(
        ask().mem(there),
        Errno::EINVAL,
        &["shares the memory", &format!("region {here}")],
    )?;
    fails("no such", ask().mem(60_000).try_bind(), Errno::EINVAL)?;
    same("its own", ask().mem(here).bind()?.reg.nr_mem_id, here)
}

fn monitor_seats_are_as_many_as_there_are() -> Outcome {
    let port = vale("vale162:a").slots(16, 16).extra(0).bind()?;
    let region = port.reg.nr_mem_id;
    let ask = || vale("vale162:a").flags(BOTH | NR_RX_RINGS_ONLY).slots(4, 4);
    let mut all = Vec::new();
    for _ in 0..MONITOR_MAX_PER_PORT {
        all.push(ask().bind()?);
    }
    refused(ask(), Errno::EBUSY, &["32 monitors"])?;
    all.remove(7);
    all.push(works("again", ask().bind())?);
    port.send(&crate::harness::frame::numbered(0..2))?;
    for monitor in &all {
        same("each", seen(monitor)?, sent(0..2))?;
    }
    drop(all);
    that("none is left", free(region)? > 0)
}

fn monitor_probe_leaves_nothing() -> Outcome {
    use ferromap_abi::{ext::FERROMAP_REQ_PROBE, wire::NmreqRegister};
    let probe = |name: &str| {
        let mut body = NmreqRegister {
            nr_mode: NR_REG_ALL_NIC,
            nr_flags: BOTH,
            ..Default::default()
        };
        Device::open()?.request(FERROMAP_REQ_PROBE, name, &mut body)
    };
    fails("nobody", probe("vale162:a"), Errno::EINVAL)?;
    let port = vale("vale162:a").slots(64, 64).bind()?;
    works("somebody", probe("vale162:a"))?;
    port.send(&crate::harness::frame::numbered(0..2))?;
    let first = monitor("vale162:a", BOTH)?;
    same("the first", first.port_name(), "vale162:a/rt#0")?;
    works("somebody", probe("vale162:a"))?;
    let second = monitor("vale162:a", BOTH)?;
    same("the second", second.port_name(), "vale162:a/rt#1")?;
    same("sent", counter(&port, "tx0-drop_nobody")?, 2)
}
