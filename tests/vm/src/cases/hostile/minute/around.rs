// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops, and what is asked of ports by who does not have them open.

use super::deeds::Work;
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::csb::*;
use crate::harness::raw::request::{port_info, set_vnet_hdr, vale_list};
use crate::harness::raw::*;
use ferromap_abi::wire::NmreqPortInfoGet;
use nix::errno::Errno;
use std::time::Duration;

pub fn run_loops(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let ports = ["vale942:c", "vale942:c{3", "fm1", "fp942"];
        let name = work.random.of(&ports);
        let opened = CsbPort::bind(shared(name));
        let Some(port) = work.did_at("open for a loop", name, opened)? else {
            continue;
        };
        std::thread::scope(|scope| -> Outcome {
            let running = scope.spawn(|| kloop_start(port.device(), 50, 0));
            port.put(0, &numbered(0..20));
            work.pause(10);
            let mut stopped = Ok(());
            while !running.is_finished() {
                let did = work.did("stop a loop", kloop_stop(port.device()));
                stopped = stopped.and(did.map(drop));
                std::thread::sleep(Duration::from_micros(500));
            }
            let came = running.join().unwrap_or(Err(Errno::EDEADLK));
            stopped.and(work.did("run a loop", came).map(drop))
        })?;
        if port.csb.hwcur(0) > 0 {
            work.did("send by a loop", Ok(()))?;
        }
    }
    Ok(())
}

pub fn ask(work: &mut Work) -> Outcome {
    while work.goes_on() {
        vale_list()?;
        let name = work
            .random
            .of(&["vale942:a", "vale942:b", "vale943:a", "vale944:e"]);
        let len = work.random.of(&[0, 0, 10, 12]);
        work.did("set headers", set_vnet_hdr(name, len))?;
        let port = work.port();
        let came = port_info(port, NmreqPortInfoGet::default());
        work.did_at("ask", port, came)?;
    }
    Ok(())
}
