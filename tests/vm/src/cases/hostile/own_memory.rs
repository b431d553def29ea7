// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs whose ports are in memory of their own, and who take that away under traffic and under
//! running loops: by truncating or punching the file that it is of, by mapping something else in
//! its place, by advice to the kernel. The pages stay with the port, as they were; nobody else
//! notices; and what comes in their place makes another region. And odd memory: that of a process
//! with children, one page over and over, another region's mapping.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::csb::*;
use crate::harness::raw::device::Mapping;
use crate::harness::raw::extmem::*;
use crate::harness::raw::*;
use crate::harness::traffic::{wait_until, Neighbours};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::cursor::dist;
use ferromap_abi::wire::NmreqPoolsInfo;
use nix::errno::Errno;
use nix::fcntl::{fallocate, FallocateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ftruncate, ForkResult};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;

pub const CASES: &[Case] = crate::cases![
    hostile_own_memory_of_children,
    hostile_own_memory_in_the_place_of_what_was_taken_away,
    hostile_own_memory_of_one_page,
    hostile_own_memory_is_a_region;
    slow: hostile_own_buffers_taken_away_under_traffic,
    hostile_own_memory_taken_away_under_loops,
    hostile_own_huge_pages_taken_away_under_loops,
];

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;
const NONE: i32 = libc::PROT_NONE;
const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// Memory of the program's own.
struct Own {
    /// That it is of, if it is of one.
    file: Option<OwnedFd>,
    map: Arc<Mapping>,
    bytes: u64,
}

impl Own {
    fn of_file(bytes: u64, flags: MFdFlags) -> Outcome<Self> {
        let file = memfd_create(c"own", MFdFlags::MFD_CLOEXEC | flags)?;
        ftruncate(&file, bytes as i64)?;
        let map = Mapping::new(bytes, libc::MAP_SHARED, file.as_raw_fd())?;
        Ok(Own {
            file: Some(file),
            map: Arc::new(map),
            bytes,
        })
    }

    fn of_none(bytes: u64) -> Outcome<Self> {
        let map = anonymous(bytes)?;
        Ok(Own {
            file: None,
            map,
            bytes,
        })
    }

    /// As long as it was, mapped and accessible, whatever is in it.
    fn restore(&self) -> Outcome {
        if let Some(file) = &self.file {
            ftruncate(file, self.bytes as i64)?;
        }
        let file = self.file.as_ref().map(AsRawFd::as_raw_fd);
        Ok(self.map.replace(0, self.bytes, RW, file)?)
    }

    fn file(&self) -> Result<&OwnedFd, Errno> {
        self.file.as_ref().ok_or(Errno::EBADF)
    }

    fn truncate(&self, to: u64) -> Result<(), Errno> {
        ftruncate(self.file()?, to as i64)
    }

    fn advise(&self, part: Range<u64>, advice: i32) -> Result<(), Errno> {
        self.map
            .advise_part(part.start, part.end - part.start, advice)
    }

    fn replace(&self, part: Range<u64>, rights: i32) -> Result<(), Errno> {
        self.map
            .replace(part.start, part.end - part.start, rights, None)
    }

    fn protect(&self, part: Range<u64>, rights: i32) -> Result<(), Errno> {
        self.map.protect(part.start, part.end - part.start, rights)
    }

    fn punch(&self, part: Range<u64>) -> Result<(), Errno> {
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (start, len) = (part.start as i64, (part.end - part.start) as i64);
        fallocate(self.file()?, how, start, len)
    }
}

/// What a program does to a part of its memory, up to the end of it.
type TakeAway = fn(&Own, Range<u64>) -> Result<(), Errno>;

/// Of a file.
const OF_FILES: &[(&str, TakeAway)] = &[
    ("truncated", |own, part| own.truncate(part.start)),
    ("truncated and long again", |own, part| {
        own.truncate(part.start)?;
        own.truncate(part.end)
    }),
    ("punched", |own, part| own.punch(part)),
    ("removed", |own, part| own.advise(part, libc::MADV_REMOVE)),
];

