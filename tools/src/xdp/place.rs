// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where programs can be: network interfaces of this namespace, ports of switches, and whole
//! switches.

use crate::counts::Counts;
use common::links;
use ferromap::{Control, PortSpec};
use libbpf_rs::{
    libbpf_sys::{XDP_FLAGS_DRV_MODE, XDP_FLAGS_HW_MODE, XDP_FLAGS_SKB_MODE},
    Xdp, XdpFlags,
};
use nix::net::if_::{if_nameindex, if_nametoindex};
use std::{io, os::fd::AsFd, process::Command};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Interface {
        name: String,
        index: i32,
    },
    /// A port, or a whole switch if nothing is behind the colon.
    Port(String),
}

/// Who runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The stack.
    Generic,
    /// The driver.
    Native,
    /// The hardware.
    Offload,
    /// The switch.
    Switch,
}

/// A program that is somewhere.
#[derive(Clone, Debug)]
pub struct Attached {
    pub device: String,
    pub mode: Mode,
    pub id: u32,
    /// What the switch counted, if that is where it is.
    pub counts: Option<Counts>,
}

/// Whether people mean a switch, or a port of one.
pub fn is_port(device: &str) -> bool {
    device.starts_with("vale") && device.contains(':')
}

/// A device in front of a colon: a whole switch ends with one.
pub fn spoken(device: &str) -> &str {
    device.strip_suffix(':').unwrap_or(device)
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Generic => "generic",
            Mode::Native => "native",
            Mode::Offload => "offload",
            Mode::Switch => "switch",
        }
    }

    /// For requests about interfaces.
    pub fn flag(self) -> u32 {
        match self {
            Mode::Generic => XDP_FLAGS_SKB_MODE,
            Mode::Native => XDP_FLAGS_DRV_MODE,
            Mode::Offload => XDP_FLAGS_HW_MODE,
            Mode::Switch => 0,
        }
    }
}

/// The number of an interface, by whichever of its names.
fn index_of(name: &str) -> Option<u32> {
    if let Ok(index) = if_nametoindex(name) {
        return Some(index);
    }
    // The system's call has no room for long alternative names.
    let [ip, words @ ..] = links::command(name);
    let told = Command::new(ip).args(words).output().ok()?;
    let (index, _) = links::parse(std::str::from_utf8(&told.stdout).ok()?)?;
    Some(index)
}

impl Place {
    /// The error is for people.
    pub fn named(device: &str) -> Result<Self, String> {
        let name = device.strip_prefix("netmap:").unwrap_or(device);
        if is_port(device) {
            PortSpec::check_length(name).map_err(|e| e.to_string())?;
            return Ok(Place::Port(device.to_owned()));
        }
        if let Some(index) = index_of(name) {
            return Ok(Place::interface(name.to_owned(), index));
        }
        PortSpec::check_length(name).map_err(|e| e.to_string())?;
        Err(format!(
            "there is no network interface {name}; ip link lists those that are"
        ))
    }

    /// Everywhere. What cannot be asked has none.
    pub fn all() -> Vec<Place> {
        let mut places = Vec::new();
        for interface in if_nameindex().iter().flatten() {
            let name = interface.name().to_string_lossy().into_owned();
            places.push(Place::interface(name, interface.index()));
        }
        let ports = Control::open().and_then(|control| control.vale_ports());
        let mut names = Vec::new();
        for port in ports.unwrap_or_default() {
            let (switch, _) = port.name.split_once(':').unwrap_or((&port.name, ""));
            names.push(format!("{switch}:"));
            names.push(port.name);
        }
        names.sort();
        names.dedup();
        places.extend(names.into_iter().map(Place::Port));
        places
    }

    fn interface(name: String, index: u32) -> Self {
        Place::Interface {
            name,
            index: index as i32,
        }
    }

    pub fn device(&self) -> &str {
        match self {
            Place::Interface { name, .. } | Place::Port(name) => name,
        }
    }

    /// The programs that are there.
    pub fn programs(&self) -> Result<Vec<Attached>, String> {
        match self {
            Place::Interface { name, index } => of_interface(*index)
                .map_err(|e| format!("{name} does not tell which programs it has: {e:#}")),
            Place::Port(name) => of_port(name).map_err(|e| e.to_string()),
        }
        .map(|found| {
            let attached = |(mode, id, counts)| Attached {
                device: self.device().to_owned(),
                mode,
                id,
                counts,
            };
            found.into_iter().map(attached).collect()
        })
    }
}

type Found = (Mode, u32, Option<Counts>);

fn of_interface(index: i32) -> libbpf_rs::Result<Vec<Found>> {
    // Whoever asks names no program, but libbpf-rs wants a descriptor.
    let any = io::stdin();
    let ids = Xdp::new(any.as_fd()).query(index, XdpFlags::NONE)?;
    let by_mode = [
        (Mode::Native, ids.drv_prog_id),
        (Mode::Generic, ids.skb_prog_id),
        (Mode::Offload, ids.hw_prog_id),
    ];
    let there = by_mode.into_iter().filter(|(_, id)| *id != 0);
    Ok(there.map(|(mode, id)| (mode, id, None)).collect())
}

fn of_port(name: &str) -> ferromap::Result<Vec<Found>> {
    let program = Control::open()?.xdp(name)?;
    let found = program.map(|p| (Mode::Switch, p.id, Some(p.counts.into())));
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_meant() {
        for name in ["vale0:a", "vale0:", "valeX1:eth0^"] {
            assert_eq!(Place::named(name), Ok(Place::Port(name.into())));
        }
        assert!(!is_port("vale0"));
        let why = Place::named("nosuch0").unwrap_err();
        assert!(why.contains("no network interface nosuch0"), "{why}");
        let why = Place::named("interface9012345x").unwrap_err();
        assert!(why.contains("too long"), "{why}");
        assert!(matches!(
            Place::named("netmap:lo"),
            Ok(Place::Interface { .. })
        ));
    }
}
