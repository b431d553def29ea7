// SPDX-License-Identifier: MIT OR Apache-2.0

//! The calls of old programs, `NIOCREGIF` and `NIOCGINFO`: items 181 to 186 and 189. What they do
//! with a command is in `legacy_commands.rs`.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::{legacy, region_size, vale_find};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::{Nmreq, NmreqRegister};
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_181_versions_from_14_on,
    item_181_regif_binds_and_maps,
    item_182_old_style_ring_ids,
    item_182_modes_in_nr_flags,
    item_183_no_tx_poll_in_the_ring_id,
    item_184_pipe_modes_name_pipes,
    item_185_ginfo_without_a_name_shows_a_region,
    item_185_ginfo_shows_a_port,
    item_186_ginfo_lists_switch_ports,
    item_189_extra_buffers_and_region_come_back,
    item_189_refused_request_comes_back_untouched,
];

/// Binds by `NIOCREGIF` and maps the region as old programs do. Returns what it says, too.
pub fn regif(mut request: Nmreq) -> Result<(Bound, Nmreq), Errno> {
    let device = Device::open()?;
    device.regif(&mut request)?;
    let reg = NmreqRegister {
        nr_offset: request.nr_offset.into(),
        nr_memsize: request.nr_memsize.into(),
        nr_mem_id: request.nr_arg2,
        nr_extra_bufs: request.nr_arg3,
        ..Default::default()
    };
    Ok((Bound::new(device, reg)?, request))
}

/// A small port: two rings of 64 slots each way.
pub fn small(name: &str) -> Nmreq {
    Nmreq {
        nr_tx_slots: 64,
        nr_rx_slots: 64,
        nr_tx_rings: 2,
        nr_rx_rings: 2,
        ..legacy(name)
    }
}

fn item_181_versions_from_14_on() -> Outcome {
    let device = Device::open()?;
    for nr_version in [0, 1, 11, 12, 13] {
        let mut request = Nmreq {
            nr_version,
            ..small("vale181:a")
        };
        let what = format!("version {nr_version}");
        fails(&what, device.regif(&mut request), Errno::EINVAL)?;
        fails(&what, device.ginfo(&mut request), Errno::EINVAL)?;
    }
    for nr_version in [14, 15, 16, 99, u32::MAX] {
        let request = Nmreq {
            nr_version,
            ..small("vale181:a")
        };
        let (_, answer) = works(format!("version {nr_version}"), regif(request))?;
        same("version in the answer", answer.nr_version, nr_version)?;
        works("NIOCGINFO", device.ginfo(&mut request.clone()))?;
    }
    Ok(())
}

fn item_181_regif_binds_and_maps() -> Outcome {
    let (a, answer) = regif(small("vale181:a"))?;
    let (b, _) = regif(small("vale181:b"))?;
    same("slots", (answer.nr_tx_slots, answer.nr_rx_slots), (64, 64))?;
    same("rings", (answer.nr_tx_rings, answer.nr_rx_rings), (2, 2))?;
    same("name", &answer.nr_name[..10], &b"vale181:a\0"[..])?;
    same("port", a.port_name(), "vale181:a")?;
    same("bound rings", a.ring_numbers(), (vec![0, 1], vec![0, 1]))?;
    same(
        "size",
        u64::from(answer.nr_memsize),
        region_size(answer.nr_arg2)?,
    )?;
    a.send(&numbered(0..40))?;
    same("at b", b.recv()?, numbered(0..40))?;
    // New and old calls meet at one port; a file is bound once, whichever call does it.
    let (c, _) = works("the same port", regif(small("vale181:b")))?;
    let d = works("by the new call", vale("vale181:b").bind())?;
    same(
        "region",
        (c.reg.nr_mem_id, d.reg.nr_mem_id),
        (b.reg.nr_mem_id, b.reg.nr_mem_id),
    )?;
    fails(
        "again",
        a.device.regif(&mut small("vale181:x")),
        Errno::EBUSY,
    )?;
    fails("once more", vale("vale181:x").send(&a.device), Errno::EBUSY)?;
    fails(
        "the other way",
        d.device.regif(&mut small("vale181:x")),
        Errno::EBUSY,
    )?;
    // A name without NUL is cut at 15 characters.
    let mut long = small("vale181:1234567");
    long.nr_name[15] = b'8';
    let (long, _) = regif(long)?;
    same(
        "name that fills its field",
        long.port_name(),
        "vale181:1234567",
    )
}

