// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs that come and go, under traffic or not; and requests about them that are wrong.

use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::programs::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::why;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use nix::errno::Errno;
use nix::unistd::{setresuid, Uid};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    xdp_replacement_loses_no_frame,
    xdp_comes_and_goes_under_traffic,
    xdp_goes_with_its_port,
    xdp_goes_with_its_switch,
    xdp_port_closes_while_its_program_runs,
    xdp_on_attached_interfaces,
    xdp_replaces_only_what_is_expected,
    xdp_by_the_crate,
    hostile_xdp_wrong_requests,
    hostile_xdp_wrong_descriptors,
    hostile_xdp_needs_rights;
    slow:
    hostile_xdp_sender_changes_what_was_decided_about,
];

/// A port with rings for large batches.
fn large(name: &str) -> Result<Bound, Errno> {
    vale(name).slots(1024, 1024).bind()
}

/// Sends frames of `len` bytes from `a` until told to end, and counts them.
fn send_until(a: &Bound, len: usize, end: &AtomicBool, sent: &AtomicU64) -> Result<(), Errno> {
    let ring = a.tx(0);
    for at in 0..ring.n() {
        ring.fill(at, &frame_of(len, BROADCAST, station(1), 2 * at + 1), 0);
    }
    while !end.load(SeqCst) {
        let batch = ring.space().min(200);
        ring.set_head_cur(ring.after(ring.head(), batch));
        a.device.txsync()?;
        sent.fetch_add(batch.into(), SeqCst);
    }
    Ok(())
}

/// Takes what comes to `b` until told to end and nothing comes any more. Returns how many frames
/// that were.
fn receive_until(b: &Bound, end: &AtomicBool) -> Result<u64, Errno> {
    let mut came = 0;
    loop {
        let last = end.load(SeqCst);
        b.device.rxsync()?;
        let ring = b.rx(0);
        let space = ring.space();
        came += u64::from(space);
        ring.set_head_cur(ring.tail());
        if last && space == 0 {
            return Ok(came);
        }
    }
}

fn xdp_replacement_loses_no_frame() -> Outcome {
    let programs = Programs::load()?;
    for len in [60, 1500] {
        let (a, b) = (large("valexl1:a")?, large("valexl1:b")?);
        let (end, quiet, sent) = (
            AtomicBool::new(false),
            AtomicBool::new(false),
            AtomicU64::new(0),
        );
        programs.attach("valexl1:a", "pass")?;
        let (decided, came) = std::thread::scope(|threads| {
            let sender = threads.spawn(|| send_until(&a, len, &end, &sent));
            let receiver = threads.spawn(|| receive_until(&b, &quiet));
            let mut decided = [0; XDP_ACTIONS];
            let mut add = |body: NmreqXdp| {
                let all = decided.iter_mut().zip(packets(&body));
                all.for_each(|(sum, n)| *sum += n);
            };
            let mut replaced = Ok(());
            for round in 0..200 {
                // Some frames for each of them.
                let before = sent.load(SeqCst);
                let _ = wait_until("frames go", || sent.load(SeqCst) > before + 200);
                let name = ["pass", "pass_calling", "pass_odd"][round % 3];
                match programs.replace("valexl1:a", name) {
                    Ok(before) => add(before),
                    Err(e) => replaced = Err(e),
                }
            }
            end.store(true, SeqCst);
            let sending = sender.join().expect("the sender");
            quiet.store(true, SeqCst);
            let came = receiver.join().expect("the receiver");
            replaced.and(sending)?;
            add(detach("valexl1:a")?);
            Ok::<_, Errno>((decided, came?))
        })?;
        let sent = sent.load(SeqCst);
        that(format!("{sent} frames are some"), sent > 1000)?;
        same("all were passed", decided, [0, 0, sent, 0, 0])?;
        let full = counter(&b, "rx0-drop_full")?;
        same("arrived, or no room", came + full, sent)?;
        same("dropped", counter(&a, "tx0-drop_xdp")?, 0)?;
    }
    Ok(())
}

