// SPDX-License-Identifier: MIT OR Apache-2.0

//! Forwards packets between two ports without copying them: `forward vale0:x vale1:y`.
//!
//! The ports have to share a memory region; the second is opened in the region of the first.

use ferromap::{Interest, Port, Result, RxRing, TxRing};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::os::fd::AsFd;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(one), Some(two)) = (args.next(), args.next()) else {
        eprintln!("usage: forward PORT PORT");
        std::process::exit(2);
    };
    let mut a = Port::open(&one)?;
    // A port that has memory of its own already keeps it: then the swap below says so.
    let mut b = Port::builder(&two).mem_id(a.mem_id()).open()?;
    loop {
        // Both files at once, as an event loop would. Each poll also syncs, so nothing
        // more is needed.
        let mut fds = [&a, &b].map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::NONE)?;
        for port in [&mut a, &mut b] {
            port.poll(Interest::Receive, Some(std::time::Duration::ZERO))?;
        }
        let (Some((a_rx, a_tx)), Some((b_rx, b_tx))) = (a.pair(), b.pair()) else {
            return Err("a port lacks a ring".into());
        };
        let moved = (pass(a_rx, b_tx)?, pass(b_rx, a_tx)?);
        // Full on the other side: what is left waits in the receive ring.
        if moved.0 > 0 || b_tx.free() == 0 {
            b_tx.sync()?;
        }
        if moved.1 > 0 || a_tx.free() == 0 {
            a_tx.sync()?;
        }
    }
}

/// Moves as many packets as there is room for, by exchanging buffers.
fn pass(from: &mut RxRing, to: &mut TxRing) -> Result<usize> {
    let mut received = from.recv(512);
    let mut free = to.reserve(received.len());
    let count = received.len().min(free.len());
    for i in 0..count {
        if let (Some(mut packet), Some(mut slot)) = (received.slot_mut(i), free.slot(i)) {
            slot.swap(&mut packet)?;
        }
    }
    free.commit(count);
    received.release_only(count);
    Ok(count)
}
