// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a region's memory, and that nobody else waits for it or pays for it.

use super::access::{elsewhere, leave_a_mark, mark, MARK};
use crate::harness::check::*;
use crate::harness::raw::request::pools_info;
use crate::harness::raw::*;
use crate::harness::traces::{live, small_region_one};
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use std::fs::{create_dir, read_to_string, remove_dir, write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    region_one_is_empty_for_the_next_user,
    region_memory_goes_with_its_last_user,
    region_has_a_netmap_if_for_every_ring,
    region_is_charged_to_who_asks,
    region_state_is_charged_to_who_asks,
    region_that_takes_long_keeps_nobody_waiting;
    slow: region_requests_in_vain_hurt_nobody,
];

// The next user of region 1 read what the last one had left.
fn region_one_is_empty_for_the_next_user() -> Outcome {
    small_region_one()?;
    let first = null(GLOBAL_MEM_ID).bind()?;
    let at = leave_a_mark(&first);
    let last = first.reg.nr_memsize - 16;
    first.map.write(last, MARK);
    // While somebody uses it, it stays.
    let second = null(GLOBAL_MEM_ID).bind()?;
    drop(first);
    same("with a user left", mark(&second, at), MARK)?;
    drop(second);
    let next = null(GLOBAL_MEM_ID).bind()?;
    same("in a buffer", mark(&next, at), [0; 16])?;
    same("at the end", mark(&next, last), [0; 16])
}

// Region 1 kept its 343 MB for ever.
fn region_memory_goes_with_its_last_user() -> Outcome {
    small_region_one()?;
    let memories = || live().get("memories").copied();
    same("before", memories(), Some(0))?;
    let one = null(GLOBAL_MEM_ID).bind()?;
    let port = vale("valego:a").slots(64, 64).bind()?;
    same("in use", memories(), Some(2))?;
    drop((one, port));
    same("afterwards", memories(), Some(0))?;
    pools_info("valego:a", GLOBAL_MEM_ID)?;
    same("after a question", memories(), Some(0))
}

// 16 threads with a ring each failed at the 13th: "all 12 netmap_ifs".
fn region_has_a_netmap_if_for_every_ring() -> Outcome {
    let port = || vale("valemany:a").rings(16, 16).slots(64, 64);
    let mut bound = vec![works("the whole port", port().bind())?];
    for ring in 0..16 {
        for only in [NR_TX_RINGS_ONLY, NR_RX_RINGS_ONLY] {
            let one = port().one(ring).flags(only).bind();
            bound.push(works(format!("ring {ring}"), one)?);
        }
    }
    same("files", bound.len(), 33)
}

/// A cgroup with this much memory, which a process may enter. It goes with the value.
pub struct Cgroup(String);

impl Cgroup {
    const ROOT: &str = "/tmp/cgroup";

    pub fn new(name: &str, max: &str) -> Outcome<Self> {
        if create_dir(Self::ROOT).is_ok() {
            let none = None::<&str>;
            let flags = nix::mount::MsFlags::empty();
            nix::mount::mount(none, Self::ROOT, Some("cgroup2"), flags, none)?;
        }
        write(format!("{}/cgroup.subtree_control", Self::ROOT), "+memory")?;
        let group = Cgroup(format!("{}/{name}", Self::ROOT));
        let _ = remove_dir(&group.0);
        create_dir(&group.0)?;
        write(format!("{}/memory.max", group.0), max)?;
        Ok(group)
    }

    pub fn enter(&self) -> Outcome {
        Ok(write(format!("{}/cgroup.procs", self.0), "0")?)
    }

    /// Bytes that are charged to it.
    pub fn charged(&self) -> Outcome<u64> {
        let text = read_to_string(format!("{}/memory.current", self.0))?;
        text.trim().parse().or_else(|_| fail("a number of bytes"))
    }

    /// The part of them that `memory.stat` calls so.
    fn stat(&self, what: &str) -> Outcome<u64> {
        let text = read_to_string(format!("{}/memory.stat", self.0))?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let bytes = lines.find(|(name, _)| *name == what);
        let bytes = bytes.and_then(|(_, bytes)| bytes.parse().ok());
        bytes.map_or_else(|| fail(format!("{what} in memory.stat")), Ok)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = remove_dir(&self.0);
    }
}

