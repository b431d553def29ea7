// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory that runs out, and memory that two processes share: an errno, a reason in words, and
//! everything works as before when there is memory again.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::module::warm_up;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::{pools_info, region_size, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::{live, write_parameter};
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_region_larger_than_the_machine,
    hostile_shared_region_larger_than_the_machine,
    hostile_largest_parameters,
    hostile_extra_buffer_lists,
    hostile_process_damages_a_region_it_shares;
    slow:
    hostile_regions_until_memory_is_full,
];

/// After whatever happened: regions can be made and used.
fn all_is_well(switch: &str) -> Outcome {
    let (a, b) = works("fresh ports", pair(switch))?;
    a.send(&numbered(0..60))?;
    same("their frames", b.recv()?, numbered(0..60))?;
    works("the shared region", warm_up())
}

fn hostile_region_larger_than_the_machine() -> Outcome {
    let device = Device::open()?;
    let before = live();
    write_parameter("priv_buf_size", "65536")?;
    // The rings need 13 GB, and what a port needs is not made smaller.
    let large = || vale("vale940:b").slots(4096, 4096).rings(16, 16);
    for _ in 0..3 {
        fails("REGISTER", large().send(&device), Errno::ENOMEM)?;
        let (errno, text) = why(&device)?;
        same("errno", errno, Errno::ENOMEM as u32)?;
        let told = text.contains("memory") && text.contains("priv_buf_size");
        that(format!("memory and a parameter in {text:?}"), told)?;
        same("live objects", live(), before.clone())?;
    }
    write_parameter("priv_buf_size", "2048")?;
    works(
        "the same device",
        vale("vale940:b").slots(64, 64).bind_on(device),
    )?;
    all_is_well("vale940")
}

fn hostile_shared_region_larger_than_the_machine() -> Outcome {
    write_parameter("buf_size", "65536")?;
    write_parameter("buf_num", "1000000")?;
    let device = Device::open()?;
    let large = || shared("vale941:a").slots(4096, 4096).rings(16, 16);
    for _ in 0..3 {
        fails("REGISTER", large().send(&device), Errno::ENOMEM)?;
        let (_, text) = why(&device)?;
        that(
            format!("the parameter in {text:?}"),
            text.contains("buf_size") && !text.contains("priv_"),
        )?;
        same("ports", vale_list()?, vec![])?;
    }
    // What is small is to be had, and the rest of the region is not there.
    let small = works(
        "REGISTER",
        shared("vale941:a").slots(64, 64).bind_on(device),
    )?;
    let size = small.reg.nr_memsize;
    that(format!("its whole size, {size}"), size > 60_000_000_000)?;
    let (_from, to) = nix::unistd::pipe()?;
    // SAFETY: a byte of a mapping that stays.
    let written = unsafe { libc::write(to.as_raw_fd(), small.map.at(size - 1).cast(), 1) };
    fails(
        "the last byte",
        Errno::result(written).map(drop),
        Errno::EFAULT,
    )?;
    drop(small);
    let device = Device::open()?;
    // Asking makes nothing: it tells what there would be.
    let pools = pools_info("vale941:a", GLOBAL_MEM_ID)?;
    same("buffers", pools.nr_buf_pool_objtotal, 1_000_000)?;
    // Ports with regions of their own do not mind.
    let (a, b) = pair("vale941")?;
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))?;
    write_parameter("buf_size", "2048")?;
    write_parameter("buf_num", "20000")?;
    works("the same device", shared("vale941:c").bind_on(device))?;
    write_parameter("buf_num", "163840")?;
    all_is_well("vale941")
}

