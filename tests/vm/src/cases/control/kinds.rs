// SPDX-License-Identifier: MIT OR Apache-2.0

//! What holds for REGISTER on a port of any kind: items 34 to 38, 43 to 45,
//! 47 and 53.

use crate::harness::attach::{attach, attach_as, Attached};
use crate::harness::check::*;
use crate::harness::persistent::{made, newif_with};
use crate::harness::raw::request::{pools_info, port_info, vale_list, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_034_no_port_but_an_interface_has_host_modes,
    item_035_rx_rings_only_on_every_kind_of_port,
    item_036_tx_rings_only_on_every_kind_of_port,
    item_037_no_rings_of_every_kind_of_port,
    item_038_unknown_flags_are_ignored_on_every_kind_of_port,
    item_043_poll_flags_are_accepted_on_every_kind_of_port,
    item_044_sizes_asked_of_every_kind_of_port_are_ignored,
    item_045_answers_of_every_kind_of_port_can_be_asked_again,
    item_047_only_an_interface_has_host_rings,
    item_053_unknown_region_is_invalid_for_every_kind_of_port,
];

const MONITOR: u64 = NR_MONITOR_TX | NR_MONITOR_RX;

fn small(name: &str) -> Reg {
    vale(name).slots(64, 64)
}

/// A REGISTER of a port of each kind, in words. The port that is watched stays open.
pub fn every_kind() -> Outcome<(Bound, Vec<(&'static str, Reg)>)> {
    wire()?;
    made("p0")?;
    made("p1")?;
    attach("valek:p1")?;
    let watched = small("valek:w").bind()?;
    let kinds = vec![
        ("a switch port", small("valek:x")),
        ("a switch port in region 1", shared("valek:s")),
        ("a null port", null(GLOBAL_MEM_ID)),
        ("an interface", vale("fm0")),
        ("host rings", vale("fm0").mode(NR_REG_SW)),
        (
            "an interface with its host rings",
            vale("fm1").mode(NR_REG_NIC_SW),
        ),
        ("a persistent port", vale("p0")),
        ("a persistent port on a switch", vale("valek:p1")),
        ("a master's end", small("valek:p{1")),
        ("a slave's end", small("valek:p}1")),
        ("a pipe on an interface", small("fm0{1")),
        ("a pipe on a persistent port", small("p0}1")),
        ("a pipe on a pipe", small("valek:p{1{2")),
        ("a pipe on a new name", small("k0{1")),
        ("a monitor", vale("valek:w").flags(MONITOR)),
        (
            "a monitor of one direction",
            vale("valek:w").flags(NR_MONITOR_RX),
        ),
        ("a zero-copy monitor", vale("valek:w").flags(NR_ZCOPY_MON)),
    ];
    Ok((watched, kinds))
}

/// Whether it is one that has host rings.
fn has_host(ask: &Reg) -> bool {
    ["fm0", "fm1"]
        .iter()
        .any(|name| ask.name == name.as_bytes())
}

fn item_034_no_port_but_an_interface_has_host_modes() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    let left = vale_list()?;
    for (what, ask) in &kinds {
        // The mode is what makes a null port one.
        if has_host(ask) || ask.body.nr_mode == NR_REG_NULL {
            continue;
        }
        let refused = |what: &str| {
            [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW]
                .into_iter()
                .try_for_each(|mode| {
                    let came = ask.clone().mode(mode).try_bind();
                    fails(format!("mode {mode} of {what}"), came, Errno::EINVAL)
                })
        };
        refused(what)?;
        same(format!("left of {what}"), vale_list()?, left.clone())?;
        let open = works(*what, ask.clone().bind())?;
        refused(&format!("{what}, open"))?;
        drop(open);
        same(format!("left of {what}, open"), vale_list()?, left.clone())?;
    }
    for pipe in ["valek:p{1", "fm0{1", "p0}1", "k0{1"] {
        fails(pipe, vnet_hdr(pipe), Errno::ENODEV)?;
    }
    fails("k0", port_info("k0", Default::default()), Errno::ENXIO)
}

fn item_035_rx_rings_only_on_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let (_, all) = works(what, ask.clone().bind())?.ring_numbers();
        that(format!("{what} has receive rings"), !all.is_empty())?;
        let bound = works(what, ask.flags(NR_RX_RINGS_ONLY).bind())?;
        same(
            format!("rings of {what}"),
            bound.ring_numbers(),
            (vec![], all),
        )?;
        works(format!("NIOCTXSYNC of {what}"), bound.device.txsync())?;
        works(format!("NIOCRXSYNC of {what}"), bound.device.rxsync())?;
    }
    Ok(())
}

fn item_036_tx_rings_only_on_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let (all, _) = works(what, ask.clone().bind())?.ring_numbers();
        that(format!("{what} has transmit rings"), !all.is_empty())?;
        let bound = works(what, ask.flags(NR_TX_RINGS_ONLY).bind())?;
        same(
            format!("rings of {what}"),
            bound.ring_numbers(),
            (all, vec![]),
        )?;
        works(format!("NIOCRXSYNC of {what}"), bound.device.rxsync())?;
        works(format!("NIOCTXSYNC of {what}"), bound.device.txsync())?;
    }
    Ok(())
}

fn item_037_no_rings_of_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let none = ask.flags(NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY);
        let bound = works(what, none.bind())?;
        same(
            format!("rings of {what}"),
            bound.ring_numbers(),
            (vec![], vec![]),
        )?;
        works(format!("NIOCTXSYNC of {what}"), bound.device.txsync())?;
        works(format!("NIOCRXSYNC of {what}"), bound.device.rxsync())?;
        let came = bound.poll(PollFlags::POLLIN, 10)?;
        same(format!("poll of {what}"), came, PollFlags::empty())?;
    }
    Ok(())
}

