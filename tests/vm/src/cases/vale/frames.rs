// SPDX-License-Identifier: MIT OR Apache-2.0

//! Slots and frames on their way through a switch: items 120, 122 and 130 to 132.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    item_120_receive_slots_tell_the_number_of_fragments,
    item_120_upper_flag_byte_of_the_sender_is_ignored,
    item_120_sent_slots_lose_buf_changed_only,
    item_122_short_frames_are_dropped,
    item_122_short_first_fragment_drops_the_frame,
    item_130_fragments_keep_their_lengths,
    item_130_chains_across_a_batch_stay_whole,
    item_130_a_chain_between_does_not_turn_frames_aside,
    item_130_chain_that_does_not_fit_is_dropped_whole,
    item_131_trailing_morefrag_ends_the_frame,
    item_132_chain_of_64_is_delivered,
    item_132_longer_chains_do_no_harm,
];

/// What has come to ring 0, slot by slot: length and flags.
fn slots(bound: &Bound) -> Outcome<Vec<(u16, u16)>> {
    bound.device.rxsync()?;
    let taken = bound.rx(0).take();
    bound.device.rxsync()?;
    Ok(taken
        .iter()
        .map(|(slot, _)| (slot.len, slot.flags))
        .collect())
}

/// A frame from station 1 to all, cut into pieces of these lengths.
fn pieces(number: u32, lens: &[usize]) -> Vec<Vec<u8>> {
    let whole = frame_of(lens.iter().sum(), BROADCAST, station(1), number);
    let mut rest = &whole[..];
    lens.iter()
        .map(|&len| {
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            piece.to_vec()
        })
        .collect()
}

fn put_pieces(ring: &Ring, pieces: &[Vec<u8>]) {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    ring.put_fragments(&pieces);
}

fn item_120_receive_slots_tell_the_number_of_fragments() -> Outcome {
    let (a, b) = pair("vale120")?;
    let ring = a.tx(0);
    ring.put(&frame(BROADCAST, station(1), 0));
    put_pieces(&ring, &pieces(1, &[100, 70, 80]));
    put_pieces(&ring, &pieces(2, &[60, 1]));
    ring.put(&frame(BROADCAST, station(1), 3));
    a.device.txsync()?;
    let want = vec![
        (60, 0x0100),
        (100, 0x0320),
        (70, 0x0320),
        (80, 0x0300),
        (60, 0x0220),
        (1, 0x0200),
        (60, 0x0100),
    ];
    same("lengths and flags", slots(&b)?, want)
}

fn item_120_upper_flag_byte_of_the_sender_is_ignored() -> Outcome {
    let [a, b, c] = ports("vale120", ["a", "b", "c"])?;
    // What a forwarder sends on as it came from a receive ring must not be taken for a port number.
    for flags in [0x0100, 0x0200, 0x0300, 0x4000, 0xff00] {
        a.tx(0).put_flagged(&frame(BROADCAST, station(1), 1), flags);
        a.device.txsync()?;
        same("at b", slots(&b)?, vec![(60, 0x0100)])?;
        same("at c", slots(&c)?, vec![(60, 0x0100)])?;
    }
    Ok(())
}

fn item_120_sent_slots_lose_buf_changed_only() -> Outcome {
    let (a, b) = pair("vale120")?;
    let ring = a.tx(0);
    let before = ring.slot(0);
    ring.put_flagged(&frame(BROADCAST, station(1), 0), NS_BUF_CHANGED | NS_REPORT);
    a.device.txsync()?;
    let after = ring.slot(0);
    same("NS_BUF_CHANGED", after.flags & NS_BUF_CHANGED, 0)?;
    same("buffer", after.buf_idx, before.buf_idx)?;
    same("length", after.len, 60)?;
    // The receiver's slot keeps its own buffer and pointer.
    let slot = b.rx(0).slot(0);
    b.rx(0)
        .edit_slot(0, |slot| slot.ptr = 0x1234_5678_9abc_def0);
    same("at b", got(&b)?, vec![0])?;
    let now = b.rx(0).slot(0);
    same("buffer at b", now.buf_idx, slot.buf_idx)?;
    same("pointer at b", now.ptr, 0x1234_5678_9abc_def0)
}

