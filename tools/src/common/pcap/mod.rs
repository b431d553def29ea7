// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files of frames: [`Recording`] is one that was read, [`Writer`] makes one.

mod parse;
mod read;
mod sections;
#[cfg(test)]
mod tests;
mod times;
mod write;

pub use read::Recording;
pub use write::Writer;
