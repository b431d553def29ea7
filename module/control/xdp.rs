// SPDX-License-Identifier: GPL-2.0

//! Requests that put XDP programs on switch ports.

use super::{context::Context, rights};
use crate::{
    abi::{
        ext::XdpCount,
        ext::{NmreqXdp, FERROMAP_XDP_REPLACE, XDP_ACTIONS},
        name::{is_vale, ValeName},
    },
    refusal::{refuse, Fallible, Name},
    sys::net::{xdp::Program, NetNs},
    turn::Taken,
    vale::{Installed, Spot},
};
use kernel::prelude::*;

/// `FERROMAP_REQ_XDP_ATTACH`.
pub(super) fn attach(context: &mut Context<'_>, turn: &Taken<'_>, req: &mut NmreqXdp) -> Fallible {
    let net = NetNs::current()?;
    let spot = spot(context, &net)?;
    permit(context)?;
    if req.flags & !FERROMAP_XDP_REPLACE != 0 {
        refuse!(EINVAL, "there is no flag {:#x}", req.flags);
    }
    let program = Program::from_fd(req.fd)?;
    let found = spot.xdp().look(Installed::program_id);
    match found {
        Some(id) if req.flags & FERROMAP_XDP_REPLACE == 0 => refuse!(
            EBUSY,
            "{} has an XDP program, with id {}",
            Name(context.name()),
            id
        ),
        found => expect(context, req.expected, found)?,
    }
    let workspaces = match spot.xdp().workspaces() {
        Some(workspaces) => workspaces,
        None => {
            let workspaces = turn.aside(|| spot.workspaces())?;
            // Others had their turns meanwhile.
            let still = self::spot(context, &net)?;
            if !core::ptr::eq(still.xdp(), spot.xdp())
                || still.xdp().look(Installed::program_id) != found
            {
                refuse!(
                    EBUSY,
                    "somebody else changed {} at the same time: try again",
                    Name(context.name())
                );
            }
            workspaces
        }
    };
    let home = context.world.registry.homes.of(&net)?;
    let before = spot
        .xdp()
        .replace(Some(Installed::new(program, home, workspaces)?));
    tell(req, before.as_deref());
    Ok(())
}

/// `FERROMAP_REQ_XDP_DETACH`.
pub(super) fn detach(context: &mut Context<'_>, _: &Taken<'_>, req: &mut NmreqXdp) -> Fallible {
    let net = NetNs::current()?;
    let spot = spot(context, &net)?;
    permit(context)?;
    no_flags(req)?;
    let found = spot.xdp().look(Installed::program_id);
    if found.is_none() {
        refuse!(ENOENT, "{} has no XDP program", Name(context.name()));
    }
    expect(context, req.expected, found)?;
    tell(req, spot.xdp().replace(None).as_deref());
    Ok(())
}

/// `FERROMAP_REQ_XDP_QUERY`.
pub(super) fn query(context: &mut Context<'_>, req: &mut NmreqXdp) -> Fallible {
    let spot = spot(context, &NetNs::current()?)?;
    no_flags(req)?;
    tell(req, None);
    spot.xdp().look(|installed| tell(req, Some(installed)));
    Ok(())
}

/// The port, or the switch, that the request names.
fn spot(context: &Context<'_>, net: &NetNs) -> Fallible<Spot> {
    let name = context.name();
    let Some(vale) = ValeName::parse(name) else {
        if is_vale(name) {
            refuse!(
                EINVAL,
                "{} is not the name of a switch port: it must be valeSWITCH:PORT, or valeSWITCH: \
                 for the whole switch",
                Name(name)
            );
        }
        refuse!(
            EINVAL,
            "{} is not a switch port: a network interface takes XDP programs from the kernel \
             itself (ip link, xdp load)",
            Name(name)
        );
    };
    match context.world.registry.switches.spot(net.id(), &vale)? {
        Some(spot) => Ok(spot),
        None if vale.port.is_empty() => refuse!(ENXIO, "there is no switch {}", Name(vale.switch)),
        None => refuse!(ENXIO, "there is no port {}", Name(name)),
    }
}

/// As for programs on network interfaces.
fn permit(context: &Context<'_>) -> Fallible {
    rights::change(context)?;
    rights::administrate(
        context,
        "putting XDP programs on ports and taking them off",
        "",
    )
}

fn no_flags(req: &NmreqXdp) -> Fallible {
    if req.flags != 0 {
        refuse!(
            EINVAL,
            "this request has no flags, and {:#x} is set",
            req.flags
        );
    }
    Ok(())
}

/// Whether the program with id `found` is the one that whoever asks has in mind.
fn expect(context: &Context<'_>, expected: u32, found: Option<u32>) -> Fallible {
    match found {
        _ if expected == 0 => Ok(()),
        Some(id) if id == expected => Ok(()),
        Some(id) => refuse!(
            EEXIST,
            "the program on {} has id {}, not {}",
            Name(context.name()),
            id,
            expected
        ),
        None => refuse!(
            EEXIST,
            "{} has no program any more, and one with id {} is expected",
            Name(context.name()),
            expected
        ),
    }
}

fn tell(req: &mut NmreqXdp, installed: Option<&Installed>) {
    req.prog_id = installed.map_or(0, Installed::program_id);
    req.actions = installed.map_or([XdpCount::default(); XDP_ACTIONS], Installed::decided);
}
