// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over the kernel's network interfaces, as far as an emulated port needs them.
//!
//! - [`ns`]: network namespaces.
//! - [`home`]: network namespaces that may end.
//! - [`device`]: an interface, and the lock of its configuration.
//! - [`packet`]: a frame on its way through the kernel.
//! - [`receive`]: taking frames off an interface before the stack sees them, and before it sends them.
//! - [`netfilter`]: the hooks by which they are met.
//! - [`transmit`]: handing frames to a driver.
//! - [`tickets`]: hearing when the driver has finished with them.
//! - [`bell`]: waking readers once for many frames.
//! - [`xdp`]: XDP programs, and running them.
//! - [`notifier`]: hearing that an interface or a namespace goes away.

use crate::sys::bindings;

pub(crate) mod bell;
pub(crate) mod device;
pub(crate) mod home;
mod netfilter;
pub(crate) mod notifier;
pub(crate) mod ns;
pub(crate) mod packet;
pub(crate) mod receive;
pub(crate) mod tickets;
pub(crate) mod transmit;
pub(crate) mod xdp;

pub(crate) use device::{Device, Rtnl};
pub(crate) use ns::{NetId, NetNs};
pub(crate) use packet::Packet;
