// SPDX-License-Identifier: MIT OR Apache-2.0

//! What each step does, and what comes of it (sections 3.5, 4 and 7 of the interface).

use super::csb;
use super::find::{select, split, Name};
use super::persistent::PERSISTENT_MTU;
use super::state::{Key, Place, Port, Rings, State};
use super::{Answer, Arrays, Body, Came, Envelope, Opt, Request, Shown, Step};
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// An option of a request.
pub struct Wish {
    kind: u32,
    /// Of a CSB. Both are at 0 where nothing is in the option.
    arrays: Arrays,
    status: u32,
}

impl Wish {
    fn new(option: Opt) -> Self {
        let (kind, arrays) = match option {
            Opt::Empty(kind) => (kind, Arrays::Lapping),
            Opt::Csb(arrays) => (NETMAP_REQ_OPT_CSB, arrays),
        };
        let status = Errno::EOPNOTSUPP as u32;
        Wish {
            kind,
            arrays,
            status,
        }
    }

    /// The arrays, if it is a CSB.
    fn csb(&self) -> Option<Arrays> {
        (self.kind == NETMAP_REQ_OPT_CSB).then_some(self.arrays)
    }

    /// Its status is what comes of it.
    fn told<T>(&mut self, result: Result<T>) -> Result<T> {
        self.status = result.as_ref().err().map_or(0, |&errno| errno as u32);
        result
    }

    /// Memory of no bytes has no room for a region.
    fn bring_memory(&mut self) -> Result<()> {
        if self.kind != NETMAP_REQ_OPT_EXTMEM {
            return Ok(());
        }
        self.status = Errno::ENOMEM as u32;
        Err(Errno::ENOMEM)
    }

    /// Offsets that are all 0 can be had, but by zero-copy monitors; besides these and a CSB
    /// nothing is known to a request that binds.
    fn honour(&mut self, port: &Port, rings: &Rings, req: &NmreqRegister) -> Result<()> {
        if let Some(arrays) = self.csb() {
            return self.told(csb::check(arrays, rings));
        }
        let zero_copy = port.watches.is_some() && req.nr_flags & NR_ZCOPY_MON != 0;
        if self.kind != NETMAP_REQ_OPT_OFFSETS || zero_copy {
            return Err(Errno::EOPNOTSUPP);
        }
        self.status = 0;
        Ok(())
    }
}

impl State {
    /// Does a step: what must come of it.
    pub fn expect(&mut self, step: &Step) -> Came {
        let done = match step {
            Step::Ask(file, envelope, request) => return self.ask(*file, envelope, request),
            Step::Open(file) => {
                self.files[*file] = Some(None);
                Ok(Answer::Done)
            }
            Step::Close(file) => {
                if let Some(Some(binding)) = self.files[*file].take() {
                    self.unbind(binding);
                }
                Ok(Answer::Done)
            }
            Step::TxSync(file) | Step::RxSync(file) => match self.binding(*file) {
                Some(key) if self.bindings[&key].csb => Err(Errno::EBUSY),
                Some(_) => Ok(Answer::Done),
                None => Err(Errno::ENXIO),
            },
            Step::Poll(file) => Ok(Answer::Polled(self.has_poll_error(*file))),
            Step::Old(file, info, req) => self.old(*file, *info, req),
            Step::Map(file, beyond) => match self.binding(*file) {
                Some(_) if *beyond == 0 => Ok(Answer::Done),
                _ => Err(Errno::EINVAL),
            },
        };
        Came {
            answer: done.unwrap_or_else(Answer::Refused),
            status: None,
        }
    }

    pub fn binding(&self, file: usize) -> Option<Key> {
        self.files[file].expect("an open file")
    }

    fn ask(&mut self, file: usize, envelope: &Envelope, request: &Request) -> Came {
        let (answer, status) = match wrong(envelope, request) {
            Some(errno) => (Answer::Refused(errno), None),
            None if envelope.option == Some(Opt::Empty(0)) => {
                (Answer::Refused(Errno::EINVAL), Some(Errno::EINVAL))
            }
            None => {
                let mut wish = envelope.option.map(Wish::new);
                let answer = self.serve(file, wish.as_mut(), request);
                let answer = answer.unwrap_or_else(Answer::Refused);
                let status = wish.map(|wish| wish.status);
                return Came { answer, status };
            }
        };
        Came {
            answer,
            status: status.map(|errno| errno as u32),
        }
    }

