// SPDX-License-Identifier: GPL-2.0

//! What takes an instruction that Rust has no name for: a file a processor, each with the same
//! functions.
//!
//! [`generic`] has them without any such instruction, for every processor that has no file of its
//! own. The host tests both. Pure.

#[cfg(any(test, not(target_arch = "x86_64")))]
pub(crate) mod generic;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use generic::*;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;
