// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the port, and the pipes in its memory region, and what people are told first.

use crate::{
    args::{Args, Plan},
    group::to_open,
    pipe::Pipe,
    TOOL,
};
use common::{ports, say};
use ferromap::{ExtraBuffers, Port, Result};
use std::error::Error;

/// The region that has room for many pipes.
const SHARED: u16 = 1;

pub struct Opened {
    pub port: Port,
    pub extra: ExtraBuffers,
    pub groups: Vec<Vec<Pipe>>,
}

pub fn open(args: &Args, plan: &Plan) -> std::result::Result<Opened, Box<dyn Error>> {
    let mut port = open_port(args, plan)?;
    if port.rx_rings().is_empty() {
        return Err(format!("{} was opened without a receive ring", plan.name).into());
    }
    let extra = port.take_extra_buffers();
    ports::tell_extra_buffers(TOOL, extra.len(), args.buffers);
    let mut groups = Vec::new();
    for names in &plan.pipes {
        let mut group = Vec::new();
        for name in names {
            group.push(open_pipe(name, &port)?);
        }
        groups.push(group);
    }
    Ok(Opened {
        port,
        extra,
        groups,
    })
}

/// Only the receive rings: whoever sends through the port keeps the others.
fn open_port(args: &Args, plan: &Plan) -> Result<Port> {
    let builder = Port::builder(&plan.name)
        .rx_only(true)
        .extra_buffers(args.buffers);
    let region_given = plan.spec.names_region();
    if plan.spec.is_vale() && !region_given {
        // It may be there already, in a region of its own; or that region is not for this user.
        if let Ok(port) = builder.clone().mem_id(SHARED).open() {
            return Ok(port);
        }
    }
    builder.open()
}

fn open_pipe(name: &str, port: &Port) -> std::result::Result<Pipe, Box<dyn Error>> {
    let builder = Port::builder(name).tx_only(true).mem_id(port.mem_id());
    let end = builder.open()?;
    if !end.shares_memory_with(port) {
        return Err(format!(
            "{name} does not lie in the memory region of {}",
            port.name()
        )
        .into());
    }
    Ok(Pipe::new(name, end)?)
}

/// What people should know before frames go.
pub fn banner(args: &Args, plan: &Plan, opened: &Opened) {
    ports::tell_sizes(TOOL, [&opened.port]);
    if args.run.json {
        return;
    }
    ports::tell_emulated(TOOL, [&opened.port]);
    let end_of = |name: &str| to_open(name, &plan.name);
    for (i, names) in plan.pipes.iter().enumerate() {
        let how = if i == 0 {
            "without a copy"
        } else {
            "a copy of each frame"
        };
        let ends = match &names[..] {
            [first, .., last] => format!("{} to {}", end_of(first), end_of(last)),
            all => all.iter().map(|name| end_of(name)).collect(),
        };
        say!(
            "Balancing {} over {} pipes, {how}: read {ends}.",
            plan.name,
            names.len()
        );
    }
    say!(
        "{} extra buffers for frames whose pipe is full.",
        opened.extra.len()
    );
}
