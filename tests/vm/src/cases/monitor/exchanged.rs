// SPDX-License-Identifier: MIT OR Apache-2.0

//! Zero-copy monitors: buffers change hands, and none gets lost.

use super::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_166_a_zero_copy_monitor_exchanges_buffers,
    monitor_zero_copy_sees_what_was_done_with,
    monitor_zero_copy_feeds_the_next,
    monitor_zero_copy_goes_on_when_one_leaves,
    monitor_zero_copy_shows_no_rest_of_a_chain,
    monitor_zero_copy_counts_every_buffer_once,
];

fn item_166_a_zero_copy_monitor_exchanges_buffers() -> Outcome {
    let (a, b) = pair("vale166")?;
    let monitor = monitor("vale166:a", NR_ZCOPY_MON)?;
    same("region", monitor.reg.nr_mem_id, a.reg.nr_mem_id)?;
    let (tx, rx, seen) = (a.tx(0), a.rx(0), monitor.rx(0));
    let index = |ring: &Ring, at: u32| ring.slot(at).buf_idx;
    let before = [
        index(&tx, 0),
        index(&tx, 1),
        index(&seen, 0),
        index(&seen, 1),
    ];
    a.send(&numbered(0..2))?;
    monitor.device.rxsync()?;
    same("seen", seen.owned(), [0, 1])?;
    let after = [
        index(&tx, 0),
        index(&tx, 1),
        index(&seen, 0),
        index(&seen, 1),
    ];
    let [one, two, three, four] = before;
    same("exchanged", after, [three, four, one, two])?;
    for at in 0..2 {
        same("told", tx.slot(at).flags, NS_BUF_CHANGED)?;
        same("flags", seen.slot(at).flags, NS_TXMON | NS_BUF_CHANGED)?;
        same("frame", number(&seen.payload(at)), at)?;
    }
    // What arrives is seen once it has been done with, with what was made of it.
    b.send(&numbered(5..6))?;
    a.device.rxsync()?;
    monitor.device.rxsync()?;
    same("not yet", seen.space(), 2)?;
    let (mine, theirs) = (index(&rx, 0), index(&seen, 2));
    rx.write_buf(mine, &frame(BROADCAST, station(1), 500));
    rx.set_head_cur(1);
    a.device.rxsync()?;
    monitor.device.rxsync()?;
    same("now", seen.space(), 3)?;
    same(
        "exchanged",
        (index(&rx, 0), index(&seen, 2)),
        (theirs, mine),
    )?;
    same("told", rx.slot(0).flags & NS_BUF_CHANGED, NS_BUF_CHANGED)?;
    same("flags", seen.slot(2).flags, 0x100 | NS_BUF_CHANGED)?;
    same("as it was left", number(&seen.payload(2)), 500)
}

fn monitor_zero_copy_sees_what_was_done_with() -> Outcome {
    // Around all rings many times, whichever of them is the fullest.
    let (a, b) = pair("vale172")?;
    let monitor = vale("vale172:a").flags(NR_ZCOPY_MON).slots(32, 32).bind()?;
    let mut random = Random::new(166);
    let (mut next, mut want) = (0, Vec::new());
    for _ in 0..400 {
        let (out, back) = (random.below(20) as u32, random.below(10) as u32);
        a.send(&numbered(next..next + out))?;
        same("received", got(&b)?, (next..next + out).collect::<Vec<_>>())?;
        want.extend(sent(next..next + out));
        next += out;
        b.send(&numbered(next..next + back))?;
        same(
            "received",
            got(&a)?,
            (next..next + back).collect::<Vec<_>>(),
        )?;
        want.extend(received(next..next + back));
        next += back;
        same("seen", seen(&monitor)?, std::mem::take(&mut want))?;
    }
    Ok(())
}

