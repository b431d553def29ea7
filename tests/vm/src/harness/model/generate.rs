// SPDX-License-Identifier: MIT OR Apache-2.0

//! Thinks of steps: at random, but so that many of them have something to do with what is there.

use super::old::name_of;
use super::state::Place;
use super::{Arrays, Body, Envelope, Model, Opt, Request, Step};
use crate::harness::random::Random;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;

/// Steps in which the mood is the same.
const MOOD: u32 = 150;

pub struct Generator {
    random: Random,
    steps: u32,
    mood: Mood,
}

/// What changes from time to time, so that there are few ports with many bindings, and many ports;
/// so that a region fills up, and empties.
struct Mood {
    /// Switches that are named.
    switches: u64,
    /// One of so many steps of a bound file closes it.
    patience: u64,
    /// So many of ten ports want to be in region 1.
    shared: u64,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Generator {
            random: Random::new(seed),
            steps: 0,
            mood: Mood {
                switches: 1,
                patience: 5,
                shared: 1,
            },
        }
    }

    pub fn next(&mut self, model: &Model) -> Step {
        if self.steps % MOOD == 0 {
            self.mood = Mood {
                switches: self.random.of(&[1, 2, 4, 11]),
                patience: self.random.of(&[4, 8, 16]),
                shared: self.random.of(&[0, 2, 8]),
            };
        }
        self.steps += 1;
        let files = &model.0.files;
        let file = self.random.below(files.len() as u64) as usize;
        let Some(binding) = files[file] else {
            return Step::Open(file);
        };
        let close = if binding.is_some() {
            self.mood.patience
        } else {
            30
        };
        if self.random.once_in(close) {
            return Step::Close(file);
        }
        match self.random.below(24) {
            0 => Step::TxSync(file),
            1 => Step::RxSync(file),
            2 => Step::Poll(file),
            3 => Step::Map(file, self.random.of(&[0, 0, 1, 1000])),
            4..=6 => {
                let (info, req) = self.old(model);
                Step::Old(file, info, req)
            }
            _ => {
                let request = match self.request(model, binding.is_some()) {
                    // The call would not return.
                    Request::StartLoop(_) if !model.0.would_end(file) => Request::StopLoop,
                    request => request,
                };
                let mut envelope = self.envelope();
                let exclusive = |body: &NmreqRegister| body.nr_flags & NR_EXCLUSIVE != 0;
                let csb = match &request {
                    Request::EnableCsb => !self.random.once_in(6),
                    Request::Register(_, body) | Request::Probe(_, body) => {
                        self.random.once_in(if exclusive(body) { 3 } else { 60 })
                    }
                    _ => self.random.once_in(100),
                };
                if csb {
                    let good = [Arrays::Good; 5];
                    let bad = [Arrays::Unaligned, Arrays::Lapping, Arrays::Unreadable];
                    envelope.option = Some(Opt::Csb(self.random.of(&[&good[..], &bad].concat())));
                }
                Step::Ask(file, envelope, request)
            }
        }
    }

    /// A call of old programs.
    fn old(&mut self, model: &Model) -> (bool, Nmreq) {
        let (name, body) = self.register(model);
        let random = &mut self.random;
        let mut req = Nmreq {
            nr_version: random.of(&[14, 14, 14, 14, 14, 14, 14, 15, 99, u32::MAX, 0, 13]),
            nr_tx_slots: body.nr_tx_slots,
            nr_rx_slots: body.nr_rx_slots,
            nr_tx_rings: body.nr_tx_rings,
            nr_rx_rings: body.nr_rx_rings,
            nr_ringid: random.of(&[0, 0, 1, 2, 0xfff])
                | random.of(&[0, 0, NETMAP_HW_RING, NETMAP_HW_RING, NETMAP_SW_RING])
                | random.of(&[0, 0, NETMAP_NO_TX_POLL, NETMAP_DO_RX_POLL]),
            nr_arg1: random.of(&[0, 0, 1, 1, 2, 10, 12]),
            nr_arg2: body.nr_mem_id,
            nr_arg3: body.nr_extra_bufs,
            nr_flags: body.nr_flags as u32 & !NR_REG_MASK,
            ..Nmreq::default()
        };
        // Most are old style, or as today.
        req.nr_flags |= random.of(&[0, 0, 0, body.nr_mode & NR_REG_MASK, 1, 4, 5, 6, 2, 9]);
        let info = random.once_in(4);
        let name = if info {
            req.nr_cmd = random.of(&[0, 0, 1, NETMAP_BDG_LIST, NETMAP_BDG_LIST, 99]);
            if random.once_in(3) {
                String::new()
            } else {
                name
            }
        } else if random.once_in(2) {
            name
        } else {
            req.nr_cmd = random.below(14) as u16;
            match req.nr_cmd {
                NETMAP_BDG_NEWIF | NETMAP_BDG_DELIF => random.of(&MADE).into(),
                NETMAP_BDG_ATTACH
                | NETMAP_BDG_DETACH
                | NETMAP_BDG_POLLING_ON
                | NETMAP_BDG_POLLING_OFF => self.on_a_switch(model),
                _ => name,
            }
        };
        let room = IFNAMSIZ - 1;
        for (to, from) in req.nr_name[..room].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        let name = name_of(&req);
        if req.nr_cmd == NETMAP_BDG_ATTACH && !model.0.may_attach(&name) {
            req.nr_cmd = NETMAP_BDG_DETACH;
        }
        if [NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE].contains(&(req.nr_flags & NR_REG_MASK)) {
            req.nr_flags &= !(NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON) as u32;
        }
        (info, req)
    }

    fn envelope(&mut self) -> Envelope {
        let random = &mut self.random;
        let mut rarely = |n: u64| random.once_in(n);
        let (version, reserved, body, option) = (rarely(100), rarely(150), rarely(80), rarely(15));
        let versions: &[u16] = if version {
            &[0, 13, 16, 99]
        } else {
            &[14, 14, 15]
        };
        Envelope {
            version: random.of(versions),
            reserved: if reserved {
                1 + random.below(9) as u32
            } else {
                0
            },
            body: match body {
                true => random.of(&[Body::Odd, Body::Unreadable]),
                false => Body::Good,
            },
            option: option.then(|| Opt::Empty(random.of(&[0, 1, 3, 5, 6, 6, 50, 50, u32::MAX]))),
        }
    }

    fn request(&mut self, model: &Model, bound: bool) -> Request {
        // A file that is bound is asked other things, mostly.
        let register = if bound { 5 } else { 60 };
        if self.random.below(100) < register {
            let (name, body) = self.register(model);
            return match self.random.once_in(10) {
                true => Request::Probe(name, body),
                false => Request::Register(name, body),
            };
        }
        match self.random.below(13) {
            0..=2 if model.0.setting.interfaces.len() > 1 => self.about_attached(model),
            0..=3 => self.about_headers(model),
            4 | 5 => {
                let line = NmreqValeList {
                    nr_bridge_idx: self.random.of(&[0, 0, 0, 1, 2, 7, 8, u16::MAX]),
                    pad1: 0,
                    nr_port_idx: self.random.of(&[0, 0, 0, 1, 2, 3, 253, 254, u32::MAX]),
                };
                let all = self.random.once_in(2);
                let name = if all { String::new() } else { self.name(model) };
                Request::List(name, line)
            }
            6..=8 => self.about_ports(model),
            9 | 10 => self.about_persistent(model),
            11 => match self.random.below(6) {
                0..=2 => Request::EnableCsb,
                3 | 4 => Request::StartLoop(self.random.of(&[0, 0, 1000, 1_000_001])),
                _ => Request::StopLoop,
            },
            _ => Request::Other(self.random.of(&[0, 16, 99, 0xffff])),
        }
    }

    fn about_headers(&mut self, model: &Model) -> Request {
        let name = self.name(model);
        match self.random.once_in(3) {
            true => Request::GetHeader(name),
            false => Request::SetHeader(name, self.random.of(&[0, 10, 12, 12, 12, 12, 4])),
        }
    }

    fn about_ports(&mut self, model: &Model) -> Request {
        let name = match self.random.once_in(10) {
            true => String::new(),
            false => self.name(model),
        };
        let nr_mem_id = self.region(model);
        if self.random.once_in(3) {
            let body = NmreqPoolsInfo {
                nr_mem_id,
                ..Default::default()
            };
            return Request::Pools(name, body);
        }
        let slots = [0, 0, 1, 64, 1024, 4096, 5000, u32::MAX];
        let rings = [0, 0, 1, 2, 16, 17, u16::MAX];
        let body = NmreqPortInfoGet {
            nr_tx_slots: self.random.of(&slots),
            nr_rx_slots: self.random.of(&slots),
            nr_tx_rings: self.random.of(&rings),
            nr_rx_rings: self.random.of(&rings),
            nr_host_tx_rings: self.random.of(&[0, 0, 3]),
            nr_mem_id,
            ..Default::default()
        };
        Request::PortInfo(name, body)
    }

    fn about_attached(&mut self, model: &Model) -> Request {
        let name = match self.random.once_in(10) {
            true => self.name(model),
            false => self.on_a_switch(model),
        };
        match self.random.below(8) {
            0..=3 if model.0.may_attach(&name) => {
                let mut body = NmreqRegister {
                    nr_mode: self.random.of(&[NR_REG_ALL_NIC, NR_REG_NIC_SW]),
                    nr_mem_id: self.region(model),
                    ..Default::default()
                };
                if self.random.once_in(10) {
                    body.nr_mode = self.random.below(10) as u32;
                    body.nr_ringid = self.random.of(&[0, 1]);
                }
                Request::Attach(name, body)
            }
            4 | 5 => Request::Detach(name),
            6 => {
                let body = NmreqValePolling {
                    nr_mode: self.random.of(&[1, 1, 1, 1, 2, 2, 0, 3]),
                    nr_first_cpu_id: self.random.of(&[0, 0, 0, 1, 1, 2, u32::MAX]),
                    nr_num_polling_cpus: self.random.of(&[0, 1, 1, 1, 1, 2, u32::MAX]),
                    pad1: 0,
                };
                Request::Poll(name, body)
            }
            7 => Request::PollNoMore(name),
            _ => Request::Detach(name),
        }
    }

    fn about_persistent(&mut self, model: &Model) -> Request {
        let mut name = self.random.of(&MADE).to_string();
        if self.random.once_in(10) {
            name = self.name(model);
        }
        let switch = self.random.below(self.mood.switches);
        let there = model.0.port_at(&Place::Persistent(name.clone()));
        let plug = there.and_then(|key| model.0.plug(key));
        let on_switch = match plug {
            Some((switch, name, _)) if !self.random.once_in(6) => format!("{switch}:{name}"),
            _ => format!("vale{switch}:{name}"),
        };
        // Mostly what can be done with it next.
        let next = match (there, plug) {
            (None, _) => 0,
            (_, None) => self.random.of(&[1, 1, 2]),
            _ => self.random.of(&[2, 3, 3, 3]),
        };
        let what = self.random.of(&[0, 1, 2, 3, next, next, next, next]);
        match what {
            0 => {
                let slots = [0, 1, 16, 64, 64, 64, 100, 5000];
                let rings = [0, 1, 1, 1, 2, 3, 17];
                let wish = NmreqValeNewif {
                    nr_tx_slots: self.random.of(&slots),
                    nr_rx_slots: self.random.of(&slots),
                    nr_tx_rings: self.random.of(&rings),
                    nr_rx_rings: self.random.of(&rings),
                    nr_mem_id: self.region(model),
                    pad1: 0,
                };
                Request::NewInterface(name, wish)
            }
            1 => Request::DeleteInterface(name),
            // Its interface would go with the last pipe on it, and with that its place on a second
            // switch, but nobody knows when.
            2 if model.0.may_attach(&format!("vale{switch}:{name}")) => {
                let body = NmreqRegister {
                    nr_mode: self.random.of(&[NR_REG_ALL_NIC, NR_REG_NIC_SW]),
                    nr_mem_id: self.region(model),
                    ..Default::default()
                };
                Request::Attach(format!("vale{switch}:{name}"), body)
            }
            _ => Request::Detach(on_switch),
        }
    }

    fn register(&mut self, model: &Model) -> (String, NmreqRegister) {
        let name = self.name(model);
        let random = &mut self.random;
        let mut body = NmreqRegister {
            nr_mode: random.of(&[1, 1, 1, 1, 4, 4, 7]),
            nr_ringid: random.of(&[0, 0, 0, 1, 1, 2, 3, 15, u16::MAX]),
            nr_tx_slots: random.of(&[1, 2, 16, 16, 64, 64, 64, 100, 240]),
            nr_rx_slots: random.of(&[1, 2, 16, 16, 64, 64, 64, 100, 240]),
            nr_tx_rings: random.of(&[0, 0, 1, 1, 1, 2, 3, 4]),
            nr_rx_rings: random.of(&[0, 0, 1, 1, 1, 2, 3, 4]),
            nr_host_tx_rings: random.of(&[0, 0, 0, 1, 2, 3]),
            nr_host_rx_rings: random.of(&[0, 0, 0, 1, 2, 3]),
            nr_extra_bufs: random.of(&[0, 0, 0, 1, 5, 100, 1000]),
            nr_flags: 0,
            ..Default::default()
        };
        let monitors = match model
            .0
            .named(&name)
            .is_some_and(|key| model.0.is_bound(key))
        {
            true => 15,
            false => 150,
        };
        for (flag, n) in [
            (NR_ACCEPT_VNET_HDR, 2),
            (NR_EXCLUSIVE, 6),
            (NR_TX_RINGS_ONLY, 6),
            (NR_RX_RINGS_ONLY, 6),
            (NR_NO_TX_POLL, 6),
            (NR_DO_RX_POLL, 6),
            // What nobody knows.
            (0x1000 | (1 << 40), 6),
            (NR_MONITOR_TX, monitors),
            (NR_MONITOR_RX, monitors),
            (NR_ZCOPY_MON, monitors),
        ] {
            if random.once_in(n) {
                body.nr_flags |= flag;
            }
        }
        let host_modes = [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW];
        if model.0.interface(&name).is_some() && random.once_in(2) {
            body.nr_mode = random.of(&host_modes);
        } else if random.once_in(20) {
            body.nr_mode = random.of(&[0, 2, 3, 5, 6, 8, 9, u32::MAX]);
        }
        // Large ports take their time.
        match random.below(40) {
            0 => body.nr_tx_rings = random.of(&[16, 17, u16::MAX]),
            1 => body.nr_rx_rings = random.of(&[16, 17, u16::MAX]),
            2 => body.nr_host_tx_rings = random.of(&[100, 1024, u16::MAX]),
            3 => {
                (body.nr_tx_rings, body.nr_rx_rings) = (1, 1);
                body.nr_tx_slots = random.of(&[0, 241, 4096, 5000, u32::MAX]);
            }
            _ => {}
        }
        body.nr_mem_id = self.region(model);
        if body.nr_mode == NR_REG_NULL {
            // It needs a region, and does not limit the numbers.
            if body.nr_mem_id == 0 && !self.random.once_in(8) {
                body.nr_mem_id = GLOBAL_MEM_ID;
            }
            if self.random.once_in(4) {
                body.nr_extra_bufs = 1_000_000;
            }
            body.nr_tx_rings = body.nr_tx_rings.min(5000);
            body.nr_rx_rings = body.nr_rx_rings.min(5000);
        }
        (name, body)
    }

    /// The number of a region: none, one that is there, or one that is not.
    fn region(&mut self, model: &Model) -> u16 {
        let there: Vec<u16> = model.0.regions.values().map(|region| region.id).collect();
        match self.random.below(20) {
            0 => self.random.of(&[2, 4711, u16::MAX]),
            1 | 2 => self.random.of(&there),
            _ if self.random.below(10) < self.mood.shared => GLOBAL_MEM_ID,
            _ => 0,
        }
    }

    /// `valeSWITCH:INTERFACE`, or its host's port.
    fn on_a_switch(&mut self, model: &Model) -> String {
        let host = if self.random.once_in(8) { "^" } else { "" };
        let switch = self.random.below(self.mood.switches);
        format!("vale{switch}:{}{host}", self.interface(model))
    }

    /// The first is the one that tells most.
    fn interface(&mut self, model: &Model) -> &'static str {
        let all = &model.0.setting.interfaces;
        let at = match self.random.once_in(3) {
            true => self.random.below(all.len() as u64),
            false => 0,
        };
        all[at as usize].name
    }

    fn name(&mut self, model: &Model) -> String {
        if self.random.once_in(8) {
            if let Some(name) = self.known(model) {
                return name;
            }
        }
        let mut name = self.base(model);
        for n in [6, 4, 3, 2, 2] {
            if !self.random.once_in(n) {
                break;
            }
            name += self.random.of(&["{x", "}x", "{x", "}x", "{y", "}y", "}"]);
        }
        name
    }

    /// What a port that is there is called.
    fn known(&mut self, model: &Model) -> Option<String> {
        let ports = model.0.ports.values().map(|port| &port.place);
        let mut named = ports.filter(|place| !matches!(place, Place::Null(_) | Place::Monitor(_)));
        let count = named.clone().count() as u64;
        if count == 0 {
            return None;
        }
        let place = named.nth(self.random.below(count) as usize)?;
        Some(match self.random.once_in(2) {
            true => model.0.name_on_switch(place),
            false => place.name(),
        })
    }

    fn base(&mut self, model: &Model) -> String {
        let interfaces = model.0.setting.interfaces.len() as u64;
        match self.random.below(44) {
            0..=2 => self.random.of(&NAMES).to_string(),
            3 => self.on_a_switch(model),
            4 | 5 => self.random.of(&MADE).to_string(),
            6 | 7 => {
                let name = self.random.of(&MADE);
                let key = model.0.port_at(&Place::Persistent(name.into()));
                match key.and_then(|key| model.0.plug(key)) {
                    Some((switch, name, _)) => format!("{switch}:{name}"),
                    None => format!("vale{}:{name}", self.random.below(self.mood.switches)),
                }
            }
            n if n < 8 + 3 * interfaces => self.interface(model).to_string(),
            _ => {
                let port = self.random.of(&["a", "a", "b", "c", "", "fifteen_letters"]);
                format!("vale{}:{port}", self.random.below(self.mood.switches))
            }
        }
    }
}

