// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that rings dropped, by cause.

use crate::{causes, json::Object};
use ferromap::RingCounters;

/// Causes in the order in which they were met, each with its frames, of which there are some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops(Vec<(String, u64)>);

impl Drops {
    /// Those of some rings together.
    pub fn of<'a>(rings: impl IntoIterator<Item = &'a RingCounters>) -> Self {
        let mut drops = Drops::default();
        for (cause, frames) in rings.into_iter().flat_map(|ring| &ring.drops) {
            drops.count(cause, *frames);
        }
        drops
    }

    pub fn add(&mut self, other: &Drops) {
        for (cause, frames) in &other.0 {
            self.count(cause, *frames);
        }
    }

    fn count(&mut self, cause: &str, frames: u64) {
        match self.0.iter_mut().find(|(own, _)| own == cause) {
            Some((_, sum)) => *sum += frames,
            None if frames > 0 => self.0.push((cause.to_owned(), frames)),
            None => {}
        }
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, frames)| frames).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For people, as in `3 link down, 2 ring full`.
    pub fn words(&self) -> String {
        let words = |(cause, frames): &(String, u64)| format!("{frames} {}", causes::words(cause));
        self.0.iter().map(words).collect::<Vec<_>>().join(", ")
    }

    /// For programs: causes as the module names them.
    pub fn json(&self) -> Object {
        let causes = self.0.iter();
        causes.fold(Object::default(), |object, (cause, frames)| {
            object.plain(cause, frames)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromap::Counters;

    #[test]
    fn rings_are_summed_by_cause() {
        let text = "netmap-port:\ta\nnetmap-tx0-drop_down:\t3\nnetmap-tx0-drop_full:\t0\n\
            netmap-tx1-drop_down:\t1\nnetmap-tx1-drop_new:\t2\n";
        let counters = Counters::parse(text).unwrap();
        let mut drops = Drops::of(&counters.rings);
        assert_eq!(drops.words(), "4 link down, 2 new");
        drops.add(&drops.clone());
        assert_eq!((drops.total(), drops.is_empty()), (12, false));
        assert_eq!(drops.json().to_string(), r#"{"down":8,"new":4}"#);
        assert!(Drops::default().is_empty());
    }
}
