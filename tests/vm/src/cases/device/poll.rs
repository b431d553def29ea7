// SPDX-License-Identifier: MIT OR Apache-2.0

//! poll, select and epoll: items 88 to 97.
//!
//! 98 waits for CSB mode. In 90 the null port plays the ring that stays full: a VALE port takes all
//! slots at every sync. Waking when space appears will join with pipes and interfaces.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::poll::PollFlags;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    item_088_pollin_waits_for_a_packet,
    item_089_pollout_returns_at_once_with_free_slots,
    item_090_pollout_waits_while_the_ring_is_full,
    item_090_pollout_sends_a_full_ring,
    item_091_pollin_sends_unless_told_not_to,
    item_092_poll_for_nothing_sends,
    item_093_pollin_syncs_all_rx_rings,
    item_093_do_rx_poll_receives_without_pollin,
    item_094_poll_reports_only_what_was_asked,
    item_095_any_ring_wakes_poll,
    item_096_other_rings_do_not_wake_poll,
    item_097_select_behaves_like_poll,
    item_097_epoll_is_level_triggered,
    item_097_edge_triggered_epoll_reports_each_batch,
];

const IN: PollFlags = PollFlags::POLLIN;
const OUT: PollFlags = PollFlags::POLLOUT;
const NOTHING: PollFlags = PollFlags::empty();
/// Long enough to see that something does not happen, in milliseconds.
const A_WHILE: u64 = 300;
/// Far longer than anything that does happen takes, even on a slow machine.
const FOREVER: u64 = 20_000;

/// Runs `act` in another thread after a while, when the caller is asleep.
fn later<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(A_WHILE));
        act()
    })
}

/// Puts one frame into the ring; nothing is sent yet.
fn put_one(bound: &Bound) {
    bound.tx(0).put(&frame(BROADCAST, station(1), 1));
}

fn item_088_pollin_waits_for_a_packet() -> Outcome {
    let (mut a, b) = pair("vale88")?;
    let start = Instant::now();
    same("poll without packets", b.poll(IN, A_WHILE)?, NOTHING)?;
    that(
        "it took its time",
        start.elapsed() >= Duration::from_millis(A_WHILE),
    )?;

    for round in 0..3 {
        let start = Instant::now();
        let sender = later(move || a.send(&numbered(0..3)).map(|()| a));
        same(format!("poll, round {round}"), b.poll(IN, FOREVER)?, IN)?;
        let took = start.elapsed();
        that(
            format!("it slept, {took:?}"),
            took >= Duration::from_millis(A_WHILE / 2),
        )?;
        that(
            format!("it was woken, {took:?}"),
            took < Duration::from_millis(FOREVER),
        )?;
        a = sender.join().expect("the sender does not panic")?;
        // Poll has synced: the frames are there without another call.
        same("frames", b.rx(0).take_frames(), numbered(0..3))?;
    }
    Ok(())
}

fn item_089_pollout_returns_at_once_with_free_slots() -> Outcome {
    let (a, _b) = pair("vale89")?;
    let quiet = null(GLOBAL_MEM_ID).bind()?;
    for bound in [&a, &quiet] {
        let start = Instant::now();
        same("poll", bound.poll(OUT, FOREVER)?, OUT)?;
        that(
            "at once",
            start.elapsed() < Duration::from_millis(FOREVER / 2),
        )?;
    }
    Ok(())
}

fn item_090_pollout_waits_while_the_ring_is_full() -> Outcome {
    let bound = null(GLOBAL_MEM_ID).bind()?;
    let ring = bound.tx(0);
    ring.set_head_cur(ring.tail());
    let start = Instant::now();
    same("poll of a full ring", bound.poll(OUT, A_WHILE)?, NOTHING)?;
    that(
        "it took its time",
        start.elapsed() >= Duration::from_millis(A_WHILE),
    )
}

fn item_090_pollout_sends_a_full_ring() -> Outcome {
    let (a, b) = pair("vale90")?;
    for frame in numbered(0..63) {
        a.tx(0).put(&frame);
    }
    same("free slots", a.tx(0).space(), 0)?;
    same("poll", a.poll(OUT, FOREVER)?, OUT)?;
    same("free slots afterwards", a.tx(0).space(), 63)?;
    same("frames", b.recv()?, numbered(0..63))
}

fn item_091_pollin_sends_unless_told_not_to() -> Outcome {
    let (a, b) = pair("vale91")?;
    put_one(&a);
    same("poll", a.poll(IN, 0)?, NOTHING)?;
    same("frames sent by poll", b.recv()?.len(), 1)?;

    let quiet = vale("vale91:c").slots(64, 64).flags(NR_NO_TX_POLL).bind()?;
    put_one(&quiet);
    for events in [IN, NOTHING] {
        same("poll with NR_NO_TX_POLL", quiet.poll(events, 0)?, NOTHING)?;
        same("frames sent with NR_NO_TX_POLL", b.recv()?.len(), 0)?;
    }
    // Asking for POLLOUT sends all the same.
    same("poll for POLLOUT", quiet.poll(OUT, 0)?, OUT)?;
    same("frames sent for POLLOUT", b.recv()?.len(), 1)
}

