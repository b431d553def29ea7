// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of several slots (`NS_MOREFRAG`) on their way to an interface or to the stack, which send
//! frames of one slot: dropped whole, and counted once. If parts of them left, who sends a long
//! frame would choose what leaves as another.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    chains_leave_in_no_parts,
    chains_are_dropped_over_syncs_and_the_rings_end,
    chains_that_came_are_not_forwarded_in_parts,
    chains_of_the_host_are_not_spread_over_rings,
];

/// A frame that nobody has sent.
fn inner() -> Vec<u8> {
    frame(BROADCAST, station(66), 66)
}

fn good() -> Vec<u8> {
    frame(BROADCAST, station(1), 1)
}

fn chains_leave_in_no_parts() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    for ring in [bound.tx(0), bound.host_tx(0)] {
        // As a frame that was longer than a buffer came.
        ring.put_fragments(&[&[0; 2048], &inner()]);
        ring.put(&good());
        ring.put_fragments(&[&inner(), &inner(), &inner()]);
        ring.put(&good());
    }
    bound.device.txsync()?;
    same("far away", far.receive(QUIET)?, vec![good(); 2])?;
    same("at the host", host.receive(QUIET)?, vec![good(); 2])?;
    for ring in ["tx0", "host-tx0"] {
        let count = |name| counter(&bound, &format!("{ring}-{name}"));
        same("chains", count("drop_bad_chain")?, 2)?;
        same("sent", count("frames")?, 2)?;
    }
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        bound.tx(0).space() == 1023
    })
}

fn chains_are_dropped_over_syncs_and_the_rings_end() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let rings = [bound.tx(0), bound.host_tx(0)];
    for ring in &rings {
        // To the end of the ring, without a frame that could be sent.
        for _ in 0..1022 {
            ring.put(&[]);
        }
    }
    bound.device.txsync()?;
    for ring in &rings {
        same("room", ring.space(), 1023)?;
        ring.put_fragments(&[&inner(), &inner(), &inner()]);
        ring.put(&good());
    }
    bound.device.txsync()?;
    let more = |part: &[u8]| -> Outcome {
        for ring in &rings {
            ring.put_flagged(part, NS_MOREFRAG);
        }
        Ok(bound.device.txsync()?)
    };
    more(&inner())?;
    more(&inner())?;
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("at the host", host.receive(QUIET)?, vec![good()])?;
    // What is released while it is down is passed, too.
    drop((host, far));
    ip("link set fm0 down")?;
    more(&inner())?;
    ip("link set fm0 up")?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    for ring in &rings {
        ring.put(&inner());
        ring.put(&good());
    }
    bound.device.txsync()?;
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("at the host", host.receive(QUIET)?, vec![good()])?;
    same("chains", counter(&bound, "tx0-drop_bad_chain")?, 2)?;
    same("chains", counter(&bound, "host-tx0-drop_bad_chain")?, 2)?;
    same("while down", counter(&bound, "tx0-drop_down")?, 0)
}

fn chains_that_came_are_not_forwarded_in_parts() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    // Later than when it was opened, nobody refuses that.
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 9000"))?;
    }
    let long = [frame_of(2048, BROADCAST, station(2), 2), inner()].concat();
    let ring = bound.rx(0);
    // Which of the two slots are marked, whether they are released together, and whether forwarding
    // is on for the first.
    for (fwd, marked, together, at_first) in [
        ("1", [false, false], true, true),
        ("1", [false, false], false, true),
        ("0", [true, true], true, true),
        ("0", [false, true], true, true),
        ("0", [false, true], false, true),
        ("0", [false, true], false, false),
    ] {
        let what = format!("fwd {fwd}, {marked:?}, {together}, {at_first}");
        write_parameter("fwd", fwd)?;
        ring.set_flags(if at_first { NR_FORWARD } else { 0 });
        let before = counter(&bound, "rx0-drop_bad_chain")?;
        far.send(&long)?;
        far.send(&good())?;
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            ring.space() == 3
        })?;
        for (slot, marked) in ring.owned().into_iter().zip([marked[0], marked[1], true]) {
            if marked {
                ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
            }
        }
        if !together {
            ring.set_head_cur(ring.after(ring.head(), 1));
            bound.device.rxsync()?;
            ring.set_flags(NR_FORWARD);
        }
        ring.take();
        bound.device.rxsync()?;
        same(&what, host.receive(QUIET)?, vec![good()])?;
        let count = counter(&bound, "rx0-drop_bad_chain")?;
        same(&what, count - before, 1)?;
    }
    write_parameter("fwd", "0")?;
    same("others", counter(&bound, "rx0-drop_not_forwarded")?, 0)
}

/// One ring has room for the first part only.
fn chains_of_the_host_are_not_spread_over_rings() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let (ring, first) = (bound.host_rx(0), bound.tx(0));
    ring.set_flags(NR_FORWARD);
    first.set_head_cur(first.after(first.tail(), first.n() - 1));
    for frame in [inner(), inner(), good()] {
        host.send(&frame)?;
    }
    wait_until("the frames are there", || {
        let _ = bound.device.rxsync();
        ring.space() == 3
    })?;
    for (slot, more) in ring.owned().into_iter().zip([NS_MOREFRAG, 0, 0]) {
        ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD | more);
    }
    ring.take();
    bound.device.rxsync()?;
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("chains", counter(&bound, "host-rx0-drop_bad_chain")?, 1)
}