fn item_122_short_frames_are_dropped() -> Outcome {
    let (a, b) = pair("vale122")?;
    let batch: Vec<_> = (0..30)
        .map(|len| frame_of(len, BROADCAST, station(1), 0))
        .collect();
    a.send(&batch)?;
    same("free slots", a.tx(0).space(), 63)?;
    let lens: Vec<_> = b.recv()?.iter().map(Vec::len).collect();
    same("lengths received", lens, (14..30).collect::<Vec<_>>())?;
    same("counted", counter(&a, "tx0-drop_bad_length")?, 14)?;
    same("counted as sent", counter(&a, "tx0-frames")?, 30)
}

fn item_122_short_first_fragment_drops_the_frame() -> Outcome {
    let (a, b) = pair("vale122")?;
    for first in [0, 1, 13] {
        put_pieces(&a.tx(0), &pieces(1, &[first, 60 - first]));
        put_pieces(&a.tx(0), &pieces(2, &[14, 46]));
        a.device.txsync()?;
        let want = vec![(14, 0x0220), (46, 0x0200)];
        same(
            format!("behind a fragment of {first} bytes"),
            slots(&b)?,
            want,
        )?;
    }
    same("counted", counter(&a, "tx0-drop_bad_length")?, 3)
}

fn item_130_fragments_keep_their_lengths() -> Outcome {
    let (a, b) = pair("vale130")?;
    let mut random = Random::new(130);
    for _ in 0..60 {
        let (ring, mut sent) = (a.tx(0), Vec::new());
        loop {
            let count = 1 + random.below(8) as usize;
            if ring.space() < count as u32 {
                break;
            }
            let lens: Vec<_> = (0..count)
                .map(|i| match (i, random.below(10)) {
                    (0, 0) => 14,
                    (0, n) => 14 + random.below(n * 20) as usize,
                    // An empty fragment is one, too.
                    (_, 0) => 0,
                    (_, 1) => 2048,
                    (_, n) => random.below(n * 20) as usize,
                })
                .collect();
            let frags = pieces(sent.len() as u32, &lens);
            put_pieces(&ring, &frags);
            for (i, bytes) in frags.into_iter().enumerate() {
                let more = if i + 1 < count { NS_MOREFRAG } else { 0 };
                sent.push((((count as u16) << 8) | more, bytes));
            }
        }
        a.device.txsync()?;
        let came = b.recv_slots()?;
        that("fragments as they were sent", came == sent)?;
    }
    Ok(())
}

fn item_130_chains_across_a_batch_stay_whole() -> Outcome {
    let port = |name: &str| vale(&format!("vale130:{name}")).slots(4096, 4096).bind();
    let (a, b) = (port("a")?, port("b")?);
    // A switch works on so many slots at a time; chains begin at all places before such a border.
    for (round, singles) in (1024 - 66..1026).step_by(9).enumerate() {
        let ring = a.tx(0);
        for number in 0..singles {
            ring.put(&frame_of(20, BROADCAST, station(1), number));
        }
        let chain = pieces(7777, &[16; 64]);
        put_pieces(&ring, &chain);
        put_pieces(&ring, &chain[..3]);
        ring.put(&frame_of(20, BROADCAST, station(1), singles));
        a.device.txsync()?;
        same("free slots", ring.space(), 4095)?;
        let came = slots(&b)?;
        let mut want = vec![(20, 0x0100); singles as usize];
        want.extend([(16, 0x4020); 63]);
        want.push((16, 0x4000));
        want.extend([(16, 0x0320), (16, 0x0320), (16, 0x0300), (20, 0x0100)]);
        that(
            format!("round {round}: slots as they were sent"),
            came == want,
        )?;
    }
    Ok(())
}

fn item_130_a_chain_between_does_not_turn_frames_aside() -> Outcome {
    let [a, b, c] = ports("vale130", ["a", "b", "c"])?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    c.send(&[frame(BROADCAST, station(3), 0)])?;
    for bound in [&a, &b, &c] {
        bound.recv()?;
    }
    let ring = a.tx(0);
    ring.put(&frame(station(2), station(1), 1));
    let other = frame(station(3), station(1), 2);
    let (start, rest) = other.split_at(30);
    ring.put_fragments(&[start, rest]);
    // The same addresses as the first, and nothing else to tell it where to go.
    ring.put(&frame(station(2), station(1), 3));
    a.device.txsync()?;
    let numbers = |bound: &Bound| -> Outcome<Vec<u32>> {
        Ok(bound.recv()?.iter().map(|f| number(f)).collect())
    };
    same("at b", numbers(&b)?, vec![1, 3])?;
    same("slots at c", slots(&c)?.len(), 2)
}

