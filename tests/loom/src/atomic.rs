// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loom's atomics, as the module's files expect them.

pub(crate) use loom::sync::atomic::{fence, AtomicBool, AtomicU32, Ordering};

/// Loom's, but a store is a swap whose old value nobody wants.
///
/// All threads agree on the order in which one atomic changes. Loom 0.7 does not know this of a
/// plain store that runs beside a compare-and-swap: afterwards it finds the older of the two
/// values, too. Swaps it puts in order.
pub(crate) struct AtomicU64(loom::sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        AtomicU64(loom::sync::atomic::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.swap(value, order);
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.0.fetch_add(value, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.compare_exchange(current, new, success, failure)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.compare_exchange_weak(current, new, success, failure)
    }
}
