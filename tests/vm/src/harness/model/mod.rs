// SPDX-License-Identifier: MIT OR Apache-2.0

//! What must come of requests, by the interface's text: a small model of the open files, the ports
//! that they are bound to, switches and regions. Pure: nothing here makes a call.
//!
//! [`Model::step`] is told what was done and what came of it, and says what should have. In
//! [`state`] is what there is, in [`find`] which port a request means, in [`requests`],
//! [`attach`], [`persistent`], [`csb`] and [`old`] what comes of it; [`generate`] thinks of
//! requests.
//!
//! Where several things stand in a request's way, the text leaves open which is told. The model
//! wants one of them, always the same: the first that the functions here come across.
//!
//! The kernel is free in two things, which the model checks and remembers: the number of a new
//! region, and where in its pool a netmap_if lies.

mod attach;
mod csb;
mod find;
pub mod generate;
mod old;
mod persistent;
mod requests;
mod state;

pub use old::tells_of_port;
pub use state::{Interface, Setting};

use ferromap_abi::consts::NETMAP_API;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use state::State;

/// Something that a program does with one of its files.
#[derive(Clone, Debug)]
pub enum Step {
    Open(usize),
    Close(usize),
    TxSync(usize),
    RxSync(usize),
    /// Looks whether anything has been received, and waits for nothing.
    Poll(usize),
    /// Maps the whole region and so many pages more.
    Map(usize, u64),
    Ask(usize, Envelope, Request),
    /// A call of old programs, NIOCGINFO or else NIOCREGIF.
    Old(usize, bool, Nmreq),
}

/// What is around a request, and may be wrong with any.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub version: u16,
    pub reserved: u32,
    pub body: Body,
    pub option: Option<Opt>,
}

impl Default for Envelope {
    fn default() -> Self {
        Envelope {
            version: NETMAP_API,
            reserved: 0,
            body: Body::Good,
            option: None,
        }
    }
}

/// The option that a request comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opt {
    /// One of that type, with nothing in it.
    Empty(u32),
    /// Where the CSB is.
    Csb(Arrays),
}

/// The two arrays of a CSB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrays {
    Good,
    Unaligned,
    /// They lap over each other.
    Lapping,
    Unreadable,
}

/// The body that a request comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Good,
    /// None where there must be one, and one where there must be none.
    Odd,
    Unreadable,
}

#[derive(Clone, Debug)]
pub enum Request {
    Register(String, NmreqRegister),
    Probe(String, NmreqRegister),
    PortInfo(String, NmreqPortInfoGet),
    Pools(String, NmreqPoolsInfo),
    List(String, NmreqValeList),
    SetHeader(String, u32),
    GetHeader(String),
    Attach(String, NmreqRegister),
    Detach(String),
    NewInterface(String, NmreqValeNewif),
    DeleteInterface(String),
    Poll(String, NmreqValePolling),
    PollNoMore(String),
    EnableCsb,
    /// With so many microseconds of sleep.
    StartLoop(u32),
    StopLoop,
    /// One that will never be.
    Other(u16),
}

/// What comes of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Refused(Errno),
    Done,
    Bound(NmreqRegister, Shown),
    /// PROBE, whose body comes back as it was.
    WouldBind(NmreqRegister),
    PortInfo(NmreqPortInfoGet),
    Pools(NmreqPoolsInfo),
    Listed(String, NmreqValeList),
    Header(u32),
    /// The number of a port.
    Port(u32),
    /// A persistent port.
    Made(NmreqValeNewif),
    /// Whether there was an error.
    Polled(bool),
    /// What comes back of an old call, and of one that tells of a port and its region.
    Old(Nmreq),
    OldPort(Nmreq, Option<Shown>),
}

/// What a netmap_if shows of a binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub name: String,
    pub flags: u32,
    /// Rings of the port: transmit, receive, host transmit, host receive.
    pub rings: [u32; 4],
    /// Numbers of those that are bound: transmit, receive.
    pub bound: [Vec<u32>; 2],
}

/// An answer, and the status of the option, if it was given one.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    pub answer: Answer,
    pub status: Option<u32>,
}

/// In an expected answer: the number of a region that was not there before.
const NEW: u16 = 0;

pub struct Model(State);

impl Model {
    /// For a program that has so many files at most.
    pub fn new(setting: Setting, files: usize) -> Self {
        Model(State::new(setting, files))
    }

    /// Does the step here as well. `Err` says what should have come, where something else did.
    pub fn step(&mut self, step: &Step, came: &Came) -> Result<(), String> {
        let mut want = self.0.expect(step);
        self.take_over(&mut want.answer, &came.answer)?;
        if want == *came {
            Ok(())
        } else {
            Err(format!("{want:?}"))
        }
    }

    /// Takes over what the kernel is free to choose, if it may choose that.
    fn take_over(&mut self, want: &mut Answer, came: &Answer) -> Result<(), String> {
        let number = |want: &mut u16, came: u16| {
            if *want == NEW {
                self.0.is_new(came)?;
                *want = came;
            }
            Ok::<(), String>(())
        };
        match (want, came) {
            (Answer::PortInfo(want), Answer::PortInfo(came)) => {
                number(&mut want.nr_mem_id, came.nr_mem_id)
            }
            (Answer::Pools(want), Answer::Pools(came)) => {
                number(&mut want.nr_mem_id, came.nr_mem_id)
            }
            (Answer::Made(want), Answer::Made(came)) => {
                number(&mut want.nr_mem_id, came.nr_mem_id)?;
                self.0.number_region(came.nr_mem_id);
                Ok(())
            }
            (Answer::OldPort(want, bound), Answer::OldPort(came, _)) => {
                number(&mut want.nr_arg2, came.nr_arg2)?;
                if bound.is_none() {
                    self.0.number_region(came.nr_arg2);
                    return Ok(());
                }
                want.nr_offset = came.nr_offset;
                self.0.choose(came.nr_arg2, came.nr_offset.into())
            }
            (Answer::Bound(want, _), Answer::Bound(came, _)) => {
                number(&mut want.nr_mem_id, came.nr_mem_id)?;
                want.nr_offset = came.nr_offset;
                self.0.choose(came.nr_mem_id, came.nr_offset)
            }
            _ => Ok(()),
        }
    }
}
