// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the port, once for each thread, and finding out about it.

use crate::args::{self, Args, Function};
use ferromap::{Control, Port, PortSpec, Rings};
use std::{error::Error, fs};

pub struct Opened {
    /// One for each thread.
    pub ports: Vec<Port>,
    /// Bytes of the virtio-net header before each frame.
    pub vnet: usize,
}

pub fn open(args: &Args, spec: &PortSpec) -> Result<Opened, Box<dyn Error>> {
    let number = |i: usize| args.config.get(i).copied();
    let rings = |i: usize| number(i).map(u16::try_from).transpose();
    let mut builder = Port::builder(&args.interface).accept_vnet_hdr(true);
    if let Some(slots) = number(0) {
        builder = builder.tx_slots(slots).rx_slots(number(1).unwrap_or(slots));
    }
    let wrong = "-C: that many rings cannot be had";
    if let Some(tx) = rings(2).map_err(|_| wrong)? {
        builder = builder
            .tx_rings(tx)
            .rx_rings(rings(3).map_err(|_| wrong)?.unwrap_or(tx));
    }
    // A sender that binds no receive rings gets no packets that it would not read, and the reverse.
    if spec.flags == 0 {
        builder = match args.function {
            Function::Tx | Function::TxSeq => builder.tx_only(true),
            Function::Rx | Function::RxSeq => builder.rx_only(true),
            Function::Ping | Function::Pong => builder,
        };
    }
    if args.threads > 1 {
        builder = builder.one_ring(0);
    }
    let first = builder.open()?;
    let vnet = vnet_header(args, spec)?;
    let mut ports = vec![first];
    for ring in 1..args.threads {
        let info = ports[0].info();
        if ring >= info.tx_rings.max(info.rx_rings) && info.host_tx_rings == 0 {
            return Err(format!(
                "-p {}: {} has only {} transmit and {} receive rings; a port that is created gets \
                 more with -C",
                args.threads, args.interface, info.tx_rings, info.rx_rings
            )
            .into());
        }
        ports.push(ports[0].clone_ring(ring)?);
    }
    check(args, &mut ports[0], vnet)?;
    Ok(Opened { ports, vnet })
}

/// Sets, or asks for, the length of the header before each frame.
fn vnet_header(args: &Args, spec: &PortSpec) -> Result<usize, Box<dyn Error>> {
    let control = Control::open()?;
    if let Some(len) = args.vnet_header {
        if spec.is_vale() {
            control.set_port_header(&args.interface, len)?;
        }
        return Ok(len as usize);
    }
    // Ports that know of no such header need none.
    Ok(control.port_header(&args.interface).unwrap_or(0) as usize)
}

/// What can only be said once the port is open.
fn check(args: &Args, port: &mut Port, vnet: usize) -> Result<(), Box<dyn Error>> {
    let mtu = mtu(port);
    let sends = matches!(
        args.function,
        Function::Tx | Function::TxSeq | Function::Ping
    );
    let receives = !matches!(args.function, Function::Tx | Function::TxSeq);
    if sends {
        let slots = usize::from(args.fragments);
        let emulated = port.is_emulated();
        if slots > 1 && emulated {
            return Err(format!(
                "-F {slots}: {} sends frames of one slot only, and drops others: leave -F out, and \
                 raise the module's parameter buf_size for longer frames",
                args.interface
            )
            .into());
        }
        let ring = port
            .tx_rings()
            .first()
            .ok_or("the port has no transmit ring bound")?;
        let (longest, buffer) = (args.longest(), ring.buffer_size());
        let part = (longest + vnet).div_ceil(slots);
        if part > buffer {
            let instead = match mtu {
                Some(mtu) if mtu + HEADERS < longest => format!(
                    "send at most {}, or raise the MTU and the module's parameter buf_size",
                    buffer.min(mtu + HEADERS)
                ),
                _ if emulated => {
                    format!("send at most {buffer}, or raise the module's parameter buf_size")
                }
                _ => "spread frames over several slots with -F".to_owned(),
            };
            return Err(
                format!("-l: {part} bytes do not fit a buffer of {buffer}: {instead}").into(),
            );
        }
        if let Some(mtu) = mtu.filter(|mtu| longest > mtu + HEADERS) {
            return Err(format!(
                "-l: {name} takes at most {} bytes, its MTU of {mtu} and {HEADERS} of headers: \
                 send less, or ip link set {name} mtu {}",
                mtu + HEADERS,
                longest - HEADERS,
                name = port.name()
            )
            .into());
        }
        if let Some(size) = args.fragment_size.filter(|_| slots > 1) {
            let last = (args.longest() + vnet).saturating_sub(size.min(part) * (slots - 1));
            if last > ring.buffer_size() {
                return Err(format!("-M: that leaves {last} bytes for the last fragment").into());
            }
        }
        if slots >= ring.slots() {
            return Err("-F: a frame needs more slots than the ring has".into());
        }
    }
    if receives && port.rx_rings().is_empty() {
        return Err("the port has no receive ring bound".into());
    }
    Ok(())
}

/// What a frame may have beside the MTU: an Ethernet header and two VLAN tags.
const HEADERS: usize = 14 + 8;

/// The MTU of the interface behind NIC rings; what host rings give to the stack is not bound by it.
fn mtu(port: &Port) -> Option<usize> {
    let spec = port.spec();
    if spec.is_virtual() || matches!(spec.rings, Rings::Host | Rings::OneHost(_)) {
        return None;
    }
    let mtu = fs::read_to_string(format!("/sys/class/net/{}/mtu", port.name()));
    mtu.ok()?.trim().parse().ok()
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
