// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whom a memory region is open to, what becomes of its memory, and that nobody else waits for it or pays for it.

use crate::harness::check::*;
use crate::harness::raw::request::{pools_info, region_size};
use crate::harness::raw::*;
use crate::harness::traces::{live, small_region_one};
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, setresuid, ForkResult, Uid};
use std::fs::{create_dir, read_to_string, remove_dir, write, File};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    region_is_closed_to_another_user,
    region_is_closed_to_another_namespace,
    region_opens_by_a_descriptor,
    region_descriptor_must_be_bound,
    region_opens_by_a_descriptor_in_the_crate,
    region_one_is_empty_for_the_next_user,
    region_one_is_another_in_each_namespace,
    region_memory_goes_with_its_last_user,
    region_has_a_netmap_if_for_every_ring,
    region_is_charged_to_who_asks,
    region_state_is_charged_to_who_asks,
    region_that_takes_long_keeps_nobody_waiting;
    slow: region_requests_in_vain_hurt_nobody,
];

const STRANGER: u32 = 65534;
const MARK: [u8; 16] = *b"what I left here";

/// Does `f` in a process of its own, whose user, namespace and cgroup go with it.
fn elsewhere(f: impl FnOnce() -> Outcome) -> Outcome {
    let (from, to) = pipe()?;
    // SAFETY: this process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(from);
            if let Err(failure) = f() {
                let _ = File::from(to).write_all(failure.to_string().as_bytes());
            }
            // SAFETY: always safe; it runs no destructors that the fork copied.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(to);
            let mut said = String::new();
            File::from(from).read_to_string(&mut said)?;
            let ended = waitpid(child, None)?;
            if said.is_empty() {
                let fine = nix::sys::wait::WaitStatus::Exited(child, 0);
                same("how the other process ended", ended, fine)
            } else {
                fail(said)
            }
        }
    }
}

/// Some open files, for one who may not open the node.
fn devices<const N: usize>() -> Outcome<[Device; N]> {
    let mut devices = Vec::new();
    for _ in 0..N {
        devices.push(Device::open()?);
    }
    devices.try_into().or_else(|_| fail("as many as asked for"))
}

fn become_a_stranger() -> Outcome {
    let user = Uid::from_raw(STRANGER);
    Ok(setresuid(user, user, user)?)
}

