// SPDX-License-Identifier: MIT OR Apache-2.0

//! What only pointers can do.
//!
//! - [`context`] — calling back into the program: its words, its memory, its lock.
//! - [`handle`] — a port that the program hands over.
//! - [`list`] — options, which lie in a list in the program's memory.
//! - [`request`] — the call.
//! - [`rings`] — the region: where a port's rings are, and putting frames into them.
#![expect(unsafe_code, reason = "this is where it lives")]

pub(crate) mod context;
pub(crate) mod handle;
pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod rings;
