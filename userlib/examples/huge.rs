// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sends a packet between two ports whose rings and buffers are in huge pages of this program:
//! `huge vale0:a vale0:b`.

use ferromap::{Memory, Port};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(one), Some(two)) = (args.next(), args.next()) else {
        eprintln!("usage: huge PORT PORT");
        std::process::exit(2);
    };
    // The objects that the kernel makes where nobody says how many, which do for two ports, take
    // 8.5 MB; what is left is for buffers, too.
    let memory = Memory::huge_pages(15 << 20)?;
    let open = |name: &str| Port::builder(name).slots(64).memory(&memory).open();
    let (mut a, mut b) = (open(&one)?, open(&two)?);
    let (Some(tx), Some(rx)) = (a.tx_rings().first_mut(), b.rx_rings().first_mut()) else {
        return Err("a port lacks a ring".into());
    };
    tx.send(&[0xff; 60])?;
    tx.sync()?;
    rx.sync()?;
    println!("{} of 1 packets came", rx.recv(2).len());
    Ok(())
}
