// SPDX-License-Identifier: MIT OR Apache-2.0

//! One request of a sequence: how it is sent, and what comes back around its body.

use crate::harness::check::*;
use crate::harness::model::*;
use crate::harness::raw::csb::csb_option;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::hostile::UNTOUCHED;
use crate::harness::raw::*;
use crate::harness::why::why;
use ferromap_abi::consts::*;
use ferromap_abi::name::trim;
use ferromap_abi::wire::*;
use nix::errno::Errno;

/// Bytes of one of the two arrays of a CSB.
pub(super) const ARRAY: u64 = 1 << 20;

/// A request about to be sent.
pub(super) struct Call<'a> {
    pub(super) device: &'a Device,
    /// An address where nothing is.
    pub(super) bad: u64,
    /// Where there is room for a CSB.
    pub(super) csb: u64,
    pub(super) envelope: &'a Envelope,
}

impl Call<'_> {
    pub(super) fn send<B: Copy + PartialEq>(
        &self,
        reqtype: u16,
        name: &str,
        body: B,
    ) -> Outcome<Reply<B>> {
        let mut answer = body;
        let at = match self.envelope.body {
            Body::Good => address(&mut answer),
            Body::Odd => 0,
            Body::Unreadable => self.bad,
        };
        let reply = self.exchange(reqtype, name, at)?;
        let unchanged = reply.result.is_ok() || answer == body;
        that("only success changes the body", unchanged)?;
        Ok(Reply {
            result: reply.result.map(|()| answer),
            name: reply.name,
            status: reply.status,
        })
    }

    pub(super) fn bare(&self, reqtype: u16, name: &str) -> Outcome<Reply<()>> {
        let at = match self.envelope.body {
            Body::Good => 0,
            Body::Odd | Body::Unreadable => self.bad,
        };
        self.exchange(reqtype, name, at)
    }

    fn option(&self, option: Opt) -> OptionList {
        let arrays = match option {
            Opt::Empty(kind) => return OptionList::of(&[kind]),
            Opt::Csb(arrays) => arrays,
        };
        let (atok, ktoa) = (self.csb, self.csb + ARRAY);
        let (atok, ktoa) = match arrays {
            Arrays::Good => (atok, ktoa),
            Arrays::Unaligned => (atok + 8, ktoa),
            Arrays::Lapping => (atok, atok),
            // Beyond what a process can have.
            Arrays::Unreadable => (atok, 0u64.wrapping_sub(64)),
        };
        csb_option(atok, ktoa)
    }

    /// Sends it, and looks at what comes back around the body.
    fn exchange(&self, reqtype: u16, name: &str, body: u64) -> Outcome<Reply<()>> {
        let mut options = self.envelope.option.map(|option| self.option(option));
        let mut sent = header(reqtype, name.as_bytes());
        sent.nr_version = self.envelope.version;
        sent.nr_reserved = self.envelope.reserved;
        sent.nr_body = body;
        sent.nr_options = options.as_mut().map_or(0, OptionList::first);
        let mut came = sent;
        let result = self.device.ctrl(&mut came);
        let fixed = |header: &NmreqHeader| {
            let addresses = (header.nr_body, header.nr_options);
            (header.nr_version, header.nr_reqtype, addresses)
        };
        same("the header", fixed(&came), fixed(&sent))?;
        same("nr_reserved", came.nr_reserved, 0)?;
        let listed = reqtype == NETMAP_REQ_VALE_LIST && name.is_empty() && result.is_ok();
        that("the name", listed || came.nr_name == sent.nr_name)?;
        if let Err(errno) = result {
            same("the reason's errno", why(self.device)?.0, errno as u32)?;
        }
        let statuses = options.map_or(vec![], |options| options.statuses());
        Ok(Reply {
            result,
            name: String::from_utf8_lossy(trim(&came.nr_name)).into_owned(),
            status: statuses.into_iter().find(|&status| status != UNTOUCHED),
        })
    }
}

/// What a request came back with.
pub(super) struct Reply<B> {
    pub(super) result: Result<B, Errno>,
    /// `nr_name`.
    pub(super) name: String,
    pub(super) status: Option<u32>,
}

impl<B> Reply<B> {
    pub(super) fn answer(self, good: impl FnOnce(B, String) -> Answer) -> Came {
        let answer = match self.result {
            Ok(body) => good(body, self.name),
            Err(errno) => Answer::Refused(errno),
        };
        let status = self.status;
        Came { answer, status }
    }
}