fn hostile_largest_parameters() -> Outcome {
    // The largest of each that fit the machine, and what they come to.
    for (name, value) in [
        ("if_size", "4096"),
        ("if_num", "10000"),
        ("ring_size", "131072"),
        ("ring_num", "1024"),
        ("buf_num", "5000"),
        ("buf_size", "65536"),
    ] {
        write_parameter(name, value)?;
    }
    let bound = works(
        "REGISTER",
        shared("vale942:a").slots(4096, 4096).rings(0, 0).bind(),
    );
    // 4097 buffers for each ring, 5000 in all.
    that("too many buffers for one region", bound.is_err())?;
    let a = works(
        "REGISTER",
        vale("vale942:a")
            .mem(GLOBAL_MEM_ID)
            .slots(1000, 1000)
            .bind(),
    )?;
    let b = works(
        "REGISTER",
        vale("vale942:b")
            .mem(GLOBAL_MEM_ID)
            .slots(1000, 1000)
            .bind(),
    )?;
    let frames: Vec<_> = (0..20)
        .map(|n| frame_of(65_535, BROADCAST, station(1), n))
        .collect();
    a.send(&frames)?;
    b.device.rxsync()?;
    let lens: Vec<_> = b
        .rx(0)
        .owned()
        .iter()
        .map(|&i| b.rx(0).slot(i).len)
        .collect();
    same("lengths", lens, vec![65_535; 20])?;
    that("bytes", b.rx(0).take_frames() == frames)?;
    drop((a, b));
    // A region of one page of each, with the fewest buffers.
    for (name, value) in [
        ("if_size", "128"),
        ("if_num", "10"),
        ("ring_size", "1280"),
        ("ring_num", "2"),
        ("buf_size", "64"),
        ("buf_num", "4"),
    ] {
        write_parameter(name, value)?;
    }
    let tiny = shared("vale942:a").slots(4, 4);
    let bound = works("the smallest region", tiny.clone().bind())?;
    same("a buffer", bound.tx(0).buf_size(), 64)?;
    bound.send(&[vec![1; 64]])?;
    drop(bound);
    for (name, value) in [
        ("if_size", "1024"),
        ("if_num", "100"),
        ("ring_size", "36864"),
        ("ring_num", "200"),
        ("buf_size", "2048"),
        ("buf_num", "163840"),
    ] {
        write_parameter(name, value)?;
    }
    all_is_well("vale942")
}

fn hostile_extra_buffer_lists() -> Outcome {
    let first = vale("vale943:a").slots(64, 64).extra(100).bind()?;
    let region = first.reg.nr_mem_id;
    let total = pools_info("vale943:a", 0)?.nr_buf_pool_objtotal;
    let mut random = Random::new(20);
    for round in 0..60 {
        let other = vale("vale943:b")
            .mem(region)
            .slots(16, 16)
            .extra(50)
            .bind()?;
        let mut bufs = other.extra_bufs();
        let ring = other.tx(0);
        let link = |from: u32, to: u32| other.map.write(ring.buf_at(from), to);
        match round % 6 {
            // A circle, a link to itself, out of the region, to reserved ones, into a ring,
            // anywhere.
            0 => link(bufs[49], bufs[0]),
            1 => link(bufs[20], bufs[20]),
            2 => link(
                bufs[10],
                random.of(&[total, total + 1, 0x8000_0000, u32::MAX]),
            ),
            3 => other.set_bufs_head(random.of(&[1, total, u32::MAX])),
            4 => link(bufs[5], ring.slot(3).buf_idx),
            _ => {
                while let Some(from) = bufs.pop() {
                    link(from, random.below(u64::from(total) + 9) as u32);
                }
                other.set_bufs_head(random.below(u64::from(total)) as u32);
            }
        }
        drop(other);
        works("sync of the first", first.device.txsync())?;
    }
    drop(first);
    fails("the region has gone", region_size(region), Errno::EINVAL)?;
    all_is_well("vale943")
}

