// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for the moment at which a frame is due.

use std::{thread, time::Duration};

/// How long to sleep at most: somebody may want to stop.
pub const NAP: Duration = Duration::from_millis(100);

/// As long as a sleep may be over too late.
const LATE: Duration = Duration::from_micros(150);

/// Sleeps towards a moment that is `left` away, at most a [`NAP`]. The last moments are spent
/// awake, a turn of the caller's loop each.
pub fn toward(left: Duration) {
    if left > LATE {
        thread::sleep((left - LATE).min(NAP));
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// How late a sleep ends is the machine's affair, and is not looked at.
    #[test]
    fn a_moment_is_come_to_and_not_passed_by_the_sleep_itself() {
        let due = Instant::now() + Duration::from_millis(30);
        let mut turns = 0;
        while Instant::now() < due {
            toward(due.saturating_duration_since(Instant::now()));
            turns += 1;
        }
        assert!(turns > 0);
        let began = Instant::now();
        toward(Duration::from_secs(3600));
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a nap, not an hour"
        );
    }
}
