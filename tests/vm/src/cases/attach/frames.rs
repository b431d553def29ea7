// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames between attached interfaces, their hosts and other ports of the switch, also while
//! interfaces come and go and neighbours write what they like.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::request::{null, pools_info, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, wire::*};
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    attached_frames_pass_both_ways,
    attached_the_host_is_cut_off_without_its_port,
    attached_two_interfaces_are_bridged,
    attached_long_frames_and_fragments,
    attached_jumbo_frames_pass_both_ways,
    attached_chains_are_one_frame_for_everybody,
    attached_an_interface_that_goes_away_leaves_the_switch,
    attached_attach_and_detach_under_traffic,
    attached_hostile_neighbour_in_the_region,
    attached_threads_send_nobodys_memory
];

fn attached_frames_pass_both_ways() -> Outcome {
    wire()?;
    let _attached = Attached::new("vale0:fm0")?;
    let (port, far) = (vale("vale0:a").bind()?, vale("fm1").bind()?);
    let mut random = Random::new(9);
    let mut next = 0;
    for round in 0..60 {
        let count = 1 + random.below(200) as u32;
        let batch: Vec<_> = (next..next + count)
            .map(|n| frame_of(18 + random.below(1497) as usize, BROADCAST, station(1), n))
            .collect();
        next += count;
        let (from, to) = if round % 2 == 0 {
            (&port, &far)
        } else {
            (&far, &port)
        };
        from.send(&batch)?;
        let came = wait_for(to, batch.len())?;
        same("frames", numbers(&came), numbers(&batch))?;
        that("every byte", came == batch)?;
    }
    Ok(())
}

fn attached_the_host_is_cut_off_without_its_port() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let attached = Attached::new("vale0:fm0")?;
    host.send(&frame(BROADCAST, station(1), 1))?;
    same("far away", far.receive(QUIET)?.len(), 0)?;
    same("counted", debug_counter("fm0", "host", "drop_nobody")?, 1)?;
    drop(attached);
    host.send(&frame(BROADCAST, station(1), 2))?;
    same("then", numbers(&far.receive(QUIET)?), vec![2])
}

fn attached_two_interfaces_are_bridged() -> Outcome {
    wire()?;
    ip("link add fm2 type veth peer name fm3")?;
    for name in ["fm2", "fm3"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        ip(&format!("link set {name} up"))?;
    }
    let _first = Attached::new("vale0:fm1")?;
    let _second = Attached::new("vale0:fm2")?;
    let (near, far) = (vale("fm0").bind()?, vale("fm3").bind()?);
    for round in 0..5 {
        let frames: Vec<_> = (0..500)
            .map(|n| frame(station(2), station(1), round * 500 + n))
            .collect();
        near.send(&frames)?;
        that("there", wait_for(&far, 500)? == frames)?;
        let frames: Vec<_> = (0..500)
            .map(|n| frame(station(1), station(2), round * 500 + n))
            .collect();
        far.send(&frames)?;
        that("back", wait_for(&near, 500)? == frames)?;
    }
    Ok(())
}

fn attached_long_frames_and_fragments() -> Outcome {
    wire()?;
    let _attached = Attached::new("vale0:fm0")?;
    let (port, far) = (vale("vale0:a").bind()?, Stack::on("fm1")?);
    let long = frame_of(1514, BROADCAST, station(1), 1);
    let ring = port.tx(0);
    ring.put(&long);
    ring.put_fragments(&[&long[..700], &long[700..]]);
    ring.put(&long);
    // What the interface's MTU does not allow.
    ring.put(&frame_of(2000, BROADCAST, station(1), 2));
    ring.put_fragments(&[&long[..], &long[..9]]);
    ring.put(&long);
    port.device.txsync()?;
    same("frames", far.receive(QUIET)?, vec![long; 4])?;
    same("chains", debug_counter("fm0", "tx0", "drop_bad_chain")?, 0)?;
    same(
        "lengths",
        debug_counter("fm0", "tx0", "drop_bad_length")?,
        2,
    )
}

