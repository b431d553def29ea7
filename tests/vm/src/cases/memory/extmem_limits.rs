// SPDX-License-Identifier: MIT OR Apache-2.0

//! What memory of a program is no region, how much one may give and who may use it, and programs
//! that write nonsense there: section 3.9.

use super::access::elsewhere;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::device::{address, Mapping};
use crate::harness::raw::extmem::*;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::slow::SlowPage;
use crate::harness::raw::*;
use crate::harness::why::says;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::resource::{setrlimit, Resource};
use nix::unistd::{setresuid, Uid};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    extmem_that_will_not_do,
    extmem_too_small_for_the_port,
    extmem_counts_as_memory_that_stays,
    extmem_is_given_back_by_closing,
    extmem_of_one_who_may_not_keep_as_much,
    extmem_of_another_namespace,
    extmem_belongs_to_its_user,
    extmem_has_no_addresses_in_slots,
    extmem_that_does_not_come_stops_nobody,
    hostile_extmem_is_scribbled_over,
];

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

fn extmem_that_will_not_do() -> Outcome {
    let map = anonymous(2 * MIB)?;
    let start = map.at(0) as u64;
    let fine = few(2 * MIB);
    let with = |change: fn(&mut NmreqPoolsInfo)| {
        let mut info = fine;
        change(&mut info);
        info
    };
    let (inval, nomem, fault) = (Errno::EINVAL, Errno::ENOMEM, Errno::EFAULT);
    for (what, at, info, want) in [
        ("not at a page", start + 64, fine, inval),
        ("nothing there", 0, fine, fault),
        ("partly there", start + MIB, fine, fault),
        ("the kernel's", 0xffff_8880_0000_0000, fine, fault),
        ("the last page", u64::MAX - PAGE + 1, fine, fault),
        ("no bytes", start, with(|i| i.nr_memsize = 0), nomem),
        (
            "less than a page",
            start,
            with(|i| i.nr_memsize = 4095),
            nomem,
        ),
        ("too few", start, with(|i| i.nr_memsize = MIB / 4), nomem),
        (
            "more than any machine has",
            start,
            with(|i| i.nr_memsize = u64::MAX),
            nomem,
        ),
        (
            "more than this one has",
            start,
            with(|i| i.nr_memsize = 1 << 45),
            nomem,
        ),
        (
            "too many buffers",
            start,
            with(|i| i.nr_buf_pool_objtotal = 2000),
            nomem,
        ),
        (
            "far too many",
            start,
            with(|i| i.nr_buf_pool_objtotal = u32::MAX),
            inval,
        ),
        (
            "buffers too small",
            start,
            with(|i| i.nr_buf_pool_objsize = 32),
            inval,
        ),
        (
            "buffers too large",
            start,
            with(|i| i.nr_buf_pool_objsize = 65537),
            inval,
        ),
        (
            "netmap_ifs too small",
            start,
            with(|i| i.nr_if_pool_objsize = 8),
            inval,
        ),
        (
            "rings too large",
            start,
            with(|i| i.nr_ring_pool_objsize = 1 << 31),
            inval,
        ),
        (
            "one ring",
            start,
            with(|i| i.nr_ring_pool_objtotal = 1),
            inval,
        ),
    ] {
        let device = Device::open()?;
        let mut option = option(at, info);
        let before = option;
        let ask = vale("valenot:a")
            .slots(64, 64)
            .options(address(&mut option));
        fails(what, ask.clone().send(&device), want)?;
        says(&device, want, &[])?;
        same(
            format!("status, {what}"),
            option.nro_opt.nro_status,
            want as u32,
        )?;
        same(
            format!("the rest, {what}"),
            (option.nro_usrptr, option.nro_info),
            (before.nro_usrptr, before.nro_info),
        )?;
        fails("VALE_LIST", vale_find("valenot:a"), Errno::ENOENT)?;
    }
    // A page that may not be written, in the middle.
    map.protect(MIB, PAGE, libc::PROT_READ)?;
    let (came, status) = vale("valenot:a").try_within(start, fine);
    fails("a page that may not be written", came, fault)?;
    same("status", status, fault as u32)
}

fn extmem_too_small_for_the_port() -> Outcome {
    let map = anonymous(2 * MIB)?;
    let device = Device::open()?;
    for (slots, says_what) in [
        (1024, "raise nr_ring_pool_objsize"),
        (450, "raise nr_buf_pool_objtotal"),
    ] {
        let mut option = option(map.at(0) as u64, few(2 * MIB));
        let ask = vale("valesmall:a").slots(slots, slots).rings(2, 2);
        let came = ask.options(address(&mut option)).send(&device);
        fails("REGISTER", came, Errno::ENOMEM)?;
        says(&device, Errno::ENOMEM, &[says_what])?;
        fails("VALE_LIST", vale_find("valesmall:a"), Errno::ENOENT)?;
    }
    Ok(())
}

/// REGISTER of a port in that memory, on this device.
fn bind_on(device: &Device, name: &str, map: &Mapping, bytes: u64) -> Result<(), Errno> {
    let mut option = option(map.at(0) as u64, few(bytes));
    let ask = vale(name).slots(64, 64);
    ask.options(address(&mut option)).send(device)
}

/// One who may keep so many bytes does `f`, with some devices that are open.
fn limited(bytes: u64, f: impl FnOnce([Device; 4]) -> Outcome) -> Outcome {
    elsewhere(|| {
        let device = || Device::open();
        let devices = [device()?, device()?, device()?, device()?];
        setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes)?;
        let nobody = Uid::from_raw(65534);
        setresuid(nobody, nobody, nobody)?;
        f(devices)
    })
}

