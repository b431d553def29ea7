// SPDX-License-Identifier: GPL-2.0

//! Views of memory that programs may rewrite at any instant.
//!
//! Such memory is never behind a Rust reference, but to an atomic for the length of an access. A
//! view fetches each field once, into a private copy, with a volatile or atomic load; who calls
//! checks the copy and uses nothing else. Views are made for objects that lie wholly inside some
//! memory, and borrow it: by [`Mem`](super::Mem), and for buffers that no program maps by
//! [`Staging`](super::Staging).

mod bufs;
mod interface;
mod ring;
mod slot;

pub(crate) use bufs::{head_of, Buf, Bufs, Head};
pub(crate) use interface::IfView;
pub(crate) use ring::{Position, RingView};
pub(crate) use slot::{SlotCell, SlotRun};