fn item_182_old_style_ring_ids() -> Outcome {
    let with = |nr_ringid| Nmreq {
        nr_ringid,
        ..small("vale182:a")
    };
    let rings = |nr_ringid| -> Outcome<(Vec<u32>, Vec<u32>)> {
        let (bound, answer) = works(format!("ring id {nr_ringid:#x}"), regif(with(nr_ringid)))?;
        same("nr_ringid in the answer", answer.nr_ringid, nr_ringid)?;
        Ok(bound.ring_numbers())
    };
    same("0", rings(0)?, (vec![0, 1], vec![0, 1]))?;
    same(
        "a number without a flag",
        rings(1)?,
        (vec![0, 1], vec![0, 1]),
    )?;
    same("ring 0", rings(NETMAP_HW_RING)?, (vec![0], vec![0]))?;
    same("ring 1", rings(NETMAP_HW_RING | 1)?, (vec![1], vec![1]))?;
    let device = Device::open()?;
    for id in [NETMAP_HW_RING | 2, NETMAP_HW_RING | 0xfff, NETMAP_SW_RING] {
        let refused = device.regif(&mut with(id));
        fails(format!("ring id {id:#x}"), refused, Errno::EINVAL)?;
    }
    works("0 on that device", device.regif(&mut with(0)))
}

fn item_182_modes_in_nr_flags() -> Outcome {
    let with = |mode: u32, flags: u64, nr_ringid| Nmreq {
        nr_flags: mode | flags as u32,
        nr_ringid,
        ..small("vale182:a")
    };
    for (request, want) in [
        (with(NR_REG_ALL_NIC, 0, 0), (vec![0, 1], vec![0, 1])),
        // With a mode, the old bits mean nothing.
        (
            with(NR_REG_ALL_NIC, 0, NETMAP_HW_RING | 1),
            (vec![0, 1], vec![0, 1]),
        ),
        (with(NR_REG_ONE_NIC, 0, 1), (vec![1], vec![1])),
        (
            with(NR_REG_ALL_NIC, NR_RX_RINGS_ONLY, 0),
            (vec![], vec![0, 1]),
        ),
        (with(NR_REG_ONE_NIC, NR_TX_RINGS_ONLY, 1), (vec![1], vec![])),
        (
            with(NR_REG_ALL_NIC, NR_EXCLUSIVE | 0x1000, 0),
            (vec![0, 1], vec![0, 1]),
        ),
    ] {
        let flags = request.nr_flags;
        let (bound, answer) = works(format!("nr_flags {flags:#x}"), regif(request))?;
        same(format!("rings with {flags:#x}"), bound.ring_numbers(), want)?;
        same("nr_flags in the answer", answer.nr_flags, flags)?;
    }
    let device = Device::open()?;
    for mode in [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW, 9, 15] {
        let refused = device.regif(&mut with(mode, 0, 0));
        fails(format!("mode {mode}"), refused, Errno::EINVAL)?;
    }
    let null = Nmreq {
        nr_arg2: GLOBAL_MEM_ID,
        ..with(NR_REG_NULL, 0, 0)
    };
    let (bound, _) = works("a null port", regif(null))?;
    same("its name", bound.port_name(), "null:vale182:a")
}

