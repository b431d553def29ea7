// SPDX-License-Identifier: MIT OR Apache-2.0

//! What goes through a pipe, slot by slot, and when, whatever it is built on.

use super::bases::on_every_base;
use super::pipe;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::Slot;

pub const CASES: &[Case] = crate::cases![
    item_153_a_receiver_sees_the_senders_slot,
    item_155_a_sender_stalls_and_nothing_is_lost,
    item_156_frames_wait_for_an_end_that_is_not_open,
    item_157_an_end_that_comes_back_finds_its_frames,
    item_158_a_chain_is_seen_when_it_is_whole,
    pipe_a_chain_over_several_syncs_keeps_its_flags,
    pipe_a_reset_ring_goes_on,
    hostile_other_end_of_a_pipe_scribbles,
];

fn item_153_a_receiver_sees_the_senders_slot() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        for (from, to) in [(&master, &slave), (&slave, &master)] {
            let (tx, rx) = (from.tx(0), to.rx(0));
            let (a, b) = (tx.slot(0).buf_idx, tx.slot(1).buf_idx);
            // Whatever is in it: another buffer, no frame's length, flags, somebody's pointer.
            let sent = [
                Slot {
                    buf_idx: b,
                    len: 60,
                    flags: NS_BUF_CHANGED,
                    ptr: 0x1234_5678_9abc_def0,
                },
                Slot {
                    buf_idx: a,
                    len: u16::MAX,
                    flags: NS_REPORT | NS_INDIRECT | 0x300,
                    ptr: u64::MAX,
                },
                Slot {
                    buf_idx: u32::MAX,
                    len: 0,
                    flags: 0,
                    ptr: 0,
                },
            ];
            for (at, slot) in (0..).zip(sent) {
                tx.set_slot(at, slot);
            }
            tx.set_head_cur(3);
            from.device.txsync()?;
            to.device.rxsync()?;
            same("arrived", rx.owned(), [0, 1, 2])?;
            for (at, slot) in (0..).zip(sent) {
                same(format!("slot {at}"), rx.slot(at), slot)?;
            }
            same("seen", tx.slot(0).flags, 0)?;
            same("the others", tx.slot(1), sent[1])?;
            tx.edit_slot(2, |slot| slot.buf_idx = 0);
        }
        Ok(())
    })
}

fn item_155_a_sender_stalls_and_nothing_is_lost() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        let (mut sent, mut got) = (0, 0);
        // Around the rings several times, with anything from nothing to all of it taken.
        for taken in [0, 1, 63, 7, 0, 40, 63, 1, 1, 62, 63, 5, 33, 63, 63] {
            let more = numbered(sent..sent + tx.space());
            sent += more.len() as u32;
            master.send(&more)?;
            same("nothing is lost", tx.space(), 0)?;
            slave.device.rxsync()?;
            same("under way", rx.space(), 63)?;
            for _ in 0..taken {
                let at = rx.head();
                same("in order", number(&rx.payload(at)), got)?;
                rx.set_head_cur(rx.after(at, 1));
                got += 1;
            }
            slave.device.rxsync()?;
            master.device.txsync()?;
            same("room for as many", tx.space(), taken)?;
        }
        same("frames", counter(&master, "tx0-frames")?, sent.into())?;
        same("bytes", counter(&slave, "rx0-bytes")?, u64::from(sent) * 60)
    })
}

fn item_156_frames_wait_for_an_end_that_is_not_open() -> Outcome {
    on_every_base(|base| {
        let slave = vale(&format!("{base}}}x")).slots(64, 64).bind()?;
        slave.send(&numbered(0..63))?;
        same("full", slave.tx(0).space(), 0)?;
        let master = vale(&format!("{base}{{x")).bind()?;
        let got = got(&master)?;
        same("all of them", got, (0..63).collect::<Vec<_>>())
    })
}

fn item_157_an_end_that_comes_back_finds_its_frames() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        master.send(&numbered(0..10))?;
        slave.device.rxsync()?;
        slave.rx(0).set_head_cur(4);
        slave.device.rxsync()?;
        slave.send(&numbered(50..52))?;
        let where_it_was = slave.rx(0).cursors();
        drop(slave);
        // Who stays goes on.
        master.send(&numbered(10..20))?;
        same("for the one that stays", got(&master)?, [50, 51])?;
        let back = vale(&format!("{base}}}x")).slots(8, 8).rings(3, 3).bind()?;
        same("its rings", (back.reg.nr_rx_rings, back.rx(0).n()), (1, 64))?;
        same("its indexes", back.rx(0).cursors(), where_it_was)?;
        same("its frames", got(&back)?, (4..20).collect::<Vec<_>>())?;
        drop(master);
        drop(back);
        // Both gone: so is all that was in it.
        let (master, slave) = pipe(base, "x")?;
        same("fresh", slave.rx(0).cursors(), (0, 0, 0))?;
        same("nothing", got(&master)?, [0; 0])
    })
}

