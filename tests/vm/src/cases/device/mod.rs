// SPDX-License-Identifier: MIT OR Apache-2.0

//! The open file, whatever it is bound to: how it is opened and asked, poll, select and epoll, how
//! long a binding lives and what it leaves behind, and the module under it, loaded and unloaded.
//! What a single request means is in [`control`](super::control).

mod lifecycle;
mod plumbing;
mod poll;
mod unload;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    plumbing::CASES,
    poll::CASES,
    lifecycle::CASES,
    unload::CASES,
];