/// Of any kind.
const OF_ANY: &[(&str, TakeAway)] = &[
    ("protected", |own, part| own.protect(part, NONE)),
    ("unmapped", |own, part| own.replace(part, NONE)),
    ("mapped anew", |own, part| own.replace(part, RW)),
    ("forgotten", |own, part| {
        own.advise(part, libc::MADV_DONTNEED)
    }),
    ("paged out", |own, part| {
        own.advise(part, libc::MADV_PAGEOUT)
    }),
];

/// Of no file.
const OF_NONE: &[(&str, TakeAway)] = &[
    ("freed", |own, part| own.advise(part, libc::MADV_FREE)),
    ("merged", |own, part| own.advise(part, libc::MADV_MERGEABLE)),
];

/// Does this with each kind of memory, and with each way to take it away.
fn each_way(f: impl Fn(&Own, TakeAway) -> Outcome) -> Outcome {
    let of = |what: &str, ways: &[&[(&str, TakeAway)]], own: &dyn Fn() -> Outcome<Own>| {
        for (way, take) in ways.iter().copied().flatten() {
            let blame = |e: Failure| failure(format!("{what}, {way}: {e}"));
            f(&own()?, *take).map_err(blame)?;
        }
        Ok(())
    };
    of("a file's", &[OF_FILES, OF_ANY], &|| {
        Own::of_file(2 * MIB, MFdFlags::empty())
    })?;
    of("nobody's", &[OF_NONE, OF_ANY], &|| Own::of_none(2 * MIB))
}

/// Syncs a port all the time, until the other is done.
fn beside_syncs(device: &Device, f: impl FnOnce() -> Outcome) -> Outcome {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let _ = (device.rxsync(), device.txsync());
            }
        });
        let done = f();
        over.store(true, SeqCst);
        done
    })
}

/// That ports in this memory work, one that is there and one that comes.
fn works_within(own: &Own, far: &Bound) -> Outcome {
    let port = |name| vale(name).slots(64, 64);
    let (c, _) = works(
        "REGISTER",
        port("vale972:c").bind_within(&own.map, few(own.bytes)),
    )?;
    let (d, _) = works(
        "REGISTER",
        port("vale972:d").bind_within(&own.map, few(own.bytes)),
    )?;
    far.recv()?;
    c.send(&numbered(0..30))?;
    same("to the same memory", d.recv()?, numbered(0..30))?;
    same("to other memory", far.recv()?, numbered(0..30))?;
    far.send(&numbered(30..60))?;
    same("from there", c.recv()?, numbered(30..60))
}

/// Rings stay in the program's sight, buffers do not: what was in them goes out, and more comes in.
fn hostile_own_buffers_taken_away_under_traffic() -> Outcome {
    each_way(|own, take| {
        let far = vale("vale972:b").slots(64, 64).bind()?;
        let neighbours = Neighbours::new("vale973")?;
        let ask = vale("vale972:a").slots(64, 64);
        let (port, option) = works("REGISTER", ask.bind_within(&own.map, few(own.bytes)))?;
        let buffers = option.nro_info.nr_buf_pool_offset..own.bytes;
        let (tx, frames) = (port.tx(0), numbered(0..60));
        for (at, frame) in (0..).zip(&frames) {
            tx.fill(at, frame, 0);
        }
        beside_syncs(&port.device, || {
            let mut came = Vec::new();
            for sent in 1..=60 {
                tx.set_head_cur(sent);
                if sent % 20 == 10 {
                    works("taking it away", take(own, buffers.clone()))?;
                }
                neighbours.exchange(sent)?;
                let count = sent as usize;
                wait_until("a frame comes", || {
                    came.extend(far.recv().unwrap_or_default());
                    came.len() >= count
                })?;
            }
            that("what was in the pages", came == frames)?;
            far.send(&numbered(60..100))?;
            wait_until("frames are there", || port.rx(0).space() == 40)
        })?;
        own.restore()?;
        works("NIOCTXSYNC", port.device.txsync())?;
        drop(port);
        works_within(own, &far)?;
        neighbours.exchange(61)
    })
}

