// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs on switch ports: what they decide happens, and is counted.

use crate::harness::check::*;
use crate::harness::events::Events;
use crate::harness::frame::*;
use crate::harness::programs::*;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    xdp_each_action_is_done_and_counted,
    xdp_drop_and_pass_of_a_million,
    xdp_all_actions_in_one_stream_of_a_million,
    xdp_sent_back_and_flooded_frames_share_a_batch,
    xdp_redirection_overrides_what_the_switch_has_learned,
    xdp_redirection_to_nobody,
    xdp_redirection_that_names_no_port_is_aborted,
    xdp_named_ports_are_forgotten_with_the_frame,
    xdp_aborted_frames_are_traced,
    xdp_programs_of_switches_and_of_ports
];

/// Ports a, b and c, with stations 1, 2 and 3 behind them.
pub fn three(switch: &str) -> Outcome<[Bound; 3]> {
    let all = ports(switch, ["a", "b", "c"])?;
    for (bound, n) in all.iter().zip(1..) {
        bound.send(&[frame(BROADCAST, station(n), 0)])?;
    }
    for bound in &all {
        bound.recv()?;
    }
    Ok(all)
}

/// Frames from station 1 to station 2.
pub fn to_two(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers.map(|n| frame(station(2), station(1), n)).collect()
}

pub fn port_number(name: &str) -> Outcome<u32> {
    Ok(vale_find(name)?.1)
}

fn xdp_each_action_is_done_and_counted() -> Outcome {
    let [a, b, c] = three("valex1")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex1:c")?)?;
    let sent = to_two(1..11);
    let all = [
        ("aborted", [10, 0, 0, 0, 0], None),
        ("unknown", [10, 0, 0, 0, 0], None),
        ("drop", [0, 10, 0, 0, 0], None),
        ("pass", [0, 0, 10, 0, 0], Some(&b)),
        ("pass_calling", [0, 0, 10, 0, 0], Some(&b)),
        ("tx", [0, 0, 0, 10, 0], Some(&a)),
        ("steer", [0, 0, 0, 0, 10], Some(&c)),
    ];
    let mut dropped = 0;
    for (name, want, to) in all {
        programs.replace("valex1:a", name)?;
        a.send(&sent)?;
        let body = query("valex1:a")?;
        same(format!("{name}: id"), body.prog_id, programs.id(name))?;
        decided(name, &body, want, 60)?;
        for (bound, who) in [(&a, "a"), (&b, "b"), (&c, "c")] {
            let mine = to.is_some_and(|to| std::ptr::eq(to, bound));
            let expected = if mine { &sent[..] } else { &[] };
            same(format!("{name}: at {who}"), bound.recv()?, expected)?;
        }
        dropped += if to.is_none() { 10 } else { 0 };
        same("dropped", counter(&a, "tx0-drop_xdp")?, dropped)?;
    }
    same("sent in all", counter(&a, "tx0-frames")?, 71)?;
    same(
        "in debugfs",
        debug_counter("valex1:a", "tx0", "drop_xdp")?,
        dropped,
    )?;
    // Frames to a do not go through its program.
    programs.replace("valex1:a", "drop")?;
    b.send(&[frame(station(1), station(2), 5)])?;
    same("at a", got(&a)?, vec![5])?;
    let last = detach("valex1:a")?;
    decided("at the end", &last, [0; 5], 60)?;
    same("afterwards", query("valex1:a")?.prog_id, 0)?;
    a.send(&sent)?;
    same("without", b.recv()?, sent)
}

/// A port with rings for large batches, behind which station `n` is.
pub fn large(name: &str) -> Result<Bound, Errno> {
    vale(name).slots(1024, 1024).bind()
}

const MILLION: u32 = 1_000_000;

