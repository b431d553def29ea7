// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pipes on each kind of port that there can be pipes on, and the memory that they share with it.

use super::pipe;
use crate::harness::attach::{attach, detach, Attached};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::made;
use crate::harness::raw::request::{port_info, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::{wait_for, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_152_ends_and_a_base_of_every_kind_share_memory,
    item_152_who_comes_first_chooses_the_region,
    item_162_a_pipe_on_a_switch_port,
    item_162_a_pipe_on_an_interface_leaves_its_traffic_alone,
    item_162_a_pipe_on_a_pipe,
    item_162_not_a_pipe_on_what_the_kernel_has,
    pipe_passes_on_buffers_of_its_base,
];

/// What pipes are built on, in words and by name.
const BASES: [(&str, &str); 6] = [
    ("a switch port", "valeb:a"),
    ("an interface", "fm0"),
    ("a persistent port", "p0"),
    ("a persistent port on a switch", "valeb:p1"),
    // Of a master's end none can be named: both `{` would count.
    ("a pipe", "valeb:b}1"),
    ("a new name", "k0"),
];

/// Has `body` be true of pipes on each kind of port, which it is given the name of. Nobody has the
/// port open.
pub fn on_every_base(body: impl Fn(&str) -> Outcome) -> Outcome {
    wire()?;
    made("p0")?;
    made("p1")?;
    works("plugged in", attach("valeb:p1"))?;
    for (what, base) in BASES {
        body(base).map_err(|said| failure(format!("on {what}: {said}")))?;
    }
    Ok(())
}

/// Each end, and who has the base, finds what the others wrote. Nothing is anybody's twice.
fn item_152_ends_and_a_base_of_every_kind_share_memory() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let owner = works("the base", vale(base).extra(1).bind())?;
        let region = owner.reg.nr_mem_id;
        let ids = [&master, &slave].map(|end| end.reg.nr_mem_id);
        same("regions", ids, [region; 2])?;
        // Only interfaces that are not ours are in region 1 unless they are told.
        same("region 1", region == GLOBAL_MEM_ID, base == "fm0")?;
        let told = port_info(&format!("{base}}}x"), Default::default())?;
        same("told", told.nr_mem_id, region)?;

        let rings = [owner.tx(0), master.tx(0), slave.rx(0)];
        for ring in &rings {
            same("buffers", ring.buffers(), rings[0].buffers())?;
        }
        let index = owner.extra_bufs()[0];
        for (writer, byte) in rings.iter().zip(1..) {
            writer.write_byte(index, 100, byte);
            for reader in &rings {
                same("read", reader.read_buf(index, 101)[100], byte)?;
            }
        }

        let mut all = [owner.buffers(), owner.extra_bufs(), master.buffers()].concat();
        let (count, distinct) = (all.len(), all.iter().collect::<BTreeSet<_>>().len());
        same("distinct", distinct, count)?;
        // Both ends have the same, and the pipe has no more.
        all.extend(slave.buffers());
        same("of both ends", all.len(), count + 2 * 64)?;
        let distinct = all.iter().collect::<BTreeSet<_>>().len();
        same("once", distinct, count)
    })
}

/// By the first pipe on a port that nobody has, or by the port, and who comes later has no say.
fn item_152_who_comes_first_chooses_the_region() -> Outcome {
    wire()?;
    let other = vale("valeb:r").slots(64, 64).bind()?;
    let region = other.reg.nr_mem_id;
    for base in ["k1", "fm1", "valeb:c", "valeb:d}1"] {
        let end = |mark, region| {
            let name = format!("{base}{mark}x");
            works(name.clone(), vale(&name).slots(8, 8).mem(region).bind())
        };
        let master = end('{', region)?;
        let slave = end('}', GLOBAL_MEM_ID)?;
        let owner = works(base, vale(base).mem(GLOBAL_MEM_ID).bind())?;
        let ids = [&master, &slave, &owner].map(|bound| bound.reg.nr_mem_id);
        same(format!("regions of pipes on {base}"), ids, [region; 3])?;
    }
    let _owner = vale("fm0").bind()?;
    let pipe = vale("fm0{x").slots(8, 8).mem(region).bind()?;
    same("the interface's", pipe.reg.nr_mem_id, GLOBAL_MEM_ID)
}

fn item_162_a_pipe_on_a_switch_port() -> Outcome {
    let [a, b] = ports("vale162", ["a", "b"])?;
    let (master, slave) = pipe("vale162:a", "x")?;
    a.send(&[frame(BROADCAST, station(1), 1)])?;
    master.send(&[frame(BROADCAST, station(1), 2)])?;
    same("on the switch", got(&b)?, [1])?;
    same("in the pipe", got(&slave)?, [2])?;
    same("not here", got(&master)?, [0; 0])?;
    // The port stays while its pipe does.
    drop(a);
    let listed = vale_list()?.into_iter().map(|(name, ..)| name);
    same(
        "listed",
        listed.collect::<Vec<_>>(),
        ["vale162:a", "vale162:b"],
    )?;
    drop((master, slave));
    same("then it goes", vale_list()?.len(), 1)
}

fn item_162_a_pipe_on_an_interface_leaves_its_traffic_alone() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let (master, slave) = pipe("fm0", "x")?;
    host.send(&frame(BROADCAST, station(1), 1))?;
    same("to the wire", numbers(&far.receive(QUIET)?), [1])?;
    far.send(&frame(BROADCAST, station(2), 2))?;
    same("to the host", numbers(&host.receive(QUIET)?), [2])?;
    master.send(&[frame(BROADCAST, station(1), 3)])?;
    same("in the pipe", got(&slave)?, [3])?;
    // And so when the interface itself is opened, in the same memory.
    let nic = vale("fm0").bind()?;
    same("region", nic.reg.nr_mem_id, master.reg.nr_mem_id)?;
    same("slots", nic.reg.nr_tx_slots, 1024)?;
    nic.send(&[frame(BROADCAST, station(1), 4)])?;
    same("to the wire", numbers(&far.receive(QUIET)?), [4])?;
    master.send(&[frame(BROADCAST, station(1), 5)])?;
    same("in the pipe", got(&slave)?, [5])
}

