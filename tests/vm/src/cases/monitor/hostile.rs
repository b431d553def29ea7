// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that mean harm: those that are watched, and those that watch.

use super::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::wire;
use ferromap_abi::wire::Slot;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub const CASES: &[Case] = crate::cases![
    hostile_monitor_of_another_users_port,
    hostile_monitor_with_garbage_in_its_slots,
    hostile_port_with_garbage_in_its_slots,
    hostile_port_with_endless_chains,
    hostile_port_with_lengths_past_its_buffers;
    slow: hostile_monitors_and_ports_scribble_under_traffic
];

const BAD: [u32; 6] = [0, 1, 70_000, u32::MAX, 1 << 31, u32::MAX - 1];

/// Runs `then` as a user without any rights.
fn as_nobody(then: impl FnOnce() -> Outcome + Send) -> Outcome {
    std::thread::scope(|scope| {
        let nobody = scope.spawn(|| {
            // This thread alone.
            // SAFETY: changes the identity of the calling thread.
            let done = unsafe { libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534) };
            same("setresuid", done, 0)?;
            then()
        });
        nobody.join().expect("it does not panic")
    })
}

fn hostile_monitor_of_another_users_port() -> Outcome {
    wire()?;
    let port = vale("vale175:a").slots(64, 64).bind()?;
    let _interface = vale("fm0").bind()?;
    // Opened before, as if the node were for everybody.
    let devices: Vec<_> = (0..4).map(|_| Device::open()).collect::<Result<_, _>>()?;
    let region = port.reg.nr_mem_id;
    as_nobody(move || {
        for (device, (name, flags, errno)) in devices.iter().zip([
            ("vale175:a", BOTH, Errno::EACCES),
            ("vale175:a", NR_ZCOPY_MON, Errno::EACCES),
            ("fm0", BOTH, Errno::EPERM),
            ("fm0", NR_ZCOPY_MON, Errno::EPERM),
        ]) {
            let sent = vale(name).flags(flags).send(device);
            fails(format!("{name} {flags:x}"), sent, errno)?;
        }
        Ok(())
    })?;
    let name = monitor("vale175:a", BOTH)?.port_name();
    same("nobody was there", name, "vale175:a/rt#0")?;
    let _ = region;
    drop(port);
    refused(vale("vale175:a").flags(BOTH), Errno::EINVAL, &["open"])
}

fn hostile_monitor_with_garbage_in_its_slots() -> Outcome {
    let (a, b) = pair("vale175")?;
    for flags in [BOTH, NR_ZCOPY_MON] {
        let before = a.buffers();
        let monitor = monitor("vale175:a", flags)?;
        let own = monitor.buffers();
        for round in 0..20u32 {
            let rx = monitor.rx(0);
            for at in 0..64 {
                rx.set_slot(
                    at,
                    Slot {
                        buf_idx: BAD[(at + round) as usize % BAD.len()],
                        len: u16::MAX,
                        flags: u16::MAX,
                        ptr: u64::MAX,
                    },
                );
            }
            a.send(&numbered(0..20))?;
            b.send(&numbered(20..30))?;
            let want: Vec<_> = (0..20).collect();
            same("b", got(&b)?, want)?;
            same("a", got(&a)?, (20..30).collect::<Vec<_>>())?;
            monitor.device.rxsync()?;
            let slots = rx.take();
            same("as many", slots.len(), 30)?;
            that("empty", slots.iter().all(|(slot, _)| slot.len == 0))?;
            monitor.device.rxsync()?;
            // Its indexes are no better.
            rx.set_head_cur(1_000);
            monitor.device.rxsync()?;
        }
        same("its buffers", a.buffers(), before)?;
        let missed = counter(&monitor, "rx0-drop_bad_buffer")?;
        same("counted", missed, 20 * 30)?;
        // It goes on once they are mended.
        let (tx, rx) = (monitor.tx(0), monitor.rx(0));
        for (at, index) in own.into_iter().skip(tx.n() as usize).enumerate() {
            rx.edit_slot(at as u32, |slot| slot.buf_idx = index);
        }
        a.send(&numbered(0..3))?;
        same("seen", seen(&monitor)?, sent(0..3))?;
        b.recv()?;
    }
    Ok(())
}

fn hostile_port_with_garbage_in_its_slots() -> Outcome {
    let (a, b) = pair("vale175")?;
    let all = [
        monitor("vale175:a", BOTH)?,
        monitor("vale175:a", NR_ZCOPY_MON)?,
    ];
    let tx = a.tx(0);
    let own: Vec<_> = tx.slots();
    for round in 0..20u32 {
        for (by, at) in tx.owned().into_iter().take(30).enumerate() {
            tx.set_slot(
                at,
                Slot {
                    buf_idx: BAD[(at + round) as usize % BAD.len()],
                    len: [60, 0, u16::MAX][by % 3],
                    flags: [0, u16::MAX & !NS_MOREFRAG, NS_BUF_CHANGED][by % 3],
                    ptr: u64::MAX,
                },
            );
        }
        tx.set_head_cur(tx.after(tx.head(), 30));
        a.device.txsync()?;
        b.recv()?;
        for monitor in &all {
            monitor.device.rxsync()?;
            let slots = monitor.rx(0).take();
            same("as many", slots.len(), 30)?;
            let size = monitor.rx(0).buf_size();
            let fits = slots.iter().all(|(slot, _)| u32::from(slot.len) <= size);
            that("within buffers", fits)?;
            let own = slots.iter().all(|(slot, _)| slot.buf_idx >= 2);
            that("in its own", own)?;
            monitor.device.rxsync()?;
        }
    }
    for (at, slot) in (0..).zip(own) {
        tx.set_slot(at, slot);
    }
    a.send(&numbered(0..3))?;
    for monitor in &all {
        same("it goes on", seen(monitor)?, sent(0..3))?;
    }
    Ok(())
}

