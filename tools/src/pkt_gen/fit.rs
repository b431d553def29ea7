// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether the frames that are to be sent fit the port, which can only be said once it is open.

use crate::args::Args;
use common::{
    pcap::Recording,
    ports::{mtu, HEADERS},
};
use ferromap::Port;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// The error is a sentence for people.
pub fn check(
    args: &Args,
    recording: Option<&Recording>,
    port: &mut Port,
    vnet: usize,
) -> Result<(), String> {
    if args.function != crate::args::Function::Pong && !args.function.receives() {
        sends(args, recording, port, vnet)?;
    }
    if !args.function.sends() && port.rx_rings().is_empty() {
        return Err("the port has no receive ring bound".into());
    }
    Ok(())
}

fn sends(
    args: &Args,
    recording: Option<&Recording>,
    port: &mut Port,
    vnet: usize,
) -> Result<(), String> {
    let frame = &args.frame;
    let (what, shortest, longest) = match (recording, &args.replay.pcap) {
        (Some(recording), Some(path)) => {
            let (number, longest) = recording.longest();
            let what = format!("{}: frame {number}", path.display());
            (what, recording.shortest(), longest)
        }
        _ if frame.imix.is_some() => ("--imix".to_owned(), frame.shortest(), frame.longest()),
        _ => ("-l".to_owned(), frame.shortest(), frame.longest()),
    };
    let mtu = mtu(port);
    let slots = usize::from(frame.fragments);
    let ring = port
        .tx_rings()
        .first()
        .ok_or("the port has no transmit ring bound")?;
    let (buffer, ring_slots) = (ring.slot_room(), ring.slots());
    let part = (longest + vnet).div_ceil(slots);
    if part > buffer {
        let instead = match mtu {
            Some(mtu) if mtu + HEADERS < longest => format!(
                "send at most {}, or raise the MTU and spread frames over several slots with -F",
                buffer.min(mtu + HEADERS)
            ),
            _ => "spread frames over several slots with -F".to_owned(),
        };
        return Err(format!(
            "{what}: {part} bytes do not fit a buffer of {buffer}: {instead}"
        ));
    }
    if let Some(mtu) = mtu.filter(|mtu| longest > mtu + HEADERS) {
        return Err(format!(
            "{what}: {name} takes at most {} bytes, its MTU of {mtu} and {HEADERS} of headers: \
             send less, or ip link set {name} mtu {}",
            mtu + HEADERS,
            longest - HEADERS,
            name = port.name()
        ));
    }
    if let Some(size) = frame.fragment_size.filter(|_| slots > 1) {
        let last = (longest + vnet).saturating_sub(size.min(part) * (slots - 1));
        if last > buffer {
            return Err(format!(
                "-M: that leaves {last} bytes for the last fragment"
            ));
        }
    }
    if slots >= ring_slots {
        return Err("-F: a frame needs more slots than the ring has".into());
    }
    let first = (shortest + vnet).div_ceil(slots);
    let first = frame.fragment_size.unwrap_or(first).min(first);
    if slots > 1 && first < vnet + ETHERNET {
        return Err(format!(
            "-F {slots}: of the shortest frame, {shortest} bytes, that leaves {first} for the \
             first slot, which is to hold the Ethernet header at least: give fewer slots"
        ));
    }
    Ok(())
}