fn item_162_a_pipe_on_a_pipe() -> Outcome {
    let (outer, outer_slave) = pipe("vale162:n", "x")?;
    let (inner, inner_slave) = pipe("vale162:n}x", "y")?;
    same("its name", inner.port_name(), "vale162:n}x{y")?;
    same("region", inner.reg.nr_mem_id, outer.reg.nr_mem_id)?;
    outer.send(&[frame(BROADCAST, station(1), 1)])?;
    inner.send(&[frame(BROADCAST, station(1), 2)])?;
    same("the outer", got(&outer_slave)?, [1])?;
    same("the inner", got(&inner_slave)?, [2])?;
    // Of a pipe on a master's end only that one can be named: the last `{` counts.
    let odd = vale("vale162:n{x}y").slots(4, 4).bind()?;
    same("a pipe x}y on n", odd.port_name(), "vale162:n{x}y")?;
    // The inner one keeps the outer.
    drop((outer, outer_slave));
    inner.send(&[frame(BROADCAST, station(1), 3)])?;
    same("the inner", got(&inner_slave)?, [3])?;
    let again = vale("vale162:n{x").bind()?;
    same("the outer is the same", again.tx(0).head(), 1)?;
    // Opening each takes a piece of the kernel's stack.
    let nested = |depth: usize| format!("vale162:o{}", "{x".repeat(depth));
    works("four", vale(&nested(4)).slots(4, 4).try_bind())?;
    refused(vale(&nested(5)), Errno::EINVAL, &["4", "pipe on a pipe"])?;
    refused(vale(&nested(26)), Errno::EINVAL, &["4", "pipe on a pipe"])
}

fn item_162_not_a_pipe_on_what_the_kernel_has() -> Outcome {
    wire()?;
    let (master, slave) = pipe("fm0", "before")?;
    let attached = Attached::with_host("vale162:fm0")?;
    for base in ["fm0", "vale162:fm0", "vale162:fm0^"] {
        let name = format!("{base}{{x");
        refused(vale(&name), Errno::EBUSY, &["fm0", "attached"])?;
    }
    // One that was there goes on, and so do its ends.
    drop(master);
    let master = vale("fm0{before").bind()?;
    master.send(&[frame(BROADCAST, station(1), 1)])?;
    same("in the pipe", got(&slave)?, [1])?;
    drop(attached);
    works("afterwards", vale("fm0{x").try_bind())
}

/// A program that has a port puts buffers that came to it into a pipe, and sends them on when they
/// have come out at the other end: nothing is copied, and who gave one gets another for it.
fn pipe_passes_on_buffers_of_its_base() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        // Else it has nobody to exchange frames with.
        let alone = ["p0", "k0"].contains(&base);
        let plug = format!("valeb:{base}");
        if alone {
            works("plugged in", attach(&plug))?;
        }
        let owner = vale(base).bind()?;
        let peer = match base {
            "fm0" => "fm1",
            "valeb:b}1" => "valeb:b{1",
            _ => "valeb:peer",
        };
        let peer = vale(peer).bind()?;
        let (come, into) = (owner.rx(0), master.tx(0));
        let (out, go) = (slave.rx(0), owner.tx(0));
        for number in 0..100 {
            let frame = frame_of(60 + number as usize, BROADCAST, station(1), number);
            peer.send(&[frame.clone()])?;
            wait_until("it came", || {
                let _ = owner.device.rxsync();
                come.space() == 1
            })?;
            let full = come.slot(come.head()).buf_idx;
            let sent_at = into.head();
            let empty = exchange(&come, &into);
            let _ = (owner.device.rxsync()?, master.device.txsync()?);
            slave.device.rxsync()?;
            same("through the pipe", out.space(), 1)?;
            same("the same buffer", out.slot(out.head()).buf_idx, full)?;
            that("the frame", out.payload(out.head()) == frame)?;

            let spare = exchange(&out, &go);
            let _ = (slave.device.rxsync()?, owner.device.txsync()?);
            that("at the peer", wait_for(&peer, 1)? == [frame])?;
            master.device.txsync()?;
            let back = into.slot(sent_at);
            let want = (spare, NS_BUF_CHANGED);
            same("for it", (back.buf_idx, back.flags), want)?;
            differs("what it gave", back.buf_idx, empty)?;
        }
        drop((come, into, out, go));
        if alone {
            works("pulled out", detach(&plug))?;
        }
        Ok(())
    })
}

/// Exchanges the buffers of the next slot that was received and the next that is sent, with the
/// frame that is in the first. The buffer that it gets.
fn exchange(from: &Ring, to: &Ring) -> u32 {
    let (at, next) = (from.head(), to.head());
    let (full, empty) = (from.slot(at), to.slot(next).buf_idx);
    to.edit_slot(next, |slot| {
        (slot.buf_idx, slot.len, slot.flags) = (full.buf_idx, full.len, NS_BUF_CHANGED)
    });
    from.edit_slot(at, |slot| {
        (slot.buf_idx, slot.flags) = (empty, NS_BUF_CHANGED)
    });
    from.set_head_cur(from.after(at, 1));
    to.set_head_cur(to.after(next, 1));
    empty
}
