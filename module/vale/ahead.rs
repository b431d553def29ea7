// SPDX-License-Identifier: GPL-2.0

//! A look at the slots ahead, before a burst that may not sleep: memory of the process that they
//! name is brought in.

use crate::{
    abi::consts::{NETMAP_MAX_FRAGS, NS_INDIRECT, NS_MOREFRAG},
    ring::Walk,
    sys::user::Caller,
};

/// Bytes of a burst in which frames are copied to be looked at: with what is around them they then
/// stay in the nearest cache.
pub(super) const INSPECTED: u32 = 16 * 1024;

/// Brings in what memory of the process these slots name: for a burst that may not sleep. Returns
/// how many of the slots, up to `count`, are good for a burst in which `sees` bytes at the start of
/// each frame are copied, and how long they are in the mean. A frame is brought in whole, and the
/// first one is always among them. Should the program write something else there by the time the
/// slots are read for good, memory may be missing, and its frame be dropped; nothing else.
pub(super) fn bring_in(
    slots: Walk<'_>,
    count: u32,
    sees: u32,
    caller: Option<Caller<'_>>,
) -> (u32, u32) {
    let (mut bytes, mut copied, mut within) = (0, 0, 0u32);
    // The slots of whole frames, and their bytes.
    let mut whole = (0, 0);
    for cell in slots {
        let (len, flags) = cell.len_flags();
        copied += sees.min(len.into());
        let enough = match whole.0 {
            // Longer chains are dropped.
            0 => within == NETMAP_MAX_FRAGS as u32,
            _ => within == count || copied > INSPECTED,
        };
        if enough {
            break;
        }
        within += 1;
        bytes += u32::from(len);
        if let Some(caller) = caller.filter(|_| flags & NS_INDIRECT != 0) {
            caller.fault_in(cell.take().ptr, len.into());
        }
        if flags & NS_MOREFRAG == 0 {
            whole = (within, bytes);
        }
    }
    let (within, bytes) = if whole.0 == 0 { (within, bytes) } else { whole };
    (within, bytes.checked_div(within).unwrap_or(0))
}
