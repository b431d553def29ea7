// SPDX-License-Identifier: MIT OR Apache-2.0

//! `xdp load`: puts a program onto a device.

use crate::{
    args::{Load, WantedMode},
    calls, filter, links, messages,
    object::{self, Counting, Loaded},
    place::{spoken, Attached, Mode, Place},
    programs::{is_ours, title},
};
use common::say;
use ferromap::{Control, XdpReplace};
use libbpf_rs::{libbpf_sys::XDP_FLAGS_UPDATE_IF_NOEXIST, Program};
use nix::errno::Errno;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

pub fn run(args: &Load) -> Result<(), String> {
    let place = Place::named(&args.device)?;
    let counting = match place {
        Place::Interface { .. } => Counting::Itself,
        Place::Port(_) => Counting::Elsewhere,
    };
    let program = object::load(&args.program, counting, args.verbose)?;
    filter::fill(&program, &args.rules)?;
    let present = place.programs()?;
    if let Some(other) = present.iter().find(|p| !args.force && !is_ours(p.id)) {
        return Err(format!(
            "{0} has a program already, which xdp did not load: {1}, in {2} mode. Replace it with \
             --force, or take it off first: xdp unload -d {0} --id {3}",
            other.device,
            title(other.id),
            other.mode.name(),
            other.id
        ));
    }
    let before: Vec<String> = present.iter().map(|p| title(p.id)).collect();
    let mode = match &place {
        Place::Interface { name, index } => {
            let there = Interface {
                name,
                index: *index,
                present: &present,
            };
            there.put(&program, args.mode.unwrap_or(WantedMode::Auto))?
        }
        Place::Port(name) => put_on_port(name, &program, &present)?,
    };
    let device = place.device();
    let whose = match &before[..] {
        [] => String::new(),
        some => format!(", in place of {}", some.join(" and ")),
    };
    say!(
        "{}: {} (id {}) is loaded in {} mode{whose}. Take it off again with: xdp unload -d \
         {device}",
        spoken(device),
        program.name,
        program.id,
        mode.name()
    );
    Ok(())
}

fn put_on_port(name: &str, program: &Loaded, present: &[Attached]) -> Result<Mode, String> {
    // Only what was looked at is replaced.
    let replace = match present {
        [] => XdpReplace::Nothing,
        [old, ..] => XdpReplace::Program(old.id),
    };
    let control = Control::open().map_err(|e| e.to_string())?;
    match control.attach_xdp(name, program.fd(), replace) {
        Ok(_) => Ok(Mode::Switch),
        Err(e) => Err(e.to_string()),
    }
}

struct Interface<'p> {
    name: &'p str,
    index: i32,
    present: &'p [Attached],
}

impl Interface<'_> {
    /// Returns the mode that it got.
    fn put(&self, program: &Loaded, wanted: WantedMode) -> Result<Mode, String> {
        let mode = match wanted {
            WantedMode::Generic => Mode::Generic,
            WantedMode::Native | WantedMode::Auto => Mode::Native,
        };
        let Err(e) = self.put_in(program, mode) else {
            return Ok(mode);
        };
        let why = explained(&e, &messages::take());
        // Drivers have many reasons, each with an errno of its own: the MTU, features, queues. The
        // stack has none of them.
        if wanted != WantedMode::Auto || e.raw_os_error() == Some(Errno::EPERM as i32) {
            return Err(self.refused(mode, &why));
        }
        self.put_in(program, Mode::Generic).map_err(|e| {
            let generic = explained(&e, &messages::take());
            format!(
                "{} does not take the program in native mode: {why}; nor in generic mode: \
                 {generic}",
                self.name
            )
        })?;
        common::note!(
            "xdp: the driver of {} does not run it ({why}), so the stack does",
            self.name
        );
        Ok(Mode::Generic)
    }

    fn refused(&self, mode: Mode, why: &str) -> String {
        let hint = if mode == Mode::Native {
            ". Generic mode works with any driver: -m generic"
        } else {
            ""
        };
        format!(
            "{} does not take the program in {} mode: {why}{hint}",
            self.name,
            mode.name()
        )
    }

    /// A program in the other mode must go first, and one that a link holds; it comes back if this
    /// one is refused.
    fn put_in(&self, program: &Loaded, mode: Mode) -> io::Result<()> {
        let mut same = None;
        let mut gone: Vec<(OwnedFd, Mode)> = Vec::new();
        for old in self.present {
            let fd = Program::fd_from_id(old.id).map_err(io::Error::other)?;
            if links::let_go(old.id, self.index).map_err(io::Error::other)? {
                gone.push((fd, old.mode));
            } else if old.mode == mode {
                same = Some(fd);
            } else {
                calls::set(self.index, None, Some(fd.as_fd()), old.mode.flag())?;
                gone.push((fd, old.mode));
            }
        }
        let old = same.as_ref().map(AsFd::as_fd);
        let only_if = if old.is_none() {
            XDP_FLAGS_UPDATE_IF_NOEXIST
        } else {
            0
        };
        let done = calls::set(self.index, Some(program.fd()), old, mode.flag() | only_if);
        if done.is_err() {
            for (fd, mode) in gone {
                let flags = mode.flag() | XDP_FLAGS_UPDATE_IF_NOEXIST;
                calls::set(self.index, Some(fd.as_fd()), None, flags)?;
            }
        }
        done
    }
}

/// The kernel's own words if it has some.
pub fn explained(e: &io::Error, said: &str) -> String {
    match (messages::of_kernel(said), e.raw_os_error()) {
        (Some(words), _) => words.to_owned(),
        (None, Some(code)) if code == Errno::EPERM as i32 => {
            "this needs root, or CAP_NET_ADMIN".to_owned()
        }
        (None, Some(code)) => Errno::from_raw(code).desc().to_owned(),
        (None, None) => e.to_string(),
    }
}