fn extmem_counts_as_memory_that_stays() -> Outcome {
    limited(4 * MIB, |[a, b, c, d]| {
        let (one, other) = (anonymous(2 * MIB)?, anonymous(2 * MIB)?);
        works("a port", bind_on(&a, "valestays:a", &one, 2 * MIB))?;
        // The second one joins, and what it brought goes.
        works("another", bind_on(&b, "valestays:b", &one, 2 * MIB))?;
        works(
            "a third, elsewhere",
            bind_on(&c, "valestays:c", &other, 2 * MIB),
        )?;
        let more = anonymous(2 * MIB)?;
        let beyond = || bind_on(&d, "valestays:d", &more, 2 * MIB);
        fails("beyond", beyond(), Errno::ENOMEM)?;
        drop(a);
        fails("beyond, while the second is there", beyond(), Errno::ENOMEM)?;
        drop(b);
        works("with the first two gone", beyond())
    })
}

/// There is room for one at a time: each is given back when its port is closed.
fn extmem_is_given_back_by_closing() -> Outcome {
    limited(3 * MIB, |[a, b, c, d]| {
        let map = anonymous(2 * MIB)?;
        for (i, device) in [a, b, c, d].into_iter().enumerate() {
            works(
                format!("number {i}"),
                bind_on(&device, "valeback:a", &map, 2 * MIB),
            )?;
        }
        Ok(())
    })
}

fn extmem_of_one_who_may_not_keep_as_much() -> Outcome {
    limited(MIB, |[device, ..]| {
        let map = anonymous(2 * MIB)?;
        let twice = bind_on(&device, "valelimit:a", &map, 2 * MIB);
        fails("twice the limit", twice, Errno::ENOMEM)?;
        says(&device, Errno::ENOMEM, &["RLIMIT_MEMLOCK"])?;
        let as_much = bind_on(&device, "valelimit:a", &map, MIB);
        works("as much as the limit", as_much)
    })
}

fn extmem_of_another_namespace() -> Outcome {
    let [map] = file_maps(2 * MIB)?;
    let ask = vale("valenet:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
    elsewhere(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let device = Device::open()?;
        let there = bind_on(&device, "valenet:a", &map, 2 * MIB);
        fails("the same pages", there, Errno::EACCES)?;
        says(&device, Errno::EACCES, &["another network namespace"])
    })?;
    works("the port", port.device.txsync())
}

fn extmem_belongs_to_its_user() -> Outcome {
    let [map] = file_maps(2 * MIB)?;
    let ask = vale("valewhose:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
    let id = port.reg.nr_mem_id;
    elsewhere(|| {
        let device = Device::open()?;
        let nobody = Uid::from_raw(65534);
        setresuid(nobody, nobody, nobody)?;
        let by_id = vale("valewhose:b").mem(id).slots(64, 64).send(&device);
        fails("another user by the id", by_id, Errno::EACCES)?;
        let mut option = option(map.at(0) as u64, few(2 * MIB));
        let ask = vale("valewhose:b").slots(64, 64);
        let by_pages = ask.options(address(&mut option)).send(&device);
        fails("another user by the pages", by_pages, Errno::EACCES)
    })?;
    works("the port", port.device.txsync())
}

/// Who else can write there, nobody tells; and addresses in slots are only good from the process
/// that they are about.
fn extmem_has_no_addresses_in_slots() -> Outcome {
    let (a, b) = two("valeaddress")?;
    let secret = numbered(7..8).remove(0);
    let ring = a.tx(0);
    let at = ring.head();
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags) = (secret.len() as u16, NS_INDIRECT);
        slot.ptr = secret.as_ptr() as u64;
    });
    ring.set_head_cur(ring.after(at, 1));
    works("NIOCTXSYNC", a.device.txsync())?;
    that("not that frame", !b.recv()?.contains(&secret))?;
    ring.edit_slot(at, |slot| (slot.flags, slot.ptr) = (0, 0));
    a.send(&numbered(0..9))?;
    same("others", b.recv()?, numbered(0..9))
}

fn extmem_that_does_not_come_stops_nobody() -> Outcome {
    let page = SlowPage::new()?;
    let info = few(2 * MIB);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            vale("valeslow:a")
                .slots(64, 64)
                .try_within(page.address(), info)
        });
        page.wait()?;
        let meanwhile = vale("valeslow:b").slots(64, 64).bind().map(drop);
        page.come()?;
        let (came, _) = waits.join().or_else(|_| fail("a thread panicked"))?;
        works("REGISTER of another port", meanwhile)?;
        // Behind the page there is nothing.
        fails("REGISTER", came, Errno::EFAULT)
    })
}

fn hostile_extmem_is_scribbled_over() -> Outcome {
    let (a, b) = two("valescribble")?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        scope.spawn(|| {
            let mut word = 0x9e37_79b9_7f4a_7c15_u64;
            while !over.load(SeqCst) {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Interfaces and rings, and a few buffers.
                a.map.write((word >> 20) % (MIB / 32) * 8, word);
            }
        });
        for _ in 0..3000 {
            // Errors are no surprise.
            let _ = a.device.txsync();
            let _ = b.device.rxsync();
            let _ = b.device.txsync();
            let _ = a.device.rxsync();
        }
        over.store(true, SeqCst);
        Ok(())
    })
}
