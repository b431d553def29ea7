// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors of every kind of port: to the frame.

use super::*;
use crate::harness::attach::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;

pub const CASES: &[Case] = crate::cases![
    monitor_of_a_pipe,
    monitor_of_a_pipe_without_copies,
    monitor_of_a_pipe_sees_whole_chains,
    monitor_of_an_interface,
    monitor_of_an_interface_sees_a_chain_when_it_is_whole,
    monitor_of_an_interface_without_copies,
    monitor_of_host_rings,
    monitor_of_forwarded_frames,
    monitor_of_an_attached_interface,
    monitor_of_a_persistent_port,
    monitor_of_frames_that_are_handed_over,
];

/// Collects what a monitor sees on a ring until there are so many.
fn wait_to_see(monitor: &Bound, ring: u32, count: usize) -> Outcome<Vec<(u32, bool)>> {
    let mut all = Vec::new();
    wait_until("all are seen", || {
        all.extend(seen_on(monitor, ring).unwrap_or_default());
        all.len() >= count
    })?;
    Ok(all)
}

fn monitor_of_a_pipe() -> Outcome {
    let master = vale("vale173:a{x").slots(64, 64).bind()?;
    let slave = vale("vale173:a}x").bind()?;
    let of_master = monitor("vale173:a{x", BOTH)?;
    let of_slave = monitor("vale173:a}x", BOTH)?;
    same("name", of_master.port_name(), "vale173:a{x/rt#")?;
    master.send(&numbered(0..5))?;
    slave.send(&numbered(5..8))?;
    let mut want = sent(0..5);
    want.extend(received(5..8));
    same("master", seen(&of_master)?, want)?;
    let mut want = received(0..5);
    want.extend(sent(5..8));
    same("slave", seen(&of_slave)?, want)?;
    // What waits for room is seen once.
    master.send(&numbered(8..66))?;
    same("sent", seen(&of_master)?, sent(8..66))?;
    same(
        "received",
        got(&slave)?,
        (0..5).chain(8..66).collect::<Vec<_>>(),
    )?;
    master.device.txsync()?;
    same("nothing more", seen(&of_master)?, [])?;
    same("received", seen(&of_slave)?, received(8..66))
}

fn monitor_of_a_pipe_without_copies() -> Outcome {
    // A receiver may give other buffers back than those that were sent; what was sent is copied.
    let base = vale("vale173:b").slots(64, 64).extra(100).bind()?;
    let region = base.reg.nr_mem_id;
    let mut spare = base.extra_bufs();
    base.set_bufs_head(0);
    let before = free(region)?;
    {
        let master = vale("vale173:b{x").slots(64, 64).bind()?;
        let slave = vale("vale173:b}x").bind()?;
        let ask = |name: &str| vale(name).flags(NR_ZCOPY_MON).slots(16, 32).bind();
        let all = [
            ask("vale173:b{x")?,
            ask("vale173:b}x")?,
            ask("vale173:b}x")?,
        ];
        for round in 0..100 {
            let out = round * 20..round * 20 + 20;
            master.send(&numbered(out.clone()))?;
            same("sent", seen(&all[0])?, sent(out.clone()))?;
            slave.device.rxsync()?;
            let rx = slave.rx(0);
            for at in rx.owned() {
                let mine = spare.remove(0);
                rx.write_buf(mine, &frame(BROADCAST, station(1), 7));
                rx.edit_slot(at, |slot| {
                    spare.push(std::mem::replace(&mut slot.buf_idx, mine));
                    slot.flags |= NS_BUF_CHANGED;
                });
            }
            rx.set_head_cur(rx.tail());
            slave.device.rxsync()?;
            let want = vec![(7, false); 20];
            same("as they were left", seen(&all[1])?, want.clone())?;
            same("and on", seen(&all[2])?, want)?;
        }
        // With something under way in each of them.
        master.send(&numbered(0..30))?;
        slave.device.rxsync()?;
        slave
            .rx(0)
            .set_head_cur(slave.rx(0).after(slave.rx(0).head(), 10));
        slave.device.rxsync()?;
        drop(all);
    }
    same("free", free(region)?, before)
}

fn monitor_of_a_pipe_sees_whole_chains() -> Outcome {
    let master = vale("vale173:c{x").slots(64, 64).bind()?;
    let slave = vale("vale173:c}x").bind()?;
    let monitors = [
        monitor("vale173:c{x", NR_MONITOR_TX)?,
        monitor("vale173:c}x", NR_MONITOR_RX)?,
    ];
    let lens = |monitor: &Bound| {
        let slots = monitor.recv_slots()?;
        Ok::<Vec<usize>, Errno>(slots.into_iter().map(|(_, bytes)| bytes.len()).collect())
    };
    let tx = master.tx(0);
    tx.put(&[1; 60]);
    tx.put_flagged(&[2; 50], NS_MOREFRAG);
    for monitor in &monitors {
        master.device.txsync()?;
        same("what is whole", lens(monitor)?, [60])?;
    }
    tx.put_flagged(&[3; 40], NS_MOREFRAG);
    master.device.txsync()?;
    tx.put(&[4; 30]);
    for monitor in &monitors {
        master.device.txsync()?;
        same("the rest of it", lens(monitor)?, [50, 40, 30])?;
    }
    drop(slave);
    Ok(())
}