fn item_183_no_tx_poll_in_the_ring_id() -> Outcome {
    let listener = vale("vale183:b").slots(64, 64).bind()?;
    for (nr_ringid, sent) in [
        (0, 1),
        (NETMAP_NO_TX_POLL, 0),
        (NETMAP_NO_TX_POLL | NETMAP_HW_RING, 0),
    ] {
        let request = Nmreq {
            nr_ringid,
            ..small("vale183:a")
        };
        let (a, _) = regif(request)?;
        a.tx(0).put(&frame(BROADCAST, station(1), 1));
        same(
            "poll for frames",
            a.poll(PollFlags::POLLIN, 0)?,
            PollFlags::empty(),
        )?;
        same(
            format!("sent with {nr_ringid:#x}"),
            got(&listener)?.len(),
            sent,
        )?;
        same(
            "poll for room",
            a.poll(PollFlags::POLLOUT, 0)?,
            PollFlags::POLLOUT,
        )?;
        same("sent by that", got(&listener)?.len(), 1 - sent)?;
    }
    // NETMAP_DO_RX_POLL is accepted, whatever it does.
    let request = Nmreq {
        nr_ringid: NETMAP_DO_RX_POLL,
        ..small("vale183:a")
    };
    works("NETMAP_DO_RX_POLL", regif(request)).map(drop)
}

fn item_184_pipe_modes_name_pipes() -> Outcome {
    let end = |mode, ring| {
        let device = Device::open()?;
        let mut request = Nmreq {
            nr_flags: mode,
            nr_ringid: ring,
            nr_tx_slots: 64,
            nr_rx_slots: 64,
            ..legacy("vale184:a")
        };
        device.regif(&mut request)?;
        let reg = NmreqRegister {
            nr_offset: request.nr_offset.into(),
            nr_memsize: request.nr_memsize.into(),
            ..NmreqRegister::default()
        };
        Bound::new(device, reg)
    };
    let master = end(NR_REG_PIPE_MASTER, 7)?;
    let slave = end(NR_REG_PIPE_SLAVE, 7 | NETMAP_NO_TX_POLL)?;
    same("its name", master.port_name(), "vale184:a{7")?;
    same("the other's", slave.port_name(), "vale184:a}7")?;
    master.send(&numbered(0..3))?;
    same("frames", slave.recv()?, numbered(0..3))?;
    let same_end = vale("vale184:a{7").bind()?;
    same("the same pipe", same_end.tx(0).head(), 3)?;
    let device = Device::open()?;
    // A base without a name is no base.
    let mut request = Nmreq {
        nr_flags: NR_REG_PIPE_MASTER,
        ..legacy("")
    };
    fails("without a base", device.regif(&mut request), Errno::EINVAL)
}

fn item_185_ginfo_without_a_name_shows_a_region() -> Outcome {
    let device = Device::open()?;
    let bound = vale("vale185:a").slots(64, 64).bind()?;
    for (asked, id) in [
        (0, GLOBAL_MEM_ID),
        (1, GLOBAL_MEM_ID),
        (bound.reg.nr_mem_id, bound.reg.nr_mem_id),
    ] {
        let mut request = Nmreq {
            nr_arg2: asked,
            ..legacy("")
        };
        works(format!("region {asked}"), device.ginfo(&mut request))?;
        same("its id", request.nr_arg2, id)?;
        same("its size", u64::from(request.nr_memsize), region_size(id)?)?;
    }
    let mut request = Nmreq {
        nr_arg2: 40_000,
        ..legacy("")
    };
    fails(
        "a region that is not there",
        device.ginfo(&mut request),
        Errno::EINVAL,
    )
}

fn item_185_ginfo_shows_a_port() -> Outcome {
    let device = Device::open()?;
    let mut request = small("vale185:a");
    works("NIOCGINFO", device.ginfo(&mut request))?;
    same(
        "rings it would have",
        (request.nr_tx_rings, request.nr_rx_rings),
        (2, 2),
    )?;
    fails(
        "it does not make the port",
        vale_find("vale185:a"),
        Errno::ENOENT,
    )?;
    let (bound, _) = regif(small("vale185:a"))?;
    let mut request = Nmreq {
        nr_cmd: 99,
        nr_offset: 77,
        nr_arg3: 88,
        ..legacy("vale185:a")
    };
    works("with any other nr_cmd", device.ginfo(&mut request))?;
    same(
        "slots",
        (request.nr_tx_slots, request.nr_rx_slots),
        (64, 64),
    )?;
    same("region", request.nr_arg2, bound.reg.nr_mem_id)?;
    same(
        "what it does not tell",
        (request.nr_offset, request.nr_arg3),
        (77, 88),
    )?;
    fails(
        "of nothing",
        device.ginfo(&mut legacy("no_such_if")),
        Errno::ENXIO,
    )
}

