// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fast packet I/O on Linux with the netmap API.
//!
//! A program opens a *port*, maps its memory, and from then on moves whole batches of packets with
//! one system call, or none. A port is a network interface, a port of an in-kernel switch (VALE),
//! an end of a pipe, a monitor of another port, or a null port; all are used alike.
//!
//! ```no_run
//! use ferromap::Port;
//!
//! let mut port = Port::open("eth0")?;
//! let (rx, tx) = port.pair().expect("eth0 has rings in both directions");
//! loop {
//!     rx.poll(None)?; // sleeps until packets come
//!     for packet in rx.recv(256).packets() {
//!         println!("{} bytes", packet.len());
//!     }
//!     tx.send(b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5 hello")?;
//!     tx.sync()?;
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), ferromap::Error>(())
//! ```
//!
//! # The way of a packet
//!
//! - [`Port::open`] takes a name such as `eth0`, `netmap:eth0-1/R` or `vale0:a` ([`PortSpec`] has
//!   the grammar), [`Port::builder`] more than a name. It opens `/dev/netmap`, binds the file to
//!   the port, and maps the port's memory region, which holds rings and packet buffers.
//! - A ring is a circle of slots; each names a buffer and a length. Slots between `head` and `tail`
//!   are the program's, the others the kernel's. [`RxRing::recv`] lends received slots and releases
//!   them on drop; [`TxRing::reserve`] lends free ones, and [`TxBatch::commit`] hands them over.
//! - The kernel looks at the rings during a sync: [`RxRing::sync`] and [`TxRing::sync`] return at
//!   once, the `poll` methods sleep if there is nothing to do. Ports and rings have `AsFd` and
//!   `AsRawFd` for event loops: a poll or epoll of that descriptor syncs, too.
//! - [`Port::split`] gives the rings away, one to a thread. [`Port::clone_ring`] gives each
//!   its own file.
//! - Or the kernel does so without being called: [`Port::kernel_loop`].
//! - Ports of one memory region exchange buffers, not bytes: [`TxSlot::swap`]. [`ExtraBuffers`]
//!   keep packets for longer.
//! - [`Control`] asks about ports and regions without opening them, plugs interfaces into switches,
//!   and puts XDP programs on their ports.
//!
//! # What is lost
//!
//! A receive ring that is full loses what comes next: nobody waits for a slow receiver, be the
//! sender a wire or another port of the switch. A receiver that wants all gives slots back soon,
//! has many of them ([`PortBuilder::rx_slots`]), and sleeps in poll, which returns as soon as
//! something is there. What was lost all the same is counted, by cause, also of frames that could
//! not be sent:
//!
//! ```
//! # use ferromap::{fake::Kernel, Port};
//! # let kernel = Kernel::new();
//! # let port = Port::builder("vale0:a").open_fake(&kernel)?;
//! for ring in port.counters()?.rings {
//!     let (frames, lost) = (ring.frames, ring.drop("full"));
//!     println!("{}: {frames} frames, {lost} more found it full", ring.name);
//! }
//! # Ok::<(), ferromap::Error>(())
//! ```
//!
//! `ferromap stat` shows the same of all ports, or to other users than root of their own.
//!
//! # What can go wrong
//!
//! Every [`Error`] prints a sentence that says what to do, with the kernel's own explanation where
//! it has one, also where `main` returns it, and keeps the errno. It turns into a
//! [`std::io::Error`] of the same kind. What another process writes into the shared memory can make
//! packets wrong or missing, not the program panic or read outside the region;
//! `docs/decisions/0002-slices-of-packets.md` tells what the crate relies on.
//!
//! # Without the module
//!
//! The feature `fake` brings a kernel inside the process, so that a program's packet code runs in
//! ordinary tests on any machine; see [`mod@fake`].
#![cfg_attr(not(feature = "fake"), allow(rustdoc::broken_intra_doc_links))]

mod binding;
mod builder;
mod control;
mod counters;
mod device;
mod error;
mod extra;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod interface;
mod kloop;
mod memory;
mod port;
mod raw;
mod rx;
mod slot;
mod spec;
mod switch;
mod tx;
mod xdp;

pub use builder::PortBuilder;
pub use control::{Control, PoolInfo, PoolsInfo};
pub use counters::{Counters, RingCounters};
pub use error::{Error, RequestError, Result};
pub use extra::ExtraBuffers;
pub use kloop::{KernelLoop, Pace};
pub use memory::{Memory, PoolSizes};
pub use nix::errno::Errno;
pub use port::{Interest, Port, PortInfo, Ready};
pub use rx::{RxBatch, RxPacket, RxRing, RxSlot, RxSlotMut};
pub use slot::SlotFlags;
pub use spec::{Config, Extmem, Offsets, PortSpec, Rings};
pub use switch::{Attach, Persistent, Polling, ValeKind, ValePort};
pub use tx::{TxBatch, TxRing, TxSlot};
pub use xdp::{XdpCount, XdpCounts, XdpProgram, XdpReplace};
