// SPDX-License-Identifier: MIT OR Apache-2.0

//! One file for each file of the module, and one for all of them.

mod arch;
mod chain;
mod charges;
mod checksum;
mod copy;
mod inbox;
mod nospec;
mod offsets;
mod options;
mod pool;
mod ports;
mod runs;
mod segment;
mod table;
mod text;
mod virtio;
mod whole;
