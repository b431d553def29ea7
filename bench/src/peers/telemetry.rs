// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a DPDK process tells of itself on its telemetry socket: requests are paths, answers JSON.

use anyhow::{Context, Result};
use nix::sys::{
    socket::{
        connect, recv, send, setsockopt, socket, sockopt::ReceiveTimeout, AddressFamily, MsgFlags,
        SockFlag, SockType, UnixAddr,
    },
    time::TimeVal,
};
use serde::Deserialize;
use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

/// Counters of a port since its start.
#[derive(Debug, Deserialize)]
pub struct Stats {
    pub ipackets: u64,
    pub opackets: u64,
    pub ibytes: u64,
}

/// A connection to a process.
pub struct Telemetry(OwnedFd);

impl Telemetry {
    pub fn open(path: &Path) -> Result<Telemetry> {
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(10, 0))?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
            .with_context(|| format!("nobody answers at {}", path.display()))?;
        let telemetry = Telemetry(socket);
        // It introduces itself first.
        telemetry.receive()?;
        Ok(telemetry)
    }

    /// The counters of the first port.
    pub fn stats(&self) -> Result<Stats> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "/ethdev/stats")]
            stats: Stats,
        }
        send(self.0.as_raw_fd(), b"/ethdev/stats,0", MsgFlags::empty())
            .context("the process does not listen any more")?;
        let answer = self.receive()?;
        let answer: Answer = serde_json::from_slice(&answer)
            .with_context(|| format!("it said {}", String::from_utf8_lossy(&answer)))?;
        Ok(answer.stats)
    }

    fn receive(&self) -> Result<Vec<u8>> {
        // As long as its answers may be.
        let mut answer = vec![0; 16 * 1024];
        let bytes = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())
            .context("the process does not answer")?;
        answer.truncate(bytes);
        Ok(answer)
    }
}
