// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs on switch ports.

use crate::{control::Control, error::Result, port::Port, switch::whole};
use ferromap_abi::ext::*;
use std::os::fd::{AsFd, AsRawFd};

/// An XDP program on a switch port, or on a whole switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpProgram {
    /// Its id, by which `bpftool prog show id` knows it.
    pub id: u32,
    /// What it decided since it was attached there.
    pub counts: XdpCounts,
}

/// What an XDP program decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpCounts {
    /// Dropped, and traced: `XDP_ABORTED`, an unknown action, or a redirection that names no port.
    pub aborted: XdpCount,
    /// Dropped.
    pub drop: XdpCount,
    /// Left to the switch.
    pub pass: XdpCount,
    /// Sent back to where it came from.
    pub tx: XdpCount,
    /// Sent to a port of the program's choice.
    pub redirect: XdpCount,
}

/// Frames and bytes of them, as the program left them.
pub use ferromap_abi::ext::XdpCount;

/// Whose place a program may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpReplace {
    /// Nobody's: it is an error if there is a program.
    #[default]
    Nothing,
    /// That of the program with this id, which must be there.
    Program(u32),
    /// That of any program, if there is one.
    Anything,
}

impl Port {
    /// Runs the loaded XDP program `program` on every frame that enters the switch from this
    /// port, for as long as the port is there or until it is detached. Only for ports of a
    /// switch; see [`Control::attach_xdp`].
    #[doc(alias = "FERROMAP_REQ_XDP_ATTACH")]
    pub fn attach_xdp(&self, program: impl AsFd) -> Result<()> {
        Control::open()?
            .attach_xdp(self.name(), program, XdpReplace::Nothing)
            .map(|_| ())
    }

    /// What [`attach_xdp`](Self::attach_xdp) attached, or another program.
    #[doc(alias = "FERROMAP_REQ_XDP_QUERY")]
    pub fn xdp(&self) -> Result<Option<XdpProgram>> {
        Control::open()?.xdp(self.name())
    }

    /// Takes the program off this port. Returns what it was, with its last counts.
    #[doc(alias = "FERROMAP_REQ_XDP_DETACH")]
    pub fn detach_xdp(&self) -> Result<XdpProgram> {
        Control::open()?.detach_xdp(self.name(), None)
    }
}

impl Control {
    /// Runs a loaded XDP program on every frame that enters a switch from a port (`vale0:a`), or
    /// from all ports that have no program of their own (`vale0:`). Returns the program whose place
    /// it took, with its last counts.
    ///
    /// The program works on a private copy of the frame. `XDP_PASS` leaves it to the switch,
    /// `XDP_TX` sends it back, `bpf_redirect(NUMBER, 0)` sends it to the port with that
    /// [number](crate::ValePort::port); all else drops it.
    #[doc(alias = "FERROMAP_REQ_XDP_ATTACH")]
    pub fn attach_xdp(
        &self,
        port: &str,
        program: impl AsFd,
        replace: XdpReplace,
    ) -> Result<Option<XdpProgram>> {
        let (flags, expected) = match replace {
            XdpReplace::Nothing => (0, 0),
            XdpReplace::Program(id) => (FERROMAP_XDP_REPLACE, id),
            XdpReplace::Anything => (FERROMAP_XDP_REPLACE, 0),
        };
        let mut body = NmreqXdp {
            fd: program.as_fd().as_raw_fd(),
            flags,
            expected,
            ..NmreqXdp::default()
        };
        self.xdp_request("XDP_ATTACH", FERROMAP_REQ_XDP_ATTACH, port, &mut body)?;
        Ok(there(&body))
    }

    /// The program on a port, or on a whole switch; `None` if there is none.
    #[doc(alias = "FERROMAP_REQ_XDP_QUERY")]
    pub fn xdp(&self, port: &str) -> Result<Option<XdpProgram>> {
        let mut body = NmreqXdp::default();
        self.xdp_request("XDP_QUERY", FERROMAP_REQ_XDP_QUERY, port, &mut body)?;
        Ok(there(&body))
    }

    /// Takes the program off a port, or off a whole switch; with `expected`, only if it is the one
    /// with that id. When this returns it runs no more. Returns what it was, with its last counts.
    #[doc(alias = "FERROMAP_REQ_XDP_DETACH")]
    pub fn detach_xdp(&self, port: &str, expected: Option<u32>) -> Result<XdpProgram> {
        let mut body = NmreqXdp {
            expected: expected.unwrap_or(0),
            ..NmreqXdp::default()
        };
        self.xdp_request("XDP_DETACH", FERROMAP_REQ_XDP_DETACH, port, &mut body)?;
        Ok(program(&body))
    }

    fn xdp_request(
        &self,
        call: &'static str,
        reqtype: u16,
        port: &str,
        body: &mut NmreqXdp,
    ) -> Result<()> {
        self.request(call, reqtype, whole(port)?, body)
    }
}

fn there(body: &NmreqXdp) -> Option<XdpProgram> {
    (body.prog_id != 0).then(|| program(body))
}

fn program(body: &NmreqXdp) -> XdpProgram {
    let [aborted, drop, pass, tx, redirect] = body.actions;
    XdpProgram {
        id: body.prog_id,
        counts: XdpCounts {
            aborted,
            drop,
            pass,
            tx,
            redirect,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_by_the_number_of_the_action() {
        let mut body = NmreqXdp {
            prog_id: 7,
            ..NmreqXdp::default()
        };
        for (action, count) in body.actions.iter_mut().enumerate() {
            count.packets = action as u64;
        }
        let found = there(&body).unwrap();
        assert_eq!(found.id, 7);
        // XDP_ABORTED to XDP_REDIRECT of linux/bpf.h.
        let c = found.counts;
        let order = [c.aborted, c.drop, c.pass, c.tx, c.redirect].map(|c| c.packets);
        assert_eq!(order, [0, 1, 2, 3, 4]);
        assert_eq!(there(&NmreqXdp::default()), None);
    }
}
