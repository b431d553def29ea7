// SPDX-License-Identifier: MIT OR Apache-2.0

//! When frames are due, from the times that a file has.
//!
//! Frames keep the order of the file, and are as far apart as they were recorded. A clock that is
//! off is not waited for: not one that was wrong for a frame or a few, as that of one interface
//! among others is, nor one that was set meanwhile, nor that of another file that was appended.

use std::ops::Range;

/// A second. Frames of several queues are out of order by less, and times further back are wrong;
/// up to here nobody looks whether a pause is one.
const NEAR: i128 = 1_000_000_000;
/// A hundred days. Nobody records for so long to find nothing: the clock was set.
const FAR: i128 = 100 * 86400 * NEAR;
/// As many frames tell whether a time is right.
const WITNESSES: usize = 64;

/// Due times, never less than the one before, and how many of the file's were not believed.
pub struct Settled {
    /// Nanoseconds since the first frame.
    pub times: Vec<u64>,
    pub odd: Odd,
}

/// Frames whose times cannot be right, each of which follows the one before it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    pub frames: usize,
    /// Number of the first one, counted from 1.
    pub first: usize,
}

/// A frame without a time follows the one before it at once. `sections` tells how many frames are
/// before each section: one whose times begin before the end of those before it was recorded by
/// itself, and follows at once.
pub fn settle(stamps: &[Option<u64>], sections: &[usize]) -> Settled {
    let known: Vec<(usize, i128)> = (0..)
        .zip(stamps)
        .filter_map(|(i, stamp)| stamp.map(|stamp| (i, i128::from(stamp))))
        .collect();
    let mut odd = Odd::default();
    let mut times = Vec::with_capacity(stamps.len());
    // What to add to the file's times.
    let mut shift = known.first().map_or(0, |(_, stamp)| -stamp);
    let mut last = 0;
    let mut sections = sections.iter().copied().peekable();
    for (n, &(i, stamp)) in known.iter().enumerate() {
        let due = stamp + shift;
        let goes_back = due < last;
        let mut anew = false;
        while sections.next_if(|&first| first <= i).is_some() {
            anew = goes_back;
        }
        if !anew && is_near(due, last) {
            last = last.max(due);
        } else {
            let end = sections.peek().copied().unwrap_or(stamps.len());
            let ahead = known[n + 1..].iter().take_while(|(i, _)| *i < end);
            let ahead = ahead.take(WITNESSES).map(|(_, stamp)| stamp + shift);
            let most = if goes_back { last + FAR } else { due - NEAR };
            let others = last - NEAR..most.min(last + FAR);
            let alone = !anew && is_alone(due, ahead, others);
            if !alone && !goes_back && due <= last + FAR {
                last = due;
            } else {
                if odd.frames == 0 {
                    odd.first = i + 1;
                }
                odd.frames += 1;
                if !alone {
                    shift = last - stamp;
                }
            }
        }
        times.resize(i, times.last().copied().unwrap_or(0));
        times.push(u64::try_from(last).unwrap_or(u64::MAX));
    }
    times.resize(stamps.len(), times.last().copied().unwrap_or(0));
    Settled { times, odd }
}

fn is_near(a: i128, b: i128) -> bool {
    (a - b).abs() <= NEAR
}

