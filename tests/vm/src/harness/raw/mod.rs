// SPDX-License-Identifier: MIT OR Apache-2.0

//! The netmap API as the kernel shows it, with nothing in between: a test can say anything that a
//! program could, wrong values included.
//!
//! - [`device`]: the open file, requests as they are, mappings.
//! - [`request`]: REGISTER and the other requests, one builder or function each.
//! - [`bound`]: a bound and mapped port, and what tests do with it all the time.
//! - [`ring`]: rings, slots and buffers in the mapped region.
//! - [`csb`]: CSB mode and kernel loops.
//! - [`extmem`]: regions in memory of the test's own.
//! - [`hostile`]: bad addresses and option chains.
//! - [`slow`]: a page that takes long to come.

pub mod bound;
pub mod csb;
pub mod device;
pub mod extmem;
pub mod hostile;
pub mod request;
pub mod ring;
pub mod slow;
pub mod stack;

pub use bound::Bound;
pub use device::Device;
pub use hostile::{GuardPage, OptionList};
pub use request::{null, shared, vale, Reg};
pub use ring::Ring;
pub use slow::SlowPage;