// In a cgroup of 64 MiB a program made regions of 2.2 GB, was charged 1.5 MB, and others were ended
// for it.
fn region_is_charged_to_who_asks() -> Outcome {
    const MIB: u64 = 1 << 20;
    let group = Cgroup::new("charged", "64M")?;
    elsewhere(|| {
        group.enter()?;
        let before = group.charged()?;
        let device = Device::open()?;
        let large = || vale("valepay:large").rings(16, 16).slots(1024, 1024);
        fails("16 rings", large().send(&device), Errno::ENOMEM)?;
        let (_, text) = why(&device)?;
        that(format!("memory in {text:?}"), text.contains("no memory"))?;
        let usual = vale("valepay:usual").bind_on(device)?;
        let charged = group.charged()? - before;
        let taken = 2 * 1024 * 2048;
        that(format!("{charged} for {taken}"), charged >= taken)?;
        drop(usual);
        // Less than before, if what the process had in the cache went meanwhile.
        let left = group.charged()?.saturating_sub(before);
        that(format!("{left} afterwards"), left < 2 * MIB)
    })?;
    // Others have what they had.
    let all = vale("valepay:large").rings(16, 16).slots(1024, 1024);
    works("outside of it", all.try_bind())
}

// What small cgroups asked for in vain counted as taken meanwhile, so that others were refused; and
// the kernel ended some of those who asked, since what they had got in part came back to their
// cgroup only by and by.
fn region_requests_in_vain_hurt_nobody() -> Outcome {
    let mut groups = Vec::new();
    for i in 0..8 {
        groups.push(Cgroup::new(&format!("vain{i}"), "16M")?);
    }
    let ask_in_vain = |i: usize| -> Outcome {
        groups[i].enter()?;
        let name = format!("valevain:{i}");
        let large = || vale(&name).rings(16, 16).slots(4096, 4096).extra(500_000);
        loop {
            fails("in vain", large().try_bind(), Errno::ENOMEM)?;
        }
    };
    let mut children = Vec::new();
    for i in 0..groups.len() {
        // SAFETY: the case's process has one thread, so the child may do anything that the parent
        // may.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let _ = ask_in_vain(i).map_err(|why| crate::note!("child: {why}"));
                // SAFETY: always safe; the parent's destructors are not the child's to run.
                unsafe { libc::_exit(1) }
            }
            ForkResult::Parent { child } => children.push(child),
        }
    }
    let others = || works("others", vale("valeothers:a").try_bind());
    let asked = (0..10).try_for_each(|_| others());
    for child in &children {
        kill(*child, Signal::SIGTERM)?;
    }
    for child in children {
        let want = WaitStatus::Signaled(child, Signal::SIGTERM, false);
        same("a child", waitpid(child, None)?, want)?;
    }
    asked
}

// Rings, files and switches were charged to nobody.
fn region_state_is_charged_to_who_asks() -> Outcome {
    const PORTS: u64 = 20;
    let group = Cgroup::new("state", "max")?;
    // Without the regions themselves.
    let state = || Ok::<_, Failure>(group.stat("kernel")? - group.stat("vmalloc")?);
    elsewhere(|| {
        group.enter()?;
        let before = state()?;
        let mut held = Vec::new();
        for i in 0..PORTS {
            let device = Device::open()?;
            vale(&format!("valesta:p{i}")).slots(64, 64).send(&device)?;
            held.push(device);
        }
        let charged = state()?.saturating_sub(before);
        that(
            format!("{charged} for {PORTS} ports"),
            charged >= PORTS * 4096,
        )
    })
}

// While one made a region of gigabytes, every open, request and close on the machine waited.
fn region_that_takes_long_keeps_nobody_waiting() -> Outcome {
    let mut large = vale("valelong:a").slots(64, 64).extra(524_288);
    let device = Device::open()?;
    let made = AtomicBool::new(false);
    let mut longest = Duration::ZERO;
    let took = std::thread::scope(|scope| -> Outcome<Duration> {
        let made = &made;
        let maker = scope.spawn(move || {
            let start = Instant::now();
            let result = large.send(&device);
            made.store(true, SeqCst);
            result.map(|()| start.elapsed())
        });
        while !made.load(SeqCst) {
            let start = Instant::now();
            someone_opens_asks_and_closes()?;
            longest = longest.max(start.elapsed());
        }
        let result = maker.join().or_else(|_| fail("the thread panicked"))?;
        works("a region of a gigabyte", result)
    })?;
    that(
        format!("in {took:?} nobody waited for {longest:?}"),
        longest * 2 < took,
    )
}

fn someone_opens_asks_and_closes() -> Outcome {
    let device = Device::open()?;
    let mut body = NmreqPortInfoGet::default();
    Ok(device.request(NETMAP_REQ_PORT_INFO_GET, "valelong:b", &mut body)?)
}
