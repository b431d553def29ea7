// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whom a memory region is open to.

use crate::harness::check::*;
use crate::harness::raw::request::{pools_info, region_size};
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, setresuid, ForkResult, Uid};
use std::fs::File;
use std::io::{Read, Write};

pub const CASES: &[Case] = crate::cases![
    region_is_closed_to_another_user,
    region_is_closed_to_another_namespace,
    region_opens_by_a_descriptor,
    region_descriptor_must_be_bound,
    region_opens_by_a_descriptor_in_the_crate,
    region_one_is_another_in_each_namespace
];

const STRANGER: u32 = 65534;
pub const MARK: [u8; 16] = *b"what I left here";

/// Does `f` in a process of its own, whose user, namespace and cgroup go with it.
pub fn elsewhere(f: impl FnOnce() -> Outcome) -> Outcome {
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
                let fine = WaitStatus::Exited(child, 0);
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

/// Leaves a mark in the buffer of the first transmit slot. Returns where it is in the region.
pub fn leave_a_mark(bound: &Bound) -> u64 {
    let ring = bound.tx(0);
    let at = ring.buf_at(ring.slot(0).buf_idx);
    bound.map.write(at, MARK);
    at
}

pub fn mark(bound: &Bound, at: u64) -> [u8; 16] {
    bound.map.read(at)
}

// Any user that could open the node mapped the memory of every other's ports, by number or by the
// name of a port.
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

// Regions were one list for the whole machine: a container mapped the host's memory by trying
// numbers.
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
        // A wrong number is no fault of the option, which was honoured before.
        let status = if id == 0 { errno as u32 } else { 0 };
        same("its status", option.nro_opt.nro_status, status)?;
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