/// Between a port of a switch, an interface with an MTU of 9000 and its host: to the byte.
fn attached_jumbo_frames_pass_both_ways() -> Outcome {
    wire()?;
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 9000"))?;
    }
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let _attached = Attached::with_host("vale0:fm0")?;
    let port = vale("vale0:a").bind()?;
    let lens = [60, 1514, 2047, 2048, 2049, 4096, 4097, 8999, 9000, 9014];
    let frames = |from: u8| -> Vec<Vec<u8>> {
        let lens = lens.iter().zip(0..);
        lens.map(|(&len, n)| frame_of(len, BROADCAST, station(from), n))
            .collect()
    };
    let come = |wanted: &[Vec<u8>]| -> Outcome {
        let mut came = vec![];
        while came.len() < wanted.len() && port.poll(PollFlags::POLLIN, 2000)? == PollFlags::POLLIN
        {
            came.extend(port.rx(0).take_long());
        }
        port.device.rxsync()?;
        that("at the port", came == wanted)
    };
    for _ in 0..10 {
        let sent = frames(1);
        for frame in &sent {
            port.tx(0).put_long(frame);
        }
        port.device.txsync()?;
        that("far away", far.receive(QUIET)? == sent)?;
        that("at the host", host.receive(QUIET)? == sent)?;
        let sent = frames(2);
        for frame in &sent {
            far.send(frame)?;
        }
        come(&sent)?;
        that("at the host", host.receive(QUIET)? == sent)?;
        let sent = frames(3);
        for frame in &sent {
            host.send(frame)?;
        }
        come(&sent)?;
        that("far away", far.receive(QUIET)? == sent)?;
    }
    Ok(())
}

fn attached_chains_are_one_frame_for_everybody() -> Outcome {
    wire()?;
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 2048"))?;
    }
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let _attached = Attached::with_host("vale0:fm0")?;
    let port = vale("vale0:a").bind()?;
    let short = frame(BROADCAST, station(1), 1);
    // Longer than the wire allows: no part of it leaves there.
    let long = [&[0xff; 2048][..], &short].concat();
    port.tx(0).put_long(&long);
    port.tx(0).put(&short);
    port.device.txsync()?;
    same("far away", far.receive(QUIET)?, vec![short.clone()])?;
    same(
        "lengths",
        debug_counter("fm0", "tx0", "drop_bad_length")?,
        1,
    )?;
    // Of another Ethernet type.
    same("at the host", host.receive(QUIET)?, vec![short])?;
    same("up", debug_counter("fm0", "host-tx0", "frames")?, 2)?;
    // The other way, a buffer and 14 bytes.
    let long = frame_of(2062, BROADCAST, station(2), 2);
    far.send(&long)?;
    let came = wait_for(&port, 2)?;
    same("slots", came.len(), 2)?;
    that("every byte", came.concat() == long)?;
    same("at the host", host.receive(QUIET)?, vec![long])
}

fn attached_an_interface_that_goes_away_leaves_the_switch() -> Outcome {
    for with_host in [false, true] {
        wire()?;
        let mode = if with_host {
            NR_REG_NIC_SW
        } else {
            NR_REG_ALL_NIC
        };
        attach_as("vale0:fm0", mode)?;
        let port = vale("vale0:a").bind()?;
        if with_host {
            poll_on("vale0:fm0", NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1)?;
        }
        port.send(&numbered(0..50))?;
        // It would hang if a reference were left.
        ip("link del fm0")?;
        wait_until("its ports have left the switch", || {
            vale_list().is_ok_and(|ports| ports.len() == 1)
        })?;
        port.send(&numbered(0..50))?;
    }
    Ok(())
}

