// SPDX-License-Identifier: GPL-2.0

//! Frames that are made of what lies in several places, and are long: in pages of their own where
//! the driver takes a list of them, so that nobody needs many pages side by side.

use super::{bindings, packet::is_quick, Device, Packet};
use crate::sys::bottom_half::Disabled;
use core::{ptr::NonNull, slice};

/// Bytes at the start of a frame that is a list: more than the headers that drivers look at, which
/// is all that they want there (virtio-net receives 128 so: drivers/net/virtio_net.c,
/// `GOOD_COPY_LEN`).
const START: u32 = 256;

impl Packet {
    /// A frame for `device` with `len` bytes, to leave on queue `queue`. `fill` brings them, from
    /// the first to the last, some at a time. `None` if there is no memory, if that is no Ethernet
    /// frame, or if `fill` says that it could not.
    pub(crate) fn gathered(
        device: &Device,
        queue: u16,
        len: u32,
        pinned: &Disabled,
        mut fill: impl FnMut(&mut [u8]) -> bool,
    ) -> Option<Self> {
        let headroom = device.headroom();
        let rest = len.saturating_sub(START);
        if rest == 0 || is_quick(headroom.checked_add(len)?) || !device.takes_lists() {
            return Self::filled(device, queue, len, pinned, fill);
        }
        let packet = Self::with_pages(headroom + START, rest, pinned)?;
        // SAFETY: it was made just now, with so much room, in which a header fits.
        let (packet, to) = unsafe { packet.start(device, headroom, START) };
        let skb = packet.as_ptr();
        // SAFETY: there is room for so many bytes (`start`), which are nobody else's, and numbers
        // whatever was there before.
        let mut done = fill(unsafe { slice::from_raw_parts_mut(to, START as usize) });
        let mut number = 0;
        while let Some(page) = packet.page(number) {
            // SAFETY: by `page` it has as many bytes, which are nobody else's yet, and numbers.
            done = done && fill(unsafe { &mut *page.as_ptr() });
            number += 1;
        }
        if !done {
            return None;
        }
        // SAFETY: the frame is nobody else's yet. Its pages have `rest` bytes (`with_pages`), and
        // are part of it from here on.
        unsafe {
            (*skb).data_len = rest;
            (*skb).len += rest;
        }
        packet.to_leave_on(queue);
        Some(packet)
    }

    /// A frame without bytes, with room for so many at its start, and pages for `rest` more, which
    /// it does not count yet.
    fn with_pages(room: u32, rest: u32, _: &Disabled) -> Option<Self> {
        let how = kernel::bindings::GFP_ATOMIC | kernel::bindings::__GFP_NOWARN;
        let mut why = 0;
        // SAFETY: does not sleep, by the first flag, and wants single pages. It returns null or a
        // frame of our own, and writes to `why` only.
        let skb = unsafe {
            bindings::alloc_skb_with_frags(room as usize, rest as usize, 0, &raw mut why, how)
        };
        // SAFETY: a new frame's only reference is who made it; it has no bytes yet, and is to start
        // with the Ethernet header.
        NonNull::new(skb).map(|skb| unsafe { Packet::from_raw(skb) })
    }

    /// Number `number` of the pages of a frame, as far as it has bytes of that.
    fn page(&self, number: u32) -> Option<NonNull<[u8]>> {
        let mut len = 0;
        // SAFETY: by the invariant the `sk_buff` is there. The pages are always mapped, as they
        // were not allocated with `__GFP_HIGHMEM`. It returns null behind the last one.
        let start = unsafe { bindings::ferromap_page_of_skb(self.as_ptr(), number, &raw mut len) };
        let start = NonNull::new(start)?.cast();
        Some(NonNull::slice_from_raw_parts(start, len as usize))
    }

    /// Puts a frame into one piece if its driver takes no list, of this kind of frames or any more:
    /// the stack would (net/core/dev.c, `validate_xmit_skb`), but we go past that. False if there
    /// is no memory for it.
    pub(super) fn suit_driver(&mut self) -> bool {
        let skb = self.as_ptr();
        // SAFETY: by the invariant the frame is ours alone, so that its bytes may move; it names
        // the interface that it is made for, which is alive. Does not sleep.
        unsafe {
            (*skb).data_len == 0
                || bindings::netif_skb_features(skb) & LISTS != 0
                || bindings::skb_linearize(skb) == 0
        }
    }
}

/// What an interface says that takes them.
const LISTS: u64 = bindings::ferromap_features_FERROMAP_LISTS as u64;

impl Device {
    /// Whether its driver takes frames that are lists of pieces.
    fn takes_lists(&self) -> bool {
        // SAFETY: the reference keeps the interface alive, and the field is a plain value of it,
        // which others may write.
        let features = unsafe { (&raw const (*self.as_ptr()).features).read_volatile() };
        features & LISTS != 0
    }
}