fn xdp_drop_and_pass_of_a_million() -> Outcome {
    let (a, b) = (large("valex2:a")?, large("valex2:b")?);
    let programs = Programs::load()?;
    for (name, action, arrives) in [("drop", DROP, false), ("pass", PASS, true)] {
        programs.replace("valex2:a", name)?;
        let ring = a.tx(0);
        let mut arrived = 0u64;
        let mut sent = 0;
        // The same frame in all slots: what counts is how many there are.
        for at in 0..ring.n() {
            ring.fill(at, &frame(BROADCAST, station(1), at), 0);
        }
        while sent < MILLION {
            let batch = ring.space().min(MILLION - sent);
            ring.set_head_cur(ring.after(ring.head(), batch));
            a.device.txsync()?;
            sent += batch;
            b.device.rxsync()?;
            arrived += u64::from(b.rx(0).space());
            b.rx(0).set_head_cur(b.rx(0).tail());
            b.device.rxsync()?;
        }
        let mut want = [0; 5];
        want[action] = MILLION.into();
        decided(name, &query("valex2:a")?, want, 60)?;
        let want = if arrives { u64::from(MILLION) } else { 0 };
        same(format!("{name}: arrived"), arrived, want)?;
        same("ring full", counter(&b, "rx0-drop_full")?, 0)?;
    }
    same("dropped", counter(&a, "tx0-drop_xdp")?, MILLION.into())?;
    same("sent", counter(&a, "tx0-frames")?, u64::from(2 * MILLION))
}

fn xdp_all_actions_in_one_stream_of_a_million() -> Outcome {
    let (a, b, c) = (large("valex3:a")?, large("valex3:b")?, large("valex3:c")?);
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    for bound in [&a, &c] {
        bound.recv()?;
    }
    let programs = Programs::load()?;
    programs.aim(port_number("valex3:c")?)?;
    programs.attach("valex3:a", "by_number")?;
    let ring = a.tx(0);
    let mut next = 0;
    while next < MILLION {
        let batch = ring.space().min(MILLION - next);
        for by in 0..batch {
            let at = ring.after(ring.head(), by);
            ring.fill(at, &frame(station(2), station(1), next + by), 0);
        }
        ring.set_head_cur(ring.after(ring.head(), batch));
        a.device.txsync()?;
        // Each goes where its number says, and they stay in order.
        for (bound, action) in [(&b, PASS), (&a, TX), (&c, REDIRECT)] {
            let mut want = (next..next + batch).filter(|n| *n as usize % 5 == action);
            bound.device.rxsync()?;
            let ring = bound.rx(0);
            for at in ring.owned() {
                same("number", Some(number(&ring.payload(at))), want.next())?;
            }
            same("missing", want.next(), None)?;
            ring.set_head_cur(ring.tail());
            bound.device.rxsync()?;
        }
        next += batch;
    }
    decided("all", &query("valex3:a")?, [u64::from(MILLION / 5); 5], 60)?;
    same(
        "dropped",
        counter(&a, "tx0-drop_xdp")?,
        u64::from(MILLION / 5 * 2),
    )
}

fn xdp_sent_back_and_flooded_frames_share_a_batch() -> Outcome {
    let [a, b, c] = three("valex4")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex4:c")?)?;
    programs.attach("valex4:a", "by_number")?;
    a.send(&numbered(0..50))?;
    let by = |action: u32| (0..50).filter(|n| n % 5 == action).collect::<Vec<u32>>();
    same("sent back", got(&a)?, by(TX as u32))?;
    same("flooded, at b", got(&b)?, by(PASS as u32))?;
    let mut at_c = [by(PASS as u32), by(REDIRECT as u32)].concat();
    at_c.sort_unstable();
    same("flooded and redirected, in order", got(&c)?, at_c)
}

fn xdp_redirection_overrides_what_the_switch_has_learned() -> Outcome {
    let [a, b, c] = three("valex5")?;
    let programs = Programs::load()?;
    programs.attach("valex5:a", "steer")?;
    programs.aim(port_number("valex5:c")?)?;
    // From a station that was never seen: it is not learned by this.
    a.send(&[frame(station(2), station(9), 1)])?;
    same("at b", got(&b)?, vec![])?;
    same("at c", got(&c)?, vec![1])?;
    // Back to where it came from, by number.
    programs.aim(port_number("valex5:a")?)?;
    a.send(&to_two(2..5))?;
    same("at a", got(&a)?, vec![2, 3, 4])?;
    // Broadcasts, too, go to one port only.
    programs.aim(port_number("valex5:b")?)?;
    a.send(&numbered(5..8))?;
    same("at b", got(&b)?, vec![5, 6, 7])?;
    same("at c", got(&c)?, vec![])?;
    detach("valex5:a")?;
    c.send(&[frame(station(9), station(3), 9)])?;
    same(
        "to a station that was not learned",
        (got(&a)?, got(&b)?),
        (vec![9], vec![9]),
    )
}

