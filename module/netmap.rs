// SPDX-License-Identifier: GPL-2.0

//! Ferromap: the netmap API for Linux, in Rust.
//!
//! The tour, in the order in which a program meets the rooms:
//!
//! 1. It opens `/dev/netmap`: [`device`], over the character device in [`sys::file`].
//! 2. It binds the file to a port with `NIOCCTRL` and REGISTER: [`control`] checks the request,
//!    [`port`] finds or makes the port, and [`binding`] is what the file holds from then on.
//! 3. It maps the port's memory: [`memory`] has the regions and the pools in them.
//! 4. It fills slots and calls `NIOCTXSYNC`, `NIOCRXSYNC` or `poll`: [`ring`] checks what it wrote, and the
//!    port moves the frames: between the ports of a switch ([`vale`]), or to and from an interface ([`nic`], by the hooks
//!    and queues of [`net`]). [`attach`] does so for an interface that is plugged into a switch.
//! 5. It closes the file: everything is a value, and dropping it undoes it.
//!
//! A room uses only the rooms below it: device, control, attach, binding, port, vale and nic, ring, net, memory, sys; [`abi`]
//! is what programs see of all this. Only `sys`, `memory` and `net` may say `unsafe`.

#![deny(unsafe_code)]

// The module does not use everything that programs do.
#[allow(dead_code, unreachable_pub)]
#[path = "../abi/src/abi.rs"]
mod abi;

mod attach;
mod binding;
mod control;
mod device;
mod file;
mod live;
mod memory;
mod nic;
mod null;
mod params;
mod port;
mod refusal;
mod registry;
mod ring;
mod sys;
mod turn;
mod vale;
mod watch;
mod world;

use kernel::prelude::*;

module! {
    type: Netmap,
    name: "netmap",
    authors: ["The Ferromap founders"],
    description: "Ferromap: the netmap API in Rust",
    license: "GPL",
    // Opening the node loads the module. 240 to 254 are for local use (Documentation/admin-guide/devices.txt).
    alias: ["devname:netmap", "char-major-10-249"],
}

/// The misc minor of the second alias above.
const MINOR: i32 = 249;

/// The module, loaded. Fields go in this order.
struct Netmap {
    _device: Pin<KBox<sys::file::Registration<file::OpenFile>>>,
    _watch: watch::Watch,
    _nics: nic::Watch,
    _homes: sys::net::home::Watch,
    _last: Last,
}

impl kernel::Module for Netmap {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let world = world::World::new()?;
        Ok(Netmap {
            _watch: watch::Watch::new(world.clone())?,
            _nics: world.places.nics.watch()?,
            _homes: world.places.homes.watch()?,
            _device: KBox::try_pin_init(
                sys::file::Registration::new(c"netmap", MINOR, world),
                GFP_KERNEL,
            )?,
            _last: Last,
        })
    }
}

/// Looks whether everything is gone when everything should be.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        sys::keep::settle();
        sys::vmalloc::give_back();
        live::complain();
    }
}