fn item_186_ginfo_lists_switch_ports() -> Outcome {
    let device = Device::open()?;
    let names = ["vale186:a", "vale186:b", "vale187:c", "vale186:d"];
    let _held: Vec<_> = names
        .iter()
        .map(|name| regif(small(name)))
        .collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    let (mut switch, mut port) = (0, 0);
    loop {
        let mut request = Nmreq {
            nr_cmd: NETMAP_BDG_LIST,
            nr_arg1: switch,
            nr_arg2: port,
            ..legacy("")
        };
        match device.ginfo(&mut request) {
            Ok(()) => {}
            Err(Errno::ENOENT) => break,
            Err(e) => return Err(e.into()),
        }
        let name = ferromap_abi::name::trim(&request.nr_name).to_vec();
        (switch, port) = (request.nr_arg1, request.nr_arg2);
        found.push((String::from_utf8_lossy(&name).into_owned(), switch, port));
        port += 1;
    }
    let line = |name: &str, switch, port| (name.to_string(), switch, port);
    let want = vec![
        line("vale186:a", 0, 0),
        line("vale186:b", 0, 1),
        line("vale186:d", 0, 2),
        line("vale187:c", 1, 0),
    ];
    same("the list", found, want)?;
    let mut request = Nmreq {
        nr_cmd: NETMAP_BDG_LIST,
        ..legacy("vale186:d")
    };
    works("by name", device.ginfo(&mut request))?;
    same("its place", (request.nr_arg1, request.nr_arg2), (0, 2))?;
    let mut request = Nmreq {
        nr_cmd: NETMAP_BDG_LIST,
        ..legacy("vale188:x")
    };
    fails(
        "a switch that is not there",
        device.ginfo(&mut request),
        Errno::ENOENT,
    )
}

fn item_189_extra_buffers_and_region_come_back() -> Outcome {
    let request = Nmreq {
        nr_arg3: 30,
        ..small("vale189:a")
    };
    let (a, answer) = regif(request)?;
    same("extra buffers", answer.nr_arg3, 30)?;
    same("their list", a.extra_bufs().len(), 30)?;
    differs("region", answer.nr_arg2, GLOBAL_MEM_ID)?;
    let (b, joined) = regif(Nmreq {
        nr_arg2: answer.nr_arg2,
        ..small("vale189:b")
    })?;
    same("region asked for", joined.nr_arg2, answer.nr_arg2)?;
    same(
        "no extra buffers",
        (joined.nr_arg3, b.extra_bufs().len()),
        (0, 0),
    )?;
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))
}

fn item_189_refused_request_comes_back_untouched() -> Outcome {
    let device = Device::open()?;
    let marked = |name: &str| Nmreq {
        nr_offset: 1,
        nr_memsize: 2,
        nr_tx_slots: 3,
        nr_rx_slots: 4,
        nr_tx_rings: 5,
        nr_rx_rings: 6,
        nr_arg1: 7,
        nr_arg3: 8,
        spare2: 9,
        ..legacy(name)
    };
    for (name, errno) in [("no_such_if", Errno::ENXIO), ("vale189", Errno::EINVAL)] {
        let before = marked(name);
        let mut request = before;
        fails(name, device.regif(&mut request), errno)?;
        same("NIOCREGIF", format!("{request:?}"), format!("{before:?}"))?;
        fails(name, device.ginfo(&mut request), errno)?;
        same("NIOCGINFO", format!("{request:?}"), format!("{before:?}"))?;
    }
    Ok(())
}
