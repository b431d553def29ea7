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

    /// What becomes of the frames in its slots.
    fn habits(&self) -> Habits {
        Habits::default()
    }

    /// Whether its frames may start elsewhere than their buffers do.
    fn takes_offsets(&self) -> bool {
        true
    }

    /// What it watches, if it is a monitor, by which nothing can be sent.
    fn watched(&self) -> Option<Watched> {
        None
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

/// What becomes of the frames in the slots of a port: what its monitors have to know.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// A frame that was sent is still in its slot's buffer when the slot is free again.
    pub(crate) keeps_sent: bool,
    /// A frame that was received is still there when its slot is released.
    pub(crate) keeps_received: bool,
    /// If it is not, the slot says that its buffer is another (`NS_BUF_CHANGED`), which nobody else
    /// does there.
    pub(crate) tells_changes: bool,
    /// Frames are sent as a switch does it: slots may name memory of the process (`NS_INDIRECT`),
    /// and a frame that has not ended ends with what was released.
    pub(crate) switched: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Habits {
            keeps_sent: true,
            keeps_received: true,
            tells_changes: false,
            switched: false,
        }
    }
}

impl Habits {
    /// The same for a port that the kernel carries frames for, by exchanging buffers: they are
    /// always elsewhere by then.
    pub(crate) fn carried(self) -> Self {
        Habits {
            keeps_sent: false,
            keeps_received: false,
            ..self
        }
    }
}

/// What a monitor watches.
pub(crate) struct Watched {
    /// The port has been closed, or has gone away: there is nothing more to see.
    pub(crate) over: bool,
}

/// A port's name: up to 63 characters.
pub(crate) type PortLabel = Text<NETMAP_REQ_IFNAMSIZ>;
