// SPDX-License-Identifier: MIT OR Apache-2.0

//! Extra buffers: buffers of the region that are in no ring.

use crate::{
    binding::Binding,
    error::{Error, Result},
    raw::{buffers::Loose, ring::Own},
    tx::TxSlot,
};
use std::sync::Arc;

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

    /// The `i`th buffer.
    pub fn buffer_mut(&mut self, i: usize) -> Option<&mut [u8]> {
        self.loose.as_mut()?.bytes_mut(i)
    }

    /// Exchanges the `i`th buffer with that of a transmit slot. `false`, and no change, if there is
    /// no such buffer or the slot names none.
    pub fn swap_tx(&mut self, i: usize, slot: &mut TxSlot<'_>) -> Result<bool> {
        self.swap(i, &mut slot.own)
    }

    /// Exchanges the `i`th buffer with that of a received slot: so a packet can be kept while its
    /// slot is released. `false`, and no change, if there is no such buffer or the slot names none.
    pub fn swap_rx(&mut self, i: usize, slot: &mut crate::RxSlotMut<'_>) -> Result<bool> {
        self.swap(i, &mut slot.own)
    }

    fn swap(&mut self, i: usize, slot: &mut Own<'_>) -> Result<bool> {
        let Some(loose) = &mut self.loose else {
            return Ok(false);
        };
        if loose.region().id() != slot.ring().region_id() {
            return Err(Error::DifferentRegions);
        }
        Ok(loose.swap(i, slot))
    }
}
