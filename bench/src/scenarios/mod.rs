// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is measured.

mod copy;
mod flow;
mod latency;
mod peers;
pub mod ports;
pub mod stream;
mod vale;
mod xdp;

use crate::{peers as systems, suite::Scenario};

/// In a kernel with netmap.ko.
pub fn guest() -> Vec<Scenario> {
    let mut all = vale::scenarios();
    all.extend(latency::scenarios());
    all.extend(ports::scenarios());
    all.extend(stream::scenarios());
    all.extend(xdp::scenarios());
    all.extend(peers::scenarios(systems::in_guest(), &peers::JOBS));
    all.extend(peers::scenarios(systems::persistent(), &peers::FEW));
    all.extend(copy::scenarios("in the same kernel"));
    all
}

/// On this machine as it is.
pub fn native() -> Vec<Scenario> {
    let mut all = peers::scenarios(systems::native(), &peers::JOBS);
    all.extend(copy::scenarios("outside"));
    all
}
