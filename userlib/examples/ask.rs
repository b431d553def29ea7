// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells what opening a port would bring, and whether it would succeed:
//! `ask vale0:a@conf:slots=64`.

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
