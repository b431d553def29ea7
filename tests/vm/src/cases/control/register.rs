// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER, on VALE and null ports: items 23 to 47.
//!
//! Not here, but where an interface is at hand: 29 (host rings only), 30 (both kinds of rings), 33
//! (one host ring pair), 46 (numbers of host rings), 48 (loopback's MTU, among the reasons of
//! refusals), 49 (members of a bridge). Of items that speak of an interface (23, 28, 31, 32, 39 to
//! 45) this is the part that any port must show. Other kinds are in `kinds.rs`.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_023_register_fills_in_its_answer,
    item_024_region_maps_in_exactly_its_size,
    item_025_second_register_is_busy_and_harmless,
    item_026_unknown_interface_leaves_the_device_usable,
    item_027_other_modes_are_invalid,
    item_028_all_nic_binds_all_rings_but_no_host_ring,
    item_031_one_nic_binds_one_pair,
    item_032_one_nic_out_of_range,
    item_034_host_modes_are_invalid_without_host_rings,
    item_035_rx_rings_only,
    item_036_tx_rings_only,
    item_037_neither_tx_nor_rx_rings,
    item_038_unknown_flags_are_ignored,
    item_039_two_bindings_share_a_ring,
    item_040_exclusive_conflicts_are_busy,
    item_041_exclusive_bindings_of_different_rings_coexist,
    item_042_closing_an_exclusive_binding_frees_its_rings,
    item_043_poll_flags_are_accepted_on_every_port,
    item_044_sizes_asked_of_an_existing_port_are_ignored,
    item_045_answer_can_be_asked_again,
    item_047_no_host_rings_in_the_answer_but_one_in_the_netmap_if,
];

fn item_023_register_fills_in_its_answer() -> Outcome {
    let asked = vale("vale23:x")
        .rings(3, 2)
        .slots(128, 256)
        .flags(0x1000)
        .extra(7);
    let bound = asked.clone().bind()?;
    let got = bound.reg;
    same("rings", (got.nr_tx_rings, got.nr_rx_rings), (3, 2))?;
    same("slots", (got.nr_tx_slots, got.nr_rx_slots), (128, 256))?;
    same(
        "host rings",
        (got.nr_host_tx_rings, got.nr_host_rx_rings),
        (0, 0),
    )?;
    same("extra buffers", got.nr_extra_bufs, 7)?;
    that("a region id other than 0 and 1", got.nr_mem_id > 1)?;
    that("a region", got.nr_memsize > 0)?;
    that(
        "netmap_if inside the region",
        got.nr_offset < got.nr_memsize,
    )?;
    same("mode", got.nr_mode, asked.body.nr_mode)?;
    same("ring id", got.nr_ringid, asked.body.nr_ringid)?;
    same("flags", got.nr_flags, asked.body.nr_flags)?;

    let nifp = bound.nifp();
    same("ni_name", bound.port_name(), "vale23:x")?;
    same("ni_tx_rings", nifp.ni_tx_rings, 3)?;
    same("ni_rx_rings", nifp.ni_rx_rings, 2)?;
    for (rings, slots, dir) in [(bound.tx_rings(), 128, 1), (bound.rx_rings(), 256, 0)] {
        for (i, ring) in rings {
            same("num_slots", ring.n(), slots)?;
            same("ringid", u32::from(ring.ringid()), i)?;
            same("dir", ring.dir(), dir)?;
        }
    }
    Ok(())
}

fn item_024_region_maps_in_exactly_its_size() -> Outcome {
    for port in [vale("vale24:x").slots(64, 64), null(GLOBAL_MEM_ID)] {
        let device = Device::open()?;
        let mut port = port;
        port.send(&device)?;
        let size = port.body.nr_memsize;
        same("memsize modulo the page size", size % 4096, 0)?;
        let map = works(format!("mmap of {size} bytes"), device.map(size, 0))?;
        // The last byte is a packet buffer's, so any program may write it.
        map.write(size - 1, 0xa5u8);
        same("last byte", map.read::<u8>(size - 1), 0xa5)?;
    }
    Ok(())
}