fn item_092_poll_for_nothing_sends() -> Outcome {
    let (a, b) = pair("vale92")?;
    put_one(&a);
    same("poll", a.poll(NOTHING, 0)?, NOTHING)?;
    same("frames", b.recv()?.len(), 1)
}

fn item_093_pollin_syncs_all_rx_rings() -> Outcome {
    let bound = vale("vale93:x").rings(1, 3).slots(64, 64).bind()?;
    let other = vale("vale93:y").slots(64, 64).bind()?;
    // The first ring is ready at once; the others are synced all the same.
    other.send(&numbered(0..1))?;
    let mut last = [0; 3];
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(20));
        same("poll", bound.poll(IN, FOREVER)?, IN)?;
        for (i, ring) in bound.rx_rings() {
            let ts = ring.timestamp();
            let newer = ts > last[i as usize];
            that(format!("a new timestamp on ring {i}"), newer)?;
            last[i as usize] = ts;
        }
    }
    Ok(())
}

fn item_093_do_rx_poll_receives_without_pollin() -> Outcome {
    let (a, plain) = pair("vale93")?;
    let eager = vale("vale93:c").slots(64, 64).flags(NR_DO_RX_POLL).bind()?;
    a.send(&numbered(0..3))?;
    for bound in [&plain, &eager] {
        same("poll", bound.poll(OUT, FOREVER)?, OUT)?;
    }
    same("frames seen without the flag", plain.rx(0).space(), 0)?;
    same("frames seen with it", eager.rx(0).space(), 3)
}

fn item_094_poll_reports_only_what_was_asked() -> Outcome {
    let (a, b) = pair("vale94")?;
    a.send(&numbered(0..3))?;
    let (band_in, band_out) = (PollFlags::POLLRDNORM, PollFlags::POLLWRNORM);
    for (ask, want) in [
        (NOTHING, NOTHING),
        (OUT, OUT),
        (IN, IN),
        (band_in, band_in),
        (band_out, band_out),
        (IN | OUT, IN | OUT),
        (IN | band_in, IN | band_in),
        (PollFlags::POLLPRI, NOTHING),
        (PollFlags::POLLPRI | IN, IN),
    ] {
        same(format!("poll for {ask:?}"), b.poll(ask, 0)?, want)?;
    }
    Ok(())
}

/// Two ports of four rings each; the first knows where station 2 is: at the second.
fn four_rings(switch: &str) -> Result<(Bound, Bound), nix::errno::Errno> {
    let port = |name: &str| {
        vale(&format!("{switch}:{name}"))
            .rings(4, 4)
            .slots(64, 64)
            .bind()
    };
    let (a, b) = (port("a")?, port("b")?);
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    Ok((a, b))
}

/// A frame on transmit ring `i` for station 2, which comes out of receive ring `i`.
fn send_to_two(bound: &Bound, i: u32) -> Result<(), nix::errno::Errno> {
    bound.send_on(i, &[frame(station(2), station(1), i)])
}

fn item_095_any_ring_wakes_poll() -> Outcome {
    let (mut a, b) = four_rings("vale95")?;
    for i in [0, 3, 1, 2] {
        same("poll before", b.poll(IN, 0)?, NOTHING)?;
        let sender = later(move || send_to_two(&a, i).map(|()| a));
        same(format!("poll for ring {i}"), b.poll(IN, FOREVER)?, IN)?;
        a = sender.join().expect("the sender does not panic")?;
        same(format!("frames on ring {i}"), b.recv_on(i)?.len(), 1)?;
    }
    Ok(())
}

fn item_096_other_rings_do_not_wake_poll() -> Outcome {
    let (a, b) = four_rings("vale96")?;
    drop(b);
    let one = |ring: u16| vale("vale96:b").rings(4, 4).slots(64, 64).one(ring).bind();
    let (first, second) = (one(1)?, one(2)?);
    // Learned anew, as the port is a new one.
    second.send_on(2, &[frame(BROADCAST, station(2), 0)])?;
    for (i, awake, asleep) in [(1, &first, &second), (2, &second, &first)] {
        let start = Instant::now();
        let woken = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| asleep.poll(IN, 2 * A_WHILE));
            let woken = scope.spawn(|| awake.poll(IN, FOREVER));
            std::thread::sleep(Duration::from_millis(A_WHILE));
            works("send", send_to_two(&a, i))?;
            let woken = woken.join().expect("poll does not panic")?;
            same(
                "poll of the other ring",
                sleeper.join().expect("nor does this")?,
                NOTHING,
            )?;
            Ok::<_, Failure>(woken)
        })?;
        same(format!("poll of ring {i}"), woken, IN)?;
        that(
            "it was woken",
            start.elapsed() < Duration::from_millis(FOREVER),
        )?;
        same("frames", awake.recv_on(i)?.len(), 1)?;
    }
    Ok(())
}

