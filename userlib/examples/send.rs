// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sends a number of frames: `send vale0:a 1000`.

use ferromap::{Port, SlotFlags};

/// A broadcast frame of a type that is for experiments.
const FRAME: [u8; 60] = {
    let mut frame = [0; 60];
    let header = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, // from a local address
        0x88, 0xb5, // local experiment
    ];
    let mut i = 0;
    while i < header.len() {
        frame[i] = header[i];
        i += 1;
    }
    frame
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        eprintln!("usage: send PORT [COUNT]");
        std::process::exit(2);
    };
    let mut left: usize = args.next().map_or(Ok(1), |n| n.parse())?;
    let mut port = Port::builder(&name).tx_only(true).open()?;
    let ring = port.tx_rings().first_mut().ok_or("no transmit ring")?;
    while left > 0 {
        // Reserve, fill, commit. `ring.send(&FRAME)` does the three for one frame.
        let mut batch = ring.reserve(left.min(256));
        let count = batch.len();
        for i in 0..count {
            let Some(mut slot) = batch.slot(i) else { break };
            // The buffer may be filled in place, too.
            let len = FRAME.len().min(slot.buffer_mut().len());
            slot.buffer_mut()[..len].copy_from_slice(&FRAME[..len]);
            slot.set(len, SlotFlags::NONE);
        }
        batch.commit(count);
        left -= count;
        // Nothing has been sent until here. One call for the whole batch; it sleeps if the
        // ring is full.
        ring.poll(None)?;
    }
    // A port takes what is left in its rings with it when it is closed: wait until all has gone.
    while !ring.is_drained() {
        std::thread::sleep(std::time::Duration::from_millis(1));
        ring.sync()?;
    }
    Ok(())
}