fn xdp_redirection_to_nobody() -> Outcome {
    let [a, b, c] = three("valex6")?;
    let programs = Programs::load()?;
    programs.attach("valex6:a", "steer")?;
    let mut lost = 0;
    for port in [100, 253, 254, 255, 256, 65536, u32::MAX] {
        programs.aim(port)?;
        a.send(&to_two(0..3))?;
        lost += 3;
        same(format!("to {port}"), counter(&a, "tx0-drop_nobody")?, lost)?;
    }
    same("decided", packets(&query("valex6:a")?)[REDIRECT], lost)?;
    same(
        "arrived",
        (got(&a)?, got(&b)?, got(&c)?),
        (vec![], vec![], vec![]),
    )
}

fn xdp_redirection_that_names_no_port_is_aborted() -> Outcome {
    let [a, b, _c] = three("valex7")?;
    let programs = Programs::load()?;
    for name in ["redirect_nowhere", "redirect_device"] {
        programs.replace("valex7:a", name)?;
        a.send(&to_two(0..7))?;
        decided(name, &query("valex7:a")?, [7, 0, 0, 0, 0], 60)?;
    }
    same("dropped", counter(&a, "tx0-drop_xdp")?, 14)?;
    same("arrived", got(&b)?, vec![])
}

fn xdp_named_ports_are_forgotten_with_the_frame() -> Outcome {
    let [a, b, c] = three("valex8")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex8:c")?)?;
    programs.attach("valex8:a", "steer_but_pass")?;
    a.send(&to_two(0..3))?;
    same("passed", got(&b)?, vec![0, 1, 2])?;
    programs.replace("valex8:a", "redirect_nowhere")?;
    a.send(&to_two(3..6))?;
    same("at c", got(&c)?, vec![])
}

fn xdp_aborted_frames_are_traced() -> Outcome {
    let [a, ..] = three("valex9")?;
    let programs = Programs::load()?;
    let exceptions = Events::of("xdp/xdp_exception")?;
    for name in ["aborted", "drop"] {
        programs.replace("valex9:a", name)?;
        a.send(&to_two(0..2))?;
    }
    let traced = exceptions.lines()?;
    let want = format!(
        "prog_id={} action=ABORTED ifindex={}",
        programs.id("aborted"),
        port_number("valex9:a")?
    );
    let found = traced.iter().filter(|line| line.contains(&want)).count();
    same(format!("times {want:?} in\n{traced:#?}"), found, 2)
}

fn xdp_programs_of_switches_and_of_ports() -> Outcome {
    let [a, b, _c] = three("valex19")?;
    let programs = Programs::load()?;
    programs.attach("valex19:", "drop")?;
    a.send(&to_two(0..3))?;
    b.send(&[frame(station(1), station(2), 1)])?;
    same(
        "through the switch's",
        (got(&a)?, got(&b)?),
        (vec![], vec![]),
    )?;
    decided("the switch's", &query("valex19:")?, [0, 4, 0, 0, 0], 60)?;
    same("a port without one", query("valex19:a")?.prog_id, 0)?;
    // A port's own comes in its place.
    programs.attach("valex19:a", "pass")?;
    a.send(&to_two(3..6))?;
    same("through the port's", got(&b)?, vec![3, 4, 5])?;
    decided("the switch's", &query("valex19:")?, [0, 4, 0, 0, 0], 60)?;
    // Ports that come later go through the switch's.
    let late = vale("valex19:late").slots(64, 64).bind()?;
    late.send(&numbered(0..2))?;
    decided("the switch's", &query("valex19:")?, [0, 6, 0, 0, 0], 60)?;
    detach("valex19:a")?;
    a.send(&to_two(6..7))?;
    decided(
        "the switch's again",
        &detach("valex19:")?,
        [0, 7, 0, 0, 0],
        60,
    )?;
    a.send(&to_two(7..8))?;
    same("through none", got(&b)?, vec![7])
}
