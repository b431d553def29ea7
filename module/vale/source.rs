// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a slot come from: a buffer, or with `NS_INDIRECT` the program's own memory.

use crate::{
    abi::{consts::NS_INDIRECT, wire::Slot},
    memory::{head_of, Buf, Bufs, Head},
    sys::user::Caller,
};
use kernel::prelude::*;

/// Where the bytes of a slot come from.
pub(super) enum Source<'m> {
    Buf(Buf<'m>),
    User(Caller<'m>, u64),
}

impl<'m> Source<'m> {
    /// Of a slot that was checked. Addresses mean memory of `caller`.
    pub(super) fn of(slot: &Slot, bufs: &Bufs<'m>, caller: Option<Caller<'m>>) -> Option<Self> {
        if slot.flags & NS_INDIRECT != 0 {
            Some(Source::User(caller?, slot.ptr))
        } else {
            bufs.get(slot.buf_idx).map(Source::Buf)
        }
    }

    /// A private copy of the 16 bytes at `at`, of `len` bytes in all.
    pub(super) fn head(&self, at: u32, len: u32) -> Option<Head> {
        match self {
            Source::Buf(buf) => Some(buf.head(at)),
            Source::User(caller, addr) => {
                let rest = len.saturating_sub(at) as usize;
                let bytes = caller.read_head(addr.wrapping_add(at.into()), rest);
                bytes.ok().map(head_of)
            }
        }
    }

    /// Fetches bytes at `from` into a private copy.
    pub(super) fn read(&self, from: u32, out: &mut [u8]) -> Result {
        match self {
            Source::Buf(source) => source.read(from, out),
            Source::User(caller, addr) => caller.read_now(addr.wrapping_add(from.into()), out),
        }
    }

    /// Copies `len` bytes at `from` to `to` of a buffer that has room for them.
    #[inline]
    pub(super) fn copy_to(&self, from: u32, buf: &Buf<'_>, to: u32, len: u32) -> Result {
        match self {
            Source::Buf(source) => {
                source.copy_to(from, buf, to, len);
                Ok(())
            }
            Source::User(caller, addr) => {
                buf.fill_from(*caller, to, addr.wrapping_add(from.into()), len)
            }
        }
    }
}
