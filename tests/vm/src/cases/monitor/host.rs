// SPDX-License-Identifier: MIT OR Apache-2.0

//! What monitors of host rings see of either direction: what goes up to the stack, and what comes
//! from it.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;

pub const CASES: &[Case] = crate::cases![
    item_164_a_copy_monitor_of_host_rings_sees_its_direction,
    item_166_a_zero_copy_monitor_of_host_rings_exchanges_buffers,
    monitor_of_an_interface_tells_it_from_its_host,
    monitor_of_one_host_ring_of_several,
];

/// A monitor of the host rings of fm0 alone.
fn of_host(flags: u64) -> Result<Bound, Errno> {
    vale("fm0").flags(flags).mode(NR_REG_SW).bind()
}

/// What a monitor sees on its host ring `i`: the numbers of frames, and whether they were
/// sent.
fn seen_of_host(monitor: &Bound, i: u32) -> Outcome<Vec<(u32, bool)>> {
    monitor.device.rxsync()?;
    let slots = monitor.host_rx(i).take();
    monitor.device.rxsync()?;
    let what = slots.iter();
    Ok(what
        .map(|(slot, bytes)| (number(bytes), slot.flags & NS_TXMON != 0))
        .collect())
}

/// Has the stack send frames, and waits for them in the port's host ring, where they stay.
fn from_stack(stack: &Stack, port: &Bound, frames: &[Vec<u8>]) -> Outcome {
    let ring = port.host_rx(0);
    let all = ring.space() + frames.len() as u32;
    for frame in frames {
        stack.send(frame)?;
    }
    wait_until("they come", || {
        let _ = port.device.rxsync();
        ring.space() == all
    })
}

fn item_164_a_copy_monitor_of_host_rings_sees_its_direction() -> Outcome {
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let (up, down, both) = (
        of_host(NR_MONITOR_TX)?,
        of_host(NR_MONITOR_RX)?,
        of_host(BOTH)?,
    );
    same("bound", both.ring_numbers(), (vec![1], vec![1]))?;
    let frames = |from, number| [14, 60, 1514].map(|len| frame_of(len, BROADCAST, from, number));
    let (of_stack, of_program) = (frames(station(2), 41), frames(station(3), 42));
    // What the stack sends is seen without anybody who reads it.
    let stack = Stack::on("fm0")?;
    for frame in &of_stack {
        stack.send(frame)?;
    }
    let slots = |monitor: &Bound| -> Outcome<Vec<(u32, u16, Vec<u8>)>> {
        monitor.device.rxsync()?;
        let ring = monitor.host_rx(0);
        let at = ring.owned();
        let slots = ring.take().into_iter().zip(at);
        Ok(slots
            .map(|((slot, bytes), at)| (at, slot.flags, bytes))
            .collect())
    };
    let want = |first, flags: u16, frames: &[Vec<u8>]| -> Vec<(u32, u16, Vec<u8>)> {
        let frames = (first..).zip(frames);
        frames
            .map(|(at, bytes)| (at, flags, bytes.clone()))
            .collect()
    };
    for monitor in [&down, &both] {
        let seen = slots(monitor)?;
        same("from the stack", seen, want(0, 0, &of_stack))?;
    }
    same("not this way", slots(&up)?, [])?;
    // What goes up is seen when it is handed over.
    for frame in &of_program {
        port.host_tx(0).put(frame);
    }
    same("not yet", slots(&up)?, [])?;
    port.device.txsync()?;
    same("up", slots(&up)?, want(0, NS_TXMON, &of_program))?;
    same("and there", slots(&both)?, want(3, NS_TXMON, &of_program))?;
    same("not this way", slots(&down)?, [])?;
    same(
        "at the stack",
        stack.receive(stack::QUIET)?,
        of_program.to_vec(),
    )?;
    for (monitor, frames) in [(&up, 3), (&down, 3), (&both, 6)] {
        same("counted", counter(monitor, "host-rx0-frames")?, frames)?;
    }
    // They are the port's all the same, and seen once.
    port.device.rxsync()?;
    same("received", port.host_rx(0).take_frames(), of_stack.to_vec())?;
    port.device.rxsync()?;
    same("once", slots(&down)?, [])
}

