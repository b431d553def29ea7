// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over what Rust for Linux lacks, and nothing else.
//!
//! - [`arch`]: what takes an instruction of the processor's own.
//! - [`file`]: a character device with poll and page faults.
//! - [`bottom_half`], [`rcu`]: staying on a CPU, reading under RCU.
//! - [`wait`], [`soft_wake`]: who sleeps until a ring has news, and waking him after a softirq;
//!   [`waiting`]: sleeping at several places. [`eventfd`]: descriptors by which programs wake, and
//!   are woken.
//! - [`cpus`]: which processors there are. [`clock`]: what time it is.
//! - [`debugfs`]: files to look at.
//! - [`module_ref`]: keeping the module loaded.
//! - [`net`]: the kernel's networking.
//! - [`nospec`]: indexes that programs choose, also where the processor guesses.
//! - [`task`]: what long system calls ask between their steps.
//! - [`thread`]: kernel threads.
//! - [`random`]: numbers that nobody can guess.
//! - [`param`]: module parameters that stay visible and writable.
//! - [`user`]: copies from and to a process.
//! - [`span`], [`copy`]: bytes that others may be writing, and copying them.
//! - [`wide`]: the processor's wide registers.
//! - [`backing`]: memory that programs can map; [`vmalloc`]: straight lines of it, in one block or
//!   on huge pages where they are to be had; [`stretch`]: objects in such lines, which come when
//!   they are wanted. [`pinned`]: memory of a process that stays.
//!
//! Each wrapper is small, and its types make misuse impossible, as far as types can: that nobody
//! sleeps in atomic context none of them says. Beside this room only `memory` may say `unsafe`, and
//! `abi::wire`, for what may be copied as bytes.

#![allow(unsafe_code)]

/// What the kernel crate's own bindings lack, generated from `bindings.h` and `bindings.list`.
#[allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs
)]
#[allow(
    improper_ctypes,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]
#[allow(unreachable_pub, unsafe_op_in_unsafe_fn)]
pub(crate) mod bindings {
    include!(env!("FERROMAP_BINDINGS"));
}

pub(crate) mod arch;
pub(crate) mod backing;
pub(crate) mod bottom_half;
pub(crate) mod clock;
pub(crate) mod copy;
pub(crate) mod cpus;
pub(crate) mod debugfs;
pub(crate) mod eventfd;
pub(crate) mod file;
pub(crate) mod module_ref;
pub(crate) mod net;
pub(crate) mod nospec;
pub(crate) mod param;
pub(crate) mod pinned;
pub(crate) mod random;
pub(crate) mod rcu;
pub(crate) mod soft_wake;
pub(crate) mod span;
pub(crate) mod stretch;
pub(crate) mod task;
pub(crate) mod thread;
pub(crate) mod user;
pub(crate) mod vmalloc;
pub(crate) mod wait;
pub(crate) mod waiting;
pub(crate) mod wide;
