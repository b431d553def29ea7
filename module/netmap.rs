// SPDX-License-Identifier: GPL-2.0

//! Ferromap: the netmap API for Linux, in Rust.
//!
//! The tour, in the order in which a program meets the rooms:
//!
//! 1. It opens `/dev/netmap`: [`device`], over the character device in [`sys::file`]; [`file`] is
//!    what an open file knows.
//! 2. It binds the file to a port with `NIOCCTRL` and REGISTER: [`control`] checks the request,
//!    [`registry`] finds or makes the port in what there is ([`world`]), and [`binding`] is what
//!    the file holds from then on. Who makes or unmakes something waits for his [`turn`]; who is
//!    refused is told why ([`refusal`]).
//! 3. It maps the port's memory: [`memory`] has the regions and the pools in them.
//! 4. It fills slots and calls `NIOCTXSYNC`, `NIOCRXSYNC` or `poll`: [`ring`] checks what it wrote,
//!    and the queue that its port has made for the ring moves the frames. What a port is says
//!    [`port`]; of its kinds, [`null`] is the smallest, [`vale`] has switches,
//!    [`nic`] interfaces, by the kernel's networking in [`sys::net`], and [`pipe`] pipes between
//!    two programs; [`monitor`] has those who watch another port. [`attach`] carries frames for an
//!    interface that is plugged into a switch. Or it starts [`kloop`], which syncs without being
//!    called.
//! 5. It closes the file: everything is a value, and dropping it undoes it. [`live`] counts what is
//!    still there, [`debug_files`] shows it. [`params`] are the module's parameters, [`text`] is
//!    what names are held in.
//!
//! A room uses only the rooms below it: device, control, file, world, attach, binding,
//! registry, the kinds of ports, kloop, port, ring, memory, sys; [`abi`] is what programs see of
//! all this. Only `sys` and `memory` may say `unsafe`, and [`abi`], which promises that its layouts
//! are plain. `make test` refuses both imports that go up and `unsafe` in any other room.

#![deny(unsafe_code)]

// The module does not use everything that programs do.
#[allow(dead_code, unreachable_pub)]
#[path = "../abi/src/abi.rs"]
mod abi;

mod attach;
mod binding;
mod control;
mod debug_files;
mod device;
mod file;
mod kloop;
mod live;
mod memory;
mod monitor;
mod nic;
mod null;
mod params;
mod pipe;
mod port;
mod refusal;
mod registry;
mod ring;
mod sys;
mod text;
mod turn;
mod vale;
mod world;

use kernel::prelude::*;

module! {
    type: Netmap,
    name: "netmap",
    authors: ["The Ferromap founders"],
    description: "Ferromap: the netmap API in Rust",
    license: "GPL",
    // Opening the node loads the module. 240 to 254 are for local use
    // (Documentation/admin-guide/devices.txt).
    alias: ["devname:netmap", "char-major-10-249"],
}

/// The misc minor of the second alias above.
const MINOR: i32 = 249;

/// The module, loaded. Fields go in this order.
struct Netmap {
    _device: Pin<KBox<sys::file::Registration<file::OpenFile>>>,
    _debug_files: debug_files::DebugFiles,
    _nics: nic::NicNotifier,
    _last: Last,
}

impl kernel::Module for Netmap {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let world = world::World::new()?;
        Ok(Netmap {
            _debug_files: debug_files::DebugFiles::new(world.clone())?,
            _nics: world.registry.nics.notifier()?,
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
        sys::module_ref::settle();
        sys::vmalloc::give_back();
        live::complain();
    }
}
