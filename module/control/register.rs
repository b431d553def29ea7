// SPDX-License-Identifier: GPL-2.0

//! `NETMAP_REQ_REGISTER`: binds the file to a port (section 7.3 of the interface), or only tells
//! whether that would do.

use super::{context::Context, extmem, kloop, offsets, region_rights::RegionRights, rights};
use crate::{
    abi::{
        consts::*,
        select::{self, Ranges, Unselectable},
        wire::NmreqRegister,
    },
    binding::{self, Binding},
    memory::Needs,
    port::Port,
    refusal::{refuse, Fallible, Name, Refusal},
    registry::{self, Want},
    ring::{Selection, Shape},
    sys::{nospec::confine_range, user::AddressSpace},
    turn::Taken,
};
use kernel::prelude::*;

fn must_be_unbound(context: &Context<'_>) -> Fallible {
    if let Some(bound) = context.file.binding() {
        refuse!(
            EBUSY,
            "this file is already bound to {}: open another one",
            Name(bound.port().name())
        );
    }
    Ok(())
}

/// The port that the request names, and which of its rings it selects.
fn find(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &NmreqRegister,
) -> Fallible<(KBox<dyn Port>, Selection)> {
    let region_rights = RegionRights::of(context)?;
    must_be_unbound(context)?;
    rights::change(context)?;
    let own = extmem::take(context, turn, &region_rights.claimant)?;
    let want = Want {
        name: context.name(),
        mode: req.nr_mode,
        flags: req.nr_flags,
        shape: Shape {
            tx_rings: req.nr_tx_rings,
            rx_rings: req.nr_rx_rings,
            host_tx_rings: req.nr_host_tx_rings,
            host_rx_rings: req.nr_host_rx_rings,
            tx_slots: req.nr_tx_slots,
            rx_slots: req.nr_rx_slots,
        },
        // An unknown region is refused even where it would not be used.
        region: match &own {
            Some(own) => Some(own.clone()),
            None => region_rights.region(req.nr_mem_id)?,
        },
        claimant: region_rights.claimant,
        extra_bufs: req.nr_extra_bufs,
    };
    let registry = &context.world.registry;
    let admit = |port: &dyn Port| -> Fallible {
        if port.interface().is_some() {
            rights::interfaces(context, "binding a network interface")?;
        }
        region_rights.admit(port.rings().region())
    };
    let port = if want.is_monitor() {
        // Who watches a port sees what is in its memory.
        let watched = registry::watched(registry, &want)?;
        admit(&*watched)?;
        registry::monitor(registry, &*watched, &want)?
    } else {
        registry::open(registry, &want)?
    };
    admit(&*port)?;
    if let Some(own) = &own {
        extmem::check(&*port, own)?;
    }
    let selection = select(req, port.rings().shape())?;
    if port.header() != 0 && req.nr_flags & NR_ACCEPT_VNET_HDR == 0 {
        refuse!(
            EIO,
            "{} has a virtio-net header of {} bytes on its frames: say NR_ACCEPT_VNET_HDR if you \
             can cope",
            Name(context.name()),
            port.header()
        );
    }
    Ok((port, selection))
}

/// `FERROMAP_REQ_PROBE`: what [`register`] would return.
pub(super) fn probe(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &mut NmreqRegister,
) -> Fallible {
    let (mut port, selection) = find(context, turn, req)?;
    kloop::check_csb(&mut context.options, &selection)?;
    offsets::check(&mut context.options, &*port, &selection)?;
    context.options.all_honoured()?;
    // This hooks into an interface, since only the kernel knows whether it lets us. As long as no
    // ring is bound all frames go on, and it is let go of when we leave.
    port.prepare(&selection)?;
    port.rings().admit(&selection)
}

