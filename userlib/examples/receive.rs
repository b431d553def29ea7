// SPDX-License-Identifier: MIT OR Apache-2.0

//! Receives packets and prints a line for each: `receive vale0:b`.

use ferromap::Port;
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("usage: receive PORT");
        std::process::exit(2);
    };
    // Only the receive rings: whoever sends through this port keeps the others.
    let mut port = Port::builder(&name).rx_only(true).open()?;
    let ring = port.rx_rings().first_mut().ok_or("no receive ring")?;
    let mut out = std::io::stdout();
    loop {
        // Sleeps until something comes. This also gives back the slots of the last batch.
        ring.poll(None)?;
        // The batch lends its slots. Dropping it, at the end of the loop, releases them.
        let batch = ring.recv(256);
        for packet in batch.packets() {
            // A packet longer than a buffer has several slots; the headers are in the first.
            let first = packet.slots().next().map_or(&[][..], |slot| slot.bytes());
            let start: Vec<String> = first.iter().take(14).map(|b| format!("{b:02x}")).collect();
            // Not `println!`, which panics where the reader has gone.
            writeln!(out, "{:5} bytes  {}", packet.len(), start.join(" "))?;
        }
    }
}