fn item_038_unknown_flags_are_ignored_on_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    let unknown = 0x1000 | (1 << 20) | (1 << 40) | (1 << 63);
    for (what, ask) in kinds {
        let all = works(what, ask.clone().bind())?.ring_numbers();
        let bound = works(what, ask.flags(unknown).bind())?;
        same(format!("rings of {what}"), bound.ring_numbers(), all)?;
        same(
            format!("flags of {what}"),
            bound.reg.nr_flags & unknown,
            unknown,
        )?;
    }
    Ok(())
}

fn item_043_poll_flags_are_accepted_on_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    let both = NR_NO_TX_POLL | NR_DO_RX_POLL;
    for (what, ask) in kinds {
        for flags in [NR_NO_TX_POLL, NR_DO_RX_POLL, both] {
            let bound = ask.clone().flags(flags).bind();
            let bound = works(format!("{what} with flags {flags:#x}"), bound)?;
            same(
                format!("answer of {what}"),
                bound.reg.nr_flags & both,
                flags,
            )?;
        }
    }
    Ok(())
}

fn item_044_sizes_asked_of_every_kind_of_port_are_ignored() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        // Of these each REGISTER makes one.
        if ask.body.nr_mode == NR_REG_NULL || ask.body.nr_flags != 0 {
            continue;
        }
        let first = works(what, ask.clone().bind())?.reg;
        let _open = works(what, ask.clone().bind())?;
        for (rings, slots) in [(7, 1000), (u16::MAX, u32::MAX), (1, 1)] {
            let mut other = ask.clone().rings(rings, rings).slots(slots, slots);
            (other.body.nr_host_tx_rings, other.body.nr_host_rx_rings) = (rings, rings);
            let came = works(what, other.bind())?.reg;
            let sizes = |reg: &NmreqRegister| {
                let rings = [reg.nr_tx_rings, reg.nr_rx_rings];
                let host = [reg.nr_host_tx_rings, reg.nr_host_rx_rings];
                (rings, host, [reg.nr_tx_slots, reg.nr_rx_slots])
            };
            same(format!("sizes of {what}"), sizes(&came), sizes(&first))?;
        }
    }
    Ok(())
}

fn item_045_answers_of_every_kind_of_port_can_be_asked_again() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let first = works(what, ask.clone().extra(2).bind())?;
        let again = Reg {
            body: first.reg,
            ..ask
        };
        let second = works(format!("the answer of {what}"), again.bind())?;
        let want = NmreqRegister {
            // Every binding has a netmap_if of its own; all else is the same.
            nr_offset: second.reg.nr_offset,
            ..first.reg
        };
        same(format!("second answer of {what}"), second.reg, want)?;
        let rings = first.ring_numbers();
        same(format!("rings of {what}"), second.ring_numbers(), rings)?;
    }
    Ok(())
}

fn item_047_only_an_interface_has_host_rings() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, mut ask) in kinds {
        let count = if has_host(&ask) { 3 } else { 0 };
        // Only from an interface that is open for nobody else something comes of it.
        (ask.body.nr_host_tx_rings, ask.body.nr_host_rx_rings) = (3, 3);
        let bound = works(what, ask.bind())?;
        let told = (bound.reg.nr_host_tx_rings, bound.reg.nr_host_rx_rings);
        same(format!("host rings of {what}"), told, (count, count))?;
        let nifp = bound.nifp();
        let shown = (nifp.ni_host_tx_rings, nifp.ni_host_rx_rings);
        let places = count.max(1).into();
        same(format!("netmap_if of {what}"), shown, (places, places))?;
    }
    Ok(())
}

fn item_053_unknown_region_is_invalid_for_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    let before = vale_list()?;
    for id in [4000, u16::MAX] {
        for (what, ask) in &kinds {
            let refused = ask.clone().mem(id).try_bind();
            fails(format!("REGISTER of {what}"), refused, Errno::EINVAL)?;
            let name = String::from_utf8_lossy(&ask.name);
            let question = NmreqPortInfoGet {
                nr_mem_id: id,
                ..Default::default()
            };
            let told = port_info(&name, question);
            fails(format!("PORT_INFO_GET of {what}"), told, Errno::EINVAL)?;
            let told = pools_info(&name, id);
            fails(format!("POOLS_INFO_GET of {what}"), told, Errno::EINVAL)?;
        }
        for name in ["valek:fm0", "valek:p0"] {
            for mode in [NR_REG_ALL_NIC, NR_REG_NIC_SW] {
                let mut body = NmreqValeAttach::default();
                (body.reg.nr_mem_id, body.reg.nr_mode) = (id, mode);
                let refused = Device::open()?.request(NETMAP_REQ_VALE_ATTACH, name, &mut body);
                fails(format!("VALE_ATTACH of {name}"), refused, Errno::EINVAL)?;
            }
        }
        let wish = NmreqValeNewif {
            nr_mem_id: id,
            ..Default::default()
        };
        fails("VALE_NEWIF", newif_with("k1", wish), Errno::EINVAL)?;
        fails("k1", port_info("k1", Default::default()), Errno::ENXIO)?;
    }
    same("ports", vale_list()?, before)?;
    // Nothing but the number was wrong.
    works("VALE_ATTACH", attach_as("valek:fm0", NR_REG_NIC_SW))?;
    drop(Attached::already("valek:fm0"));
    works("VALE_NEWIF", newif_with("k1", Default::default())).map(drop)
}
