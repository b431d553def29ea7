// SPDX-License-Identifier: GPL-2.0

//! The wall clock.

use kernel::bindings;

/// Seconds and microseconds since the epoch, as `gettimeofday` tells them.
pub(crate) fn wall() -> (i64, i64) {
    let mut ts = bindings::timespec64 {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is ours to write, and nothing else is written.
    unsafe { bindings::ktime_get_real_ts64(&mut ts) };
    (ts.tv_sec, (ts.tv_nsec / 1000) as i64)
}
