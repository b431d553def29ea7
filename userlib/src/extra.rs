// SPDX-License-Identifier: MIT OR Apache-2.0

//! Extra buffers: buffers of the region that are in no ring.

use crate::{
    binding::Binding,
    error::{Error, Result},
    raw::{buffers::Loose, ring::Own},
    tx::TxSlot,
};
use std::sync::Arc;

/// Which way a frame goes.
type How = fn(&mut Loose, usize, &mut Own<'_>) -> bool;

/// Buffers that a port got beside those in its rings, for programs that keep packets. They go back
/// to the port's list on drop, and to the kernel when the port is closed.
pub struct ExtraBuffers {
    /// `None` for a port without rings, which cannot say where its buffers are.
    pub(crate) loose: Option<Loose>,
    pub(crate) _binding: Arc<Binding>,
}

impl ExtraBuffers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.loose.as_ref().map_or(0, Loose::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of each buffer.
    pub fn buffer_size(&self) -> usize {
        self.loose
            .as_ref()
            .map_or(0, |l| l.buffers().size() as usize)
    }

    /// The `i`th buffer, from where the frame in it starts: at the offset that its slot had when it
    /// was exchanged with one of a receive ring, else at the buffer's start.
    pub fn buffer_mut(&mut self, i: usize) -> Option<&mut [u8]> {
        self.loose.as_mut()?.bytes_mut(i)
    }

    /// Exchanges the `i`th buffer with that of a transmit slot, which takes its frame's offset as
    /// [`TxSlot::swap`] does. `false`, and no change, if there is
    /// no such buffer or the slot names none.
    pub fn swap_tx(&mut self, i: usize, slot: &mut TxSlot<'_>) -> Result<bool> {
        self.swap(i, &mut slot.own, Loose::give)
    }

    /// Exchanges the `i`th buffer with that of a received slot: so a packet can be kept while its
    /// slot is released. `false`, and no change, if there is no such buffer or the slot names none.
    pub fn swap_rx(&mut self, i: usize, slot: &mut crate::RxSlotMut<'_>) -> Result<bool> {
        self.swap(i, &mut slot.own, Loose::keep)
    }

    fn swap(&mut self, i: usize, slot: &mut Own<'_>, how: How) -> Result<bool> {
        let Some(loose) = &mut self.loose else {
            return Ok(false);
        };
        if loose.region().id() != slot.ring().region_id() {
            return Err(Error::DifferentRegions);
        }
        Ok(how(loose, i, slot))
    }
}
