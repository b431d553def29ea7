// SPDX-License-Identifier: MIT OR Apache-2.0

//! The functions of `include/libnetmap.h`, over the crate `ferromap`.
//!
//! - [`exports`] — the functions as C sees them: pointers become references, failures an errno and
//!   a sentence. With [`raw`], which has what only pointers can do, all that is `unsafe`.
//! - [`port`] — opening a port in steps.
//! - [`memory`] — which regions this process has mapped.
//! - [`name`] — what a name asks for.
//! - [`types`] — the structures that both sides have, and [`failure`].

mod exports;
mod failure;
mod memory;
mod name;
mod port;
mod raw;
mod types;