fn attached_attach_and_detach_under_traffic() -> Outcome {
    wire()?;
    let (port, far) = (vale("vale0:a").bind()?, vale("fm1").bind()?);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let senders = [&port, &far].map(|bound| {
            let stop = &stop;
            scope.spawn(move || -> Outcome {
                let ring = bound.tx(0);
                let mut n = 0;
                while !stop.load(SeqCst) {
                    while ring.space() > 0 {
                        ring.put(&frame(BROADCAST, station(1 + n as u8 % 2), n));
                        n += 1;
                    }
                    bound.poll(PollFlags::POLLOUT, 1000)?;
                }
                Ok(())
            })
        });
        let result = (0..40).try_for_each(|round| -> Outcome {
            let mode = [NR_REG_ALL_NIC, NR_REG_NIC_SW][round % 2];
            let _attached = Attached::by(&Device::open()?, "vale0:fm0", mode)?;
            if round % 4 == 3 {
                poll_on("vale0:fm0", NETMAP_POLLING_MODE_SINGLE_CPU, 1, 1)?;
            }
            for to in [&port, &far] {
                let came = to.poll(PollFlags::POLLIN, 5000)?;
                same("frames come", came, PollFlags::POLLIN)?;
                to.rx(0).take();
            }
            Ok(())
        });
        stop.store(true, SeqCst);
        let mut ended = result;
        for sender in senders {
            let sender = sender.join().map_err(|_| failure("a sender panicked"))?;
            ended = ended.and(sender);
        }
        ended
    })
}

/// The rings of an attached interface lie in a region that programs map, too.
fn attached_hostile_neighbour_in_the_region() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let vandal = null(GLOBAL_MEM_ID).bind()?;
    let _attached = Attached::with_host("vale0:fm0")?;
    let port = vale("vale0:a").bind()?;
    let pools = pools_info("fm0", 0)?;
    // Its own two rings come first, then those of the interface and its two ports.
    let size = u64::from(pools.nr_ring_pool_objsize);
    let first = pools.nr_ring_pool_offset + 2 * size;
    let mut random = Random::new(3);
    for round in 0..200u32 {
        for _ in 0..300 {
            // Mostly heads, cursors and the slots behind them.
            let word = match random.below(4) {
                0 => random.below(16),
                _ => random.below(size / 4),
            };
            let at = first + size * random.below(8) + 4 * word;
            let value = match random.below(3) {
                0 => random.below(1100) as u32,
                _ => random.next() as u32,
            };
            vandal.map.write(at, value);
        }
        port.send(&numbered(round..round + 1))?;
        host.send(&frame(BROADCAST, station(3), round))?;
        far.send(&frame(BROADCAST, station(2), round))?;
        port.device.rxsync()?;
        port.rx(0).take();
    }
    works("detach", detach("vale0:fm0"))?;
    drop((port, vandal));
    let _attached = Attached::with_host("vale0:fm0")?;
    let port = vale("vale0:b").bind()?;
    far.receive(QUIET)?;
    port.send(&numbered(0..5))?;
    same("out", numbers(&far.receive(QUIET)?), vec![0, 1, 2, 3, 4])?;
    far.send(&frame(BROADCAST, station(2), 9))?;
    same("in", numbers(&wait_for(&port, 1)?), vec![9])
}

/// A neighbour marks slots of an attached interface as indirect: there is no process whose memory
/// could be meant.
fn attached_threads_send_nobodys_memory() -> Outcome {
    wire()?;
    let far = Stack::on("fm1")?;
    let vandal = null(GLOBAL_MEM_ID).bind()?;
    let _attached = Attached::new("vale0:fm0")?;
    let port = vale("vale0:a").bind()?;
    let pools = pools_info("fm0", 0)?;
    let size = u64::from(pools.nr_ring_pool_objsize);
    // Behind the vandal's own two rings: the interface's two, and then what its port sends from.
    let slots = pools.nr_ring_pool_offset + 4 * size + RingHeader::SLOTS as u64;
    let secret = *b"nobody is to read this, wherever";
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Again and again, so that it happens between the thread's own write and the switch's look.
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                for slot in (0..1024).map(|i| slots + 16 * i) {
                    vandal.map.write(slot + 8, secret.as_ptr() as u64);
                    vandal.map.write(slot + 6, NS_INDIRECT);
                }
            }
        });
        let tried = wait_until("some were caught", || {
            for frame in numbered(0..50) {
                let _ = far.send(&frame);
            }
            let came = port.recv().unwrap_or_default();
            let leaks = |frame: &Vec<u8>| frame.windows(8).any(|part| part == &secret[..8]);
            assert!(!came.iter().any(leaks), "the memory of a process came");
            debug_counter("vale0:fm0", "tx0", "drop_bad_address").is_ok_and(|caught| caught > 3)
        });
        stop.store(true, SeqCst);
        tried
    })
}
