// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory that runs out at every single allocation: each operation is tried with its first
//! allocation failing, its second, its third, until it runs through; once so that there is memory
//! again at once, once so that there is none for all the rest. Each time it must fail as documented
//! or do without, leave nothing behind, disturb nobody, and work the next time.
//!
//! Loading the module is left out: where its text will be is not known before.

pub mod asks;
mod each;
pub mod frames;
pub mod loops;
pub mod monitors;
pub mod none;
pub mod options;
pub mod own_memory;
pub mod pipes;
pub mod register;
pub mod switches;
