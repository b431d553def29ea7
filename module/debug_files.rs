// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/netmap`: what is there, and what went through it.
//!
//! - `live`: how many objects of each kind are alive.
//! - `ports`: every port of a switch, interface and end of a pipe with its counters, one block
//!   each, while rings of it are bound, and every monitor. A block's first line begins with the
//!   name, which is one word whatever is in it: a space is `\040`, and `\` is `\134`.

use crate::{
    live,
    port::PortLabel,
    ring::{Operator, RingSet},
    sys::debugfs::{Dir, File, Show},
    text::write_word,
    world::World,
};
use kernel::{fmt, prelude::*, seq_file::SeqFile, seq_print, sync::Arc};

/// A name that is one word of a line.
struct Word<'a>(&'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(self.0, f)
    }
}

struct Live;

impl Show for Live {
    fn show(&self, out: &SeqFile) {
        live::each(|name, count| seq_print!(out, "{} {}\n", name, count));
    }
}

struct Ports(Arc<World>);

impl Show for Ports {
    fn show(&self, out: &SeqFile) {
        self.0.registry.switches.each(|switch, port, member| {
            if member.rings.is_bound() {
                show(out, switch, port, member);
            }
        });
        self.0.registry.nics.each(|nic, run| {
            if !nic.rings.is_bound() {
                return;
            }
            let region = nic.rings.region().id();
            let (name, mode) = (nic.name(), run.mode());
            seq_print!(out, "{} {} region {}\n", Word(&name), mode, region);
            show_rings(out, &nic.rings);
            run.host_counters().each(|name, value| {
                if value != 0 {
                    seq_print!(out, "  host {} {}\n", name, value);
                }
            });
        });
        self.0.registry.pipes.each(|[base, mark, id], rings| {
            if rings.is_bound() {
                let (name, region) = (PortLabel::new(&[base, mark, id]), rings.region().id());
                seq_print!(out, "{} pipe region {}\n", Word(&name), region);
                show_rings(out, rings);
            }
        });
        self.0.registry.monitors.each(|name, copies, rings| {
            let region = rings.region().id();
            let kind = if copies { "copies" } else { "zero-copy" };
            seq_print!(out, "{} monitor {} region {}\n", Word(name), kind, region);
            show_rings(out, rings);
        });
    }
}

fn show(out: &SeqFile, switch: &[u8], port: &[u8], member: &crate::vale::Member) {
    seq_print!(
        out,
        "{}:{} index {} region {} header {}{}\n",
        Word(switch),
        Word(port),
        member.index,
        member.rings.region().id(),
        member.header(),
        match member.operator {
            Operator::Programs => "",
            Operator::Kernel => " attached",
        }
    );
    show_rings(out, &member.rings);
}

fn show_rings(out: &SeqFile, rings: &RingSet) {
    let line = |(kind, number): (&str, u16), name: &str, value: u64| {
        if value != 0 {
            seq_print!(out, "  {}{} {} {}\n", kind, number, name, value);
        }
    };
    let shape = rings.shape();
    rings.each_tx(|number, ring| {
        ring.counters
            .each(|name, value| line(shape.tx_label(number), name, value))
    });
    rings.each_rx(|number, ring| {
        ring.counters
            .each(|name, value| line(shape.rx_label(number), name, value))
    });
}

/// The files, for as long as this lives.
pub(crate) struct DebugFiles {
    _live: File<Live>,
    _ports: File<Ports>,
}

impl DebugFiles {
    pub(crate) fn new(world: Arc<World>) -> Result<Self> {
        let dir = Dir::new(c"netmap")?;
        Ok(DebugFiles {
            _live: dir.file(c"live", Live)?,
            _ports: dir.file(c"ports", Ports(world))?,
        })
    }
}