/// `NETMAP_REQ_REGISTER`.
pub(super) fn register(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &mut NmreqRegister,
) -> Fallible {
    let (port, selection) = find(context, turn, req)?;
    let csb = kloop::check_csb(&mut context.options, &selection)?;
    offsets::check(&mut context.options, &*port, &selection)?;
    // What is left of a switch port's region is for its rings and pipes.
    let most_extra = if port.switch_index().is_some() {
        VALE_MAX_EXTRA_BUFS
    } else {
        u32::MAX
    };
    let extra_bufs = req.nr_extra_bufs.min(most_extra);
    // An interface's rings are not bound in vain: the host would lose what comes meanwhile.
    context.options.all_honoured()?;
    let region = port.rings().region().clone();
    let memory = binding::supply(turn, &region, || {
        let own = Needs {
            ifs: 1,
            extra_bufs,
            ..Needs::default()
        };
        own + port.needs(&selection)
    })?;
    // Meanwhile others may have given the rings offsets.
    let mut offsets = offsets::take(&mut context.options, &*port, &selection)?;
    let process = AddressSpace::of_caller();
    let binding = Binding::new(
        port,
        selection,
        offsets.as_ref(),
        &memory,
        req.nr_flags,
        extra_bufs,
        process,
    )?;

    if csb.is_some() {
        // It writes to memory of the process, which may take its time.
        turn.aside(|| kloop::take_csb(&mut context.options, &binding))?;
        let (port, selection) = (binding.port(), binding.held().selection());
        offsets = offsets::take(&mut context.options, port, selection)?;
    }
    // Another thread may have bound the file whenever the turn was given up.
    must_be_unbound(context)?;
    if let Some(offsets) = &offsets {
        // Others see this, and nothing is refused any more.
        binding.set_offsets(offsets);
    }

    let (set, layout) = (binding.held().set(), *binding.mem().layout());
    let shape = set.shape();
    req.nr_offset = binding.offset();
    req.nr_memsize = layout.bytes();
    req.nr_mem_id = set.region().id();
    req.nr_tx_slots = shape.tx_slots;
    req.nr_rx_slots = shape.rx_slots;
    req.nr_tx_rings = shape.tx_rings;
    req.nr_rx_rings = shape.rx_rings;
    req.nr_host_tx_rings = shape.host_tx_rings;
    req.nr_host_rx_rings = shape.host_rx_rings;
    req.nr_extra_bufs = binding.extra_bufs();
    if binding.port().watched().is_some() && req.nr_flags & NR_ZCOPY_MON != 0 {
        req.nr_flags |= NR_MONITOR_TX | NR_MONITOR_RX;
    }
    context.file.bind(binding)
}

/// Which rings the request selects of a port of that shape.
fn select(req: &NmreqRegister, shape: Shape) -> Fallible<Selection> {
    let nic = Ranges {
        tx: 0..shape.tx_rings,
        rx: 0..shape.rx_rings,
    };
    let host = Ranges {
        tx: shape.host_tx(),
        rx: shape.host_rx(),
    };
    let selected = select::select(&nic, &host, req.nr_mode, req.nr_ringid, req.nr_flags)
        .map_err(|why| unselectable(why, req, &nic, &host))?;
    Ok(Selection {
        // The program's number was only compared so far.
        tx: confine_range(selected.tx, shape.host_tx().end),
        rx: confine_range(selected.rx, shape.host_rx().end),
        exclusive: req.nr_flags & NR_EXCLUSIVE != 0,
    })
}

/// Why the request can have no rings of a port with these, in words.
fn unselectable(why: Unselectable, req: &NmreqRegister, nic: &Ranges, host: &Ranges) -> Refusal {
    let no_ring = |of: &Ranges, kind| {
        Refusal::new(
            EINVAL,
            format_args!(
                "there is no {0}ring {1}: the port has {2} {0}transmit and {3} {0}receive rings",
                kind,
                req.nr_ringid,
                of.tx.len(),
                of.rx.len()
            ),
        )
    };
    match why {
        Unselectable::Mode => Refusal::new(
            EINVAL,
            format_args!(
                "nr_mode is {}, and that is no mode to bind a port",
                req.nr_mode
            ),
        ),
        Unselectable::NoHostRings => {
            Refusal::new(EINVAL, format_args!("the port has no host rings"))
        }
        Unselectable::NicRing => no_ring(nic, ""),
        Unselectable::HostRing => no_ring(host, "host "),
    }
}