fn item_025_second_register_is_busy_and_harmless() -> Outcome {
    let (a, b) = pair("vale25")?;
    for mut other in [vale("vale25:a"), vale("vale25:c"), null(GLOBAL_MEM_ID)] {
        fails("second REGISTER", other.send(&a.device), Errno::EBUSY)?;
    }
    let frames = numbered(0..10);
    a.send(&frames)?;
    same("frames through the first binding", b.recv()?, frames)?;
    let third = vale_find("vale25:c")?.1;
    same("index of the port never made", third, VALE_NO_PORT)
}

fn item_026_unknown_interface_leaves_the_device_usable() -> Outcome {
    let device = Device::open()?;
    for name in ["no_such_if", "val", "x", "netmap:vale26:x"] {
        let result = vale(name).send(&device);
        fails(format!("REGISTER of {name}"), result, Errno::ENXIO)?;
    }
    let later = vale("vale26:x").slots(64, 64).bind_on(device);
    works("a later REGISTER", later).map(drop)
}

fn item_027_other_modes_are_invalid() -> Outcome {
    let device = Device::open()?;
    for mode in [0, 5, 6, 9, 10, 15, 16, 0x1_0001, u32::MAX] {
        let result = vale("vale27:x").slots(64, 64).mode(mode).send(&device);
        fails(format!("mode {mode}"), result, Errno::EINVAL)?;
    }
    fails(
        "VALE_LIST of the port",
        vale_find("vale27:x"),
        Errno::ENOENT,
    )
}

fn item_028_all_nic_binds_all_rings_but_no_host_ring() -> Outcome {
    let bound = vale("vale28:x").rings(3, 2).slots(64, 64).bind()?;
    let set: Vec<bool> = bound.ring_ofs().iter().map(|&ofs| ofs != 0).collect();
    let (yes, no) = (true, false);
    same(
        "entries in ring_ofs",
        set,
        [yes, yes, yes, no, yes, yes, no],
    )
}

fn item_031_one_nic_binds_one_pair() -> Outcome {
    let _all = vale("vale31:x").rings(4, 4).slots(64, 64).bind()?;
    for ring in 0..4 {
        let one = vale("vale31:x").one(ring).bind()?;
        let want = vec![u32::from(ring)];
        same(
            format!("rings bound for {ring}"),
            one.ring_numbers(),
            (want.clone(), want),
        )?;
        let set = one.ring_ofs().iter().filter(|&&ofs| ofs != 0).count();
        same("entries in ring_ofs", set, 2)?;
        same(
            "mode and ring in the answer",
            (one.reg.nr_mode, one.reg.nr_ringid),
            (NR_REG_ONE_NIC, ring),
        )?;
        same(
            "rings in the answer",
            (one.reg.nr_tx_rings, one.reg.nr_rx_rings),
            (4, 4),
        )?;
    }
    Ok(())
}

fn item_032_one_nic_out_of_range() -> Outcome {
    let _all = vale("vale32:x").rings(4, 2).slots(64, 64).bind()?;
    for ring in [4, 100, u16::MAX] {
        let result = vale("vale32:x").one(ring).try_bind();
        fails(format!("ring {ring} of 4 and 2"), result, Errno::EINVAL)?;
    }
    let one = vale("vale32:x").one(3).bind()?;
    same("rings bound for 3", one.ring_numbers(), (vec![3], vec![0]))
}

fn item_034_host_modes_are_invalid_without_host_rings() -> Outcome {
    let _all = vale("vale34:x").slots(64, 64).bind()?;
    for mode in [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW] {
        // Of the port that exists, and of one that would be made.
        for name in ["vale34:x", "vale34:y"] {
            let result = vale(name).slots(64, 64).mode(mode).try_bind();
            fails(format!("mode {mode} of {name}"), result, Errno::EINVAL)?;
        }
    }
    let other = vale_find("vale34:y")?.1;
    same("index of the port never made", other, VALE_NO_PORT)
}

fn item_035_rx_rings_only() -> Outcome {
    let bound = vale("vale35:x")
        .rings(3, 2)
        .slots(64, 64)
        .flags(NR_RX_RINGS_ONLY)
        .bind()?;
    same("rings bound", bound.ring_numbers(), (vec![], vec![0, 1]))?;
    same("NIOCTXSYNC", bound.device.txsync(), Ok(()))?;
    same("NIOCRXSYNC", bound.device.rxsync(), Ok(()))
}

