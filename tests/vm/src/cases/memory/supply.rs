// SPDX-License-Identifier: MIT OR Apache-2.0

//! Of a region there is what its objects take, and the rest when it is taken or touched.

use super::upkeep::Cgroup;
use crate::harness::check::*;
use crate::harness::frame::{numbered, BROADCAST};
use crate::harness::raw::bound::pair;
use crate::harness::raw::device::Mapping;
use crate::harness::raw::request::pools_info;
use crate::harness::raw::*;
use crate::harness::traces::allocated;
use crate::harness::traffic::wait_until;
use crate::harness::why::why;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, ForkResult};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    region_costs_what_its_rings_take,
    region_costs_more_when_more_is_taken,
    region_one_keeps_its_size,
    region_is_there_where_it_is_touched,
    region_touched_buffer_is_sent,
    region_reserved_buffers_are_sent_as_they_are,
    region_buffer_that_nobody_had_is_none,
    region_buffer_that_nobody_had_is_none_on_an_interface,
    region_touched_without_memory_is_a_bus_error,
    region_grows_under_traffic;
    slow: region_costs_let_a_switch_be_full_of_ports,
];

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// What two default rings take: 2048 buffers of 2048 bytes, and the rings themselves.
const DEFAULT: std::ops::Range<u64> = 4 * MIB..4 * MIB + MIB / 2;

/// That so much more of the kernel's memory is the module's than `before`.
fn costs(what: &str, before: u64, want: std::ops::Range<u64>) -> Outcome {
    let got = allocated()?.saturating_sub(before);
    that(format!("{what}: {want:?}, got {got}"), want.contains(&got))
}

// A port with two rings of 1024 slots took 42 MB.
fn region_costs_what_its_rings_take() -> Outcome {
    let before = allocated()?;
    let device = Device::open()?;
    let mut port = vale("valecost:a");
    port.send(&device)?;
    costs("a default port", before, DEFAULT)?;
    let size = port.body.nr_memsize;
    that(format!("a large region, got {size}"), size > 40 * MIB)?;
    drop(device);
    same("afterwards", allocated()?, before)?;
    let small = vale("valecost:a").slots(64, 64).bind()?;
    costs("a small port", before, 256 * 1024..512 * 1024)?;
    drop(small);
    same("afterwards", allocated()?, before)
}

fn region_costs_more_when_more_is_taken() -> Outcome {
    let before = allocated()?;
    let port = || vale("valemore:a").rings(4, 4);
    let first = port().one(0).bind()?;
    costs("the first pair of rings", before, DEFAULT)?;
    let again = port().one(0).bind()?;
    costs("the same rings twice", before, DEFAULT)?;
    drop(again);
    let id = first.reg.nr_mem_id;
    let extra = vale("valemore:b")
        .mem(id)
        .slots(64, 64)
        .extra(2048)
        .bind()?;
    same("extra buffers", extra.reg.nr_extra_bufs, 2048)?;
    costs("with as many extra buffers", before, 8 * MIB..9 * MIB)?;
    let pipe = vale("valemore:a{1").bind()?;
    costs("with a pipe", before, 12 * MIB..15 * MIB)?;
    // What was given back is taken first.
    drop((extra, pipe));
    let kept = allocated()?;
    let second = port().one(1).bind()?;
    let third = port().one(2).bind()?;
    same("again as many", allocated()?, kept)?;
    second.send_on(1, &numbered(0..9))?;
    drop((first, second, third));
    same("afterwards", allocated()?, before)
}

// Where memory was short region 1 had half its buffers.
fn region_one_keeps_its_size() -> Outcome {
    let before = allocated()?;
    let full = null(GLOBAL_MEM_ID).bind()?.reg.nr_memsize;
    let group = Cgroup::new("one", "32M")?;
    super::access::elsewhere(|| {
        group.enter()?;
        let one = works("region 1", null(GLOBAL_MEM_ID).bind())?;
        same("its size", one.reg.nr_memsize, full)?;
        costs("a null port", before, 4096..8 * MIB)
    })
}

