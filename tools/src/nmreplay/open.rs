// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the ports, whether the frames fit them, and what people are told first.

use crate::{
    args::{Args, Plan},
    TOOL,
};
use common::{
    note,
    pcap::Recording,
    ports::{self, mtu, HEADERS},
    say,
};
use ferromap::Port;
use std::error::Error;

pub fn port(plan: &Plan, recording: &Recording) -> Result<Port, Box<dyn Error>> {
    let mut port = Port::builder(&plan.port).tx_only(true).open()?;
    fits(plan, recording, &mut port)?;
    Ok(port)
}

/// The error is a sentence for people.
fn fits(plan: &Plan, recording: &Recording, port: &mut Port) -> Result<(), String> {
    let (number, longest) = recording.longest();
    let what = format!(
        "{}: frame {number} has {longest} bytes",
        plan.file.display()
    );
    if let Some(mtu) = mtu(port).filter(|mtu| longest > mtu + HEADERS) {
        return Err(format!(
            "{what}: {name} takes at most {}, its MTU of {mtu} and {HEADERS} of headers: ip link \
             set {name} mtu {}",
            mtu + HEADERS,
            longest - HEADERS,
            name = port.name()
        ));
    }
    let ring = port
        .tx_rings()
        .first()
        .ok_or_else(|| format!("{} was opened without a transmit ring", plan.port))?;
    if longest.div_ceil(ring.slot_room()) >= ring.slots().min(65) {
        return Err(format!("{what}, more than the port sends as one"));
    }
    Ok(())
}

/// What people should know before frames go.
pub fn banner(args: &Args, plans: &[Plan], recordings: &[Recording], ports: &[Port], seed: u64) {
    ports::tell_sizes(TOOL, ports);
    if args.run.json {
        return;
    }
    ports::tell_emulated(TOOL, ports);
    for (plan, recording) in plans.iter().zip(recordings) {
        say!(
            "Replaying {} through {}, {} frames of {} to {} bytes, recorded in {:.6} seconds.",
            plan.file.display(),
            plan.port,
            recording.len(),
            recording.shortest(),
            recording.longest().1,
            recording.lasts().as_secs_f64()
        );
        if args.verbose > 0 {
            note!("{:?}", plan.nature);
        }
    }
    say!("The seed is {seed}.");
}