fn hostile_port_with_endless_chains() -> Outcome {
    let a = vale("vale175:a").slots(1024, 64).bind()?;
    let all = [
        vale("vale175:a").flags(BOTH).slots(64, 1024).bind()?,
        vale("vale175:a")
            .flags(NR_ZCOPY_MON)
            .slots(64, 1024)
            .bind()?,
    ];
    let first = frame(BROADCAST, station(1), 1);
    // Those that copy show 128 slots at a time, others 512.
    for length in [64, 128, 129, 500, 512, 513, 1000] {
        for _ in 0..length - 1 {
            a.tx(0).put_flagged(&first, NS_MOREFRAG);
        }
        a.tx(0).put(&first);
        a.send(&[frame(BROADCAST, station(1), 2)])?;
        for (monitor, most) in all.iter().zip([128, 512]) {
            let slots = monitor.recv_slots()?;
            let more = |at: usize| slots[at].0 & NS_MOREFRAG != 0;
            let ends = (0..slots.len()).filter(|at| !more(*at)).count();
            let (frames, count) = if length <= most {
                (2, length + 1)
            } else {
                (1, 1)
            };
            same("frames", (ends, slots.len()), (frames, count))?;
            same("the next", number(&slots[count - 1].1), 2)?;
        }
    }
    Ok(())
}

fn hostile_monitors_and_ports_scribble_under_traffic() -> Outcome {
    let (a, b) = (shared("vale175:a").bind()?, shared("vale175:b").bind()?);
    let neighbours = ports("vale176", ["a", "b"])?;
    let all = [
        monitor("vale175:a", BOTH)?,
        monitor("vale175:a", NR_ZCOPY_MON)?,
        monitor("vale175:b", NR_ZCOPY_MON)?,
    ];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (seed, bound) in (1..).zip(all.iter().chain([&a, &b])) {
            let stop = &stop;
            scope.spawn(move || {
                let mut random = Random::new(seed);
                let rings: Vec<_> = bound
                    .tx_rings()
                    .into_iter()
                    .chain(bound.rx_rings())
                    .map(|(_, ring)| ring)
                    .collect();
                while !stop.load(Relaxed) {
                    let ring = &rings[random.below(rings.len() as u64) as usize];
                    let at = random.below(ring.n().into()) as u32;
                    match random.below(4) {
                        0 => ring.edit_slot(at, |slot| slot.flags = random.next() as u16),
                        1 => ring.edit_slot(at, |slot| slot.len = random.next() as u16),
                        2 => ring.edit_slot(at, |slot| slot.buf_idx = random.below(400) as u32),
                        _ => ring.set_head_cur(at),
                    }
                    let _ = bound.device.rxsync();
                    let _ = bound.device.txsync();
                }
            });
        }
        let mut result = Ok(());
        for round in 0..2_000 {
            result = neighbours[0]
                .send(&[frame(BROADCAST, station(1), round)])
                .map_err(Into::into)
                .and_then(|()| same("neighbours", got(&neighbours[1])?, [round]));
            if result.is_err() {
                break;
            }
        }
        stop.store(true, Relaxed);
        result
    })?;
    drop((all, a, b));
    // Whatever they did, each buffer is there once.
    let bound = null(1).extra(u32::MAX).bind()?;
    let list = bound.extra_bufs();
    let mut sorted = list.clone();
    sorted.sort_unstable();
    sorted.dedup();
    same("each once", sorted.len(), list.len())
}

/// A monitor that gets the buffer itself would have read on behind its end.
fn hostile_port_with_lengths_past_its_buffers() -> Outcome {
    let a = vale("vale176:a").slots(64, 64).bind()?;
    let monitor = monitor("vale176:a", NR_ZCOPY_MON)?;
    let tx = a.tx(0);
    let size = tx.buf_size();
    for len in [size as u16, size as u16 + 1, u16::MAX] {
        for flags in [0, NS_MOREFRAG] {
            let at = tx.head();
            tx.fill(at, &frame(BROADCAST, station(1), 1), flags);
            tx.edit_slot(at, |slot| slot.len = len);
            tx.set_head_cur(tx.after(at, 1));
        }
        tx.put(&frame(BROADCAST, station(1), 2));
        a.device.txsync()?;
        a.device.txsync()?;
        monitor.device.rxsync()?;
        let ring = monitor.rx(0);
        for at in ring.owned() {
            let len = u32::from(ring.slot(at).len);
            that(format!("{len} bytes of {size}"), len <= size)?;
        }
        that("frames are seen", ring.space() > 0)?;
        ring.set_head_cur(ring.tail());
        monitor.device.rxsync()?;
    }
    Ok(())
}
