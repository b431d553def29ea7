// SPDX-License-Identifier: MIT OR Apache-2.0

//! The same of every way that frames take: out of a port's rings to who is at the other side, and
//! from there into them.

use super::*;
use crate::cases::pipe::bases::on_every_base;
use crate::harness::attach::{attach, Attached};
use crate::harness::frame::*;
use crate::harness::persistent::made;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;

pub const CASES: &[Case] = crate::cases![
    item_172_frames_start_where_slots_say_on_every_way,
    item_172_bits_above_the_mask_are_the_programs_on_every_way,
    offsets_above_the_largest_count_as_that_on_every_way,
    offsets_and_lengths_past_the_buffer_go_nowhere_on_any_way,
    offsets_of_pipes_go_on_as_they_are,
];

/// Who is at the other side.
enum Far {
    Port(&'static str),
    Stack(&'static str),
}

/// What has the rings, in words and as it is asked for; and the other side.
type Ask = (&'static str, Reg, Far);

/// All of them, for as long as an interface is attached.
fn ways() -> Outcome<(Attached, Vec<Ask>)> {
    wire()?;
    ip("link add fm2 type veth peer name fm3")?;
    for name in ["fm2", "fm3"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        ip(&format!("link set {name} up"))?;
    }
    let attached = works("attached", Attached::with_host("valea:fm2"))?;
    for name in ["p0", "p1"] {
        made(name)?;
        works("plugged in", attach(&format!("valeo:{name}")))?;
    }
    let port = |name| vale(name).slots(64, 64);
    let both = || vale("fm0").mode(NR_REG_NIC_SW);
    let ways = vec![
        ("a switch port", port("valeo:a"), Far::Port("valeo:b")),
        ("one and a stack", port("valeo:a"), Far::Stack("p1")),
        ("an attached one", port("valea:a"), Far::Stack("fm3")),
        ("and its host", port("valea:a"), Far::Stack("fm2")),
        ("an interface", vale("fm0"), Far::Stack("fm1")),
        ("with its host", both(), Far::Stack("fm1")),
        ("its host", both(), Far::Stack("fm0")),
        ("a persistent port", vale("p0"), Far::Port("valeo:b")),
        ("and a stack", vale("p0"), Far::Stack("p1")),
        ("by a switch", vale("valeo:p0"), Far::Port("valeo:b")),
    ];
    Ok((attached, ways))
}

enum There {
    Port(Bound),
    Stack(Stack),
}

/// Rings with offsets, and who is at the other side.
struct Way {
    bound: Bound,
    tx: Ring,
    rx: Ring,
    /// What counters of the transmit ring are called.
    tx_name: &'static str,
    there: There,
}

/// Has `body` be true on every way, with these offsets.
fn on_every_way((max, initial, bits): (u64, u64, u32), body: impl Fn(&Way) -> Outcome) -> Outcome {
    let (_attached, ways) = ways()?;
    for (what, ask, far) in ways {
        let host = matches!(far, Far::Stack("fm0"));
        let mut options = offsets(max, initial, bits, 0);
        let bound = works(what, ask.options(options.first()).bind())?;
        let way = Way {
            tx: if host { bound.host_tx(0) } else { bound.tx(0) },
            rx: if host { bound.host_rx(0) } else { bound.rx(0) },
            tx_name: if host { "host-tx0" } else { "tx0" },
            bound,
            there: match far {
                Far::Port(name) => There::Port(vale(name).slots(64, 64).bind()?),
                Far::Stack(name) => There::Stack(Stack::on(name)?),
            },
        };
        body(&way).map_err(|said| failure(format!("{what}: {said}")))?;
    }
    Ok(())
}

impl Way {
    /// Sends what has been put, and returns what came of it.
    fn out(&self) -> Outcome<Vec<Vec<u8>>> {
        self.bound.device.txsync()?;
        match &self.there {
            There::Port(port) => {
                port.device.rxsync()?;
                let frames = take_at(&port.rx(0));
                port.device.rxsync()?;
                Ok(frames)
            }
            There::Stack(stack) => Ok(stack.receive(QUIET)?),
        }
    }

    /// Has frames come, each into a slot.
    fn come(&self, frames: &[Vec<u8>]) -> Outcome {
        match &self.there {
            There::Port(port) => port.send(frames)?,
            There::Stack(stack) => frames.iter().try_for_each(|frame| stack.send(frame))?,
        }
        wait_until("they came", || {
            let _ = self.bound.device.rxsync();
            self.rx.space() as usize == frames.len()
        })
    }

    /// `ptr` of the slots that have come.
    fn ptrs(&self) -> Vec<u64> {
        let owned = self.rx.owned().into_iter();
        owned.map(|at| self.rx.slot(at).ptr).collect()
    }

    /// Puts a frame at an offset, and has its slot say `ptr`.
    fn put(&self, frame: &[u8], offset: u64, ptr: u64, flags: u16) {
        let at = self.tx.head();
        self.tx.edit_slot(at, |slot| slot.ptr = offset);
        put_at(&self.tx, frame, flags);
        self.tx.edit_slot(at, |slot| slot.ptr = ptr);
    }
}

/// Frames of these lengths from each other's stations.
fn frames(lens: &[usize], salt: u32) -> Vec<Vec<u8>> {
    let numbered = lens.iter().zip(salt..);
    numbered
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect()
}

fn item_172_frames_start_where_slots_say_on_every_way() -> Outcome {
    for initial in [1, 200, 512] {
        on_every_way((512, initial, 0), |way| {
            let sent = frames(&[60, 700, 1514], 100);
            for frame in &sent {
                same("initial", way.tx.slot(way.tx.head()).ptr, initial)?;
                put_at(&way.tx, frame, 0);
            }
            // Each part of a frame has its own.
            way.put(&sent[2][..900], 0, 0, NS_MOREFRAG);
            way.put(&sent[2][900..], 511, 511, 0);
            that("out", way.out()? == [&sent[..], &sent[2..]].concat())?;

            way.come(&sent)?;
            same("where they are", way.ptrs(), vec![initial; 3])?;
            that("in", take_at(&way.rx) == sent)?;
            way.bound.device.rxsync()?;
            // And where the program has them be, slot by slot.
            let starts = [0, 77, 512];
            for (by, start) in (0..).zip(starts) {
                let at = way.rx.after(way.rx.tail(), by);
                way.rx.edit_slot(at, |slot| slot.ptr = start);
            }
            way.come(&sent)?;
            same("where it said", way.ptrs(), starts)?;
            that("in", take_at(&way.rx) == sent)
        })?;
    }
    Ok(())
}

fn item_172_bits_above_the_mask_are_the_programs_on_every_way() -> Outcome {
    const MINE: u64 = 0xfedc_ba98_7654_3000;
    on_every_way((512, 64, 12), |way| {
        same("mask", way.tx.offset_mask(), 0xfff)?;
        same("mask", way.rx.offset_mask(), 0xfff)?;
        let sent = frames(&[60, 1000], 200);
        for (frame, start) in sent.iter().zip([100, 512]) {
            way.put(frame, start, MINE | start, 0);
        }
        that("out", way.out()? == sent)?;
        let slots = [0, 1].map(|at| way.tx.slot(at).ptr);
        same("as they were", slots, [MINE | 100, MINE | 512])?;
        for (at, start) in [(0, 3), (1, 400)] {
            way.rx.edit_slot(at, |slot| slot.ptr = MINE | start);
        }
        way.come(&sent)?;
        same("as they were", way.ptrs(), [MINE | 3, MINE | 400])?;
        that("in", take_at(&way.rx) == sent)
    })
}

fn offsets_above_the_largest_count_as_that_on_every_way() -> Outcome {
    let above = [513, 2048, 100_000, u64::MAX];
    on_every_way((512, 0, 0), |way| {
        let sent = frames(&[60, 700, 1000, 1514], 300);
        for (frame, ptr) in sent.iter().zip(above) {
            way.put(frame, 512, ptr, 0);
        }
        that("out", way.out()? == sent)?;
        for (at, ptr) in (0..).zip(above) {
            way.rx.edit_slot(at, |slot| slot.ptr = ptr);
        }
        way.come(&sent)?;
        same("as they were", way.ptrs(), above)?;
        for at in way.rx.owned() {
            way.rx.edit_slot(at, |slot| slot.ptr = 512);
        }
        that("in", take_at(&way.rx) == sent)
    })
}

fn offsets_and_lengths_past_the_buffer_go_nowhere_on_any_way() -> Outcome {
    on_every_way((2048, 1500, 0), |way| {
        // One byte more than there is behind the offset, also as a part of a frame.
        let fits = frames(&[548], 400);
        for flags in [0, NS_MOREFRAG] {
            let at = way.tx.head();
            way.put(&fits[0], 1500, 1500, flags);
            way.tx.edit_slot(at, |slot| slot.len = 549);
        }
        way.put(&fits[0], 1500, 1500, 0);
        way.put(&fits[0], 1500, 1500, 0);
        that("what fits", way.out()? == fits)?;
        let dropped = format!("{}-drop_bad_length", way.tx_name);
        same("the others", counter(&way.bound, &dropped)?, 2)
    })
}

/// In pipes they are the program's at the other end to heed: what is too large goes on as well.
fn offsets_of_pipes_go_on_as_they_are() -> Outcome {
    on_every_base(|base| {
        let end = |mark| bind_at(vale(&format!("{base}{mark}1")).slots(64, 64), 64);
        let (master, slave) = (end('{')?, end('}')?);
        for (from, to) in [(&master, &slave), (&slave, &master)] {
            let (tx, rx) = (from.tx(0), to.rx(0));
            let ptrs = [64, 512, 513, 2049, 0x8000_0000_0000_0000, u64::MAX];
            let sent = frames(&[60, 1536, 700, 14, 1, 0], 500);
            for (frame, ptr) in sent.iter().zip(ptrs) {
                let at = tx.head();
                put_at(&tx, frame, 0);
                tx.edit_slot(at, |slot| slot.ptr = ptr);
            }
            // Nor does a length that no buffer has behind an offset matter.
            tx.edit_slot(5, |slot| slot.len = u16::MAX);
            from.device.txsync()?;
            to.device.rxsync()?;
            let got: Vec<(u64, u16)> = rx
                .owned()
                .iter()
                .map(|&at| (rx.slot(at).ptr, rx.slot(at).len))
                .collect();
            let lens = [60, 1536, 700, 14, 1, u16::MAX];
            let want: Vec<(u64, u16)> = ptrs.into_iter().zip(lens).collect();
            same("slots", got, want)?;
            for (at, frame) in (0..).zip(&sent) {
                let bytes = rx.read_buf(rx.slot(at).buf_idx, 2048);
                that("where it was put", bytes[64..].starts_with(frame))?;
            }
            // What is given back is the sender's again as it is left.
            rx.edit_slot(0, |slot| slot.ptr = 99);
            rx.set_head_cur(rx.tail());
            to.device.rxsync()?;
            from.device.txsync()?;
            same("left", tx.slot(0).ptr, 99)?;
            same("of others", tx.slot(5).ptr, u64::MAX)?;
        }
        Ok(())
    })
}
