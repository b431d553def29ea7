// SPDX-License-Identifier: GPL-2.0

//! Buffers that no program maps: frames are copied here to be looked at where nobody else can
//! change them.

use super::shared::Bufs;
use crate::{
    abi::{consts::NETMAP_MAX_FRAGS, layout::OBJECT_ALIGN},
    live::{self, Counted},
    sys::{
        net::xdp::{HEADROOM, TAIL},
        vmalloc::HugeMem,
    },
};
use core::{ops::Range, ptr::NonNull};
use kernel::{page::PAGE_SIZE, prelude::*};

/// Most bytes of a frame that has several slots, unless buffers are small: as many as 64 buffers of
/// 2048.
const LONGEST: u32 = 128 * 1024;

/// Views of buffers want whole cache lines, which both ends of an area have to be.
const _: () = assert!(HEADROOM % OBJECT_ALIGN == 0 && TAIL % OBJECT_ALIGN == 0);

/// Buffers for the frames of a burst, and one more for a frame that is too long for a buffer.
///
/// # Invariants
///
/// `memory` has room for `count` areas, at least one, of `stride` bytes, which are [`HEADROOM`],
/// `size` and [`TAIL`] or a little more, and behind them for one of [`HEADROOM`], `longest` and
/// [`TAIL`]. `stride` and `longest` are multiples of 64, as these two are. All of it
/// is initialised.
pub(crate) struct Staging {
    memory: HugeMem,
    size: u32,
    stride: u32,
    count: u32,
    longest: u32,
    _live: Counted,
}

/// Where one frame is, and may grow: memory that is nobody else's meanwhile.
pub(crate) struct Area<'s> {
    start: NonNull<u8>,
    /// Bytes, [`HEADROOM`] and [`TAIL`] included.
    bytes: u32,
    _of: core::marker::PhantomData<&'s mut Staging>,
}

impl Staging {
    /// For `count` frames, at least one, of up to `size` bytes.
    pub(crate) fn new(count: u32, size: u32) -> Result<Self> {
        if count == 0 {
            return Err(EINVAL);
        }
        let longest = LONGEST
            .min(size.saturating_mul(NETMAP_MAX_FRAGS as u32))
            .max(size)
            .next_multiple_of(64);
        let lines = (HEADROOM + size + TAIL).div_ceil(64);
        // An odd number of cache lines: frames then start in all sets of a cache, not in a few.
        let stride = (lines | 1) * 64;
        let bytes = stride as usize * count as usize + (HEADROOM + longest + TAIL) as usize;
        // INVARIANT: as the lines above say; memory of this kind is zeroed when it is made.
        Ok(Staging {
            memory: HugeMem::new(bytes.next_multiple_of(PAGE_SIZE))?,
            size,
            stride,
            count,
            longest,
            _live: Counted::new(live::Kind::Staging),
        })
    }

    /// Bytes of the longest frame that needs one buffer.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Bytes of the longest frame of all.
    pub(crate) fn longest(&self) -> u32 {
        self.longest
    }

    /// How many buffers there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The buffers; each starts where a frame does. They are larger than [`size`](Self::size).
    #[inline]
    pub(crate) fn bufs(&self) -> Bufs<'_> {
        // SAFETY: by the invariant of the type there are so many of that stride, also from the
        // first frame on: the long frame's headroom is behind the last. They are aligned, as stride
        // and `HEADROOM` are multiples of 64 and the memory starts at a page. It lives
        // as long as `self`, and while a view is borrowed from that there is no `Area`.
        unsafe {
            let first = self.memory.base().add(HEADROOM as usize);
            Bufs::kernels(first, self.stride, self.count)
        }
    }

    /// The long frame, as the only buffer of its kind.
    pub(crate) fn long(&self) -> Bufs<'_> {
        // SAFETY: by the invariant it is behind the `count` others, with its headroom first; it
        // starts at a multiple of 64 and has whole ones. The memory lives as long as `self`, and
        // while a view is borrowed from that there is no `Area`.
        unsafe {
            let first = self.base_of(self.count).add(HEADROOM as usize);
            Bufs::kernels(first, self.longest + TAIL, 1)
        }
    }

    /// Where buffer `index` is, to be worked on.
    #[inline]
    pub(crate) fn area(&mut self, index: u32) -> Option<Area<'_>> {
        let inside = index < self.count;
        inside.then(|| Area {
            // SAFETY: below the count, as was just found.
            start: unsafe { self.base_of(index) },
            bytes: HEADROOM + self.size + TAIL,
            _of: core::marker::PhantomData,
        })
    }

    /// Where the long frame is.
    pub(crate) fn long_area(&mut self) -> Area<'_> {
        Area {
            // SAFETY: the number of the count is that of the long frame.
            start: unsafe { self.base_of(self.count) },
            bytes: HEADROOM + self.longest + TAIL,
            _of: core::marker::PhantomData,
        }
    }

    /// # Safety
    ///
    /// `index` must be at most the count, which is that of the long frame.
    #[inline]
    unsafe fn base_of(&self, index: u32) -> NonNull<u8> {
        // SAFETY: by the invariant `count` areas and the long one fit, and the caller stays within.
        unsafe {
            self.memory
                .base()
                .add(index as usize * self.stride as usize)
        }
    }
}

impl Area<'_> {
    /// All its bytes.
    #[inline(always)]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `area` and `long_area` found so many bytes from `start` on to be the staging's,
        // whose only user this is while it lives, by the exclusive borrow in `_of`. By the
        // staging's invariant they are initialised.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes as usize) }
    }

    /// A private copy of up to 12 bytes, where a virtio-net header is.
    pub(crate) fn save<const N: usize>(&mut self, at: u32) -> [u8; N] {
        let mut out = [0; N];
        for (to, byte) in out.iter_mut().zip(self.from(at)) {
            *to = *byte;
        }
        out
    }

    /// Writes `bytes` at `at`, as far as they fit.
    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) {
        for (to, byte) in self.from(at).iter_mut().zip(bytes) {
            *to = *byte;
        }
    }

    /// Its bytes from `at` on.
    fn from(&mut self, at: u32) -> &mut [u8] {
        self.bytes_mut().get_mut(at as usize..).unwrap_or(&mut [])
    }

    /// Clears what is in front of frames: programs have moved earlier ones there, which this one's
    /// owner may not see. (What is added behind a frame the kernel clears: net/core/filter.c,
    /// bpf_xdp_adjust_tail.)
    pub(crate) fn clear_headroom(&mut self) {
        // Every area begins with it.
        if let Some(headroom) = self.bytes_mut().first_chunk_mut() {
            *headroom = [0; HEADROOM as usize];
        }
    }

    /// Moves the frame that is at `frame` to where frames start. What is past the end of the area
    /// is left out.
    #[inline]
    pub(crate) fn settle(&mut self, frame: Range<u32>) {
        const TO: usize = HEADROOM as usize;
        let bytes = self.bytes_mut();
        if frame.start == HEADROOM || bytes.len() < TO {
            return;
        }
        let end = (frame.end as usize).min(bytes.len());
        let start = (frame.start as usize).min(end);
        bytes.copy_within(start..end.min(start + (bytes.len() - TO)), TO);
    }
}
