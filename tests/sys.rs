// SPDX-License-Identifier: GPL-2.0

//! What the modules for tests have of the kernel, and parameters as netmap.ko has them.

/// What the kernel crate's own bindings lack, generated from `bindings.h` and `bindings.list`.
#[allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    improper_ctypes,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub
)]
pub(crate) mod bindings {
    include!(env!("FERROMAP_BINDINGS"));
}

// Not every module uses all of it.
#[allow(dead_code)]
#[path = "../module/sys/param.rs"]
pub(crate) mod param;
