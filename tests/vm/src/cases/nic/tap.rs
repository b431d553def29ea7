// SPDX-License-Identifier: MIT OR Apache-2.0

//! A tap interface: what a program writes to it is received, and what is sent it reads.

use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::NR_REG_ALL_NIC;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sched::{unshare, CloneFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

pub const CASES: &[Case] = crate::cases![
    nic_tap_passes_frames_both_ways,
    nic_tap_lets_go_when_its_program_ends,
    nic_tap_a_sleeper_wakes_when_the_driver_has_room_again,
    nic_tap_attached_goes_on_when_the_driver_has_room_again,
];

nix::ioctl_write_int!(tunsetiff, b'T', 202);

/// The interface stops its queue instead of dropping what its program does not read
/// (`linux/if_tun.h`).
const IFF_BACKPRESSURE: libc::c_int = 0x0080;

/// The program's side of the interface `fm0`, which is up, in a namespace of its own.
struct Tap(File);

impl Tap {
    fn new() -> Outcome<Tap> {
        Self::with(0)
    }

    fn with(flags: libc::c_int) -> Outcome<Tap> {
        let loaded = std::process::Command::new("modprobe").arg("tun").status()?;
        that("modprobe tun", loaded.success())?;
        works("unshare", unshare(CloneFlags::CLONE_NEWNET))?;
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: all zeros are such a request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(b"fm0") {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | flags) as libc::c_short;
        // SAFETY: the call wants a pointer to the request.
        works("TUNSETIFF", unsafe {
            tunsetiff(file.as_raw_fd(), (&raw mut request) as libc::c_ulong)
        })?;
        std::fs::write("/proc/sys/net/ipv6/conf/fm0/disable_ipv6", "1")?;
        ip("link set fm0 up")?;
        Ok(Tap(file))
    }

    /// Frames that the interface has for the program.
    fn read(&mut self, count: usize) -> Outcome<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        while frames.len() < count {
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::from(2000u16))? == 0 {
                break;
            }
            let mut frame = [0; 2048];
            let len = self.0.read(&mut frame)?;
            frames.push(frame[..len].to_vec());
        }
        Ok(frames)
    }
}

fn nic_tap_passes_frames_both_ways() -> Outcome {
    let mut tap = Tap::new()?;
    let bound = vale("fm0").bind()?;
    let frames: Vec<_> = [14, 60, 1000, 1514]
        .into_iter()
        .cycle()
        .zip(0..200)
        .map(|(len, n)| match len {
            14 => frame(BROADCAST, station(1), n)[..14].to_vec(),
            len => frame_of(len, BROADCAST, station(1), n),
        })
        .collect();
    for frame in &frames {
        tap.0.write_all(frame)?;
    }
    same("received", wait_for(&bound, frames.len())?, frames.clone())?;
    bound.send(&frames)?;
    same("sent", tap.read(frames.len())?, frames)?;
    same("counted", counter(&bound, "rx0-frames")?, 200)?;
    same("counted", counter(&bound, "tx0-frames")?, 200)
}

/// The interface goes with the program that made it.
fn nic_tap_lets_go_when_its_program_ends() -> Outcome {
    let tap = Tap::new()?;
    let bound = vale("fm0").bind()?;
    bound.send(&numbered(0..10))?;
    drop(tap);
    has_let_go(&bound)?;
    fails("again", vale("fm0").try_bind(), Errno::ENXIO)
}

/// A tap whose queue has room for 100 frames. Its driver lets go of frames at once, so that only
/// trying again tells when there is room.
fn slow_tap() -> Outcome<Tap> {
    let tap = Tap::with(IFF_BACKPRESSURE)?;
    ip("link set fm0 txqueuelen 100")?;
    Ok(tap)
}

fn nic_tap_a_sleeper_wakes_when_the_driver_has_room_again() -> Outcome {
    let mut tap = slow_tap()?;
    let bound = vale("fm0").bind()?;
    let ring = bound.tx(0);
    wait_until("queue and ring are full", || {
        while ring.space() > 0 {
            ring.put(&frame(BROADCAST, station(1), 1));
        }
        let _ = bound.device.txsync();
        ring.space() == 0
    })?;
    // More than one try has been in vain when there is room.
    let ready = bound.poll(PollFlags::POLLOUT, 300)?;
    same("while nobody reads", ready, PollFlags::empty())?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            tap.read(50)
        });
        let begun = std::time::Instant::now();
        let ready = bound.poll(PollFlags::POLLOUT, 10_000)?;
        let slept = begun.elapsed();
        let read = reader.join().expect("the reader does not panic")?;
        same("read", read.len(), 50)?;
        same("poll", ready, PollFlags::POLLOUT)?;
        // Who is woken by nothing looks once more when his time is over, and finds room.
        that("it was woken", slept.as_secs() < 8)
    })
}

fn nic_tap_attached_goes_on_when_the_driver_has_room_again() -> Outcome {
    let mut tap = slow_tap()?;
    let _attached = Attached::by(&Device::open()?, "vale0:fm0", NR_REG_ALL_NIC)?;
    let port = vale("vale0:a").bind()?;
    port.send(&numbered(0..1000))?;
    // Meanwhile the thread that carries tries in vain.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let all: Vec<u32> = (0..1000).collect();
    same("all come", numbers(&tap.read(1000)?), all)
}
