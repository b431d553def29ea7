// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the two ports, in one memory region if that can be had.

use crate::{args::Args, TOOL};
use common::{note, ports, say};
use ferromap::{Errno, Port, PortSpec, Result};

pub fn open(args: &Args, names: &[String; 2], specs: &[PortSpec; 2]) -> Result<[Port; 2]> {
    let first = Port::open(&names[0])?;
    let own_way = args.copy || specs[1].names_region();
    let second = if own_way {
        Port::open(&names[1])?
    } else {
        match Port::builder(&names[1]).mem_id(first.mem_id()).open() {
            // That region is full, or not for this port: a region of its own will do.
            Err(e) if matches!(e.errno(), Some(Errno::ENOMEM | Errno::EINVAL)) => {
                Port::open(&names[1])?
            }
            opened => opened?,
        }
    };
    Ok([first, second])
}

/// What people should know before frames go.
pub fn banner(args: &Args, names: &[String; 2], ports: &[Port; 2], zero_copy: bool) {
    ports::tell_sizes(TOOL, ports);
    if args.run.json {
        return;
    }
    ports::tell_emulated(TOOL, ports);
    let [a, b] = names;
    if !zero_copy && !args.copy {
        note!("{TOOL}: {a} and {b} lie in different memory regions: frames are copied");
    }
    let how = if zero_copy {
        "exchanging buffers"
    } else {
        "copying"
    };
    say!("Bridging {a} and {b}, {how}.");
    if args.verbose > 0 {
        for (name, port) in names.iter().zip(ports) {
            let info = port.info();
            say!(
                "{name}: region {} of {} bytes, {}x{} transmit and {}x{} receive slots",
                info.mem_id,
                info.memory_size,
                info.tx_rings,
                info.tx_slots,
                info.rx_rings,
                info.rx_slots
            );
        }
    }
}