impl Model {
    /// A step that closes a file or detaches an interface, as long as there are such.
    pub fn on_the_way_out(&self) -> Option<Step> {
        let state = &self.0;
        let open = state.files.iter().position(|file| file.is_some());
        let lasting = state.ports.iter().find(|(_, port)| port.stays);
        let on_switch = |port| {
            let (switch, name, _) = state.plug(port)?;
            Some(format!("{switch}:{name}"))
        };
        let request = match (state.attachments.first(), lasting) {
            (None, None) => return open.map(Step::Close),
            (Some(attachment), _) => {
                let name = on_switch(state.bindings[&attachment.bindings[1]].port);
                let name = name.expect("an attached interface is on a switch");
                match attachment.polled {
                    true => Request::PollNoMore(name),
                    false => Request::Detach(name),
                }
            }
            (None, Some((&key, port))) => match on_switch(key) {
                Some(name) => Request::Detach(name),
                None if state.is_used(key) => return open.map(Step::Close),
                None => Request::DeleteInterface(port.place.name()),
            },
        };
        let ask = |file| Step::Ask(file, Envelope::default(), request);
        Some(open.map_or(Step::Open(0), ask))
    }
}

/// Names of persistent ports. Ports of switches are called some of these as well.
const MADE: [&str; 4] = ["pp", "c", "fifteen_letters", "q{x"];

/// Names that are nobody's, or mean something else.
const NAMES: [&str; 18] = [
    "",
    "nosuch0",
    "a name",
    "vale",
    "vale0",
    "vale-:a",
    "valex/y:a",
    "vale0:sixteen_letters_",
    "vale0123456789ab:a",
    "vale0:a{1",
    "vale0:a}1",
    "lo{x",
    "{1",
    "vale0:a{",
    "}",
    "netmap:lo",
    "foo{1",
    "foo}1",
];