/// Nothing is left in sight, of rings either: of one port that is synced, of one with a loop.
fn lost_from_sight(own: &Own, take: TakeAway) -> Outcome {
    let pools = few(own.bytes);
    let far = vale("vale972:b").slots(64, 64).bind()?;
    let neighbours = Neighbours::new("vale973")?;
    let ask = |name| vale(name).slots(64, 64);
    let (port, _) = works("REGISTER", ask("vale972:a").bind_within(&own.map, pools))?;
    let looped = ask("vale972:l").flags(NR_EXCLUSIVE);
    let (looped, _) = works("REGISTER", looped.bind_within(&own.map, pools))?;
    let csb = Csb::new()?;
    works("CSB_ENABLE", csb_enable(&looped.device, &mut csb.option()))?;
    let looped = CsbPort::of(looped, csb);
    let frames = numbered(0..60);
    for (at, frame) in (0..).zip(&frames) {
        looped.bound.tx(0).fill(at, frame, 0);
    }
    let running = looped.run(0)?;
    looped.wait_for_loop()?;
    beside_syncs(&port.device, || {
        let mut came = Vec::new();
        for sent in 1..=60 {
            looped.csb.set_head(0, sent);
            if sent % 20 == 10 {
                works("taking it away", take(own, 0..own.bytes))?;
            }
            neighbours.exchange(sent)?;
            let count = sent as usize;
            wait_until("the loop sends", || {
                came.extend(far.recv().unwrap_or_default());
                came.len() >= count
            })?;
        }
        that("what was in the pages", came == frames)?;
        // To both of them, who receive where nobody sees it.
        far.send(&numbered(60..100))?;
        let entry = looped.rx_entry(0);
        wait_until("the loop receives", || looped.csb.hwtail(entry) == 40)
    })?;
    that("the loop runs", !running.has_ended())?;
    running.stop()?;
    own.restore()?;
    works("NIOCTXSYNC", port.device.txsync())?;
    drop((port, looped));
    works_within(own, &far)?;
    neighbours.exchange(61)
}

fn hostile_own_memory_taken_away_under_loops() -> Outcome {
    each_way(lost_from_sight)
}

fn hostile_own_huge_pages_taken_away_under_loops() -> Outcome {
    let huge = HugePages::new(8)?;
    let ways = OF_FILES.iter().chain(&OF_ANY[..4]);
    for (way, take) in ways {
        let blame = |e: Failure| failure(format!("{way}: {e}"));
        let own = Own::of_file(4 * MIB, MFdFlags::MFD_HUGETLB)?;
        lost_from_sight(&own, *take).map_err(blame)?;
    }
    huge.wait_until_gone()
}