fn region_costs_let_a_switch_be_full_of_ports() -> Outcome {
    let before = allocated()?;
    let mut held = Vec::new();
    for i in 0..252 {
        let device = Device::open()?;
        let name = format!("valefull:p{i}");
        works(&name, vale(&name).send(&device))?;
        held.push(device);
    }
    costs(
        "all of them",
        before,
        252 * DEFAULT.start..252 * DEFAULT.end,
    )?;
    drop(held.split_off(2));
    let (a, b) = pair("valefull2")?;
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))?;
    drop((held, a, b));
    same("afterwards", allocated()?, before)
}

fn zero(map: &Mapping, from: u64, to: u64) -> Outcome {
    for at in (from..to).step_by(PAGE as usize) {
        for word in (at..at + PAGE).step_by(512) {
            same(format!("what is at {word}"), map.read::<u64>(word), 0)?;
        }
    }
    Ok(())
}

fn region_is_there_where_it_is_touched() -> Outcome {
    let before = allocated()?;
    let (a, b) = pair("valetouch")?;
    let pools = pools_info("valetouch:a", 0)?;
    let size = a.reg.nr_memsize;
    // The last of each pool's, and by that all before it.
    let ends = [pools.nr_ring_pool_offset, pools.nr_buf_pool_offset, size];
    for end in ends {
        zero(&a.map, end - PAGE, end)?;
        a.map.write(end - 8, end);
    }
    costs("all of one region", before, size..size + 2 * MIB)?;
    // Another mapping shows the same, from the front.
    let second = a.device.map(size, 0)?;
    for end in ends {
        same("a mark", second.read::<u64>(end - 8), end)?;
    }
    zero(&second, size / 2 / PAGE * PAGE, size - PAGE)?;
    // Page by page.
    zero(&b.map, size / 2 / PAGE * PAGE, size)?;
    a.send(&numbered(0..40))?;
    same("frames", b.recv()?, numbered(0..40))?;
    b.send(&numbered(0..40))?;
    same("frames", a.recv()?, numbered(0..40))?;
    drop((second, a, b));
    same("afterwards", allocated()?, before)
}

/// A frame that says where it lies.
fn frame_in(index: u32) -> Vec<u8> {
    let mut frame = vec![7; 64];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[60..].copy_from_slice(&index.to_le_bytes());
    frame
}

// A buffer that was not handed out, but written to, is one like any other.
fn region_touched_buffer_is_sent() -> Outcome {
    let (a, b) = pair("valesent")?;
    let total = pools_info("valesent:a", 0)?.nr_buf_pool_objtotal;
    let (tx, rx) = (a.tx(0), b.rx(0));
    for index in [3000, total / 2, total - 1] {
        let at = tx.cursors().0;
        let own = tx.slot(at).buf_idx;
        tx.write_buf(index, &frame_in(index));
        tx.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (index, 64));
        tx.set_head_cur(tx.after(at, 1));
        a.device.txsync()?;
        same("the frame", b.recv()?, vec![frame_in(index)])?;
        tx.edit_slot(at, |slot| slot.buf_idx = own);
    }
    // On the other side as well: the next slot to be filled.
    let at = rx.cursors().2;
    let own = rx.slot(at).buf_idx;
    rx.write_buf(total - 1, &[9; 64]);
    rx.edit_slot(at, |slot| {
        (slot.buf_idx, slot.flags) = (total - 1, NS_BUF_CHANGED)
    });
    a.send(&numbered(0..3))?;
    let got = b.recv()?;
    rx.edit_slot(at, |slot| slot.buf_idx = own);
    same("frames", got, numbered(0..3))
}

