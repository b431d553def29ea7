// SPDX-License-Identifier: GPL-2.0

//! Where bytes of a frame lie, as a value.

use super::shared::{head_of, Buf, Head};
use crate::sys::{copy::Copier, user::Caller};
use kernel::prelude::*;

/// Where some bytes of a frame lie. How many there are is known by who asks.
#[derive(Clone, Copy)]
pub(crate) enum Source<'m> {
    /// In a buffer, from there on.
    Buf(Buf<'m>, u32),
    /// In memory of a process, from that address on.
    Process(Caller<'m>, u64),
    /// In the buffer `rest`, but for the first `len`: what counts of these is the copy at `start`.
    Split {
        start: Buf<'m>,
        len: u32,
        rest: Buf<'m>,
    },
}

impl Source<'_> {
    /// A private copy of the 16 bytes at `at`, of `len` bytes in all; what is behind these is zero.
    pub(crate) fn head(&self, at: u32, len: u32) -> Option<Head> {
        let wanted = len.saturating_sub(at) as usize;
        match self {
            Source::Buf(buf, from) => Some(buf.head(from + at)),
            Source::Process(caller, addr) => {
                let bytes = caller.read_head(addr.wrapping_add(at.into()), wanted);
                bytes.ok().map(head_of)
            }
            Source::Split { .. } => {
                let mut bytes = [0; 16];
                self.read(at, &mut bytes[..wanted.min(16)]).ok()?;
                Some(head_of(bytes))
            }
        }
    }

    /// Fetches bytes at `at` into a private copy.
    pub(crate) fn read(&self, at: u32, out: &mut [u8]) -> Result {
        match self {
            Source::Buf(buf, from) => buf.read(from + at, out),
            Source::Process(caller, addr) => caller.read_now(addr.wrapping_add(at.into()), out),
            Source::Split { start, len, rest } => {
                let seen = (len.saturating_sub(at) as usize).min(out.len());
                let (first, behind) = out.split_at_mut(seen);
                start.read(at, first)?;
                rest.read(at + seen as u32, behind)
            }
        }
    }

    /// Copies `len` bytes at `at` to `to` of a buffer that has room for them.
    #[inline]
    pub(crate) fn copy_to(
        &self,
        at: u32,
        (buf, to): (&Buf<'_>, u32),
        len: u32,
        by: &mut Copier<'_>,
    ) -> Result {
        match self {
            Source::Buf(source, from) => {
                source.copy_to(from + at, (buf, to), len, by);
                Ok(())
            }
            Source::Process(caller, addr) => {
                buf.fill_from(*caller, to, addr.wrapping_add(at.into()), len)
            }
            Source::Split {
                start,
                len: copied,
                rest,
            } => {
                let seen = copied.saturating_sub(at).min(len);
                start.copy_to(at, (buf, to), seen, by);
                rest.copy_to(at + seen, (buf, to + seen), len - seen, by);
                Ok(())
            }
        }
    }
}