fn item_130_chain_that_does_not_fit_is_dropped_whole() -> Outcome {
    let (a, b) = (
        vale("vale130:a").slots(256, 64).bind()?,
        vale("vale130:b").slots(64, 64).bind()?,
    );
    a.send(&numbered(0..60))?;
    let ring = a.tx(0);
    // Three slots are left at b: a chain of four is dropped, and what is behind it in the batch.
    put_pieces(&ring, &pieces(1, &[60, 60, 60, 60]));
    ring.put(&frame(BROADCAST, station(1), 60));
    a.device.txsync()?;
    same("free slots", ring.space(), 255)?;
    let came = slots(&b)?;
    same("slots", came, vec![(60, 0x0100); 60])?;
    same("counted", counter(&b, "rx0-drop_full")?, 2)?;
    put_pieces(&ring, &pieces(1, &[60, 60, 60, 60]));
    a.device.txsync()?;
    same(
        "afterwards",
        slots(&b)?,
        vec![(60, 0x0420), (60, 0x0420), (60, 0x0420), (60, 0x0400)],
    )
}

fn item_131_trailing_morefrag_ends_the_frame() -> Outcome {
    let (a, b) = pair("vale131")?;
    let ring = a.tx(0);
    for piece in pieces(1, &[60, 50, 40]) {
        ring.put_flagged(&piece, NS_MOREFRAG);
    }
    a.device.txsync()?;
    same("free slots", ring.space(), 63)?;
    same(
        "an unfinished chain",
        slots(&b)?,
        vec![(60, 0x0320), (50, 0x0320), (40, 0x0300)],
    )?;
    // What comes with the next sync is a frame of its own.
    a.send(&numbered(5..6))?;
    same("the next frame", b.recv()?, numbered(5..6))?;
    ring.put_flagged(&frame(BROADCAST, station(1), 6), NS_MOREFRAG);
    a.device.txsync()?;
    same("a single unfinished slot", slots(&b)?, vec![(60, 0x0100)])
}

fn item_132_chain_of_64_is_delivered() -> Outcome {
    let (a, b) = (
        vale("vale132:a").slots(256, 64).bind()?,
        vale("vale132:b").slots(64, 256).bind()?,
    );
    put_pieces(&a.tx(0), &pieces(1, &[64; 64]));
    a.device.txsync()?;
    let came = slots(&b)?;
    same("slots", came.len(), 64)?;
    that("flags", came[..63].iter().all(|&slot| slot == (64, 0x4020)))?;
    same("the last one", came[63], (64, 0x4000))
}

fn item_132_longer_chains_do_no_harm() -> Outcome {
    let (a, b) = (
        vale("vale132:a").slots(4096, 64).bind()?,
        vale("vale132:b").slots(64, 256).bind()?,
    );
    let ring = a.tx(0);
    let mut dropped = 0;
    for len in [
        65, 66, 127, 128, 129, 255, 256, 1023, 1024, 1025, 2048, 4000,
    ] {
        let chain = pieces(1, &[&[20][..], &vec![2; len - 1]].concat());
        ring.put(&frame(BROADCAST, station(1), 2));
        put_pieces(&ring, &chain);
        ring.put(&frame(BROADCAST, station(1), 3));
        works(
            format!("NIOCTXSYNC with a chain of {len}"),
            a.device.txsync(),
        )?;
        same("free slots", ring.space(), 4095)?;
        same(format!("around a chain of {len}"), got(&b)?, vec![2, 3])?;
        dropped += 1;
        same("counted", counter(&a, "tx0-drop_bad_chain")?, dropped)?;
    }
    // Nothing but unfinished slots, the whole ring full.
    for _ in 0..4095 {
        ring.put_flagged(&frame_of(14, BROADCAST, station(1), 1), NS_MOREFRAG);
    }
    works("NIOCTXSYNC", a.device.txsync())?;
    same("frames", got(&b)?, vec![])?;
    a.send(&numbered(4..5))?;
    same("afterwards", got(&b)?, vec![4])
}