    fn serve(
        &mut self,
        file: usize,
        mut wish: Option<&mut Wish>,
        request: &Request,
    ) -> Result<Answer> {
        match request {
            Request::Register(name, req) => self.register(file, wish, name, req),
            Request::Probe(name, req) => {
                let (key, port, rings) = self.admit(file, wish.as_deref_mut(), name, req)?;
                wish.map_or(Ok(()), |wish| wish.honour(&port, &rings, req))?;
                self.may_bind(key, &port, &rings)?;
                Ok(Answer::WouldBind(*req))
            }
            Request::PortInfo(name, req) => self.port_info(name, req).map(Answer::PortInfo),
            Request::Pools(name, req) => self.pools(name, req).map(Answer::Pools),
            Request::List(name, req) => self.list(name, req),
            Request::SetHeader(name, len) => self.set_header(name, *len),
            Request::GetHeader(name) => self.get_header(name).map(Answer::Header),
            Request::Attach(name, req) => self.attach(name, req).map(Answer::Port),
            Request::Detach(name) => self.detach(name).map(Answer::Port),
            Request::NewInterface(name, req) => self.new_interface(name, req).map(Answer::Made),
            Request::DeleteInterface(name) => self.delete_interface(name),
            Request::Poll(name, req) => self.poll(name, req),
            Request::PollNoMore(name) => self.poll_no_more(name),
            Request::EnableCsb => {
                let arrays = wish.as_ref().and_then(|wish| wish.csb());
                let done = self.enable_csb(file, arrays);
                match wish {
                    // Without a binding nobody looks at the options.
                    Some(wish) if arrays.is_some() && self.binding(file).is_some() => {
                        wish.told(done)
                    }
                    _ => done,
                }
            }
            Request::StartLoop(sleep_us) => self.start_loop(file, *sleep_us),
            Request::StopLoop => self.stop_loop(file),
            Request::Other(_) => unreachable!("a request that is not known was refused before"),
        }
    }

    /// What REGISTER looks at before any ring: the file, the port, and which rings are meant.
    fn admit(
        &self,
        file: usize,
        wish: Option<&mut Wish>,
        name: &str,
        req: &NmreqRegister,
    ) -> Result<(Option<Key>, Port, Rings)> {
        if self.binding(file).is_some() {
            return Err(Errno::EBUSY);
        }
        wish.map_or(Ok(()), Wish::bring_memory)?;
        let (key, port) = self.find(name, req)?;
        let rings = select(req, &port.shape)?;
        if port.header != 0 && req.nr_flags & NR_ACCEPT_VNET_HDR == 0 {
            return Err(Errno::EIO);
        }
        Ok((key, port, rings))
    }

    /// Whether others let it have these rings.
    pub fn may_bind(&self, key: Option<Key>, port: &Port, rings: &Rings) -> Result<()> {
        if port.attached {
            return Err(Errno::EBUSY);
        }
        self.fits_frames(port, rings)?;
        let others = key.into_iter().flat_map(|key| self.bindings_of(key));
        for other in others.map(|other| &other.rings) {
            let share = |a: &std::ops::Range<u16>, b: &std::ops::Range<u16>| {
                a.start.max(b.start) < a.end.min(b.end)
            };
            let shared = share(&other.tx, &rings.tx) || share(&other.rx, &rings.rx);
            if shared && (other.exclusive || rings.exclusive) {
                return Err(Errno::EBUSY);
            }
        }
        Ok(())
    }