/// Whether frames behind this one go on, within `others`, as if it had not been: so it is this one
/// that is wrong. Not if they get there from this one, step by step.
fn is_alone(due: i128, ahead: impl Iterator<Item = i128>, others: Range<i128>) -> bool {
    let mut own = due;
    for due in ahead {
        let goes_on = is_near(due, own);
        if others.contains(&due) {
            return !goes_on;
        }
        if goes_on {
            own = own.max(due);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds, where -1 is no time; the due times, and which frames are odd.
    fn due(seconds: &[f64]) -> (Vec<f64>, Odd) {
        let stamp = |&s: &f64| (s >= 0.0).then_some((s * 1e9) as u64);
        let stamps: Vec<_> = seconds.iter().map(stamp).collect();
        let settled = settle(&stamps, &[]);
        let times = settled.times.iter().map(|&t| (t as f64 / 1e6).round());
        (times.map(|ms| ms / 1e3).collect(), settled.odd)
    }

    const YEAR: f64 = 365.0 * 86400.0;
    const T: f64 = 1_700_000_000.0;

    fn odd(frames: usize, first: usize) -> Odd {
        Odd { frames, first }
    }

    #[test]
    fn frames_are_as_far_apart_as_they_were_recorded() {
        let times = [T, T + 0.5, T + 0.5, T + 90.0, T + 40.0 * 86400.0];
        let all = [0.0, 0.5, 0.5, 90.0, 40.0 * 86400.0];
        assert_eq!(due(&times), (all.to_vec(), odd(0, 0)));
        assert_eq!(due(&[]), (vec![], odd(0, 0)));
        // Those of several queues come a little out of order, and nobody needs to be told.
        let queues = [T, T + 0.002, T + 0.001, T + 0.003];
        assert_eq!(due(&queues), (vec![0.0, 0.002, 0.002, 0.003], odd(0, 0)));
    }

    #[test]
    fn who_has_no_time_follows_at_once() {
        let times = [-1.0, -1.0, T, T + 1.0, -1.0, T + 2.0, -1.0];
        let all = vec![0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(due(&times), (all, odd(0, 0)));
        assert_eq!(due(&[-1.0; 3]), (vec![0.0; 3], odd(0, 0)));
    }

    #[test]
    fn one_wrong_clock_holds_nobody_up() {
        for wrong in [T + YEAR, T - YEAR, 0.0, T + 3600.0, T - 3600.0] {
            // In the middle,
            let times = [T, T + 1.0, wrong, T + 2.0, T + 3.0];
            assert_eq!(due(&times), (vec![0.0, 1.0, 1.0, 2.0, 3.0], odd(1, 3)));
            // or as many as the right ones, as of another interface.
            let times = [
                T,
                wrong,
                T + 1.0,
                wrong + 1.0,
                T + 2.0,
                wrong + 2.0,
                T + 3.0,
            ];
            let all = vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0];
            assert_eq!(due(&times), (all, odd(3, 2)));
        }
        for wrong in [T + YEAR, T - YEAR] {
            // Of the first and of the last frame, too.
            let times = [wrong, T, T + 2.0, T + 3.0];
            assert_eq!(due(&times), (vec![0.0, 0.0, 2.0, 3.0], odd(1, 2)));
            let times = [T, T + 2.0, T + 3.0, wrong];
            assert_eq!(due(&times), (vec![0.0, 2.0, 3.0, 3.0], odd(1, 4)));
        }
    }

    #[test]
    fn a_clock_that_was_set_is_gone_on_from() {
        for to in [T + YEAR, T - YEAR, T - 100.0] {
            let times = [T, T + 4.0, T + 5.0, to, to + 1.0, to + 3.0];
            let all = vec![0.0, 4.0, 5.0, 5.0, 6.0, 8.0];
            assert_eq!(due(&times), (all, odd(1, 4)), "{to}");
        }
    }

    /// They were taken for frames with a wrong time, as others had that of the last one.
    #[test]
    fn the_same_times_may_come_twice() {
        let once: Vec<f64> = (0..40).map(|tenth| T + f64::from(tenth) / 10.0).collect();
        let (times, is_odd) = due(&[once.clone(), once].concat());
        assert_eq!((times[40], times[79], is_odd), (3.9, 7.8, odd(1, 41)));
    }

    #[test]
    fn no_stamps_are_too_large() {
        let most = u64::MAX;
        let settled = settle(
            &[Some(0), Some(most), Some(0), Some(most), Some(most)],
            &[0, 3],
        );
        assert!(settled.times.windows(2).all(|two| two[0] <= two[1]));
    }
}