fn monitor_of_an_interface() -> Outcome {
    wire()?;
    let (one, other) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let (of_one, of_other) = (monitor("fm0", BOTH)?, monitor("fm1", BOTH)?);
    one.send(&numbered(0..100))?;
    same("sent", wait_to_see(&of_one, 0, 100)?, sent(0..100))?;
    // Nobody has read them.
    same(
        "received",
        wait_to_see(&of_other, 0, 100)?,
        received(0..100),
    )?;
    same("frames", wait_for(&other, 100)?.len(), 100)?;
    // The driver takes as many as it has room for, and the monitor is shown each once.
    let mut next = 0;
    while next < 3_000 {
        let some = one.tx(0).space().min(200);
        one.send(&numbered(next..next + some))?;
        other.recv()?;
        let want = sent(next..next + some);
        same("sent", seen(&of_one)?, want)?;
        seen(&of_other)?;
        next += some;
    }
    Ok(())
}

fn monitor_of_an_interface_sees_a_chain_when_it_is_whole() -> Outcome {
    wire()?;
    let one = vale("fm0").bind()?;
    let monitor = monitor("fm0", NR_MONITOR_TX)?;
    let tx = one.tx(0);
    tx.put(&frame(BROADCAST, station(1), 1));
    tx.put_flagged(&frame(BROADCAST, station(1), 2), NS_MOREFRAG);
    one.device.txsync()?;
    same("what is whole", seen(&monitor)?, [(1, true)])?;
    tx.put(&frame(BROADCAST, station(1), 3));
    tx.put(&frame(BROADCAST, station(1), 4));
    one.device.txsync()?;
    let rest = [(2, true), (3, true), (4, true)];
    same("the chain, and what is behind it", seen(&monitor)?, rest)
}

fn monitor_of_an_interface_without_copies() -> Outcome {
    wire()?;
    let (one, other) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let region = one.reg.nr_mem_id;
    let before = free(region)?;
    let (of_one, of_other) = (monitor("fm0", NR_ZCOPY_MON)?, monitor("fm1", NR_ZCOPY_MON)?);
    same("region", of_one.reg.nr_mem_id, region)?;
    for round in 0..30 {
        let out = round * 100..round * 100 + 100;
        one.send(&numbered(out.clone()))?;
        let frames = wait_for(&other, 100)?;
        let want: Vec<_> = out.clone().collect();
        same("frames", numbers(&frames), want)?;
        same("received", seen(&of_other)?, received(out.clone()))?;
        // Slots come back when the driver has done with them.
        let mut all = Vec::new();
        wait_until("they are free", || {
            let _ = one.device.txsync();
            all.extend(seen(&of_one).unwrap_or_default());
            all.len() >= 100
        })?;
        same("sent", all, sent(out))?;
    }
    // A frame that the program has moved elsewhere is not there any more.
    one.send(&numbered(0..3))?;
    wait_until("they come", || {
        let _ = other.device.rxsync();
        other.rx(0).space() == 3
    })?;
    let rx = other.rx(0);
    let at = rx.after(rx.head(), 1);
    rx.edit_slot(at, |slot| slot.flags |= NS_BUF_CHANGED);
    rx.set_head_cur(rx.tail());
    other.device.rxsync()?;
    let shown = seen(&of_other)?;
    same("the others", shown, [(0, false), (2, false)])?;
    drop(rx);
    drop((of_one, of_other));
    same("free", free(region)?, before)
}

fn monitor_of_host_rings() -> Outcome {
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let all = [
        vale("fm0").flags(BOTH).mode(NR_REG_SW).bind()?,
        vale("fm0").flags(NR_ZCOPY_MON).mode(NR_REG_SW).bind()?,
    ];
    let stack = Stack::on("fm0")?;
    stack.send(&frame(station(2), station(1), 41))?;
    stack.send(&frame(station(2), station(1), 42))?;
    wait_until("they come", || {
        let _ = port.device.rxsync();
        port.host_rx(0).space() == 2
    })?;
    port.host_rx(0).take();
    port.device.rxsync()?;
    port.host_tx(0).put(&frame(BROADCAST, station(3), 43));
    port.device.txsync()?;
    for monitor in &all {
        monitor.device.rxsync()?;
        let slots = monitor.host_rx(0).take();
        monitor.device.rxsync()?;
        let what: Vec<_> = slots
            .iter()
            .map(|(slot, bytes)| (number(bytes), slot.flags & NS_TXMON != 0))
            .collect();
        same("seen", what, [(41, false), (42, false), (43, true)])?;
    }
    Ok(())
}