    /// Whether the frames of an interface fit the buffers.
    fn fits_frames(&self, port: &Port, rings: &Rings) -> Result<()> {
        let Place::Interface(name) = &port.place else {
            return Ok(());
        };
        let mtu = self
            .interface(name)
            .map_or(PERSISTENT_MTU, |interface| interface.mtu);
        // The text has this looked at with the first binding only. Here nobody gets round it by
        // being the second. Of receive rings those of the NIC are meant: what the host sends comes
        // to its rings only while somebody has the NIC's.
        let receives = rings.rx.clone().any(|ring| ring < port.shape.rx_rings);
        let size = self.layout(port.memory).bufs.size;
        // Header and two tags do not count for the MTU.
        let in_slots = (size * NETMAP_MAX_FRAGS as u32).saturating_sub(22);
        if receives && mtu > size && mtu > in_slots.min(32768) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Whether the region has room for a binding of these rings; then how many buffers are left.
    pub fn room(&self, key: Option<Key>, port: &Port, rings: &Rings) -> Result<u32> {
        let (layout, free) = (self.layout(port.memory), self.free(port.memory));
        let live = key.map(|key| self.live_rings(key)).unwrap_or_default();
        let shape = &port.shape;
        if matches!(port.place, Place::Pipe(..)) && !port.is_whole {
            // All its rings are made, with buffers for those of each direction.
            let sides = [
                (shape.tx_rings, shape.tx_slots),
                (shape.rx_rings, shape.rx_slots),
            ];
            let fit =
                |&(_, slots): &(u16, u32)| RingHeader::bytes(slots) <= layout.rings.size as usize;
            let rings: u32 = sides.iter().map(|&(rings, _)| 2 * u32::from(rings)).sum();
            let bufs = sides
                .iter()
                .map(|&(rings, slots)| u64::from(rings) * u64::from(slots));
            let bufs: u64 = bufs.sum();
            let entries = usize::from(shape.tx_rings) + usize::from(shape.rx_rings) + 2;
            let fits = sides.iter().all(fit)
                && rings <= free.rings
                && bufs <= free.bufs.into()
                && free.ifs > 0
                && IfHeader::bytes(entries) <= layout.ifs.size as usize;
            return fits.then(|| free.bufs - bufs as u32).ok_or(Errno::ENOMEM);
        }
        let directions = [(&rings.tx, shape.tx_slots), (&rings.rx, shape.rx_slots)];
        let (mut new_rings, mut new_bufs) = (0, 0);
        for ((wanted, slots), live) in directions.into_iter().zip(&live) {
            let new = wanted.clone().filter(|ring| !live.contains(ring)).count() as u32;
            if new > 0 && RingHeader::bytes(slots) > layout.rings.size as usize {
                return Err(Errno::ENOMEM);
            }
            new_rings += new;
            new_bufs += u64::from(new) * u64::from(slots);
        }
        if matches!(port.place, Place::Monitor(_)) {
            // What sends nothing has no buffers.
            let new = rings.rx.clone().filter(|ring| !live[1].contains(ring));
            new_bufs = new.count() as u64 * u64::from(shape.rx_slots);
        }
        let entries = [shape.tx_rings, shape.rx_rings];
        let hosts = [shape.host_tx_rings.max(1), shape.host_rx_rings.max(1)];
        let entries: usize = entries.into_iter().chain(hosts).map(usize::from).sum();
        let fits = new_rings <= free.rings
            && new_bufs <= free.bufs.into()
            && free.ifs > 0
            && IfHeader::bytes(entries) <= layout.ifs.size as usize;
        fits.then(|| free.bufs - new_bufs as u32)
            .ok_or(Errno::ENOMEM)
    }

    pub fn register(
        &mut self,
        file: usize,
        mut wish: Option<&mut Wish>,
        name: &str,
        req: &NmreqRegister,
    ) -> Result<Answer> {
        let (key, port, rings) = self.admit(file, wish.as_deref_mut(), name, req)?;
        // The text has this come last, and all undone that was done until then.
        if let Some(wish) = wish.as_deref_mut() {
            wish.honour(&port, &rings, req)?;
        }
        self.may_bind(key, &port, &rings)?;
        let bufs = self.room(key, &port, &rings)?;
        let csb = match wish.and_then(|wish| Some((wish.csb()?, wish))) {
            Some((arrays, wish)) => wish.told(csb::enter(arrays, &rings))?,
            None => false,
        };
        let most = match port.place {
            Place::Switch(..) | Place::Persistent(_) => VALE_MAX_EXTRA_BUFS,
            _ => u32::MAX,
        };
        let extra_bufs = req.nr_extra_bufs.min(most).min(bufs);
        let key = key.unwrap_or_else(|| self.add_port(port));
        let binding = self.bind(key, rings, extra_bufs);
        self.bindings.get_mut(&binding).expect("the new one").csb = csb;
        self.files[file] = Some(Some(binding));
        let port = &self.ports[&key];
        let body = NmreqRegister {
            nr_offset: 0,
            nr_memsize: self.layout(port.memory).bytes(),
            nr_tx_slots: port.shape.tx_slots,
            nr_rx_slots: port.shape.rx_slots,
            nr_tx_rings: port.shape.tx_rings,
            nr_rx_rings: port.shape.rx_rings,
            nr_host_tx_rings: port.shape.host_tx_rings,
            nr_host_rx_rings: port.shape.host_rx_rings,
            nr_mem_id: self.id(port.memory),
            nr_extra_bufs: extra_bufs,
            nr_flags: match req.nr_flags & NR_ZCOPY_MON {
                0 => req.nr_flags,
                _ if matches!(port.place, Place::Null(_)) => req.nr_flags,
                _ => req.nr_flags | NR_MONITOR_TX | NR_MONITOR_RX,
            },
            ..*req
        };
        Ok(Answer::Bound(body, self.shown(binding)))
    }

    fn shown(&self, binding: Key) -> Shown {
        let rings = &self.bindings[&binding].rings;
        let port = &self.ports[&self.bindings[&binding].port];
        let emulated = match port.place {
            Place::Interface(_) => FERROMAP_NI_EMULATED,
            _ => 0,
        };
        let private = if self.is_private(port.memory) {
            NI_PRIV_MEM
        } else {
            0
        };
        let shape = &port.shape;
        let hosts = [shape.host_tx_rings, shape.host_rx_rings];
        let hosts = hosts.map(|rings| u32::from(rings.max(1)));
        Shown {
            name: port.place.name().chars().take(IFNAMSIZ - 1).collect(),
            flags: private | emulated,
            rings: [
                shape.tx_rings.into(),
                shape.rx_rings.into(),
                hosts[0],
                hosts[1],
            ],
            bound: [&rings.tx, &rings.rx].map(|numbers| numbers.clone().map(u32::from).collect()),
        }
    }

    pub fn port_info(&self, name: &str, req: &NmreqPortInfoGet) -> Result<NmreqPortInfoGet> {
        if name.is_empty() {
            let key = self.region(req.nr_mem_id.max(GLOBAL_MEM_ID))?;
            let region = &self.regions[&key.expect("a region with a number")];
            return Ok(NmreqPortInfoGet {
                nr_memsize: region.layout.bytes(),
                nr_mem_id: region.id,
                ..*req
            });
        }
        // Numbers of host rings in a question are nobody's wish (quirk 19).
        let want = NmreqRegister {
            nr_tx_slots: req.nr_tx_slots,
            nr_rx_slots: req.nr_rx_slots,
            nr_tx_rings: req.nr_tx_rings,
            nr_rx_rings: req.nr_rx_rings,
            nr_mem_id: req.nr_mem_id,
            ..Default::default()
        };
        let (_, port) = self.look_up(name, &want)?;
        Ok(NmreqPortInfoGet {
            nr_memsize: self.layout(port.memory).bytes(),
            nr_tx_slots: port.shape.tx_slots,
            nr_rx_slots: port.shape.rx_slots,
            nr_tx_rings: port.shape.tx_rings,
            nr_rx_rings: port.shape.rx_rings,
            nr_host_tx_rings: port.shape.host_tx_rings,
            nr_host_rx_rings: port.shape.host_rx_rings,
            nr_mem_id: self.id(port.memory),
            pad: req.pad,
        })
    }

    fn pools(&self, name: &str, req: &NmreqPoolsInfo) -> Result<NmreqPoolsInfo> {
        let want = NmreqRegister {
            nr_mem_id: req.nr_mem_id,
            ..Default::default()
        };
        let (_, port) = self.look_up(name, &want)?;
        let layout = self.layout(port.memory);
        let (ifs, rings, bufs) = (layout.ifs, layout.rings, layout.bufs);
        Ok(NmreqPoolsInfo {
            nr_memsize: layout.bytes(),
            nr_mem_id: self.id(port.memory),
            pad1: req.pad1,
            nr_if_pool_offset: ifs.offset,
            nr_if_pool_objtotal: ifs.count,
            nr_if_pool_objsize: ifs.size,
            nr_ring_pool_offset: rings.offset,
            nr_ring_pool_objtotal: rings.count,
            nr_ring_pool_objsize: rings.size,
            nr_buf_pool_offset: bufs.offset,
            nr_buf_pool_objtotal: bufs.count,
            nr_buf_pool_objsize: bufs.size,
        })
    }

    pub fn list(&self, name: &str, req: &NmreqValeList) -> Result<Answer> {
        if name.is_empty() {
            let from = (req.nr_bridge_idx, req.nr_port_idx);
            let all = self.switches.values().flat_map(|switch| {
                let ports = switch.ports.iter();
                ports.map(|(&number, (_, key))| ((switch.number, u32::from(number)), *key))
            });
            let next = all.filter(|&(at, _)| at >= from).min_by_key(|&(at, _)| at);
            let ((nr_bridge_idx, nr_port_idx), key) = next.ok_or(Errno::ENOENT)?;
            let line = NmreqValeList {
                nr_bridge_idx,
                pad1: self.behind(key),
                nr_port_idx,
            };
            let (switch, name, _) = self.plug(key).expect("a port on a switch");
            return Ok(Answer::Listed(format!("{switch}:{name}"), line));
        }
        if !name.starts_with("vale") {
            return Err(Errno::EINVAL);
        }
        // What no port can be called is not there.
        let (switch, port) = split(name).ok_or(Errno::ENOENT)?;
        let found = self.switches.get(switch).ok_or(Errno::ENOENT)?;
        let key = self.station(switch, port);
        let number = key.map(|key| self.number(key));
        let line = NmreqValeList {
            nr_bridge_idx: found.number,
            pad1: key.map_or(0, |key| self.behind(key)),
            nr_port_idx: number.unwrap_or(VALE_NO_PORT),
        };
        Ok(Answer::Listed(name.into(), line))
    }

    /// What is behind a port of a switch.
    fn behind(&self, key: Key) -> u16 {
        match &self.ports[&key] {
            Port {
                place: Place::Persistent(_),
                ..
            } => FERROMAP_VALE_PERSISTENT,
            port if !port.attached => FERROMAP_VALE_VIRTUAL,
            Port {
                place: Place::Switch(_, name),
                ..
            } if name.ends_with('^') => FERROMAP_VALE_HOST,
            _ => FERROMAP_VALE_INTERFACE,
        }
    }

    pub fn set_header(&mut self, name: &str, len: u32) -> Result<Answer> {
        if ![0, 10, 12].contains(&len) {
            return Err(Errno::EINVAL);
        }
        let key = match self.meaning(name) {
            Name::Switch(switch, port) => self.station(switch, port),
            _ => None,
        };
        let key = key.ok_or(Errno::ENXIO)?;
        self.ports
            .get_mut(&key)
            .expect("a port that is there")
            .header = len;
        Ok(Answer::Done)
    }

    pub fn get_header(&self, name: &str) -> Result<u32> {
        let key = match self.meaning(name) {
            Name::Switch(switch, port) => self.station(switch, port).ok_or(Errno::ENXIO)?,
            Name::Interface(name) if self.is_interface(name) => {
                // One that is attached has what its port on the switch has.
                let port = self.named(name).filter(|&key| self.plug(key).is_some());
                match port.or_else(|| self.port_of(name)) {
                    Some(key) => key,
                    None => return Ok(0),
                }
            }
            Name::Pipe(..) => self.named(name).ok_or(Errno::ENODEV)?,
            _ => return Err(Errno::ENXIO),
        };
        Ok(self.ports[&key].header)
    }
}

/// What is wrong around a request (7.1), whatever it asks for.
fn wrong(envelope: &Envelope, request: &Request) -> Option<Errno> {
    let bare = matches!(
        request,
        Request::DeleteInterface(_) | Request::EnableCsb | Request::StopLoop
    );
    match envelope {
        Envelope { version, .. } if ![14, 15].contains(version) => Some(Errno::EINVAL),
        Envelope { reserved: 1.., .. } => Some(Errno::EINVAL),
        _ if matches!(request, Request::Other(_)) => Some(Errno::EINVAL),
        Envelope {
            body: Body::Odd, ..
        } => Some(Errno::EINVAL),
        // Where there must be none, any is one too many.
        Envelope {
            body: Body::Unreadable,
            ..
        } if bare => Some(Errno::EINVAL),
        Envelope {
            body: Body::Unreadable,
            ..
        } => Some(Errno::EFAULT),
        _ => None,
    }
}
