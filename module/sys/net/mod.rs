// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over the kernel's networking, as far as our ports need it: interfaces and their
//! frames, and for ports of a switch XDP programs. They know nothing of rings and regions.
//!
//! - [`ns`]: network namespaces.
//! - [`home`]: network namespaces that may end.
//! - [`device`]: an interface, and the lock of its configuration.
//! - [`packet`]: a frame on its way through the kernel.
//! - [`gather`]: frames made of what lies in several places.
//! - [`receiver`]: who takes frames off an interface before the stack sees them, and before it
//!   sends them. [`netfilter`] and [`rx_handler`] are the two ways to meet them, [`hook`] has both.
//! - [`transmit`]: handing frames to a driver.
//! - [`own`]: interfaces of our own.
//! - [`completion`]: being told when the driver has finished with them.
//! - [`xdp`]: XDP programs, and running them.
//! - [`notifier`]: being notified that an interface or a namespace goes away.

use crate::sys::bindings;

pub(crate) mod completion;
pub(crate) mod device;
mod gather;
pub(crate) mod home;
pub(crate) mod hook;
mod netfilter;
pub(crate) mod notifier;
pub(crate) mod ns;
pub(crate) mod own;
pub(crate) mod packet;
pub(crate) mod receiver;
mod rx_handler;
pub(crate) mod transmit;
pub(crate) mod xdp;

pub(crate) use device::{Device, Rtnl};
pub(crate) use ns::{NetId, NetNs};
pub(crate) use packet::Packet;