fn monitor_zero_copy_feeds_the_next() -> Outcome {
    let (a, _b) = pair("vale172")?;
    let [first, second, third] =
        [(); 3].map(|()| vale("vale172:a").flags(NR_ZCOPY_MON).slots(64, 64).bind());
    let (first, second, third) = (first?, second?, third?);
    a.send(&numbered(0..3))?;
    same("not yet", seen(&second)?, [])?;
    // It gets what the one before has given back.
    first.device.rxsync()?;
    first.rx(0).set_head_cur(2);
    first.device.rxsync()?;
    same("two of them", seen(&second)?, sent(0..2))?;
    same("these went on", seen(&third)?, sent(0..2))?;
    same("the last", seen(&first)?, sent(2..3))?;
    same("the last", seen(&second)?, sent(2..3))?;
    same("the last", seen(&third)?, sent(2..3))?;
    // The first one sleeps, and there is no way past it.
    a.send(&numbered(0..63))?;
    a.send(&numbered(63..126))?;
    same("nothing", seen(&second)?, [])?;
    same("what fitted", seen(&first)?, sent(0..63))?;
    same("the same", seen(&second)?, sent(0..63))
}

fn monitor_zero_copy_goes_on_when_one_leaves() -> Outcome {
    let (a, _b) = pair("vale172")?;
    let ask = || vale("vale172:a").flags(NR_ZCOPY_MON).slots(64, 64).bind();
    let (first, second, third) = (ask()?, ask()?, ask()?);
    a.send(&numbered(0..3))?;
    drop(first);
    a.send(&numbered(3..6))?;
    same("the first now", seen(&second)?, sent(3..6))?;
    drop(second);
    a.send(&numbered(6..9))?;
    let mut want = sent(3..6);
    want.extend(sent(6..9));
    same("all that came", seen(&third)?, want)?;
    let back = ask()?;
    a.send(&numbered(9..12))?;
    // In the seat that was left.
    same("the first now", seen(&back)?, sent(9..12))?;
    same("and the other", seen(&third)?, sent(9..12))
}

fn monitor_zero_copy_shows_no_rest_of_a_chain() -> Outcome {
    let (a, b) = pair("vale172")?;
    let monitor = monitor("vale172:b", NR_ZCOPY_MON)?;
    let long = [&frame(BROADCAST, station(1), 1)[..], &[7; 20], &[8; 20]];
    a.tx(0).put_fragments(&long);
    a.send(&numbered(2..3))?;
    let rx = b.rx(0);
    b.device.rxsync()?;
    same("arrived", rx.space(), 4)?;
    let flags = |at| rx.slot(at).flags & NS_BUF_CHANGED;
    // Given back in parts: there is no saying whether the rest ever comes.
    for head in [1, 4] {
        rx.set_head_cur(head);
        b.device.rxsync()?;
    }
    same("the other frame", seen(&monitor)?, received(2..3))?;
    same(
        "whose buffer it is",
        (0..4).map(flags).collect::<Vec<_>>(),
        [0, 0, 0, NS_BUF_CHANGED],
    )
}

fn monitor_zero_copy_counts_every_buffer_once() -> Outcome {
    let (a, b) = pair("vale172")?;
    let region = a.reg.nr_mem_id;
    let before = free(region)?;
    let mut random = Random::new(172);
    let mut below = |limit: u32| random.below(limit.into()) as u32;
    for round in 0..40 {
        let monitors: Vec<_> = (0..1 + below(3))
            .map(|_| {
                vale("vale172:a")
                    .flags(NR_ZCOPY_MON)
                    .slots(16, 4 + below(60))
                    .bind()
            })
            .collect::<Result<_, _>>()?;
        for _ in 0..5 {
            a.send(&numbered(0..below(64)))?;
            b.send(&numbered(0..below(64)))?;
            b.recv()?;
            a.device.rxsync()?;
            let rx = a.rx(0);
            rx.set_head_cur(rx.after(rx.head(), below(1 + rx.space())));
            a.device.rxsync()?;
            for monitor in &monitors {
                monitor.device.rxsync()?;
                let rx = monitor.rx(0);
                rx.set_head_cur(rx.after(rx.head(), below(1 + rx.space())));
                monitor.device.rxsync()?;
            }
        }
        let rings = monitors
            .iter()
            .chain([&a])
            .flat_map(|bound| bound.buffers());
        let all: Vec<_> = rings.filter(|index| *index != 0).collect();
        let each: BTreeSet<_> = all.iter().collect();
        same(format!("round {round}: each once"), each.len(), all.len())?;
        drop(monitors);
        same(format!("round {round}: free"), free(region)?, before)?;
    }
    drop(b);
    Ok(())
}
