// SPDX-License-Identifier: GPL-2.0

//! Long frames: in pages of their own where the driver takes a list of them, so that nobody needs
//! many pages side by side.

use super::{
    bindings,
    device::{Device, LISTS},
    packet::{is_quick, Packet},
};
use crate::sys::{
    bottom_half::Disabled,
    copy::{copy, Copier},
    span::Span,
};
use core::{ptr::NonNull, slice};

/// Bytes of a list that are in one piece, in front of its pages: more than the headers that drivers
/// look at, which is all that they want there (virtio-net receives 128 so:
/// drivers/net/virtio_net.c, `GOOD_COPY_LEN`).
const LINEAR: u32 = 256;

/// Bytes that the pages of a frame can have.
const IN_PAGES: u32 = bindings::ferromap_sizes_FERROMAP_IN_PAGES;

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
        let rest = len.saturating_sub(LINEAR);
        let short = rest == 0 || is_quick(headroom.checked_add(len)?);
        if short || rest > IN_PAGES || !device.takes_lists() {
            return Self::filled(device, queue, len, pinned, fill);
        }
        let packet = Self::with_pages(headroom + LINEAR, rest)?;
        // SAFETY: it was made just now, with so much room, in which a header fits.
        let (packet, to) = unsafe { packet.begun_for(device, headroom, LINEAR) };
        let skb = packet.as_ptr();
        // SAFETY: there is room for so many bytes, which are nobody else's, and numbers whatever
        // was there before.
        let mut done = fill(unsafe { slice::from_raw_parts_mut(to, LINEAR as usize) });
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
        // SAFETY: it was begun above, and its bytes are there.
        unsafe { packet.to_leave_on(queue) };
        packet.suiting_driver()
    }

    /// The same of bytes that lie in one place.
    #[cold]
    #[inline(never)]
    pub(super) fn long_copy_of(
        device: &Device,
        queue: u16,
        bytes: Span<'_>,
        pinned: &Disabled,
    ) -> Option<Self> {
        let mut done = 0;
        Self::gathered(device, queue, bytes.len(), pinned, |part| {
            if part.len() > bytes.len() as usize - done {
                return false;
            }
            let to = part.as_mut_ptr();
            // SAFETY: the span has so many bytes left, by the check, and `part` is ours.
            unsafe {
                copy(
                    bytes.start().add(done),
                    to,
                    part.len(),
                    &mut Copier::narrow(),
                )
            };
            done += part.len();
            true
        })
    }

    /// A frame without bytes, with room for so many in front, and pages for `rest` more, which it
    /// does not count yet.
    fn with_pages(room: u32, rest: u32) -> Option<Self> {
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

    /// Page number `number` of a frame: those of its bytes that are for the frame.
    fn page(&self, number: u32) -> Option<NonNull<[u8]>> {
        let mut len = 0;
        // SAFETY: by the invariant the `sk_buff` is there. The pages are always mapped, as they
        // were not allocated with `__GFP_HIGHMEM`. It returns null behind the last one.
        let start = unsafe { bindings::ferromap_page_of_skb(self.as_ptr(), number, &raw mut len) };
        let start = NonNull::new(start)?.cast();
        Some(NonNull::slice_from_raw_parts(start, len as usize))
    }

    /// In one piece, if the driver takes no list for frames of this kind (with a VLAN tag, say):
    /// the stack asks that later (net/core/dev.c, `validate_xmit_skb`), but we go past it. `None`
    /// if there is no memory for that.
    fn suiting_driver(self) -> Option<Self> {
        let skb = self.as_ptr();
        // SAFETY: the frame is ours alone, so that its bytes may move; it names the interface that
        // it was made for in `gathered`, which is alive. Does not sleep.
        let suits = unsafe {
            bindings::netif_skb_features(skb) & LISTS != 0 || bindings::skb_linearize(skb) == 0
        };
        suits.then_some(self)
    }
}