fn new_namespace() -> Outcome {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// An option that names a descriptor.
fn option(fd: i32) -> NmreqOptRegion {
    NmreqOptRegion {
        nro_opt: NmreqOption {
            nro_reqtype: FERROMAP_OPT_REGION,
            ..Default::default()
        },
        fd,
        pad: 0,
    }
}

/// The request with that option. The option must live until it is sent.
fn with(request: Reg, option: &mut NmreqOptRegion) -> Reg {
    request.options(std::ptr::from_mut(option) as u64)
}

/// PORT_INFO_GET of region `id` on this device.
fn size_on(device: &Device, id: u16) -> Result<u64, Errno> {
    let mut body = NmreqPortInfoGet {
        nr_mem_id: id,
        ..Default::default()
    };
    device.request(NETMAP_REQ_PORT_INFO_GET, "", &mut body)?;
    Ok(body.nr_memsize)
}

/// Leaves a mark in the buffer of the first transmit slot. Answers where it is in the region.
fn leave_a_mark(bound: &Bound) -> u64 {
    let ring = bound.tx(0);
    let at = ring.buf_at(ring.slot(0).buf_idx);
    bound.map.write(at, MARK);
    at
}

fn mark(bound: &Bound, at: u64) -> [u8; 16] {
    bound.map.read(at)
}

// Any user that could open the node mapped the memory of every other's ports, by number or by the name of a port.
fn region_is_closed_to_another_user() -> Outcome {
    small_region_one()?;
    let port = vale("valeown:a").slots(64, 64).bind()?;
    let id = port.reg.nr_mem_id;
    let one = null(GLOBAL_MEM_ID).bind()?;
    let at = leave_a_mark(&one);
    elsewhere(|| {
        let [a, b, c, d, own, other, shared] = devices()?;
        become_a_stranger()?;
        fails("a null port there", null(id).send(&a), Errno::EACCES)?;
        let (_, text) = why(&a)?;
        that(format!("users in {text:?}"), text.contains("another user"))?;
        let there = vale("valeown:b").slots(64, 64).mem(id).send(&b);
        fails("a port there", there, Errno::EACCES)?;
        let by_name = vale("valeown:a").one(0).send(&c);
        fails("the port itself", by_name, Errno::EACCES)?;
        fails("PORT_INFO_GET", size_on(&d, id), Errno::EACCES)?;
        // What is his own is open to him as ever.
        let own = vale("valeown:c").slots(64, 64).bind_on(own)?;
        let mine = own.reg.nr_mem_id;
        works("his own region", null(mine).send(&other))?;
        let shared = null(GLOBAL_MEM_ID).bind_on(shared)?;
        differs("region 1", mark(&shared, at), MARK)
    })?;
    works("by its user", null(id).try_bind())
}

// Regions were one list for the whole machine: a container mapped the host's memory by trying numbers.
fn region_is_closed_to_another_namespace() -> Outcome {
    let port = vale("valens:a").slots(64, 64).bind()?;
    let id = port.reg.nr_mem_id;
    elsewhere(|| {
        new_namespace()?;
        let missing = u16::MAX;
        let mut said = Vec::new();
        for id in [id, missing] {
            let device = Device::open()?;
            fails("a null port there", null(id).send(&device), Errno::EINVAL)?;
            fails("PORT_INFO_GET", region_size(id), Errno::EINVAL)?;
            fails("POOLS_INFO_GET", pools_info("valens:a", id), Errno::EINVAL)?;
            said.push(why(&device)?.1.replace(&id.to_string(), "N"));
        }
        // Nothing tells that the first one is there.
        same("what is said of the two", &said[0], &said[1])
    })
}

/// Ports in the region of a descriptor find the mark at `at`.
fn joined_by(option: &mut NmreqOptRegion, id: u16, at: u64) -> Outcome {
    let [a, b] = devices()?;
    joined_on(option, id, at, a, b)
}

fn joined_on(option: &mut NmreqOptRegion, id: u16, at: u64, a: Device, b: Device) -> Outcome {
    let joined = works("by descriptor", with(null(0), option).bind_on(a))?;
    same("its region", joined.reg.nr_mem_id, id)?;
    same("its memory", mark(&joined, at), MARK)?;
    let named = with(vale("valefd:b").slots(64, 64).mem(id), option);
    works("with its number", named.bind_on(b)).map(drop)
}

// A descriptor is what passes memory on.
fn region_opens_by_a_descriptor() -> Outcome {
    let port = vale("valefd:a").slots(64, 64).bind()?;
    let id = port.reg.nr_mem_id;
    let at = leave_a_mark(&port);
    let mut option = option(port.device.raw());
    joined_by(&mut option, id, at)?;
    elsewhere(|| {
        let [a, b, c, d, e] = devices()?;
        become_a_stranger()?;
        joined_on(&mut option, id, at, a, b)?;
        let port = with(vale("valefd:a").one(0), &mut option).bind_on(c);
        works("the port itself", port).map(drop)?;
        let first = std::ptr::from_mut(&mut option) as u64;
        let mut info = NmreqPortInfoGet::default();
        d.request_with(NETMAP_REQ_PORT_INFO_GET, "", &mut info, first)?;
        same("PORT_INFO_GET", info.nr_mem_id, id)?;
        let mut pools = NmreqPoolsInfo::default();
        e.request_with(NETMAP_REQ_POOLS_INFO_GET, "valefd:c", &mut pools, first)?;
        same("POOLS_INFO_GET", pools.nr_mem_id, id)?;
        let (set, name) = (NETMAP_REQ_PORT_HDR_SET, "valefd:a");
        let mut header = NmreqPortHdr::default();
        fails("a header", e.request(set, name, &mut header), Errno::EPERM)?;
        let by_it = e.request_with(set, name, &mut header, first);
        works("a header, by descriptor", by_it)
    })?;
    elsewhere(|| {
        new_namespace()?;
        joined_by(&mut option, id, at)
    })
}

// A wrong descriptor is refused, and it is said what is wrong with it.
fn region_descriptor_must_be_bound() -> Outcome {
    let bound = vale("valebad:a").slots(64, 64).bind()?;
    let other = vale("valebad:b").slots(64, 64).bind()?;
    let unbound = Device::open()?;
    let null_device = File::open("/dev/null")?;
    use std::os::fd::AsRawFd;
    let refused = |fd: i32, pad: u32, id: u16, errno: Errno, word: &str| -> Outcome {
        let mut option = NmreqOptRegion { pad, ..option(fd) };
        let device = Device::open()?;
        let result = with(null(id), &mut option).send(&device);
        fails(format!("descriptor {fd}"), result, errno)?;
        let (_, text) = why(&device)?;
        that(format!("{word:?} in {text:?}"), text.contains(word))?;
        let wrong_id = id != 0;
        same(
            "refused by status",
            option.nro_opt.nro_status != 0,
            !wrong_id,
        )?;
        fails("the device afterwards", device.txsync(), Errno::ENXIO)
    };
    refused(unbound.raw(), 0, 0, Errno::ENXIO, "not bound")?;
    refused(null_device.as_raw_fd(), 0, 0, Errno::EINVAL, "/dev/netmap")?;
    refused(-1, 0, 0, Errno::EBADF, "not open")?;
    refused(999, 0, 0, Errno::EBADF, "not open")?;
    refused(bound.device.raw(), 1, 0, Errno::EINVAL, "pad")?;
    let elsewhere = other.reg.nr_mem_id;
    refused(bound.device.raw(), 0, elsewhere, Errno::EINVAL, "nr_mem_id")?;
    // Requests without a region do not know it.
    let mut option = option(bound.device.raw());
    let mut list = NmreqValeList::default();
    let first = std::ptr::from_mut(&mut option) as u64;
    unbound.request_with(NETMAP_REQ_VALE_LIST, "valebad:a", &mut list, first)?;
    let status = option.nro_opt.nro_status;
    same("status", status, Errno::EOPNOTSUPP as u32)
}

// What the crate makes of it.
fn region_opens_by_a_descriptor_in_the_crate() -> Outcome {
    use ferromap::Port;
    let wrong = |e: ferromap::Error| failure(e.to_string());
    let first = Port::builder("valecra:a").slots(64).open().map_err(wrong)?;
    elsewhere(|| {
        new_namespace()?;
        let beside = |name| Port::builder(name).slots(64).rings(2);
        let by_number = beside("valecra:b").mem_id(first.mem_id()).open();
        that("closed by number", by_number.is_err())?;
        let second = beside("valecra:b-0").open_in(&first).map_err(wrong)?;
        that("one memory", first.shares_memory_with(&second))?;
        let third = second.clone_ring(1).map_err(wrong)?;
        that("for another ring", first.shares_memory_with(&third))
    })
}

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

// Region 1 was one for all network namespaces.
fn region_one_is_another_in_each_namespace() -> Outcome {
    small_region_one()?;
    let here = null(GLOBAL_MEM_ID).bind()?;
    let at = leave_a_mark(&here);
    elsewhere(|| {
        new_namespace()?;
        let there = null(GLOBAL_MEM_ID).bind()?;
        same("its number", there.reg.nr_mem_id, GLOBAL_MEM_ID)?;
        same("its memory", mark(&there, at), [0; 16])?;
        leave_a_mark(&there);
        there.map.write(at, [1u8; 16]);
        Ok(())
    })?;
    same("here", mark(&here, at), MARK)?;
    let again = null(GLOBAL_MEM_ID).bind()?;
    same("for another file", mark(&again, at), MARK)
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
struct Cgroup(String);

impl Cgroup {
    const ROOT: &str = "/tmp/cgroup";

    fn new(name: &str, max: &str) -> Outcome<Self> {
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

    fn enter(&self) -> Outcome {
        Ok(write(format!("{}/cgroup.procs", self.0), "0")?)
    }

    /// Bytes that are charged to it.
    fn charged(&self) -> Outcome<u64> {
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

// In a cgroup of 64 MiB a program made regions of 2.2 GB, was charged 1.5 MB, and others were ended for it.
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
        let size = usual.reg.nr_memsize;
        that(format!("{charged} for {size}"), charged >= size)?;
        drop(usual);
        // Less than before, if what the process had in the cache went meanwhile.
        let left = group.charged()?.saturating_sub(before);
        that(format!("{left} afterwards"), left < 8 * MIB)?;
        // There are fewer buffers in region 1 where memory is short.
        let one = works("region 1", null(GLOBAL_MEM_ID).bind())?;
        that("smaller", one.reg.nr_memsize < 64 * MIB)
    })?;
    // Others have what they had.
    let all = vale("valepay:large").rings(16, 16).slots(1024, 1024);
    works("outside of it", all.try_bind())
}

// What small cgroups asked for in vain counted as taken meanwhile, so that others were refused; and the kernel ended some of
// those who asked, since what they had got in part came back to their cgroup only by and by.
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
        // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let _ = ask_in_vain(i).map_err(|why| eprintln!("child: {why}"));
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
