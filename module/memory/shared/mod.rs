// SPDX-License-Identifier: GPL-2.0

//! Views of memory that programs may rewrite at any instant.
//!
//! Such memory is never behind a Rust reference. A view fetches each field once, into a private copy, with
//! a volatile or atomic load; who calls checks the copy and uses nothing else. Views are made by
//! [`Mem`](super::Mem) only, for objects that lie wholly inside it, and borrow it.

mod bufs;
mod interface;
mod ring;

pub(crate) use bufs::{head_of, Buf, Bufs, Head};
pub(crate) use interface::IfView;
pub(crate) use ring::{Position, RingView, SlotCell, SlotRun};