// Buffers 0 and 1 lie apart from the others in the kernel, where they fill whole pages, but not in
// what programs map; and stay what they are when the region grows.
fn region_reserved_buffers_are_sent_as_they_are() -> Outcome {
    let (a, b) = pair("valelow")?;
    let (tx, total) = (a.tx(0), pools_info("valelow:a", 0)?.nr_buf_pool_objtotal);
    let send = |index: u32| -> Outcome {
        let at = tx.cursors().0;
        let own = tx.slot(at).buf_idx;
        tx.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (index, 64));
        tx.set_head_cur(tx.after(at, 1));
        a.device.txsync()?;
        tx.edit_slot(at, |slot| slot.buf_idx = own);
        same(format!("buffer {index}"), b.recv()?, vec![frame_in(index)])
    };
    let all = [0, 1, 2, total - 1];
    for there in [3, 4] {
        for index in &all[..there] {
            tx.write_buf(*index, &frame_in(*index));
        }
        all[..there].iter().try_for_each(|index| send(*index))?;
    }
    Ok(())
}

// The kernel must not touch what is not there.
fn region_buffer_that_nobody_had_is_none() -> Outcome {
    let (a, b) = pair("valenone")?;
    let total = pools_info("valenone:a", 0)?.nr_buf_pool_objtotal;
    let (tx, rx) = (a.tx(0), b.rx(0));
    let before = allocated()?;
    for index in [total - 1, total / 2, 2000] {
        // Sent: as one out of range.
        let at = tx.cursors().0;
        let own = tx.slot(at).buf_idx;
        tx.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (index, 64));
        tx.set_head_cur(tx.after(at, 1));
        works("NIOCTXSYNC", a.device.txsync())?;
        let got = b.recv()?;
        that(
            format!("zeros or nothing: {got:?}"),
            got.iter().all(|f| f.iter().all(|&b| b == 0)),
        )?;
        tx.edit_slot(at, |slot| slot.buf_idx = own);
        // Received into, and in all slots at once.
        let mine = rx.slots();
        for i in 0..rx.n() {
            rx.edit_slot(i, |slot| slot.buf_idx = index);
        }
        a.send(&numbered(0..20))?;
        a.tx(0).put_fragments(&[&[7; 60], &[8; 900], &[9; 60]]);
        a.device.txsync()?;
        b.device.rxsync()?;
        for i in 0..rx.n() {
            rx.edit_slot(i, |slot| slot.buf_idx = mine[i as usize].buf_idx);
        }
        rx.set_head_cur(rx.cursors().2);
        works("NIOCRXSYNC", b.device.rxsync())?;
        // A reset mends it.
        let own = tx.slot(5).buf_idx;
        tx.edit_slot(5, |slot| slot.buf_idx = index);
        tx.set_head_cur(99_999);
        works("NIOCTXSYNC", a.device.txsync())?;
        same("what is in its place", tx.slot(5).buf_idx, 0)?;
        tx.edit_slot(5, |slot| slot.buf_idx = own);
        b.recv()?;
        a.send(&numbered(0..9))?;
        same("frames", b.recv()?, numbered(0..9))?;
    }
    same("nothing came for it", allocated()?, before)
}

fn region_buffer_that_nobody_had_is_none_on_an_interface() -> Outcome {
    wire()?;
    let (near, far) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let total = pools_info("fm0", 0)?.nr_buf_pool_objtotal;
    let (tx, rx) = (near.tx(0), far.rx(0));
    let index = total - 1;
    let at = tx.cursors().0;
    tx.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (index, 64));
    tx.set_head_cur(tx.after(at, 1));
    works("NIOCTXSYNC", near.device.txsync())?;
    let mine = rx.slots();
    for i in 0..rx.n() {
        rx.edit_slot(i, |slot| slot.buf_idx = index);
    }
    near.send(&numbered(0..20))?;
    far.device.rxsync()?;
    for i in 0..rx.n() {
        rx.edit_slot(i, |slot| slot.buf_idx = mine[i as usize].buf_idx);
    }
    rx.set_head_cur(rx.cursors().2);
    works("NIOCRXSYNC", far.device.rxsync())?;
    near.send(&numbered(100..109))?;
    let last = numbered(108..109);
    wait_until("the last one has come", || {
        far.recv().is_ok_and(|got| got.ends_with(&last))
    })
}