fn item_036_tx_rings_only() -> Outcome {
    let bound = vale("vale36:x")
        .rings(3, 2)
        .slots(64, 64)
        .flags(NR_TX_RINGS_ONLY)
        .bind()?;
    same("rings bound", bound.ring_numbers(), (vec![0, 1, 2], vec![]))?;
    same("NIOCRXSYNC", bound.device.rxsync(), Ok(()))?;
    same("NIOCTXSYNC", bound.device.txsync(), Ok(()))
}

fn item_037_neither_tx_nor_rx_rings() -> Outcome {
    let both = NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY;
    // The mode is then not even looked at.
    for mode in [NR_REG_ALL_NIC, NR_REG_DEFAULT, NR_REG_SW] {
        let bound = vale("vale37:x")
            .slots(64, 64)
            .mode(mode)
            .flags(both)
            .bind()?;
        same("rings bound", bound.ring_numbers(), (vec![], vec![]))?;
        same("NIOCTXSYNC", bound.device.txsync(), Ok(()))?;
        same("NIOCRXSYNC", bound.device.rxsync(), Ok(()))?;
        let came = bound.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 200)?;
        same("poll", came, PollFlags::empty())?;
    }
    Ok(())
}

fn item_038_unknown_flags_are_ignored() -> Outcome {
    let (_a, b) = pair("vale38")?;
    let c = vale("vale38:c")
        .slots(64, 64)
        .flags(0x1000 | (1 << 20) | (1 << 40) | (1 << 63))
        .bind()?;
    c.send(&numbered(0..3))?;
    same("frames through the binding", b.recv()?, numbered(0..3))
}

fn item_039_two_bindings_share_a_ring() -> Outcome {
    let (first, b) = pair("vale39")?;
    let second = vale("vale39:a").bind()?;
    same("region", second.reg.nr_mem_id, first.reg.nr_mem_id)?;
    differs("netmap_if", second.reg.nr_offset, first.reg.nr_offset)?;
    same(
        "offset of the tx ring",
        second.tx(0).offset(),
        first.tx(0).offset(),
    )?;
    same(
        "offset of the rx ring",
        second.rx(0).offset(),
        first.rx(0).offset(),
    )?;

    first.send(&numbered(0..5))?;
    same(
        "tx cursors seen by the second",
        second.tx(0).cursors(),
        (5, 5, 4),
    )?;
    second.send(&numbered(5..8))?;
    same("frames of both", b.recv()?, numbered(0..8))?;
    // A newcomer resets nothing.
    let third = vale("vale39:a").one(0).bind()?;
    same(
        "tx cursors seen by a third",
        third.tx(0).cursors(),
        (8, 8, 7),
    )
}

fn item_040_exclusive_conflicts_are_busy() -> Outcome {
    let shared = vale("vale40:x").rings(2, 2).slots(64, 64);
    let exclusive = shared.clone().flags(NR_EXCLUSIVE);
    {
        let _held = shared.clone().one(1).bind()?;
        let result = exclusive.clone().try_bind();
        fails("exclusive after shared", result, Errno::EBUSY)?;
        let result = exclusive.clone().one(1).try_bind();
        fails("exclusive after shared, that ring", result, Errno::EBUSY)?;
    }
    let _held = exclusive.clone().one(1).bind()?;
    fails(
        "shared after exclusive",
        shared.clone().try_bind(),
        Errno::EBUSY,
    )?;
    fails(
        "exclusive after exclusive",
        exclusive.clone().try_bind(),
        Errno::EBUSY,
    )?;
    for flags in [NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY] {
        let result = shared.clone().one(1).flags(flags).try_bind();
        fails(
            format!("shared, one direction, flags {flags:#x}"),
            result,
            Errno::EBUSY,
        )?;
    }
    works("shared, the other ring", shared.one(0).try_bind())
}