fn xdp_comes_and_goes_under_traffic() -> Outcome {
    let programs = Programs::load()?;
    let (a, b) = (large("valexl2:a")?, large("valexl2:b")?);
    let (end, quiet, sent) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let (dropped, came) = std::thread::scope(|threads| {
        let sender = threads.spawn(|| send_until(&a, 300, &end, &sent));
        let receiver = threads.spawn(|| receive_until(&b, &quiet));
        let mut dropped = 0;
        let mut turn = || -> Result<(), Errno> {
            for place in ["valexl2:a", "valexl2:"].repeat(60) {
                programs.attach(place, "drop")?;
                dropped += packets(&detach(place)?)[DROP];
            }
            Ok(())
        };
        let turned = turn();
        end.store(true, SeqCst);
        let sending = sender.join().expect("the sender");
        quiet.store(true, SeqCst);
        let came = receiver.join().expect("the receiver");
        turned.and(sending)?;
        Ok::<_, Errno>((dropped, came?))
    })?;
    same("dropped", counter(&a, "tx0-drop_xdp")?, dropped)?;
    let full = counter(&b, "rx0-drop_full")?;
    same("all in all", came + full + dropped, sent.load(SeqCst))
}

/// Loads a program, has `f` attach it, and waits until it has gone.
fn gone_after(f: impl FnOnce(&Programs) -> Outcome) -> Outcome {
    let programs = Programs::load()?;
    let id = programs.id("drop");
    f(&programs)?;
    drop(programs);
    wait_until("the program is unloaded", || !is_loaded(id))
}

fn xdp_goes_with_its_port() -> Outcome {
    gone_after(|programs| {
        let a = large("valexl3:a")?;
        let _other = large("valexl3:b")?;
        programs.attach("valexl3:a", "drop")?;
        drop(a);
        let _again = large("valexl3:a")?;
        same("on a new port of that name", query("valexl3:a")?.prog_id, 0)
    })?;
    // Only the port holds it now.
    let a = large("valexl3:a")?;
    let programs = Programs::load()?;
    let id = programs.id("drop");
    programs.attach("valexl3:a", "drop")?;
    drop(programs);
    a.send(&numbered(0..5))?;
    that("it is loaded still", is_loaded(id))?;
    same("and at work", packets(&query("valexl3:a")?)[DROP], 5)?;
    drop(a);
    wait_until("it is unloaded", || !is_loaded(id))
}

fn xdp_goes_with_its_switch() -> Outcome {
    gone_after(|programs| {
        let a = large("valexl4:a")?;
        let b = large("valexl4:b")?;
        programs.attach("valexl4:", "drop")?;
        drop(a);
        same(
            "with a port left",
            query("valexl4:")?.prog_id,
            programs.id("drop"),
        )?;
        drop(b);
        fails("a switch without ports", query("valexl4:"), Errno::ENXIO)
    })
}

fn xdp_port_closes_while_its_program_runs() -> Outcome {
    for name in ["pass", "by_number", "push"] {
        let programs = Programs::load()?;
        let id = programs.id(name);
        let b = large("valexl5:b")?;
        for _ in 0..10 {
            let a = large("valexl5:a")?;
            programs.attach("valexl5:a", name)?;
            let (end, sent) = (AtomicBool::new(false), AtomicU64::new(0));
            std::thread::scope(|threads| {
                let sender = threads.spawn(|| send_until(&a, 200, &end, &sent));
                let began = wait_until("frames go", || sent.load(SeqCst) > 1000);
                end.store(true, SeqCst);
                sender.join().expect("the sender")?;
                began
            })?;
            drop(a);
            b.recv()?;
        }
        drop(programs);
        wait_until("it is unloaded", || !is_loaded(id))?;
    }
    Ok(())
}

fn xdp_on_attached_interfaces() -> Outcome {
    wire()?;
    let far = vale("fm1").bind()?;
    let near = large("valexl6:a")?;
    let attached = Attached::by(&Device::open()?, "valexl6:fm0", NR_REG_ALL_NIC)?;
    let programs = Programs::load()?;
    programs.attach("valexl6:fm0", "pass_odd")?;
    far.send(&numbered(0..20))?;
    let mut came = Vec::new();
    wait_until("frames come through", || {
        came.extend(got(&near).unwrap_or_default());
        came.len() >= 10
    })?;
    let odd: Vec<u32> = (0..20).filter(|n| n % 2 == 1).collect();
    same("which of them", came, odd)?;
    decided("all", &query("valexl6:fm0")?, [0, 10, 10, 0, 0], 60)?;
    drop(attached);
    fails("its port", query("valexl6:fm0"), Errno::ENXIO)
}