/// What comes where a hole was punched is other memory, and both work side by side.
fn hostile_own_memory_in_the_place_of_what_was_taken_away() -> Outcome {
    let own = Own::of_file(2 * MIB, MFdFlags::empty())?;
    let far = vale("vale972:b").slots(64, 64).bind()?;
    let neighbours = Neighbours::new("vale973")?;
    let ask = vale("vale972:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&own.map, few(own.bytes)))?;
    own.punch(0..own.bytes)?;
    let other = vale("vale972:c").slots(64, 64);
    let (other, _) = works("REGISTER", other.bind_within(&own.map, few(own.bytes)))?;
    differs("the region", other.reg.nr_mem_id, port.reg.nr_mem_id)?;
    for round in 0..5 {
        let frames = numbered(round * 40..round * 40 + 40);
        other.send(&frames)?;
        same("out of it", far.recv()?, frames.clone())?;
        far.send(&frames)?;
        same("into it", other.recv()?, frames)?;
        // They came to this one as well, which has room for 63.
        works("NIOCRXSYNC", port.device.rxsync())?;
        neighbours.exchange(round)?;
    }
    drop((port, other));
    works_within(&own, &far)
}

/// A child has a copy of what is nobody's, and what it writes there is in no port.
fn hostile_own_memory_of_children() -> Outcome {
    let own = Own::of_none(2 * MIB)?;
    let far = vale("vale972:b").slots(64, 64).bind()?;
    let ask = vale("vale972:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&own.map, few(own.bytes)))?;
    for round in 0..5 {
        let mut frames = numbered(round * 60..round * 60 + 60);
        let tx = port.tx(0);
        // Which of them lies in slot 0, where the parent writes.
        let in_slot_0 = dist(tx.head(), 0, tx.n()) as usize;
        for frame in &frames {
            tx.put(frame);
        }
        let written = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
        // SAFETY: the case's process has one thread, so the child may do anything that the parent
        // may.
        match unsafe { fork() }? {
            ForkResult::Child => {
                // It sends what is there: the parent is first.
                let _ = written.read();
                for at in (0..own.bytes).step_by(8) {
                    own.map.write(at, u64::MAX);
                }
                let _ = port.device.txsync();
                // SAFETY: always safe; the parent's destructors are not the child's to run.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                // What the parent writes from then on is the port's, and in no copy.
                tx.write_byte(tx.slot(0).buf_idx, 59, 7);
                frames[in_slot_0][59] = 7;
                written.write(1)?;
                let ended = waitpid(child, None)?;
                same("the child", ended, WaitStatus::Exited(child, 0))?;
            }
        }
        works("NIOCTXSYNC", port.device.txsync())?;
        same("frames", far.recv()?, frames.clone())?;
        far.send(&frames)?;
        same("frames back", port.recv()?, frames)?;
    }
    Ok(())
}

/// Interfaces, rings and buffers all lie in one and the same page, which is there over and over.
fn hostile_own_memory_of_one_page() -> Outcome {
    let own = Own::of_file(PAGE, MFdFlags::empty())?;
    let map = anonymous(MIB)?;
    let file = own.file()?.as_raw_fd();
    for at in (0..MIB).step_by(PAGE as usize) {
        map.replace(at, PAGE, RW, Some(file))?;
    }
    let pools = NmreqPoolsInfo {
        nr_ring_pool_objsize: 1024,
        ..few(MIB)
    };
    let neighbours = Neighbours::new("vale973")?;
    let far = vale("vale972:b").slots(64, 64).bind()?;
    let mut bound = 0;
    for round in 0..20 {
        let device = Device::open()?;
        let mut option = option(map.at(0) as u64, pools);
        let ask = vale("vale972:a").slots(16, 16);
        let ask = ask.options(device::address(&mut option)).send(&device);
        documented("REGISTER", ask)?;
        bound += u32::from(ask.is_ok());
        for word in 0..PAGE / 4 {
            // Whatever a buffer holds, the ring does.
            far.send(&numbered(word as u32..word as u32 + 1))?;
            let _ = (device.rxsync(), device.txsync());
            far.recv()?;
            if word % 64 == 0 {
                neighbours.exchange(round)?;
            }
            map.write(4 * word, word as u32);
        }
    }
    crate::say!("    bound {bound} times");
    that("some were bound", bound > 0)?;
    works_within(&Own::of_none(2 * MIB)?, &far)
}

/// What a region's mapping shows can be memory of the program's own as well, and outlives it.
fn hostile_own_memory_is_a_region() -> Outcome {
    let far = vale("vale972:b").slots(64, 64).bind()?;
    let outer = vale("vale974:a").rings(4, 4).bind()?;
    let pools = few(2 * MIB);
    let ask = vale("vale972:a").slots(64, 64);
    let (inner, _) = works("REGISTER", ask.bind_within(&outer.map, pools))?;
    // The outer rings lie where the inner ones are, and are whatever those have.
    for round in 0..20 {
        let _ = (outer.device.txsync(), outer.device.rxsync());
        inner.send(&numbered(round..round + 1))?;
        same("frames", far.recv()?, numbered(round..round + 1))?;
    }
    drop(outer);
    for round in 0..20 {
        inner.send(&numbered(round..round + 40))?;
        same("frames", far.recv()?, numbered(round..round + 40))?;
        far.send(&numbered(round..round + 40))?;
        same("frames back", inner.recv()?, numbered(round..round + 40))?;
    }
    drop(inner);
    works_within(&Own::of_none(2 * MIB)?, &far)
}
