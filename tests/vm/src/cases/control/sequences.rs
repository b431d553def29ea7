// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random requests, one after the other, on files that come and go: of each it is known what must
//! come, from a model of what there is (`harness/model`).

use crate::harness::check::*;
use crate::harness::model::generate::Generator;
use crate::harness::model::*;
use crate::harness::raw::csb::csb_option;
use crate::harness::raw::device::Mapping;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::hostile::UNTOUCHED;
use crate::harness::raw::request::vale_list;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::why::why;
use crate::harness::wire::wire_with;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_REQ_PROBE;
use ferromap_abi::layout::PoolRequest;
use ferromap_abi::name::trim;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{sysconf, SysconfVar};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![;
    slow: sequences_on_switches_and_regions, sequences_with_interfaces
];

fn sequences_on_switches_and_regions() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNET)?;
    try_out(1, 6000, 16, vec![])?;
    try_out(2, 4000, 4, vec![])
}

fn sequences_with_interfaces() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let queues = |name| Interface {
        name,
        mtu: 1500,
        queues: 2,
    };
    try_out(3, 5000, 10, vec![queues("fm0"), queues("fm1")])
}

/// Small regions, so that they are made soon and are full soon, and what interfaces there are.
fn setting(mut interfaces: Vec<Interface>) -> Outcome<Setting> {
    interfaces.push(Interface {
        name: "lo",
        mtu: 65_536,
        queues: 1,
    });
    let pool = |kind: &str, size, count| -> Outcome<PoolRequest> {
        write_parameter(&format!("{kind}_size"), &format!("{size}"))?;
        write_parameter(&format!("{kind}_num"), &format!("{count}"))?;
        Ok(PoolRequest { size, count })
    };
    write_parameter("generic_ringsize", "64")?;
    let cpus = std::thread::available_parallelism()?.get() as u32;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|page| u32::try_from(page).ok());
    Ok(Setting {
        page: page.ok_or(Errno::EINVAL)?,
        global: [
            pool("if", 1024, 12)?,
            pool("ring", 4096, 60)?,
            pool("buf", 2048, 2000)?,
        ],
        private: [
            pool("priv_if", 1024, 2)?,
            pool("priv_ring", 4096, 4)?,
            pool("priv_buf", 2048, 64)?,
        ],
        nic_slots: 64,
        max_switches: 8,
        cpus,
        interfaces,
    })
}

/// Takes so many steps on so many files, and compares what comes with what must come.
fn try_out(seed: u64, steps: u32, files: usize, interfaces: Vec<Interface>) -> Outcome {
    let mut trial = Trial {
        model: Model::new(setting(interfaces)?, files),
        program: Program::new(files)?,
        last: VecDeque::new(),
        seen: BTreeMap::new(),
    };
    let mut generator = Generator::new(seed);
    for number in 0..steps {
        let step = generator.next(&trial.model);
        trial
            .step(&step)
            .map_err(|what| failure(format!("seed {seed}, step {number}: {what}")))?;
    }
    while let Some(step) = trial.model.on_the_way_out() {
        trial
            .step(&step)
            .map_err(|what| failure(format!("seed {seed}, at the end: {what}")))?;
    }
    same("ports left", vale_list()?, vec![])?;
    // Steps of which most were refused in the same way would tell little.
    for (what, least) in [
        ("Bound", steps / 20),
        ("PortInfo", steps / 40),
        ("Listed", steps / 40),
        ("Header", steps / 400),
        ("Made", steps / 200),
        ("Polled", steps / 50),
        ("Old", steps / 400),
        ("OldPort", steps / 100),
        ("Port", steps / 200),
        ("EBUSY", steps / 100),
        ("EINVAL", steps / 20),
        ("ENXIO", steps / 50),
        ("ENOMEM", steps / 400),
        ("EIO", 2),
        ("ENOENT", 3),
        ("EEXIST", 3),
        ("EOPNOTSUPP", 3),
        ("EFAULT", 3),
    ] {
        let enough = trial.seen.get(what).is_some_and(|&count| count >= least);
        let all = &trial.seen;
        that(
            format!("{least} times {what} with seed {seed}: {all:?}"),
            enough,
        )?;
    }
    Ok(())
}

struct Trial {
    model: Model,
    program: Program,
    /// The last steps, and what came of them.
    last: VecDeque<String>,
    /// How often what has come.
    seen: BTreeMap<String, u32>,
}

impl Trial {
    /// `Err` says what came and what should have.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        let came = self
            .program
            .take(step)
            .map_err(|failure| failure.to_string());
        self.last.push_back(format!("{step:?}\n        {came:?}"));
        if self.last.len() > 12 {
            self.last.pop_front();
        }
        let compared = came.and_then(|came| {
            *self.seen.entry(kind(&came.answer)).or_default() += 1;
            self.model.step(step, &came)
        });
        if compared.is_err() {
            self.last.iter().for_each(|line| crate::say!("    {line}"));
        }
        compared
    }
}

/// A word for an answer.
fn kind(answer: &Answer) -> String {
    let text = match answer {
        Answer::Refused(errno) => format!("{errno:?}"),
        other => format!("{other:?}"),
    };
    text.split('(').next().unwrap_or_default().to_string()
}

/// The open files of this process.
struct Program {
    files: Vec<Option<File>>,
    page: GuardPage,
    /// Room for a CSB with as many rings as anybody asks for. Nobody says anything there.
    csb: Mapping,
}

/// Bytes of one of its two arrays.
const ARRAY: u64 = 1 << 20;

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

/// What a request came back with.
struct Reply<B> {
    result: Result<B, Errno>,
    /// `nr_name`.
    name: String,
    status: Option<u32>,
}

impl Program {
    fn new(files: usize) -> Outcome<Self> {
        Ok(Program {
            files: (0..files).map(|_| None).collect(),
            page: GuardPage::new()?,
            csb: Mapping::new(2 * ARRAY, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)?,
        })
    }

    fn device(&self, file: usize) -> &Device {
        self.files[file].as_ref().expect("an open file").device()
    }

    fn take(&mut self, step: &Step) -> Outcome<Came> {
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

/// A request about to be sent.
struct Call<'a> {
    device: &'a Device,
    /// An address where nothing is.
    bad: u64,
    /// Where there is room for a CSB.
    csb: u64,
    envelope: &'a Envelope,
}

impl Call<'_> {
    fn send<B: Copy + PartialEq>(&self, reqtype: u16, name: &str, body: B) -> Outcome<Reply<B>> {
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

    fn bare(&self, reqtype: u16, name: &str) -> Outcome<Reply<()>> {
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

impl<B> Reply<B> {
    fn answer(self, good: impl FnOnce(B, String) -> Answer) -> Came {
        let answer = match self.result {
            Ok(body) => good(body, self.name),
            Err(errno) => Answer::Refused(errno),
        };
        let status = self.status;
        Came { answer, status }
    }
}