fn hostile_process_damages_a_region_it_shares() -> Outcome {
    let (watch_a, watch_b) = pair("vale945")?;
    let mut victim = vale("vale944:a").slots(64, 64).extra(20).bind()?;
    let region = victim.reg.nr_mem_id;
    let mut ring = victim.tx(0).offset();
    for round in 0..8 {
        // SAFETY: the case's process has one thread, so the child may do anything that the parent
        // may.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let _ = damage(region, round);
                // SAFETY: always safe; the parent's destructors are not the child's to run.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                // Meanwhile the victim goes on as if nothing was; all that it may lose are its own
                // frames.
                for number in 0..50 {
                    // Nothing in the region can be relied on, not even the ring's size.
                    victim.map.write(ring + 256 + 16 * number + 4, 60u32);
                    victim.map.write(ring + 24, number as u32 + 1);
                    victim.map.write(ring + 20, number as u32 + 1);
                    works("NIOCTXSYNC", victim.device.txsync())?;
                    works("NIOCRXSYNC", victim.device.rxsync())?;
                    victim.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0)?;
                    let batch = numbered(0..30);
                    watch_a.send(&batch)?;
                    same("frames of others", watch_b.recv()?, batch)?;
                }
                let ended = waitpid(child, None)?;
                same("the other process", ended, WaitStatus::Exited(child, 0))?;
            }
        }
        if round == 4 {
            // Closed with all the damage in its rings and its list, while the region lives on.
            let keeper = null(region).bind()?;
            drop(victim);
            victim = works(
                "the port again",
                vale("vale944:a").mem(region).slots(64, 64).bind(),
            )?;
            ring = victim.tx(0).offset();
            drop(keeper);
        }
    }
    drop(victim);
    fails("the region has gone", region_size(region), Errno::EINVAL)?;
    drop((watch_a, watch_b));
    all_is_well("vale944")
}

/// What a process can do that has the same region: write all over rings, interfaces and buffers.
fn damage(region: u16, round: u64) -> Result<(), Errno> {
    let port = vale("vale944:evil")
        .mem(region)
        .slots(64, 64)
        .extra(10)
        .bind()?;
    let info = pools_info("vale944:evil", 0)?;
    let mut random = Random::new(30 + round);
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_millis(150) {
        for _ in 0..200 {
            // Mostly the first objects: they are the ones in use.
            let pool = match random.below(3) {
                0 => random.below(info.nr_ring_pool_offset),
                1 => {
                    info.nr_ring_pool_offset
                        + random.below(6 * u64::from(info.nr_ring_pool_objsize))
                }
                _ => random.below(info.nr_memsize - 4),
            };
            let word = random.next() as u32 >> random.below(32);
            port.map.write(pool & !3, word);
        }
        port.device.txsync()?;
        port.device.rxsync()?;
    }
    Ok(())
}

fn hostile_regions_until_memory_is_full() -> Outcome {
    let before = live();
    // Every port wants 134 MB.
    write_parameter("priv_buf_size", "65536")?;
    let mut held = Vec::new();
    let device = loop {
        let device = Device::open()?;
        match vale(&format!("vale946:p{}", held.len())).send(&device) {
            Ok(()) => held.push(device),
            Err(e) => {
                same("at the end of memory", e, Errno::ENOMEM)?;
                break device;
            }
        }
        that("that it does end", held.len() < 100)?;
    };
    let (_, text) = why(&device)?;
    that(format!("memory in {text:?}"), text.contains("memory"))?;
    same("ports", vale_list()?.len(), held.len())?;
    // A small port with all the extra buffers in the world gets as many as there are.
    let mut greedy = vale("vale946:greedy").slots(16, 16).extra(u32::MAX);
    works("REGISTER with extra buffers", greedy.send(&device))?;
    let extra = greedy.body.nr_extra_bufs;
    that(
        format!("some extra buffers, got {extra}"),
        (1..524_288).contains(&extra),
    )?;
    held.push(device);
    for device in &held {
        works("sync", device.txsync())?;
    }
    held.clear();
    same(
        "live objects afterwards",
        live().get("regions"),
        before.get("regions"),
    )?;
    // No more than the interface allows, however much memory there is.
    write_parameter("priv_buf_size", "64")?;
    let bound = vale("vale946:a").slots(64, 64).extra(u32::MAX).bind()?;
    same("extra buffers", bound.reg.nr_extra_bufs, 524_288)?;
    drop(bound);
    write_parameter("priv_buf_size", "2048")?;
    all_is_well("vale946")
}
