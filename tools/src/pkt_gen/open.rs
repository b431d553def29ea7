// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the port, once for each thread, and finding out about it.

use crate::{
    args::{self, Args, Function},
    fit, TOOL,
};
use common::{pcap::Recording, ports};
use ferromap::{Control, Port, PortSpec, Rings};
use std::{error::Error, fs};

pub struct Opened {
    /// One for each thread.
    pub ports: Vec<Port>,
    /// Bytes of the virtio-net header before each frame.
    pub vnet: usize,
    /// How many came of those that were asked for.
    pub extra_buffers: u32,
}

pub fn open(
    args: &Args,
    spec: &PortSpec,
    recording: Option<&Recording>,
) -> Result<Opened, Box<dyn Error>> {
    let sizes = args.config.unwrap_or_default();
    let mut builder = Port::builder(&args.interface)
        .accept_vnet_hdr(true)
        .extra_buffers(args.extra_buffers);
    if args.config.is_some() {
        builder = builder
            .tx_slots(sizes.tx_slots)
            .rx_slots(sizes.rx_slots)
            .tx_rings(sizes.tx_rings)
            .rx_rings(sizes.rx_rings);
    }
    // A sender that binds no receive rings gets no packets that it would not read, and the reverse.
    if spec.flags == 0 {
        builder = builder
            .tx_only(args.function.sends())
            .rx_only(args.function.receives());
    }
    if args.threads > 1 {
        builder = builder.one_ring(0);
    }
    let first = builder.open()?;
    let vnet = vnet_header(args, spec)?;
    // They are only counted: to take them would touch each one.
    let extra_buffers = first.extra_buffers();
    ports::tell_extra_buffers(TOOL, extra_buffers as usize, args.extra_buffers);
    let rings = rings(args.function, &first);
    if args.threads > 1 && args.threads > rings {
        return Err(too_many_threads(args, rings, spec).into());
    }
    let mut opened = vec![first];
    for ring in 1..args.threads {
        opened.push(opened[0].clone_ring(ring)?);
    }
    fit::check(args, recording, &mut opened[0], vnet)?;
    Ok(Opened {
        ports: opened,
        vnet,
        extra_buffers,
    })
}

/// How many threads can have a ring each.
fn rings(function: Function, port: &Port) -> u16 {
    let info = port.info();
    let (tx, rx) = match port.spec().rings {
        Rings::Host | Rings::OneHost(_) => (info.host_tx_rings, info.host_rx_rings),
        _ => (info.tx_rings, info.rx_rings),
    };
    match function {
        Function::Tx | Function::TxSeq => tx,
        Function::Rx | Function::RxSeq => rx,
        Function::Ping | Function::Pong => tx.min(rx),
    }
}

fn too_many_threads(args: &Args, rings: u16, spec: &PortSpec) -> String {
    let threads = args.threads;
    let more = if spec.is_virtual() {
        format!("and a port that is created now gets more with -C 1024,1024,{threads},{threads}")
    } else {
        format!("and an interface may have more: ethtool -L IF combined {threads}")
    };
    format!(
        "-p {threads}: {} has {rings} rings for this, and each thread wants its own: -p {rings} is \
         what it can do, {more}",
        args.interface
    )
}

/// Sets, or asks for, the length of the header before each frame.
fn vnet_header(args: &Args, spec: &PortSpec) -> Result<usize, Box<dyn Error>> {
    let control = Control::open()?;
    if let Some(len) = args.frame.vnet_header {
        if spec.is_vale() {
            control.set_port_header(&args.interface, len)?;
        }
        return Ok(len as usize);
    }
    // Ports that know of no such header need none.
    Ok(control.port_header(&args.interface).unwrap_or(0) as usize)
}

/// The address of the interface, or one that is nobody's.
pub fn mac(port: &Port) -> [u8; 6] {
    let own = [2, 0, 0, 0, 0, 1];
    if port.spec().is_virtual() {
        return own;
    }
    fs::read_to_string(format!("/sys/class/net/{}/address", port.name()))
        .ok()
        .and_then(|text| args::mac(text.trim()).ok())
        .unwrap_or(own)
}