fn xdp_replaces_only_what_is_expected() -> Outcome {
    let _a = large("valexl7:a")?;
    let programs = Programs::load()?;
    let (drop_id, pass_id) = (programs.id("drop"), programs.id("pass"));
    let replace = |name, expected| {
        attach(
            "valexl7:a",
            programs.fd(name),
            FERROMAP_XDP_REPLACE,
            expected,
        )
    };
    fails("nobody there", replace("pass", drop_id), Errno::EEXIST)?;
    same("before", replace("drop", 0)?.prog_id, 0)?;
    fails(
        "a second",
        programs.attach("valexl7:a", "pass"),
        Errno::EBUSY,
    )?;
    fails(
        "the same",
        programs.attach("valexl7:a", "drop"),
        Errno::EBUSY,
    )?;
    fails("another", replace("pass", pass_id), Errno::EEXIST)?;
    same("still there", query("valexl7:a")?.prog_id, drop_id)?;
    same("the right one", replace("pass", drop_id)?.prog_id, drop_id)?;
    let expecting = |expected| NmreqXdp {
        expected,
        ..NmreqXdp::default()
    };
    let detach_if = |expected| ask(FERROMAP_REQ_XDP_DETACH, "valexl7:a", expecting(expected));
    fails("detaching another", detach_if(drop_id), Errno::EEXIST)?;
    same("detaching it", detach_if(pass_id)?.prog_id, pass_id)?;
    fails("once more", detach("valexl7:a"), Errno::ENOENT)?;
    fails("once more, expecting", detach_if(pass_id), Errno::ENOENT)
}

fn xdp_by_the_crate() -> Outcome {
    let told = |e: ferromap::Error| failure(e.to_string());
    let programs = Programs::load()?;
    let mut port = ferromap::Port::open("valexl13:a").map_err(told)?;
    same("at first", port.xdp().map_err(told)?, None)?;
    port.attach_xdp(programs.borrow("drop")).map_err(told)?;
    let again = port.attach_xdp(programs.borrow("drop"));
    let errno = again.map_err(|e| e.errno());
    same("a second", errno, Err(Some(Errno::EBUSY)))?;
    let ring = &mut port.tx_rings()[0];
    for frame in numbered(0..7) {
        ring.send(&frame).map_err(told)?;
    }
    ring.sync().map_err(told)?;
    let there = port.xdp().map_err(told)?;
    let there = there.ok_or_else(|| failure("there is no program"))?;
    same("its id", there.id, programs.id("drop"))?;
    let drop = there.counts.drop;
    same("what it dropped", (drop.packets, drop.bytes), (7, 420))?;
    same("taken off", port.detach_xdp().map_err(told)?, there)?;
    let gone = port.detach_xdp().map_err(|e| e.errno());
    same("once more", gone, Err(Some(Errno::ENOENT)))
}

fn hostile_xdp_wrong_requests() -> Outcome {
    let a = large("valexl8:a")?;
    let programs = Programs::load()?;
    let device = Device::open()?;
    let refused = |reqtype, name: &str, mut body: NmreqXdp, want| -> Outcome {
        let what = format!("request {reqtype:#x} for {name:?} with {}", body.flags);
        fails(&what, device.request(reqtype, name, &mut body), want)?;
        let (errno, text) = why(&device)?;
        same(format!("{what}: WHY"), errno, want as u32)?;
        that(format!("{what}: a sentence, not {text:?}"), text.len() > 10)
    };
    let fd = programs.fd("pass");
    let good = NmreqXdp {
        fd,
        ..NmreqXdp::default()
    };
    let all = [
        FERROMAP_REQ_XDP_ATTACH,
        FERROMAP_REQ_XDP_DETACH,
        FERROMAP_REQ_XDP_QUERY,
    ];
    for reqtype in all {
        for name in ["valexl8:b", "valexl9:a", "valexl9:", "valexl8:a{1"] {
            refused(reqtype, name, good, Errno::ENXIO)?;
        }
        for name in ["lo", "", "eth0", "vale", "valexl8", "vale-x:a"] {
            refused(reqtype, name, good, Errno::EINVAL)?;
        }
        for flags in [2, 4, 0x8000_0000, u32::MAX] {
            refused(
                reqtype,
                "valexl8:a",
                NmreqXdp { flags, ..good },
                Errno::EINVAL,
            )?;
        }
    }
    refused(FERROMAP_REQ_XDP_DETACH, "valexl8:a", good, Errno::ENOENT)?;
    for reqtype in all {
        let mut header = crate::harness::raw::device::header(reqtype, b"valexl8:a");
        fails("without a body", device.ctrl(&mut header), Errno::EINVAL)?;
        header.nr_body = 8;
        fails("with one nowhere", device.ctrl(&mut header), Errno::EFAULT)?;
    }
    same("nothing is there", query("valexl8:a")?.prog_id, 0)?;
    works("a good one", programs.attach("valexl8:a", "pass"))?;
    drop(a);
    Ok(())
}

