// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pure files of the kernel module, included by path: what is tested here is what the kernel
//! runs.
//!
//! They know nothing of the kernel; what they name with `super` and `crate` is provided below.
//! Where threads meet, `tests/loom` tries all interleavings; here one thread does everything, in
//! any order.

#![cfg(test)]

use ferromap_abi as abi;

/// What the inbox and the learning table are built on.
mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

/// What takes an instruction that has no name in Rust, and stand-ins for what lends wide registers.
#[allow(unsafe_code)]
#[path = "../../../module/sys"]
mod sys {
    pub(crate) mod arch;
    pub(crate) mod copy;
    pub(crate) mod nospec;

    pub(crate) mod bottom_half {
        pub(crate) struct Disabled;
    }

    pub(crate) mod wide {
        use super::{arch::generic::copy_wide, bottom_half::Disabled};

        pub(crate) struct Wide<'b>(&'b Disabled);

        impl<'b> Wide<'b> {
            pub(crate) fn take(lent: &'b Disabled) -> Option<Self> {
                Some(Wide(lent))
            }

            /// # Safety
            ///
            /// As of `copy_wide`.
            pub(crate) unsafe fn copy(&mut self, from: *const u8, to: *mut u8, len: usize) {
                let Disabled = self.0;
                // SAFETY: the caller vouches for the bytes; this one needs no registers.
                unsafe { copy_wide(from, to, len) }
            }
        }
    }
}

#[path = "../../../module/vale/checksum.rs"]
mod checksum;
#[path = "../../../module/vale/headers.rs"]
mod headers;
#[path = "../../../module/ring/inbox.rs"]
#[expect(
    dead_code,
    reason = "monitors ask how much room there is, which no test here has"
)]
mod inbox;
#[path = "../../../module/ring/offsets.rs"]
mod offsets;
#[path = "../../../module/control/option_list.rs"]
mod option_list;
#[path = "../../../module/vale/runs.rs"]
mod runs;
// Frames for the tests in the VM, too.
#[path = "../../../module/ring/chain.rs"]
mod chain;
#[path = "../../vm/src/harness/packets.rs"]
mod packets;
#[path = "../../../module/memory/pool.rs"]
mod pool;
#[path = "../../../module/vale/ports.rs"]
mod ports;
#[path = "../../../module/vale/segment.rs"]
mod segment;
#[path = "../../../module/vale/table.rs"]
mod table;
#[path = "../../../module/text.rs"]
mod text;
#[path = "../../../module/vale/virtio.rs"]
mod virtio;
#[path = "../../../module/monitor/whole.rs"]
mod whole;

mod tests;
