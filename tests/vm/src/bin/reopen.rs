// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens a port, waits until frames come and closes it, again and again: `reopen netmap:eth0 100`.
//! Something must send all the while.

use ferromap::{Interest, Port};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(times)) = (args.next(), args.next()) else {
        return Err("usage: reopen PORT TIMES".into());
    };
    for round in 0..times.parse()? {
        let mut port = Port::open(&name)?;
        let ready = port.poll(Interest::Receive, Some(Duration::from_secs(10)))?;
        if !ready.receive {
            return Err(format!("round {round}: nothing came").into());
        }
        let came: usize = port.rx_rings().iter_mut().map(|r| r.recv(64).len()).sum();
        if came == 0 {
            return Err(format!("round {round}: ready, but no frame is there").into());
        }
    }
    Ok(())
}
