// SPDX-License-Identifier: MIT OR Apache-2.0

//! A program that takes the steps of a sequence, and tells what came.

use super::call::{Call, ARRAY};
use crate::harness::check::*;
use crate::harness::model::*;
use crate::harness::raw::device::Mapping;
use crate::harness::raw::*;
use crate::harness::why::why;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_REQ_PROBE;
use ferromap_abi::wire::*;
use nix::poll::PollFlags;
use std::time::Duration;

/// The open files of this process.
pub struct Program {
    files: Vec<Option<File>>,
    page: GuardPage,
    /// Room for a CSB with as many rings as anybody asks for. Nobody says anything there.
    csb: Mapping,
}

enum File {
    Unbound(Device),
    Bound(Bound),
}

impl File {
    fn device(&self) -> &Device {
        match self {
            File::Unbound(device) => device,
            File::Bound(bound) => &bound.device,
        }
    }
}

impl Program {
    pub fn new(files: usize) -> Outcome<Self> {
        Ok(Program {
            files: (0..files).map(|_| None).collect(),
            page: GuardPage::new()?,
            csb: Mapping::new(2 * ARRAY, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)?,
        })
    }

    fn device(&self, file: usize) -> &Device {
        self.files[file].as_ref().expect("an open file").device()
    }

    pub fn take(&mut self, step: &Step) -> Outcome<Came> {
        let done = match step {
            Step::Ask(file, envelope, request) => return self.ask(*file, envelope, request),
            Step::Open(file) => {
                self.files[*file] = Some(File::Unbound(Device::open()?));
                Ok(())
            }
            Step::Close(file) => {
                self.files[*file] = None;
                Ok(())
            }
            Step::Old(file, info, req) => return self.old(*file, *info, *req),
            Step::Poll(file) => {
                let came = self.device(*file).poll(PollFlags::POLLIN, Duration::ZERO)?;
                return Ok(Came {
                    answer: Answer::Polled(came.contains(PollFlags::POLLERR)),
                    status: None,
                });
            }
            Step::TxSync(file) => self.device(*file).txsync(),
            Step::RxSync(file) => self.device(*file).rxsync(),
            Step::Map(file, beyond) => {
                let bytes = match &self.files[*file] {
                    Some(File::Bound(bound)) => bound.reg.nr_memsize,
                    _ => 4096,
                };
                self.device(*file).map(bytes + 4096 * beyond, 0).map(drop)
            }
        };
        let answer = done.map_or_else(Answer::Refused, |()| Answer::Done);
        let status = None;
        Ok(Came { answer, status })
    }

