// SPDX-License-Identifier: MIT OR Apache-2.0

//! What threads do in that minute, and what may come of it instead while others do theirs.

use crate::harness::check::*;
use crate::harness::random::Random;
use nix::errno::Errno::{self, *};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const AT_MOST: Duration = Duration::from_secs(140);

/// More often than this each of them must have been done: less is no race.
const OFTEN: u32 = 20;

/// Something to be done, or a port to be opened, and how it may fail where others are in the way.
type Deed = (&'static str, &'static [Errno]);

/// Ports, all of them in each other's way; of some, pipes make the base. `EBUSY` is for who wants
/// one alone, or with other offsets; `EIO` for who does not know of headers that others set.
const PORTS: [Deed; 18] = [
    ("vale942:a", &[EBUSY, EIO]),
    ("vale942:b", &[EBUSY, EIO]),
    // There is an interface of that name, not attached.
    ("vale942:fp942", &[EBUSY, EINVAL, ENXIO]),
    ("vale942:a{1", &[EBUSY]),
    ("vale942:a}1", &[EBUSY]),
    ("vale942:fp942{1", &[EBUSY, EINVAL, ENXIO]),
    ("fm1", &[EBUSY]),
    ("fm1{2", &[EBUSY]),
    ("fm1}2", &[EBUSY]),
    // There is no interface of that name at the time, or it is on its way out.
    ("fp942", &[EBUSY, ENXIO]),
    ("fp942}1", &[EBUSY, ENXIO]),
    ("vale943:a", &[EBUSY, EIO]),
    // In memory of a program, which the device does not map.
    ("vale944:e", &[EBUSY, EIO, EINVAL]),
    ("vale944:e}1", &[EBUSY, EINVAL]),
    ("rp942", &[EBUSY, ENXIO]),
    ("rp942{1", &[EBUSY, ENXIO]),
    ("sp942}1", &[EBUSY, ENXIO]),
    ("pp942{1{2", &[EBUSY, ENXIO]),
];

/// What is done. Where a port is opened, that may fail as the port says, too.
const DEEDS: [Deed; 52] = [
    ("open", &[]),
    // Nobody has the port open.
    ("watch", &[EINVAL]),
    ("watch without copies", &[EINVAL]),
    ("open nothing", &[]),
    ("open in own memory", &[]),
    ("open a pipe in own memory", &[]),
    ("open a second in own memory", &[]),
    ("sync in memory that was unmapped", &[]),
    ("open with offsets", &[]),
    ("open by the old call", &[]),
    ("open the oldest way", &[]),
    ("sync to send", &[]),
    ("poll", &[]),
    ("sync to receive", &[]),
    ("open for a loop", &[]),
    ("vale942:c", &[]),
    ("vale942:c{3", &[]),
    ("run a loop", &[]),
    ("stop a loop", &[]),
    ("send by a loop", &[]),
    ("ask", &[]),
    ("ask by the old call", &[]),
    // There is none.
    ("list by the old call", &[ENOENT]),
    // The port is not there, or the pipe.
    ("set headers", &[ENXIO]),
    ("set headers by the old call", &[ENXIO]),
    ("ask for headers by the old call", &[ENODEV]),
    // It is attached.
    ("attach", &[EBUSY]),
    ("attach by the old call", &[EBUSY]),
    // Others have detached it, or polled it, or stopped that.
    ("poll on a CPU", &[ENXIO, EFAULT]),
    ("poll on a CPU by the old call", &[ENXIO, EFAULT]),
    ("poll no more", &[ENXIO, EFAULT]),
    ("poll no more by the old call", &[ENXIO, EFAULT]),
    ("detach", &[ENXIO]),
    ("detach by the old call", &[ENXIO, EBUSY]),
    // It is open, or not there; or was made for a pipe, and goes with it.
    ("attach a persistent port", &[EBUSY, EINVAL]),
    ("detach a persistent port", &[ENXIO]),
    // One was made for a pipe.
    ("make", &[EEXIST]),
    ("make another", &[EEXIST]),
    ("rename", &[EEXIST]),
    ("make by the old call", &[]),
    ("delete by the old call", &[]),
    ("open a pipe to be renamed", &[]),
    ("find a pipe by its new name", &[]),
    ("watch a pipe by its new name", &[]),
    // The port or switch is not there, or has a program.
    ("put a program on a port", &[ENXIO, EBUSY]),
    ("put a program on a switch", &[ENXIO, EBUSY]),
    ("put a program on an interface", &[ENXIO, EBUSY]),
    ("put a program on a persistent port", &[ENXIO, EBUSY]),
    // It went with the port, or others have taken it.
    ("look for a program", &[ENXIO]),
    ("take a program away", &[ENXIO, ENOENT]),
    ("give the kernel a program", &[]),
    ("take it from the kernel", &[]),
];

