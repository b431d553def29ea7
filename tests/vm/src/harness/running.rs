// SPDX-License-Identifier: MIT OR Apache-2.0

//! A port in CSB mode with its loop, in any mode, used as programs use it.

use super::check::*;
use super::raw::csb::*;
use super::raw::Reg;
use ferromap_abi::consts::*;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsRawFd;

/// How loops run.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    Sleep(u32),
    /// By eventfds, in these direct modes.
    Kicks(u32),
}

/// Both directions directly.
pub const DIRECT: u32 = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;

/// A port with its loop, and one eventfd for all its rings.
pub struct Running {
    pub port: CsbPort,
    kick: Option<EventFd>,
    pub kloop: Loop,
}

impl Running {
    /// Binds the port, and waits until its loop runs.
    pub fn start(request: Reg, mode: Mode) -> Outcome<Self> {
        let port = CsbPort::bind(request)?;
        let (tx, rx) = port.bound.ring_numbers();
        let (kick, kloop) = match mode {
            Mode::Sleep(us) => (None, port.run(us)?),
            Mode::Kicks(direct) => {
                let kick = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
                let fds = vec![(kick.as_raw_fd(), -1); tx.len() + rx.len()];
                let kloop = port.run_with(0, Some(direct_option(&fds, direct)))?;
                (Some(kick), kloop)
            }
        };
        port.wait_for_loop()?;
        Ok(Running { port, kick, kloop })
    }

    /// Kicks the loop, if it wants that for ring `i`.
    pub fn kick(&self, i: usize) -> Outcome {
        if let Some(kick) = &self.kick {
            if self.port.csb.kern_need_kick(i) != 0 {
                kick.write(1)?;
            }
        }
        Ok(())
    }

    /// Puts frames into that ring, as many as there is room for. How many.
    pub fn send(&self, ring: usize, frames: &[Vec<u8>]) -> Outcome<usize> {
        let put = self.port.put(ring, frames);
        if put > 0 {
            self.kick(ring)?;
        }
        Ok(put)
    }

    /// Takes the frames that are in that ring.
    pub fn recv(&self, ring: usize) -> Outcome<Vec<Vec<u8>>> {
        let frames = self.port.take(ring);
        if !frames.is_empty() {
            self.kick(self.port.rx_entry(ring))?;
        }
        Ok(frames)
    }

    pub fn has_ended(&self) -> bool {
        self.kloop.has_ended()
    }

    pub fn stop(self) -> Outcome {
        self.kloop.stop()
    }
}
