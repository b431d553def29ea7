// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops that are kicked and that kick, by eventfds: item 178, and section 10.2.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::csb::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsRawFd;
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    item_178_eventfds_of_a_wrong_size,
    item_178_irqfd_fires_when_frames_arrive,
    irqfd_fires_when_there_is_room,
    irqfd_fires_in_a_sleeping_loop,
    eventfds_must_be_eventfds,
    direct_modes_need_kicks,
    a_loop_without_all_kicks_sleeps,
    a_kicked_loop_asks_for_kicks,
    eventfds_may_be_closed_meanwhile,
    one_eventfd_may_be_both,
];

const QUIET: Duration = Duration::from_millis(100);

fn port(name: &str) -> Result<CsbPort, Errno> {
    CsbPort::bind(vale(name).slots(64, 64))
}

fn eventfd() -> Result<EventFd, Errno> {
    EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
}

/// START with these options is refused, and the status of option `which` says why.
fn refused(
    port: &CsbPort,
    mut options: OptionList,
    which: usize,
    errno: Errno,
    words: &[&str],
) -> Outcome {
    let first = options.first();
    fails("START", kloop_start(port.device(), 0, first), errno)?;
    same("status", options.statuses()[which], errno as u32)?;
    says(port.device(), errno, words)
}

fn item_178_eventfds_of_a_wrong_size() -> Outcome {
    let port = port("vale178:a")?;
    for count in [0, 1, 3, 9] {
        let options = eventfds_option(&vec![(-1, -1); count]);
        refused(&port, options, 0, Errno::EINVAL, &["nro_size", "40"])?;
    }
    for size in [39, 41, 47] {
        let mut options = eventfds_option(&[(-1, -1); 2]);
        options.option(0).head.nro_size = size;
        refused(&port, options, 0, Errno::EINVAL, &["nro_size", "40"])?;
    }
    Ok(())
}

/// How often it was signalled since the last look.
fn fired(fd: &EventFd) -> u64 {
    fd.read().unwrap_or(0)
}

fn item_178_irqfd_fires_when_frames_arrive() -> Outcome {
    let (a, b) = (vale("vale178:b").slots(64, 64).bind()?, port("vale178:c")?);
    let [kick, irq] = [eventfd()?, eventfd()?];
    let fds = [(kick.as_raw_fd(), -1), (kick.as_raw_fd(), irq.as_raw_fd())];
    let running = b.run_with(0, Some(eventfds_option(&fds)))?;
    wait_until("the loop sleeps", || b.csb.kern_need_kick(0) == 1)?;
    fired(&irq);
    for on in [1, 0, 7, 0] {
        b.csb.set_appl_need_kick(b.rx_entry(0), on);
        a.send(&numbered(0..3))?;
        let mut came = Vec::new();
        wait_until("the frames arrive", || {
            came.extend(b.take(0));
            came.len() == 3
        })?;
        if on == 0 {
            std::thread::sleep(QUIET);
            same("signals", fired(&irq), 0)?;
        } else {
            wait_until("it fires", || fired(&irq) > 0)?;
        }
    }
    running.stop()
}

fn irqfd_fires_when_there_is_room() -> Outcome {
    let (a, _b) = (port("vale10:a")?, vale("vale10:b").slots(64, 64).bind()?);
    let [kick, irq] = [eventfd()?, eventfd()?];
    let fds = [(kick.as_raw_fd(), irq.as_raw_fd()), (kick.as_raw_fd(), -1)];
    let running = a.run_with(0, Some(eventfds_option(&fds)))?;
    wait_until("the loop sleeps", || a.csb.kern_need_kick(0) == 1)?;
    fired(&irq);
    std::thread::sleep(QUIET);
    same("signals", fired(&irq), 0)?;
    a.put(0, &numbered(0..63));
    kick.write(1)?;
    wait_until("it fires", || fired(&irq) > 0)?;
    same("hwcur", a.csb.hwcur(0), 63)?;
    running.stop()
}

fn irqfd_fires_in_a_sleeping_loop() -> Outcome {
    let (a, b) = (vale("vale10:c").slots(64, 64).bind()?, port("vale10:d")?);
    let irq = eventfd()?;
    let fds = [(-1, -1), (-1, irq.as_raw_fd())];
    let running = b.run_with(100, Some(eventfds_option(&fds)))?;
    b.wait_for_loop()?;
    std::thread::sleep(QUIET);
    fired(&irq);
    a.send(&numbered(0..3))?;
    wait_until("it fires", || fired(&irq) > 0)?;
    same("frames", b.take(0).len(), 3)?;
    same("need of kicks", b.csb.kern_need_kick(0), 0)?;
    running.stop()
}

fn eventfds_must_be_eventfds() -> Outcome {
    let port = port("vale10:e")?;
    let good = eventfd()?;
    let fd = good.as_raw_fd();
    let (closed, device) = (100_000, port.device().raw());
    let (file, (one_end, _other)) = (
        std::fs::File::open("/proc/self/status")?,
        std::os::unix::net::UnixStream::pair()?,
    );
    let others = [
        (closed, Errno::EBADF),
        (i32::MAX, Errno::EBADF),
        (device, Errno::EINVAL),
        (file.as_raw_fd(), Errno::EINVAL),
        (one_end.as_raw_fd(), Errno::EINVAL),
    ];
    for (bad, errno) in others {
        for (fds, words) in [
            ([(bad, fd), (fd, fd)], ["ioeventfd", "ring 0"]),
            ([(fd, bad), (fd, fd)], ["irqfd", "ring 0"]),
            ([(fd, fd), (bad, fd)], ["ioeventfd", "ring 1"]),
            ([(fd, fd), (fd, bad)], ["irqfd", "ring 1"]),
        ] {
            refused(&port, eventfds_option(&fds), 0, errno, &words)?;
        }
    }
    let running = port.run_with(0, Some(eventfds_option(&[(fd, fd); 2])))?;
    port.wait_for_loop()?;
    running.stop()
}

