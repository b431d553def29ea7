// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells whether opening a port would succeed, and what it would bring:
//! `ask vale0:a@conf:slots=64`. What only opening tells, which is how null ports and regions in
//! memory of the program's (`@extmem`) turn out, ends with an error.

use ferromap::Control;

fn main() -> ferromap::Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("usage: ask PORT");
        std::process::exit(2);
    };
    let control = Control::open()?;
    match control.probe(&name) {
        Ok(()) => println!("{name} can be opened"),
        Err(why) => println!("{name} cannot be opened: {why}"),
    }
    let info = control.port_info(&name)?;
    println!(
        "{}x{} transmit and {}x{} receive slots",
        info.tx_rings, info.tx_slots, info.rx_rings, info.rx_slots
    );
    let pools = control.pools_info(&name)?;
    println!(
        "region {} of {} bytes, {} buffers of {}",
        pools.mem_id, pools.memory_size, pools.buffers.objects, pools.buffers.object_size
    );
    Ok(())
}