fn item_166_a_zero_copy_monitor_of_host_rings_exchanges_buffers() -> Outcome {
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let region = port.reg.nr_mem_id;
    let before = free(region)?;
    let monitor = of_host(NR_ZCOPY_MON)?;
    same("region", monitor.reg.nr_mem_id, region)?;
    let (up, down, ring) = (port.host_tx(0), port.host_rx(0), monitor.host_rx(0));
    let index = |ring: &Ring, at| ring.slot(at).buf_idx;
    let own: Vec<_> = (0..3).map(|at| index(&ring, at)).collect();
    let theirs = [index(&down, 0), index(&down, 1), index(&up, 0)];
    // What came is seen when the program has done with it, as it leaves it.
    let stack = Stack::on("fm0")?;
    from_stack(&stack, &port, &numbered(41..43))?;
    same("not yet", seen_of_host(&monitor, 0)?, [])?;
    down.write_buf(theirs[0], &frame(BROADCAST, station(1), 500));
    for (number, at) in [(500, 0), (42, 1)] {
        down.set_head_cur(at + 1);
        same("nor now", ring.space(), 0)?;
        port.device.rxsync()?;
        same("now", seen_of_host(&monitor, 0)?, [(number, false)])?;
        same("told", down.slot(at).flags & NS_BUF_CHANGED, NS_BUF_CHANGED)?;
        same("flags", ring.slot(at).flags, NS_BUF_CHANGED)?;
    }
    // What goes up is seen at once: its slot is free then.
    up.put(&frame(BROADCAST, station(3), 43));
    same("not yet", seen_of_host(&monitor, 0)?, [])?;
    port.device.txsync()?;
    same("up", seen_of_host(&monitor, 0)?, [(43, true)])?;
    same("told", up.slot(0).flags, NS_BUF_CHANGED)?;
    same("flags", ring.slot(2).flags, NS_TXMON | NS_BUF_CHANGED)?;
    same("at the stack", numbers(&stack.receive(stack::QUIET)?), [43])?;
    // All have changed hands.
    let got = [index(&down, 0), index(&down, 1), index(&up, 0)];
    same("the port's", got.to_vec(), own)?;
    let got = (0..3).map(|at| index(&ring, at)).collect::<Vec<_>>();
    same("the monitor's", got, theirs)?;
    // And serve there.
    from_stack(&stack, &port, &numbered(44..46))?;
    same("received", numbers(&down.take_frames()), [44, 45])?;
    port.device.rxsync()?;
    same("seen", seen_of_host(&monitor, 0)?, received(44..46))?;
    drop((ring, monitor));
    same("free", free(region)?, before)
}

fn monitor_of_an_interface_tells_it_from_its_host() -> Outcome {
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let (stack, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let ask = |flags, mode| vale("fm0").flags(flags).mode(mode).bind();
    let modes = [NR_REG_ALL_NIC, NR_REG_NIC_SW, NR_REG_SW];
    let mut all = vec![];
    for mode in modes {
        all.push((mode, ask(BOTH, mode)?));
    }
    // All of the interface feed the second, and those of the host the third.
    for mode in modes {
        all.push((mode, ask(NR_ZCOPY_MON, mode)?));
    }
    port.tx(0).put(&frame(BROADCAST, station(1), 1));
    port.host_tx(0).put(&frame(BROADCAST, station(1), 2));
    port.device.txsync()?;
    far.send(&frame(BROADCAST, station(2), 3))?;
    from_stack(&stack, &port, &numbered(4..5))?;
    wait_until("it comes", || {
        let _ = port.device.rxsync();
        port.rx(0).space() == 1
    })?;
    port.rx(0).take();
    port.host_rx(0).take();
    port.device.rxsync()?;
    wait_until("its slot is free", || {
        let _ = port.device.txsync();
        port.tx(0).space() == 1023
    })?;
    for (mode, monitor) in &all {
        let (_, rings) = monitor.ring_numbers();
        let has = |ring| rings.contains(&ring);
        same("nic", has(0), *mode != NR_REG_SW)?;
        same("host", has(1), *mode != NR_REG_ALL_NIC)?;
        if has(0) {
            let mut seen = seen(monitor)?;
            seen.sort_unstable();
            same(format!("nic, mode {mode}"), seen, [(1, true), (3, false)])?;
        }
        if has(1) {
            let seen = seen_of_host(monitor, 0)?;
            same(format!("host, mode {mode}"), seen, [(2, true), (4, false)])?;
        }
    }
    Ok(())
}

fn monitor_of_one_host_ring_of_several() -> Outcome {
    wire()?;
    let mut ask = vale("fm0").mode(NR_REG_NIC_SW);
    (ask.body.nr_host_tx_rings, ask.body.nr_host_rx_rings) = (3, 2);
    let port = ask.bind()?;
    let one = |flags, ring| {
        let mut ask = vale("fm0").flags(flags).mode(NR_REG_ONE_SW);
        ask.body.nr_ringid = ring;
        ask.bind()
    };
    let stack = Stack::on("fm0")?;
    for flags in [BOTH, NR_ZCOPY_MON] {
        let all = of_host(flags)?;
        same("all", all.ring_numbers(), (vec![1], vec![1, 2, 3]))?;
        // The last is of one direction only.
        let each = [one(flags, 0)?, one(flags, 1)?, one(flags, 2)?];
        for ring in 0..3 {
            for n in 0..=ring {
                port.host_tx(ring)
                    .put(&frame(BROADCAST, station(1), 10 * ring + n));
            }
        }
        port.device.txsync()?;
        same("at the stack", stack.receive(stack::QUIET)?.len(), 6)?;
        // The interface has one queue, whose frames come to the first.
        from_stack(&stack, &port, &numbered(50..52))?;
        port.host_rx(0).take();
        port.device.rxsync()?;
        for ring in 0..3 {
            let mut want = sent(10 * ring..10 * ring + ring + 1);
            if ring == 0 {
                want.extend(received(50..52));
            }
            same(
                format!("ring {ring} of all"),
                seen_of_host(&all, ring)?,
                want.clone(),
            )?;
            let alone = &each[ring as usize];
            same("bound", alone.ring_numbers(), (vec![1], vec![1 + ring]))?;
            same(
                format!("ring {ring} alone"),
                seen_of_host(alone, ring)?,
                want,
            )?;
        }
    }
    Ok(())
}
