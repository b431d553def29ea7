// SPDX-License-Identifier: MIT OR Apache-2.0

//! `xdp unload`: takes programs off a device.

use crate::{
    args::Unload,
    calls,
    counts::Counts,
    links,
    load::explained,
    messages,
    place::{spoken, Attached, Place},
    programs::{is_ours, title, Known},
};
use common::say;
use ferromap::Control;
use libbpf_rs::Program;
use std::os::fd::AsFd;

pub fn run(args: &Unload) -> Result<(), String> {
    let place = Place::named(&args.device)?;
    let present = place.programs()?;
    for program in chosen(place.device(), &present, args)? {
        let name = title(program.id);
        let counts = take_off(&place, program)?;
        say!(
            "{}: {name} is taken off.{}",
            spoken(&program.device),
            last_words(counts)
        );
    }
    Ok(())
}

/// What is to go. It is refused as a whole, so that nothing is half done.
fn chosen<'p>(
    device: &str,
    present: &'p [Attached],
    args: &Unload,
) -> Result<Vec<&'p Attached>, String> {
    if present.is_empty() {
        return Err(format!("there is no XDP program on {device}"));
    }
    if let Some(id) = args.id {
        let found: Vec<&Attached> = present.iter().filter(|p| p.id == id).collect();
        if found.is_empty() {
            let names: Vec<String> = present.iter().map(|p| title(p.id)).collect();
            return Err(format!(
                "no program with id {id} is on {device}, but {}",
                names.join(" and ")
            ));
        }
        return Ok(found);
    }
    match present.iter().find(|p| !args.force && !is_ours(p.id)) {
        None => Ok(present.iter().collect()),
        Some(other) => Err(format!(
            "{device} has {}, which xdp did not load. If you mean it: xdp unload -d {device} --id \
             {}",
            title(other.id),
            other.id
        )),
    }
}

/// Returns what it counted, if anybody did.
fn take_off(place: &Place, program: &Attached) -> Result<Option<Counts>, String> {
    match place {
        Place::Port(name) => {
            let control = Control::open().map_err(|e| e.to_string())?;
            let last = control.detach_xdp(name, Some(program.id));
            last.map(|p| Some(p.counts.into()))
                .map_err(|e| e.to_string())
        }
        Place::Interface { name, index } => {
            // With the descriptor the program's maps stay, and only this program is taken off.
            let fd = Program::fd_from_id(program.id).map_err(|_| {
                format!(
                    "{}: this user may not open programs: be root",
                    title(program.id)
                )
            })?;
            let known = Known::of(program.id);
            if let Err(e) = calls::set(*index, None, Some(fd.as_fd()), program.mode.flag()) {
                let why = explained(&e, &messages::take());
                // What a link holds is not given to netlink.
                if !links::let_go(program.id, *index)? {
                    return Err(format!(
                        "{name} does not let go of {}: {why}",
                        title(program.id)
                    ));
                }
            }
            Ok(known.and_then(|known| known.counts()))
        }
    }
}

fn last_words(counts: Option<Counts>) -> String {
    let Some(counts) = counts else {
        return String::new();
    };
    let parts: Vec<String> = counts
        .taken()
        .map(|(action, count)| format!("{action} {} frames", count.packets))
        .collect();
    if parts.is_empty() {
        return " It saw no frames.".to_owned();
    }
    format!(" In all: {}.", parts.join(", "))
}