/// How a child ends that reads the byte at `at`.
fn child_touches(map: &Mapping, at: u64) -> Outcome<WaitStatus> {
    // SAFETY: the process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let _ = map.read::<u8>(at);
            // SAFETY: always safe; the parent's destructors are not the child's to run.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => Ok(waitpid(child, None)?),
    }
}

fn region_touched_without_memory_is_a_bus_error() -> Outcome {
    let group = Cgroup::new("touch", "24M")?;
    super::access::elsewhere(|| {
        group.enter()?;
        let port = works("REGISTER", vale("valebus:a").bind())?;
        let last = port.reg.nr_memsize - 1;
        let charged = group.charged()?;
        match child_touches(&port.map, last)? {
            WaitStatus::Signaled(_, Signal::SIGBUS, _) => {}
            other => return fail(format!("a bus error, got {other:?}")),
        }
        // In a system call that is an errno.
        let (_from, to) = pipe()?;
        // SAFETY: a byte of a mapping that stays.
        let written = unsafe { libc::write(to.as_raw_fd(), port.map.at(last).cast(), 1) };
        fails(
            "write(2) of it",
            Errno::result(written).map(drop),
            Errno::EFAULT,
        )?;
        // The kernel gives back by a worker what it had got of it.
        wait_until("what was got of it has gone", || {
            group.charged().is_ok_and(|left| left < charged + 4 * MIB)
        })?;
        // More rings than there is memory for are refused, and nothing is half done.
        let device = Device::open()?;
        let large = vale("valebus:b")
            .mem(port.reg.nr_mem_id)
            .rings(8, 8)
            .slots(1024, 1024)
            .send(&device);
        fails("REGISTER", large, Errno::ENOMEM)?;
        let (_, text) = why(&device)?;
        that(format!("memory in {text:?}"), text.contains("no memory"))?;
        let small = vale("valebus:b")
            .mem(port.reg.nr_mem_id)
            .slots(64, 64)
            .bind_on(device)?;
        port.send(&numbered(0..9))?;
        same("frames", small.recv()?, numbered(0..9))?;
        // What is nearer is to be had.
        let near = pools_info("valebus:a", 0)?.nr_buf_pool_offset + 5 * MIB;
        same("a byte", port.map.read::<u8>(near), 0)
    })
}

/// Lines of kernel addresses are exchanged for longer ones while frames go over them.
fn region_grows_under_traffic() -> Outcome {
    let (a, b) = pair("valegrow")?;
    let id = a.reg.nr_mem_id;
    let size = a.reg.nr_memsize;
    let first = pools_info("valegrow:a", 0)?.nr_buf_pool_offset;
    let map = a.device.map(size, 0)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let grower = scope.spawn(|| -> Outcome {
            for i in 0..6 {
                let name = format!("valegrow2:{i}");
                let _more = vale(&name).mem(id).slots(128, 128).bind()?;
                for page in (0..MIB).step_by(PAGE as usize) {
                    map.read::<u8>(first + i * MIB + page);
                }
            }
            done.store(true, SeqCst);
            Ok(())
        });
        let mut rounds = 0;
        while !done.load(SeqCst) && !grower.is_finished() || rounds == 0 {
            let batch = numbered(rounds * 60..rounds * 60 + 60);
            a.send(&batch)?;
            same("frames", b.recv()?, batch.clone())?;
            b.send(&batch)?;
            same("frames back", a.recv()?, batch)?;
            rounds += 1;
        }
        grower.join().or_else(|_| fail("the thread panicked"))?
    })
}