    fn ask(&mut self, file: usize, envelope: &Envelope, request: &Request) -> Outcome<Came> {
        let call = Call {
            device: self.device(file),
            bad: self.page.bad(),
            csb: self.csb.at(0) as u64,
            envelope,
        };
        match request {
            Request::Register(name, body) => {
                let reply = call.send(NETMAP_REQ_REGISTER, name, *body)?;
                let Ok(body) = reply.result else {
                    return Ok(reply.answer(|_, _| Answer::Done));
                };
                let shown = self.bind(file, body)?;
                Ok(reply.answer(|body, _| Answer::Bound(body, shown)))
            }
            Request::Probe(name, body) => {
                let reply = call.send(FERROMAP_REQ_PROBE, name, *body)?;
                Ok(reply.answer(|body, _| Answer::WouldBind(body)))
            }
            Request::PortInfo(name, body) => {
                let reply = call.send(NETMAP_REQ_PORT_INFO_GET, name, *body)?;
                Ok(reply.answer(|body, _| Answer::PortInfo(body)))
            }
            Request::Pools(name, body) => {
                let reply = call.send(NETMAP_REQ_POOLS_INFO_GET, name, *body)?;
                Ok(reply.answer(|body, _| Answer::Pools(body)))
            }
            Request::List(name, body) => {
                let reply = call.send(NETMAP_REQ_VALE_LIST, name, *body)?;
                Ok(reply.answer(|body, name| Answer::Listed(name, body)))
            }
            Request::SetHeader(name, nr_hdr_len) => {
                let (nr_hdr_len, pad1) = (*nr_hdr_len, 0);
                let body = NmreqPortHdr { nr_hdr_len, pad1 };
                let reply = call.send(NETMAP_REQ_PORT_HDR_SET, name, body)?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::GetHeader(name) => {
                let body = NmreqPortHdr::default();
                let reply = call.send(NETMAP_REQ_PORT_HDR_GET, name, body)?;
                Ok(reply.answer(|body, _| Answer::Header(body.nr_hdr_len)))
            }
            Request::Attach(name, reg) => {
                let body = NmreqValeAttach {
                    reg: *reg,
                    ..Default::default()
                };
                let reply = call.send(NETMAP_REQ_VALE_ATTACH, name, body)?;
                Ok(reply.answer(|body, _| Answer::Port(body.port_index)))
            }
            Request::Detach(name) => {
                let body = NmreqValeDetach::default();
                let reply = call.send(NETMAP_REQ_VALE_DETACH, name, body)?;
                Ok(reply.answer(|body, _| Answer::Port(body.port_index)))
            }
            Request::NewInterface(name, body) => {
                let reply = call.send(NETMAP_REQ_VALE_NEWIF, name, *body)?;
                Ok(reply.answer(|body, _| Answer::Made(body)))
            }
            Request::DeleteInterface(name) => {
                let reply = call.bare(NETMAP_REQ_VALE_DELIF, name)?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::Poll(name, body) => {
                let reply = call.send(NETMAP_REQ_VALE_POLLING_ENABLE, name, *body)?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::PollNoMore(name) => {
                let body = NmreqValePolling::default();
                let reply = call.send(NETMAP_REQ_VALE_POLLING_DISABLE, name, body)?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::EnableCsb => {
                let reply = call.bare(NETMAP_REQ_CSB_ENABLE, "")?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::StopLoop => {
                let reply = call.bare(NETMAP_REQ_SYNC_KLOOP_STOP, "")?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::StartLoop(sleep_us) => {
                let (sleep_us, pad1) = (*sleep_us, 0);
                let body = NmreqSyncKloopStart { sleep_us, pad1 };
                let reply = call.send(NETMAP_REQ_SYNC_KLOOP_START, "", body)?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
            Request::Other(reqtype) => {
                let reply = call.send(*reqtype, "vale0:a", [0u64; 8])?;
                Ok(reply.answer(|_, _| Answer::Done))
            }
        }
    }

    /// A call of old programs.
    fn old(&mut self, file: usize, info: bool, req: Nmreq) -> Outcome<Came> {
        let mut came = req;
        let device = self.device(file);
        let result = match info {
            true => device.ginfo(&mut came),
            false => device.regif(&mut came),
        };
        let answer = match result {
            Err(errno) => {
                same("what was refused", came, req)?;
                same("the reason's errno", why(device)?.0, errno as u32)?;
                Answer::Refused(errno)
            }
            Ok(()) if !tells_of_port(info, req.nr_cmd) => Answer::Old(came),
            Ok(()) if info || req.nr_cmd != 0 => Answer::OldPort(came, None),
            Ok(()) => {
                // As if REGISTER had said it.
                let body = NmreqRegister {
                    nr_offset: came.nr_offset.into(),
                    nr_memsize: came.nr_memsize.into(),
                    ..Default::default()
                };
                Answer::OldPort(came, Some(self.bind(file, body)?))
            }
        };
        let status = None;
        Ok(Came { answer, status })
    }

    /// The file has been bound: maps its region, and says what it finds there.
    fn bind(&mut self, file: usize, body: NmreqRegister) -> Outcome<Shown> {
        let Some(File::Unbound(device)) = self.files[file].take() else {
            return fail("a file was bound twice");
        };
        let bound = Bound::new(device, body)?;
        let nifp = bound.nifp();
        let (tx, rx) = bound.ring_numbers();
        let shown = Shown {
            name: bound.port_name(),
            flags: nifp.ni_flags,
            rings: [
                nifp.ni_tx_rings,
                nifp.ni_rx_rings,
                nifp.ni_host_tx_rings,
                nifp.ni_host_rx_rings,
            ],
            bound: [tx, rx],
        };
        self.files[file] = Some(File::Bound(bound));
        Ok(shown)
    }
}
