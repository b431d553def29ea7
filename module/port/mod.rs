// SPDX-License-Identifier: GPL-2.0

//! What a binding asks of a port, whatever its kind: `null.rs` is the smallest, `vale` has those of
//! a switch, `nic` network interfaces.

use crate::{
    abi::consts::NETMAP_REQ_IFNAMSIZ,
    memory::{Needs, Use},
    refusal::Fallible,
    ring::{Queues, RingSet, Selection},
    sys::net::device::DeviceId,
    text::Text,
};
use kernel::sync::Arc;

/// What a binding asks of the port that it holds. Dropping it lets go of the port.
pub(crate) trait Port: Queues + Send + Sync {
    /// The port's rings.
    fn rings(&self) -> &Arc<RingSet>;

    /// The kernel's name of the port: what `ni_name` shows.
    fn name(&self) -> &[u8];

    /// Refuses where these rings are not to be had, and gets ready for them: an interface enters
    /// netmap mode.
    fn prepare(&mut self, selection: &Selection) -> Fallible;

    /// Refuses where no pipe can be built on it: on a port that the kernel moves the frames of.
    fn bears_pipes(&self) -> Fallible {
        Ok(())
    }

    /// What has to be made of the region for the selected rings to be bound.
    fn needs(&self, selection: &Selection) -> Needs {
        self.rings().needs(selection)
    }

    /// Makes, in that memory, what has to be there before rings are bound: a pipe has all rings of
    /// both ends as soon as one end is bound.
    fn furnish(&self, _memory: &Use) -> Fallible {
        Ok(())
    }

    /// False once what the port stands for has gone away: then nothing moves any more.
    fn is_there(&self) -> bool {
        true
    }

    /// Which network interface it is, if it is one: the host and others use it as well.
    fn interface(&self) -> Option<DeviceId> {
        None
    }

    /// What `ni_flags` says of it, beside what it says of its memory.
    fn flags(&self) -> u32 {
        0
    }

    /// Its number on the switch that it is a port of.
    fn switch_index(&self) -> Option<u32> {
        None
    }

    /// Bytes of the longest frame that it sends, if it is an interface.
    fn longest(&self) -> Option<u32> {
        None
    }

    /// Sets how long the frames may be that those for it are segmented into, if it is a switch
    /// port.
    fn set_longest(&self, _len: u32) {}

    /// Length of the virtio-net header on the port's frames, in bytes.
    fn header(&self) -> u32 {
        0
    }

    /// Sets that length; false where the port cannot have headers.
    fn set_header(&self, _len: u32) -> bool {
        false
    }
}

/// A port's name: up to 63 characters.
pub(crate) type PortLabel = Text<NETMAP_REQ_IFNAMSIZ>;
