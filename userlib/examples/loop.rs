// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sends and receives without system calls, by loops in the kernel: `loop vale0:a vale0:b 1000`.

use ferromap::{Interest, Pace, Port};
use std::{io::Write, time::Duration};

/// A broadcast frame of a type that is for experiments, with a number.
fn frame(number: u32) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    frame
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [from, to, count] = &args[..] else {
        eprintln!("usage: loop FROM TO COUNT");
        std::process::exit(2);
    };
    let count: u32 = count.parse()?;
    // A loop needs the rings for itself.
    let mut from = Port::builder(from).exclusive(true).tx_only(true).open()?;
    let mut to = Port::builder(to).exclusive(true).rx_only(true).open()?;
    let sending = from.kernel_loop(Pace::Kicked)?;
    let receiving = to.kernel_loop(Pace::Sleep(Duration::from_micros(50)))?;
    let tx = from.tx_rings().first_mut().ok_or("no transmit ring")?;
    let rx = to.rx_rings().first_mut().ok_or("no receive ring")?;
    let (mut sent, mut received) = (0, 0);
    while received < count {
        // A receiver that is full loses frames: no more than a quarter of a ring is on the way. As
        // many slots may have been taken that its loop has not given back yet.
        while sent < count && sent - received < rx.slots() as u32 / 4 && tx.send(&frame(sent))? {
            sent += 1;
        }
        // Only if the loop has gone to sleep is this a system call.
        sending.kick()?;
        receiving.wait(Interest::Receive, None)?;
        for packet in rx.recv(256).packets() {
            let mut bytes = [0; 60];
            packet.copy_to(&mut bytes);
            if bytes != frame(received) {
                return Err(format!("frame {received} is another one").into());
            }
            received += 1;
        }
    }
    sending.stop()?;
    receiving.stop()?;
    // Not `println!`, which panics where the reader has gone.
    writeln!(std::io::stdout(), "received={received}")?;
    Ok(())
}