fn item_097_select_behaves_like_poll() -> Outcome {
    use nix::sys::select::{select, FdSet};
    use nix::sys::time::{TimeVal, TimeValLike};
    use std::os::fd::AsFd;
    let (a, b) = pair("vale97")?;
    let wait = |device: &Device, ms: i64, read: bool, write: bool| {
        let (mut readable, mut writable) = (FdSet::new(), FdSet::new());
        if read {
            readable.insert(device.as_fd());
        }
        if write {
            writable.insert(device.as_fd());
        }
        let mut limit = TimeVal::milliseconds(ms);
        select(None, &mut readable, &mut writable, None, &mut limit)?;
        let fd = device.as_fd();
        Ok::<_, nix::errno::Errno>((readable.contains(fd), writable.contains(fd)))
    };
    let forever = FOREVER as i64;
    same(
        "for reading, no packets",
        wait(&b.device, 200, true, false)?,
        (false, false),
    )?;
    same(
        "for writing",
        wait(&b.device, forever, false, true)?,
        (false, true),
    )?;
    let sender = later(move || a.send(&numbered(0..3)).map(|()| a));
    same(
        "for reading",
        wait(&b.device, forever, true, false)?,
        (true, false),
    )?;
    let _a = sender.join().expect("the sender does not panic")?;
    same(
        "for both",
        wait(&b.device, forever, true, true)?,
        (true, true),
    )?;
    same("frames", b.rx(0).take_frames(), numbered(0..3))?;
    // A descriptor in error counts as readable and writable.
    let unbound = Device::open()?;
    same(
        "an unbound device",
        wait(&unbound, forever, true, true)?,
        (true, true),
    )
}

/// An epoll instance that watches one device.
fn epoll_of(
    device: &Device,
    events: nix::sys::epoll::EpollFlags,
) -> Result<nix::sys::epoll::Epoll, nix::errno::Errno> {
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent};
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(device, EpollEvent::new(events, 1))?;
    Ok(epoll)
}

/// The events of the only device within `ms`, none when the time is over.
fn epoll_wait(
    epoll: &nix::sys::epoll::Epoll,
    ms: u64,
) -> Result<nix::sys::epoll::EpollFlags, nix::errno::Errno> {
    use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
    let mut events = [EpollEvent::empty()];
    let limit = EpollTimeout::try_from(ms as i32).unwrap_or(EpollTimeout::NONE);
    let count = epoll.wait(&mut events, limit)?;
    Ok(if count == 0 {
        EpollFlags::empty()
    } else {
        events[0].events()
    })
}

fn item_097_epoll_is_level_triggered() -> Outcome {
    use nix::sys::epoll::EpollFlags;
    let (a, b) = pair("vale97")?;
    let epoll = epoll_of(&b.device, EpollFlags::EPOLLIN)?;
    same(
        "no packets",
        epoll_wait(&epoll, A_WHILE)?,
        EpollFlags::empty(),
    )?;
    let sender = later(move || a.send(&numbered(0..3)).map(|()| a));
    for round in 0..3 {
        let what = format!("packets there, round {round}");
        same(what, epoll_wait(&epoll, FOREVER)?, EpollFlags::EPOLLIN)?;
    }
    let _a = sender.join().expect("the sender does not panic")?;
    same("frames", b.rx(0).take_frames(), numbered(0..3))?;
    same(
        "all taken",
        epoll_wait(&epoll, A_WHILE)?,
        EpollFlags::empty(),
    )?;
    // Adding a device polls it, which sends.
    let (c, d) = (vale("vale97:c").slots(64, 64).bind()?, b);
    put_one(&c);
    let _epoll = epoll_of(&c.device, EpollFlags::EPOLLIN)?;
    same("frames sent by EPOLL_CTL_ADD", d.recv()?.len(), 1)
}

fn item_097_edge_triggered_epoll_reports_each_batch() -> Outcome {
    use nix::sys::epoll::EpollFlags;
    let (mut a, b) = pair("vale97")?;
    let epoll = epoll_of(&b.device, EpollFlags::EPOLLIN | EpollFlags::EPOLLET)?;
    same(
        "no packets",
        epoll_wait(&epoll, A_WHILE)?,
        EpollFlags::empty(),
    )?;
    for batch in 0..4u32 {
        let first = batch * 3;
        let sender = later(move || a.send(&numbered(first..first + 3)).map(|()| a));
        let what = format!("batch {batch}");
        same(&what, epoll_wait(&epoll, FOREVER)?, EpollFlags::EPOLLIN)?;
        a = sender.join().expect("the sender does not panic")?;
        // Nothing was taken, but nothing came either: no edge.
        same(
            format!("after {what}"),
            epoll_wait(&epoll, A_WHILE)?,
            EpollFlags::empty(),
        )?;
    }
    same("frames", b.recv()?, numbered(0..12))
}
