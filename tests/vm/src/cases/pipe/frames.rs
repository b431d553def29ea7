// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames through pipes from both ends at once, and who is woken for them, whatever the pipes are
//! built on.

use super::bases::on_every_base;
use super::pipe;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    pipe_a_frame_wakes_the_other_end,
    pipe_room_wakes_the_other_end,
    pipe_poll_sends_and_waits,
    pipe_both_ends_at_once_to_the_frame,
    pipe_several_rings_at_once,
    pipe_ends_come_and_go_under_traffic,
];

/// How long poll may sleep.
const LONG: u64 = 20_000;

/// Runs `then` while another thread sleeps in poll.
fn asleep(end: &Bound, events: PollFlags, then: impl FnOnce() -> Outcome) -> Outcome<PollFlags> {
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| end.poll(events, LONG));
        std::thread::sleep(Duration::from_millis(50));
        then()?;
        works("poll", sleeper.join().expect("it does not panic"))
    })
}

fn pipe_a_frame_wakes_the_other_end() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        for (from, to) in [(&master, &slave), (&slave, &master)] {
            let woken = asleep(to, PollFlags::POLLIN, || {
                Ok(from.send(&[frame(BROADCAST, station(1), 7)])?)
            })?;
            same("events", woken, PollFlags::POLLIN)?;
            same("frame", got(to)?, [7])?;
            same(
                "nothing more",
                to.poll(PollFlags::POLLIN, 0)?,
                PollFlags::empty(),
            )?;
        }
        Ok(())
    })
}

fn pipe_room_wakes_the_other_end() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        for (from, to) in [(&master, &slave), (&slave, &master)] {
            from.send(&numbered(0..63))?;
            same(
                "full",
                from.poll(PollFlags::POLLOUT, 0)?,
                PollFlags::empty(),
            )?;
            let woken = asleep(from, PollFlags::POLLOUT, || {
                to.device.rxsync()?;
                to.rx(0).set_head_cur(1);
                Ok(to.device.rxsync()?)
            })?;
            same("events", woken, PollFlags::POLLOUT)?;
            same("room", from.tx(0).space(), 1)?;
        }
        Ok(())
    })
}

fn pipe_poll_sends_and_waits() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        master.tx(0).put(&frame(BROADCAST, station(1), 1));
        // Waiting for frames sends what there is.
        same(
            "nothing",
            master.poll(PollFlags::POLLIN, 0)?,
            PollFlags::empty(),
        )?;
        same("sent", got(&slave)?, [1])?;
        let quiet = vale(&format!("{base}}}x")).flags(NR_NO_TX_POLL).bind()?;
        slave.tx(0).put(&frame(BROADCAST, station(1), 2));
        same(
            "nothing",
            quiet.poll(PollFlags::POLLIN, 0)?,
            PollFlags::empty(),
        )?;
        same("not sent", got(&master)?, [0; 0])
    })
}

/// Sends frames with these numbers on ring `ring`, and sleeps when it is full.
fn send_all(end: &Bound, ring: u32, count: u32) -> Result<(), Errno> {
    let tx = end.tx(ring);
    let mut next = 0;
    while next < count {
        let fits = tx.space().min(count - next).min(1 + next % 50);
        for number in next..next + fits {
            tx.put(&frame(BROADCAST, station(1), number));
        }
        next += fits;
        if end.poll(PollFlags::POLLOUT, LONG)?.is_empty() {
            return Err(Errno::ETIMEDOUT);
        }
    }
    end.device.txsync()
}

/// Receives as many frames on ring `ring`, and sleeps when there is none. Their numbers must be in
/// order.
fn receive_all(end: &Bound, ring: u32, count: u32) -> Outcome {
    let rx = end.rx(ring);
    let mut next = 0;
    while next < count {
        let woken = end.poll(PollFlags::POLLIN, LONG)?;
        same("woken", woken, PollFlags::POLLIN)?;
        for frame in rx.take_frames() {
            same("in order", number(&frame), next)?;
            next += 1;
        }
    }
    Ok(end.device.rxsync()?)
}

/// Has `count` frames go both ways on each ring, by a thread for each direction and ring.
fn both_ways(
    master: impl Fn(u16) -> Result<Bound, Errno> + Sync,
    slave: impl Fn(u16) -> Result<Bound, Errno> + Sync,
    rings: u16,
    count: u32,
) -> Outcome {
    std::thread::scope(|scope| {
        let mut done = Vec::new();
        for ring in 0..rings {
            let (from, to) = (master(ring)?, slave(ring)?);
            let (back_from, back_to) = (slave(ring)?, master(ring)?);
            let number = u32::from(ring);
            done.push(scope.spawn(move || Ok(send_all(&from, number, count)?)));
            done.push(scope.spawn(move || Ok(send_all(&back_from, number, count)?)));
            done.push(scope.spawn(move || receive_all(&to, number, count)));
            done.push(scope.spawn(move || receive_all(&back_to, number, count)));
        }
        done.into_iter()
            .try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

fn pipe_both_ends_at_once_to_the_frame() -> Outcome {
    on_every_base(|base| {
        let end = |mark| move |_| vale(&format!("{base}{mark}x")).slots(64, 128).bind();
        both_ways(end('{'), end('}'), 1, 40_000)
    })
}

fn pipe_several_rings_at_once() -> Outcome {
    // A port that has memory for its own rings has room for these, too.
    write_parameter("priv_ring_num", "50")?;
    write_parameter("priv_if_num", "50")?;
    on_every_base(|base| {
        let end = |mark| vale(&format!("{base}{mark}x"));
        // Held by nobody else, the pipe would go between two rings.
        let _pipe = end('{').rings(3, 3).slots(32, 32).bind()?;
        let one = |mark| move |ring| end(mark).one(ring).bind();
        both_ways(one('{'), one('}'), 3, 8_000)
    })
}

fn pipe_ends_come_and_go_under_traffic() -> Outcome {
    on_every_base(|base| {
        let master = vale(&format!("{base}{{x")).slots(64, 64).bind()?;
        let count = 5_000;
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| send_all(&master, 0, count));
            let mut next = 0;
            while next < count {
                // Each takes what is there, gives back some of it, and goes.
                let slave = vale(&format!("{base}}}x")).bind()?;
                let rx = slave.rx(0);
                let woken = slave.poll(PollFlags::POLLIN, LONG)?;
                same("woken", woken, PollFlags::POLLIN)?;
                let some = rx.owned().len() as u32;
                for at in rx.owned().into_iter().take(1 + some as usize / 2) {
                    same("in order", number(&rx.payload(at)), next)?;
                    rx.set_head_cur(rx.after(at, 1));
                    next += 1;
                }
                slave.device.rxsync()?;
            }
            works("sender", sender.join().expect("it does not panic"))
        })
    })
}