/// What all threads have done, and how long they go on.
pub struct Deeds {
    all: Vec<(Deed, AtomicU32)>,
    begin: Instant,
}

impl Deeds {
    pub fn new() -> Self {
        let all = PORTS.iter().chain(&DEEDS);
        Deeds {
            all: all.map(|&deed| (deed, AtomicU32::new(0))).collect(),
            begin: Instant::now(),
        }
    }

    /// What has not been done often yet.
    fn rare(&self) -> impl Iterator<Item = (&str, u32)> {
        let counts = self.all.iter();
        let counts = counts.map(|((what, _), times)| (*what, times.load(Relaxed)));
        counts.filter(|(_, times)| *times <= OFTEN)
    }

    /// That all of it was done often.
    pub fn were_done(&self) -> Outcome {
        let rare: Vec<_> = self.rare().collect();
        same("what was not done often", rare, vec![])
    }
}

/// What a thread does.
pub struct Work<'d> {
    pub random: Random,
    deeds: &'d Deeds,
}

impl<'d> Work<'d> {
    pub fn new(seed: u64, deeds: &'d Deeds) -> Self {
        Work {
            random: Random::new(seed),
            deeds,
        }
    }

    /// Whether there is time for more: a minute, and longer where a slow machine has not come to
    /// everything in that.
    pub fn goes_on(&self) -> bool {
        let since = self.deeds.begin.elapsed();
        since < MINUTE || since < AT_MOST && self.deeds.rare().next().is_some()
    }

    /// The name of a port.
    pub fn port(&mut self) -> &'static str {
        self.random.of(&PORTS).0
    }

    /// Waits for less than so many milliseconds.
    pub fn pause(&mut self, most: u64) {
        std::thread::sleep(Duration::from_millis(self.random.below(most)));
    }

    /// Counts a deed that was done. One that was not must have failed as it may. What came is
    /// returned if it was done.
    #[track_caller]
    pub fn did<T>(&mut self, what: &str, came: Result<T, Errno>) -> Outcome<Option<T>> {
        self.count(&[what], came)
    }

    /// The same for a deed that opens a port.
    #[track_caller]
    pub fn did_at<T>(
        &mut self,
        what: &str,
        port: &str,
        came: Result<T, Errno>,
    ) -> Outcome<Option<T>> {
        self.count(&[what, port], came)
    }

    #[track_caller]
    fn count<T>(&mut self, whats: &[&str], came: Result<T, Errno>) -> Outcome<Option<T>> {
        let mut excused = false;
        for what in whats {
            let mut all = self.deeds.all.iter();
            let Some(((_, excuses), times)) = all.find(|(deed, _)| deed.0 == *what) else {
                return fail(format!("{what} is not among the deeds"));
            };
            match &came {
                Ok(_) => {
                    times.fetch_add(1, Relaxed);
                }
                Err(e) => excused |= excuses.contains(e),
            }
        }
        match came {
            Ok(value) => Ok(Some(value)),
            Err(_) if excused => Ok(None),
            Err(e) => fail(format!("{whats:?}: {e:?}, which no race explains")),
        }
    }
}