fn monitor_of_forwarded_frames() -> Outcome {
    // What goes on without the program is sent by the interface's ring, and seen there; it is no
    // frame of the host ring's any more once it has been moved.
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let ask = |flags| vale("fm0").flags(flags).mode(NR_REG_NIC_SW).bind();
    let (copies, zero) = (ask(BOTH)?, ask(NR_ZCOPY_MON)?);
    let host = port.host_rx(0);
    host.set_flags(NR_FORWARD);
    let stack = Stack::on("fm0")?;
    stack.send(&frame(station(2), station(1), 41))?;
    wait_until("it comes", || {
        let _ = port.device.rxsync();
        host.space() == 1
    })?;
    host.edit_slot(host.head(), |slot| slot.flags |= NS_FORWARD);
    host.set_head_cur(host.tail());
    port.device.rxsync()?;
    same("on its way out", seen(&copies)?, [(41, true)])?;
    let mut all = Vec::new();
    wait_until("it has left", || {
        let _ = port.device.txsync();
        all.extend(seen(&zero).unwrap_or_default());
        !all.is_empty()
    })?;
    same("on its way out", all, [(41, true)])?;
    same("not as received", zero.host_rx(0).space(), 0)?;
    same("but copied", copies.host_rx(0).space(), 1)
}

fn monitor_of_an_attached_interface() -> Outcome {
    wire()?;
    let _attached = Attached::new("vale174:fm0")?;
    let (port, far) = (
        vale("vale174:p").slots(256, 256).bind()?,
        vale("fm1").bind()?,
    );
    // The kernel moves its frames by exchanging buffers: all are shown as copies.
    let all = [
        (monitor("fm0", BOTH)?, true),
        (monitor("fm0", NR_ZCOPY_MON)?, true),
        (monitor("vale174:fm0", BOTH)?, false),
        (monitor("vale174:fm0", NR_ZCOPY_MON)?, false),
    ];
    for (monitor, _) in &all[1..2] {
        same("region", monitor.reg.nr_mem_id, 1)?;
    }
    port.send(&numbered(0..50))?;
    same("out", wait_for(&far, 50)?.len(), 50)?;
    for (monitor, is_interface) in &all {
        // What the switch has for the interface, its port receives.
        let want: Vec<_> = (0..50).map(|number| (number, *is_interface)).collect();
        same("out", wait_to_see(monitor, 0, 50)?, want)?;
    }
    far.send(&numbered(100..150))?;
    same("in", wait_for(&port, 50)?.len(), 50)?;
    for (monitor, is_interface) in &all {
        let want: Vec<_> = (100..150).map(|number| (number, !*is_interface)).collect();
        same("in", wait_to_see(monitor, 0, 50)?, want)?;
    }
    Ok(())
}

fn monitor_of_a_persistent_port() -> Outcome {
    wire()?;
    made("fmp0")?;
    works("plug", attach("vale174:fmp0").map(|_| ()))?;
    let other = vale("vale174:b").slots(64, 64).bind()?;
    {
        let port = vale("fmp0").bind()?;
        let by_name = monitor("fmp0", BOTH)?;
        let by_switch = monitor("vale174:fmp0", NR_ZCOPY_MON)?;
        port.send(&numbered(0..3))?;
        other.send(&numbered(3..5))?;
        same("received", got(&port)?, [3, 4])?;
        let mut want = sent(0..3);
        want.extend(received(3..5));
        same("seen", seen(&by_name)?, want.clone())?;
        same("seen", seen(&by_switch)?, want)?;
    }
    fails("closed", monitor("fmp0", BOTH).map(|_| ()), Errno::EINVAL)?;
    detach("vale174:fmp0")?;
    Ok(delif("fmp0")?)
}

fn monitor_of_frames_that_are_handed_over() -> Outcome {
    use ferromap_abi::ext::FERROMAP_NR_SWAP;
    // Sender and receiver in one region: the buffers that were sent are the receiver's.
    let (a, b) = (shared("vale174:a").bind()?, shared("vale174:b").bind()?);
    let before = free(1)?;
    let monitor_of = |name| vale(name).flags(NR_ZCOPY_MON).slots(64, 64).bind();
    let (of_a, of_b) = (monitor_of("vale174:a")?, monitor_of("vale174:b")?);
    a.tx(0).set_flags(FERROMAP_NR_SWAP);
    for round in 0..20 {
        let numbers = round * 40..round * 40 + 40;
        a.send(&numbered(numbers.clone()))?;
        same("sent", seen(&of_a)?, sent(numbers.clone()))?;
        same("received", got(&b)?, numbers.clone().collect::<Vec<_>>())?;
        same("received", seen(&of_b)?, received(numbers))?;
    }
    drop((of_a, of_b));
    same("free", free(1)?, before)
}
