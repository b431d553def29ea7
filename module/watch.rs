// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/netmap`: what is there, and what went through it.
//!
//! - `live`: how many objects of each kind are alive.
//! - `ports`: every switch port with its counters, one block each.

use crate::{live, port::World, refusal::Name};
use core::fmt;
use kernel::{
    debugfs::{Dir, File, Writer},
    prelude::*,
    sync::Arc,
};

struct Live;

impl Writer for Live {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        live::each(|name, count| result = result.and(writeln!(f, "{name} {count}")));
        result
    }
}

struct Ports(Arc<World>);

impl Writer for Ports {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.0.switches.each(|switch, port, member| {
            result = result.and(show(f, switch, port, member));
        });
        result
    }
}

fn show(
    f: &mut fmt::Formatter<'_>,
    switch: &[u8],
    port: &[u8],
    member: &crate::vale::Member,
) -> fmt::Result {
    writeln!(
        f,
        "{}:{} index {} region {} header {}",
        Name(switch),
        Name(port),
        member.index,
        member.rings.region().id(),
        member.header()
    )?;
    let mut result = Ok(());
    let mut line = |direction: &str, number: u16, name: &str, value: u64| {
        if value != 0 {
            let written = writeln!(f, "  {direction}{number} {name} {value}");
            result = result.and(written);
        }
    };
    member.rings.each_tx(|number, ring| {
        ring.counters
            .each(|name, value| line("tx", number, name, value))
    });
    member.rings.each_rx(|number, ring| {
        ring.counters
            .each(|name, value| line("rx", number, name, value))
    });
    result
}

/// The files, for as long as this lives.
#[pin_data]
pub(crate) struct Watch {
    #[pin]
    live: File<Live>,
    #[pin]
    ports: File<Ports>,
    // Last: the directory goes when the files have gone.
    dir: Dir,
}

impl Watch {
    pub(crate) fn new(world: Arc<World>) -> impl PinInit<Self, Error> {
        let dir = Dir::new(c"netmap");
        try_pin_init!(Self {
            live <- dir.read_only_file(c"live", Live),
            ports <- dir.read_only_file(c"ports", Ports(world)),
            dir: dir.clone(),
        })
    }
}
