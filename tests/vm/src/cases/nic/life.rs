// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening and closing network interfaces in emulated mode, and what happens to them meanwhile.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    item_048_loopback_needs_a_smaller_mtu,
    item_049_an_interface_in_a_bridge_is_busy,
    item_113_admode_1_refuses_what_is_not_native,
    item_114_down_and_up_keeps_the_binding,
    item_115_an_interface_that_goes_away_lets_go,
    nic_moving_to_another_namespace_lets_go,
    nic_renamed_it_is_the_same,
    nic_that_is_down_opens_and_comes_up,
    nic_mtu_above_what_a_frame_can_have_is_refused,
    nic_opens_and_closes_under_traffic,
];

fn item_048_loopback_needs_a_smaller_mtu() -> Outcome {
    ip("link set lo up")?;
    refused(vale("lo"), Errno::EINVAL, &["lo mtu", "65536"])?;
    ip("link set lo mtu 1500")?;
    let opened = works("MTU 1500", vale("lo").bind());
    ip("link set lo mtu 65536")?;
    opened.map(drop)
}

fn item_049_an_interface_in_a_bridge_is_busy() -> Outcome {
    wire()?;
    ip("link add br0 type bridge")?;
    ip("link set fm0 master br0")?;
    refused(vale("fm0"), Errno::EBUSY, &["fm0", "bridge", "nomaster"])?;
    ip("link set fm0 nomaster")?;
    let bound = vale("fm0").bind()?;
    let refused = Command::new("ip")
        .args(["link", "set", "fm0", "master", "br0"])
        .stderr(std::process::Stdio::null())
        .status()?;
    that("no bridge takes it while it is open", !refused.success())?;
    drop(bound);
    ip("link set fm0 master br0")
}

fn item_113_admode_1_refuses_what_is_not_native() -> Outcome {
    wire()?;
    write_parameter("admode", "1")?;
    let refused = fails("with admode 1", vale("fm0").try_bind(), Errno::EOPNOTSUPP);
    write_parameter("admode", "2")?;
    refused?;
    let bound = works("with admode 2", vale("fm0").bind());
    write_parameter("admode", "0")?;
    bound.map(drop)
}

fn item_114_down_and_up_keeps_the_binding() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    for round in 0..3 {
        ip("link set fm0 down")?;
        a.send(&numbered(0..5))?;
        ip("link set fm0 up")?;
        wait_until("the link is up", || {
            let link = Command::new("ip").args(["link", "show", "fm0"]).output();
            link.is_ok_and(|link| String::from_utf8_lossy(&link.stdout).contains("LOWER_UP"))
        })?;
        let n = 100 + round;
        a.send(&numbered(n..n + 1))?;
        same("then", numbers(&wait_for(&b, 1)?), vec![n])?;
    }
    Ok(())
}

fn item_115_an_interface_that_goes_away_lets_go() -> Outcome {
    for _ in 0..3 {
        wire()?;
        let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
        a.send(&numbered(0..5))?;
        std::thread::scope(|scope| -> Outcome {
            let sleeper = scope.spawn(|| {
                let start = Instant::now();
                b.rx(0).take();
                let events = loop {
                    let events = b.poll(PollFlags::POLLIN, 8000);
                    b.rx(0).take();
                    if events != Ok(PollFlags::POLLIN) {
                        break events;
                    }
                };
                (events, start.elapsed())
            });
            std::thread::sleep(Duration::from_millis(50));
            // It would hang if a reference were left.
            ip("link del fm0")?;
            let (events, took) = sleeper
                .join()
                .map_err(|_| failure("the sleeper panicked"))?;
            same("the sleeper's poll", events?, PollFlags::POLLERR)?;
            that(
                format!("at once, took {took:?}"),
                took < Duration::from_secs(4),
            )
        })?;
        has_let_go(&a)?;
        has_let_go(&b)?;
        fails("again", vale("fm0").try_bind(), Errno::ENXIO)?;
        // One of the same name is another one.
        ip("link add fm0 type dummy")?;
        ip("link set fm0 up")?;
        let new = works("a new one", vale("fm0").bind())?;
        new.send(&numbered(0..5))?;
        has_let_go(&a)?;
    }
    Ok(())
}