fn hostile_xdp_wrong_descriptors() -> Outcome {
    let _a = large("valexl10:a")?;
    let programs = Programs::load()?;
    for fd in [-1, 1 << 20, i32::MAX, i32::MIN, 999] {
        let result = attach("valexl10:a", fd, 0, 0);
        fails(format!("descriptor {fd}"), result, Errno::EBADF)?;
    }
    let file = std::fs::File::open("/proc/self/status")?;
    let file = std::os::fd::AsRawFd::as_raw_fd(&file);
    fails("a file", attach("valexl10:a", file, 0, 0), Errno::EINVAL)?;
    for name in ["not_xdp", "behind_devmap", "behind_cpumap"] {
        fails(name, programs.attach("valexl10:a", name), Errno::EINVAL)?;
    }
    same("nothing is there", query("valexl10:a")?.prog_id, 0)
}

fn hostile_xdp_needs_rights() -> Outcome {
    let a = large("valexl11:a")?;
    let programs = Programs::load()?;
    programs.attach("valexl11:a", "pass")?;
    let device = Device::open()?;
    let mut body = NmreqXdp {
        fd: programs.fd("drop"),
        flags: FERROMAP_XDP_REPLACE,
        ..NmreqXdp::default()
    };
    // The case has a process of its own.
    let nobody = Uid::from_raw(65534);
    setresuid(nobody, nobody, nobody)?;
    let mut request = |reqtype| device.request(reqtype, "valexl11:a", &mut body);
    fails("attaching", request(FERROMAP_REQ_XDP_ATTACH), Errno::EPERM)?;
    body.flags = 0;
    let mut request = |reqtype| device.request(reqtype, "valexl11:a", &mut body);
    fails("detaching", request(FERROMAP_REQ_XDP_DETACH), Errno::EPERM)?;
    works("looking", request(FERROMAP_REQ_XDP_QUERY))?;
    drop(a);
    Ok(())
}

/// One thread sends; another writes the mark that must not get through into the same buffers, all
/// the while.
fn hostile_xdp_sender_changes_what_was_decided_about() -> Outcome {
    for (name, len) in [
        ("unmarked", 60),
        ("unmarked", 1500),
        ("unmarked_calling", 1500),
    ] {
        let programs = Programs::load()?;
        let (a, b) = (large("valexl12:a")?, large("valexl12:b")?);
        programs.attach("valexl12:a", name)?;
        let ring = a.tx(0);
        for at in 0..ring.n() {
            ring.fill(at, &frame_of(len, BROADCAST, station(1), at), 0);
        }
        let end = AtomicBool::new(false);
        let came = std::thread::scope(|threads| {
            threads.spawn(|| {
                let vandal = a.tx(0);
                let buffers = a.buffers();
                while !end.load(SeqCst) {
                    for &buffer in &buffers {
                        // Byte 18 is what the program looks at.
                        for mark in [0xee, 0x01] {
                            vandal.write_byte(buffer, 18, mark);
                        }
                    }
                }
            });
            let round = || -> Outcome<u64> {
                let mut came = 0;
                for _ in 0..2000 {
                    let batch = ring.space().min(256);
                    ring.set_head_cur(ring.after(ring.head(), batch));
                    a.device.txsync()?;
                    b.device.rxsync()?;
                    for at in b.rx(0).owned() {
                        came += 1;
                        differs("mark of a frame that came", b.rx(0).payload(at)[18], 0xee)?;
                    }
                    b.rx(0).set_head_cur(b.rx(0).tail());
                    b.device.rxsync()?;
                }
                Ok(came)
            };
            let came = round();
            end.store(true, SeqCst);
            came
        })?;
        let counts = packets(&query("valexl12:a")?);
        that(
            format!("both happened: {counts:?}"),
            counts[DROP] > 0 && counts[PASS] > 0,
        )?;
        same("passed", counts[PASS], came + counter(&b, "rx0-drop_full")?)?;
    }
    Ok(())
}