fn item_158_a_chain_is_seen_when_it_is_whole() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        tx.put(&frame(BROADCAST, station(1), 0));
        tx.put_flagged(b"one", NS_MOREFRAG);
        tx.put_flagged(b"two", NS_MOREFRAG);
        master.device.txsync()?;
        slave.device.rxsync()?;
        same("the frame before", rx.space(), 1)?;
        same("room", tx.space(), 60)?;
        tx.put_flagged(b"three", NS_MOREFRAG);
        master.device.txsync()?;
        slave.device.rxsync()?;
        same("not yet", rx.space(), 1)?;
        tx.put(b"four");
        tx.put_flagged(b"next", NS_MOREFRAG);
        master.device.txsync()?;
        slave.device.rxsync()?;
        same("all of it", rx.space(), 5)?;
        let slots = rx.take();
        let flags: Vec<_> = slots.iter().map(|(slot, _)| slot.flags).collect();
        same(
            "its flags",
            flags,
            [0, 1, 1, 1, 0].map(|more| more * NS_MOREFRAG),
        )?;
        let parts: Vec<_> = slots.into_iter().map(|(_, bytes)| bytes).collect();
        same(
            "its parts",
            &parts[1..],
            [&b"one"[..], b"two", b"three", b"four"],
        )?;
        same("frames", counter(&master, "tx0-frames")?, 2)
    })
}

fn pipe_a_chain_over_several_syncs_keeps_its_flags() -> Outcome {
    on_every_base(|base| {
        // NS_BUF_CHANGED is taken off when a slot goes; what waits for the rest has not gone.
        let (master, slave) = pipe(base, "x")?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        for flags in [NS_MOREFRAG | NS_BUF_CHANGED, NS_MOREFRAG, NS_BUF_CHANGED] {
            tx.put_flagged(b"part", flags);
            master.device.txsync()?;
        }
        slave.device.rxsync()?;
        let flags: Vec<_> = rx.take().iter().map(|(slot, _)| slot.flags).collect();
        same(
            "flags",
            flags,
            [NS_MOREFRAG | NS_BUF_CHANGED, NS_MOREFRAG, NS_BUF_CHANGED],
        )
    })
}

fn pipe_a_reset_ring_goes_on() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        master.send(&numbered(0..5))?;
        tx.put_flagged(b"never ends", NS_MOREFRAG);
        master.device.txsync()?;
        tx.set_head_cur(1_000);
        master.device.txsync()?;
        same("back before the chain", tx.head(), 5)?;
        master.send(&numbered(5..10))?;
        slave.device.rxsync()?;
        rx.set_head_cur(64);
        slave.device.rxsync()?;
        same("from its start", rx.cursors(), (0, 0, 10))?;
        same("all", got(&slave)?, (0..10).collect::<Vec<_>>())
    })
}

fn hostile_other_end_of_a_pipe_scribbles() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let neighbours = ports("vale071", ["a", "b"])?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        let bad = [0, 1, 70_000, u32::MAX, 1 << 31, 12];
        for round in 0..100u32 {
            let free = tx.owned();
            master.send(&numbered(0..free.len() as u32))?;
            slave.device.rxsync()?;
            for at in rx.owned() {
                rx.set_slot(
                    at,
                    Slot {
                        buf_idx: bad[(at + round) as usize % bad.len()],
                        len: u16::MAX,
                        flags: u16::MAX,
                        ptr: u64::MAX,
                    },
                );
            }
            rx.set_head_cur(rx.tail());
            // What it has given back it still can write to, as it can to the sender's own.
            slave.device.rxsync()?;
            for at in 0..64 {
                rx.edit_slot(at, |slot| slot.buf_idx ^= round);
                tx.edit_slot(at, |slot| slot.ptr ^= u64::from(round));
            }
            slave.tx(0).set_slot(round % 64, tx.slot(round % 64));
            master.device.txsync()?;
            same("room", tx.space(), 63)?;
            neighbours[0].send(&[frame(BROADCAST, station(1), round)])?;
            same("neighbours", got(&neighbours[1])?, [round])?;
            // The sender puts its slots right again, with a buffer that it knows.
            for at in 0..64 {
                tx.set_slot(
                    at,
                    Slot {
                        buf_idx: 100 + at,
                        ..Slot::default()
                    },
                );
            }
        }
        Ok(())
    })
}