fn direct_modes_need_kicks() -> Outcome {
    let port = port("vale10:f")?;
    let good = eventfd()?;
    let fd = good.as_raw_fd();
    for mode in [1, 2, 3] {
        for fds in [[(-1, fd), (fd, fd)], [(fd, fd), (-1, fd)]] {
            let options = direct_option(&fds, mode);
            refused(&port, options, 1, Errno::EINVAL, &["ioeventfd"])?;
        }
    }
    for mode in [4, 7, 1 << 31] {
        let options = direct_option(&[(fd, fd); 2], mode);
        refused(&port, options, 1, Errno::EINVAL, &["mode"])?;
        let mut alone = OptionList::of(&[NETMAP_REQ_OPT_SYNC_KLOOP_MODE]);
        alone.option(0).body[0] = mode.into();
        refused(&port, alone, 0, Errno::EINVAL, &["mode"])?;
    }
    // Without eventfds a good one has nothing to say.
    let mut alone = OptionList::of(&[NETMAP_REQ_OPT_SYNC_KLOOP_MODE]);
    alone.option(0).body[0] = 3;
    let running = port.run_with(0, Some(alone))?;
    port.wait_for_loop()?;
    running.stop()
}

fn a_loop_without_all_kicks_sleeps() -> Outcome {
    let (a, b) = (port("vale10:g")?, vale("vale10:h").slots(64, 64).bind()?);
    let kick = eventfd()?;
    let fds = [(kick.as_raw_fd(), -1), (-1, -1)];
    let running = a.run_with(1000, Some(eventfds_option(&fds)))?;
    a.wait_for_loop()?;
    for round in 0..20 {
        a.put(0, &numbered(round..round + 1));
        let head = a.csb.head(0);
        wait_until("it is sent without a kick", || a.csb.hwcur(0) == head)?;
        same("need of kicks", a.csb.kern_need_kick(0), 0)?;
    }
    running.stop()?;
    same("frames", got(&b)?, (0..20).collect::<Vec<_>>())
}

fn a_kicked_loop_asks_for_kicks() -> Outcome {
    let (a, b) = (port("vale10:i")?, vale("vale10:j").slots(64, 64).bind()?);
    let kick = eventfd()?;
    let fds = [(kick.as_raw_fd(), -1); 2];
    let running = a.run_with(0, Some(eventfds_option(&fds)))?;
    for round in 0..100 {
        for entry in 0..2 {
            wait_until("it asks", || a.csb.kern_need_kick(entry) == 1)?;
        }
        a.put(0, &numbered(round..round + 1));
        kick.write(1)?;
        let head = a.csb.head(0);
        wait_until("it is sent", || a.csb.hwcur(0) == head)?;
        if round % 50 == 49 {
            same("frames", got(&b)?, (round - 49..=round).collect::<Vec<_>>())?;
        }
    }
    running.stop()
}

fn eventfds_may_be_closed_meanwhile() -> Outcome {
    let (a, b) = (port("vale10:k")?, vale("vale10:l").slots(64, 64).bind()?);
    let [kick, irq] = [eventfd()?, eventfd()?];
    let fds = [(kick.as_raw_fd(), irq.as_raw_fd()); 2];
    let running = a.run_with(0, Some(eventfds_option(&fds)))?;
    wait_until("the loop sleeps", || a.csb.kern_need_kick(0) == 1)?;
    drop(irq);
    a.put(0, &numbered(0..1));
    kick.write(1)?;
    wait_until("it is sent", || a.csb.hwcur(0) == 1)?;
    drop(kick);
    // Nobody can kick it any more: it looks by itself after some seconds.
    a.put(0, &numbered(1..2));
    wait_until("it is sent", || a.csb.hwcur(0) == 2)?;
    b.send(&numbered(2..3))?;
    wait_until("what arrives is seen", || a.csb.hwtail(a.rx_entry(0)) == 1)?;
    running.stop()?;
    same("frames", got(&b)?, [0, 1])
}

/// A loop that wakes itself comes to rest.
fn one_eventfd_may_be_both() -> Outcome {
    let (a, b) = (port("vale10:m")?, vale("vale10:n").slots(64, 64).bind()?);
    let both = eventfd()?;
    let fds = [(both.as_raw_fd(), both.as_raw_fd()); 2];
    let direct = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;
    for options in [eventfds_option(&fds), direct_option(&fds, direct)] {
        let running = a.run_with(0, Some(options))?;
        for round in 0..10 {
            a.put(0, &numbered(round..round + 1));
            both.write(1)?;
            let head = a.csb.head(0);
            wait_until("it is sent", || a.csb.hwcur(0) == head)?;
            wait_until("it rests", || a.csb.kern_need_kick(0) == 1)?;
        }
        running.stop()?;
        same("frames", got(&b)?, (0..10).collect::<Vec<_>>())?;
    }
    Ok(())
}