fn item_041_exclusive_bindings_of_different_rings_coexist() -> Outcome {
    let port = vale("vale41:x")
        .rings(2, 2)
        .slots(64, 64)
        .flags(NR_EXCLUSIVE);
    let b = vale("vale41:b").slots(64, 64).bind()?;
    let first = port.clone().one(0).bind()?;
    let second = works("exclusive, ring 1", port.clone().one(1).bind())?;
    first.send_on(0, &numbered(0..2))?;
    second.send_on(1, &numbered(2..4))?;
    same("frames of both", b.recv()?, numbered(0..4))?;
    drop((first, second));
    // Both directions of one ring, exclusively each.
    let _tx = port.clone().flags(NR_TX_RINGS_ONLY).bind()?;
    works(
        "exclusive, the other direction",
        port.flags(NR_RX_RINGS_ONLY).try_bind(),
    )
}

fn item_042_closing_an_exclusive_binding_frees_its_rings() -> Outcome {
    let _keeps_the_port = vale("vale42:x").rings(2, 2).slots(64, 64).one(0).bind()?;
    let exclusive = vale("vale42:x").one(1).flags(NR_EXCLUSIVE);
    for round in 0..3 {
        let what = format!("exclusive, round {round}");
        let held = works(what, exclusive.clone().bind())?;
        fails(
            "shared meanwhile",
            vale("vale42:x").one(1).try_bind(),
            Errno::EBUSY,
        )?;
        drop(held);
        works("shared after the close", vale("vale42:x").one(1).try_bind())?;
    }
    Ok(())
}

fn item_043_poll_flags_are_accepted_on_every_port() -> Outcome {
    for flags in [NR_NO_TX_POLL, NR_DO_RX_POLL, NR_NO_TX_POLL | NR_DO_RX_POLL] {
        for port in [vale("vale43:x").slots(64, 64), null(GLOBAL_MEM_ID)] {
            let bound = works(format!("flags {flags:#x}"), port.flags(flags).bind())?;
            same("flags in the answer", bound.reg.nr_flags, flags)?;
        }
    }
    Ok(())
}

fn item_044_sizes_asked_of_an_existing_port_are_ignored() -> Outcome {
    let first = vale("vale44:x").rings(2, 3).slots(64, 128).bind()?;
    for other in [
        vale("vale44:x").rings(7, 7).slots(1000, 1000),
        vale("vale44:x").rings(u16::MAX, 1).slots(u32::MAX, 1),
        vale("vale44:x").mem(GLOBAL_MEM_ID),
    ] {
        let got = works("REGISTER", other.bind())?.reg;
        same("rings", (got.nr_tx_rings, got.nr_rx_rings), (2, 3))?;
        same("slots", (got.nr_tx_slots, got.nr_rx_slots), (64, 128))?;
        same("region", got.nr_mem_id, first.reg.nr_mem_id)?;
    }
    Ok(())
}

fn item_045_answer_can_be_asked_again() -> Outcome {
    for port in [
        vale("vale45:x").rings(3, 2).slots(64, 128).extra(5),
        vale("vale45:y")
            .rings(2, 2)
            .one(1)
            .slots(64, 64)
            .flags(NR_NO_TX_POLL),
        null(GLOBAL_MEM_ID).extra(5),
    ] {
        let first = port.clone().bind()?;
        let again = Reg {
            body: first.reg,
            ..port
        };
        let second = works("REGISTER with the answer", again.bind())?;
        let mut want = first.reg;
        // Every binding has a netmap_if of its own; all else is the same.
        want.nr_offset = second.reg.nr_offset;
        same("second answer", second.reg, want)?;
        same("rings bound", second.ring_numbers(), first.ring_numbers())?;
    }
    Ok(())
}

fn item_047_no_host_rings_in_the_answer_but_one_in_the_netmap_if() -> Outcome {
    for port in [vale("vale47:x").slots(64, 64), null(GLOBAL_MEM_ID)] {
        let mut port = port;
        // What a program asks for makes no difference.
        port.body.nr_host_tx_rings = 2;
        port.body.nr_host_rx_rings = 3;
        let bound = port.bind()?;
        let got = (bound.reg.nr_host_tx_rings, bound.reg.nr_host_rx_rings);
        same("host rings in the answer", got, (0, 0))?;
        let nifp = bound.nifp();
        let got = (nifp.ni_host_tx_rings, nifp.ni_host_rx_rings);
        same("host rings in the netmap_if", got, (1, 1))?;
    }
    Ok(())
}