fn nic_moving_to_another_namespace_lets_go() -> Outcome {
    wire()?;
    let bound = vale("fm0").bind()?;
    let mut other = Command::new("unshare")
        .args(["--net", "sleep", "20"])
        .spawn()?;
    let pid = other.id();
    let ours = std::fs::read_link("/proc/self/ns/net")?;
    wait_until("the other namespace is there", || {
        std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs != ours)
    })?;
    let moved = ip(&format!("link set fm0 netns {pid}"));
    let told = has_let_go(&bound);
    other.kill()?;
    other.wait()?;
    moved.and(told)
}

fn nic_renamed_it_is_the_same() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    ip("link set fm0 down")?;
    ip("link set fm0 name renamed0")?;
    ip("link set renamed0 up")?;
    wait_until("frames pass", || {
        a.send(&numbered(7..8)).is_ok() && b.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
    })?;
    same("the frame", numbers(&b.rx(0).take_frames())[0], 7)?;
    fails("by its old name", vale("fm0").try_bind(), Errno::ENXIO)?;
    let again = vale("renamed0").bind()?;
    // It was called by the name that it had when it was opened first, which may be another's by
    // now.
    same("its name", again.port_name(), "renamed0")?;
    // They share the ring.
    same("its ring", again.ring_ofs().len(), a.ring_ofs().len())?;
    fails(
        "alone",
        vale("renamed0").flags(NR_EXCLUSIVE).try_bind(),
        Errno::EBUSY,
    )
}

fn nic_that_is_down_opens_and_comes_up() -> Outcome {
    wire()?;
    ip("link set fm0 down")?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    a.send(&numbered(0..4))?;
    same("counted", counter(&a, "tx0-drop_down")?, 4)?;
    same(
        "nothing comes",
        b.poll(PollFlags::POLLIN, 50)?,
        PollFlags::empty(),
    )?;
    ip("link set fm0 up")?;
    wait_until("frames pass", || {
        a.send(&numbered(7..8)).is_ok() && b.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
    })
}

fn nic_mtu_above_what_a_frame_can_have_is_refused() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 32769")?;
    let words = ["fm0 mtu 2026", "32769", "32768 at most", "2048"];
    refused(vale("fm0"), Errno::EINVAL, &words)?;
    let sender = works("only to send", vale("fm0").flags(NR_TX_RINGS_ONLY).bind())?;
    // It was looked at for whoever came first alone.
    refused(vale("fm0"), Errno::EINVAL, &words)?;
    drop(sender);
    for mtu in [32768, 9000, 2049, 1500] {
        ip(&format!("link set fm0 mtu {mtu}"))?;
        works(format!("MTU {mtu}"), vale("fm0").bind())?;
    }
    // In 64 slots of 64 bytes, with headers.
    write_parameter("buf_size", "64")?;
    for (mtu, fits) in [(4074, true), (4075, false)] {
        ip(&format!("link set fm0 mtu {mtu}"))?;
        same(mtu, vale("fm0").bind().is_ok(), fits)?;
    }
    Ok(())
}

fn nic_opens_and_closes_under_traffic() -> Outcome {
    wire()?;
    let stop = AtomicBool::new(false);
    let a = vale("fm0").bind()?;
    std::thread::scope(|scope| {
        let (stop, a) = (&stop, &a);
        let sender = scope.spawn(move || -> Outcome {
            let ring = a.tx(0);
            let mut n = 0;
            while !stop.load(SeqCst) {
                while ring.space() > 0 {
                    ring.put(&frame(BROADCAST, station(1), n));
                    n += 1;
                }
                a.poll(PollFlags::POLLOUT, 1000)?;
            }
            Ok(())
        });
        let result = (0..100).try_for_each(|round| -> Outcome {
            let bound = vale("fm1").bind()?;
            same(
                "frames come",
                bound.poll(PollFlags::POLLIN, 5000)?,
                PollFlags::POLLIN,
            )?;
            let came = bound.rx(0).take_frames();
            let whole = came
                .iter()
                .all(|f| *f == frame(BROADCAST, station(1), number(f)));
            that(
                format!("round {round}: frames whole"),
                whole && !came.is_empty(),
            )
        });
        stop.store(true, SeqCst);
        let sender = sender.join().map_err(|_| failure("the sender panicked"))?;
        result.and(sender)
    })
}
