// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is said before the first frame.

use crate::{
    args::{Args, Function},
    flow::Range,
    open::Opened,
};
use common::{pcap::Recording, say};
use ferromap::Port;

/// What is done, and where.
pub fn banner(args: &Args, opened: &Opened) {
    let what = match args.function {
        Function::Tx | Function::TxSeq => "Sending on",
        Function::Rx | Function::RxSeq => "Receiving from",
        Function::Ping | Function::Pong => "Ping-pong on",
    };
    let info = opened.ports.first().map(Port::info).unwrap_or_default();
    let queues = if args.function.receives() {
        info.rx_rings
    } else {
        info.tx_rings
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = if args.cpus == 0 {
        cpus
    } else {
        args.cpus.min(cpus)
    };
    say!(
        "{what} {}: {queues} queues, {} threads and {cpus} cpus.",
        args.interface,
        args.threads
    );
    if args.extra_buffers > 0 {
        say!("{} extra buffers.", opened.extra_buffers);
    }
    if args.verbose > 0 {
        say!(
            "memory region {} of {} bytes, {} and {} slots per ring, headers of {} bytes",
            info.mem_id,
            info.memory_size,
            info.tx_slots,
            info.rx_slots,
            opened.vnet
        );
    }
}

/// From whom to whom.
pub fn ends(args: &Args, src: Range, dst: Range, src_mac: [u8; 6]) {
    if args.function.sends() || args.function == Function::Ping {
        let mac = |m: [u8; 6]| m.map(|b| format!("{b:02x}")).join(":");
        let (from, to) = (mac(src_mac), mac(args.frame.dst_mac));
        say!("{src} -> {dst} ({from} -> {to})");
    }
}

/// What is sent of a file.
pub fn recording(recording: &Recording) {
    say!(
        "{} frames of {} to {} bytes, recorded in {:.6} seconds.",
        recording.len(),
        recording.shortest(),
        recording.longest().1,
        recording.lasts().as_secs_f64()
    );
}
