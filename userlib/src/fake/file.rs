// SPDX-License-Identifier: MIT OR Apache-2.0

//! An open file of the fake.

use super::{
    port::PortState,
    ring::{Granted, RingState},
    Inner, Kernel, Side, State, MEM_ID,
};
use crate::{
    device::Device,
    error::{Error, Result},
    raw::{csb::Csb, region::Region},
    spec::Offsets,
};
use ferromap_abi::{
    consts::*,
    ext::FERROMAP_NI_EMULATED,
    name::PortName,
    options::NmKloopEventfds,
    select::{select, Ranges},
    wire::{IfHeader, NmreqRegister, Plain as _},
};
use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    mem::offset_of,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct File {
    inner: Arc<Inner>,
    event: Arc<EventFd>,
    bound: Mutex<Option<Bound>>,
    /// It is to be bound in memory of the program's.
    own_memory: bool,
}

#[derive(Clone)]
struct Bound {
    name: String,
    /// Object of the pool of `netmap_if`, and where it is.
    object: u32,
    offset: usize,
    tx: Range<usize>,
    rx: Range<usize>,
    flags: u64,
}

impl Kernel {
    /// What PORT_INFO_GET would say of any port.
    pub(crate) fn mem_id(&self, _port: &str) -> u16 {
        MEM_ID
    }
}

impl File {
    pub(super) fn new(inner: Arc<Inner>, own_memory: bool) -> Self {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        File {
            inner,
            event: Arc::new(EventFd::from_flags(flags).expect("a descriptor")),
            bound: Mutex::new(None),
            own_memory,
        }
    }

    fn bound(&self) -> std::result::Result<Bound, Errno> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.clone().ok_or(Errno::ENXIO)
    }

    /// Syncs all bound rings of one direction; `false` if one was damaged.
    fn sync(&self, state: &mut State, bound: &Bound, side: Side) -> bool {
        let queues = bound.queues(side);
        if side == Side::Rx {
            // What comes from here on makes the descriptor readable again.
            let _ = self.event.read();
        }
        let before = state.taken(bound, side);
        let fine = queues.fold(true, |fine, queue| {
            fine & match side {
                Side::Tx => state.txsync(&self.inner, &bound.name, queue),
                Side::Rx => state.rxsync(&self.inner, &bound.name, queue),
            }
        });
        // Only if something moved: two that wait for each other would else keep each other awake.
        if state.taken(bound, side) != before {
            self.inner.news.notify_all();
        }
        fine
    }

    fn try_register(
        &self,
        name: &str,
        request: &mut NmreqRegister,
        offsets: Option<&mut Offsets>,
    ) -> std::result::Result<(), Errno> {
        if self.own_memory {
            return Err(Errno::EOPNOTSUPP);
        }
        let granted = match &offsets {
            Some(wanted) => Some(Granted::new(wanted).ok_or(Errno::EINVAL)?),
            None => None,
        };
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.is_some() {
            return Err(Errno::EBUSY);
        }
        if ![0, MEM_ID].contains(&request.nr_mem_id) {
            return Err(Errno::EINVAL);
        }
        if request.nr_mode == NR_REG_NULL {
            // A mode that selects rings, but of a kind of port that is not made here.
            return Err(Errno::EINVAL);
        }
        let inner = &*self.inner;
        let mut guard = inner.lock();
        let state = &mut *guard;
        let exclusive = request.nr_flags & NR_EXCLUSIVE != 0;
        match state.ports.get(name) {
            Some(port) if exclusive || port.exclusive => return Err(Errno::EBUSY),
            Some(_) => {}
            None => {
                let port = PortState::new(inner, state, request)?;
                state.ports.insert(name.to_owned(), port);
            }
        }
        let made = self.bind(inner, state, name, request);
        if let (Ok(bound), Some(port)) = (&made, state.ports.get_mut(name)) {
            port.exclusive = exclusive;
            if let (Some(granted), Some(wanted)) = (granted, offsets) {
                let initial = port.files.is_empty().then_some(wanted.initial);
                port.grant(inner, bound, granted, initial);
            }
            port.files.push(self.event.clone());
        }
        state.tidy(inner, name);
        *bound = Some(made?);
        Ok(())
    }

    /// Makes the `netmap_if`, and says where it is.
    fn bind(
        &self,
        inner: &Inner,
        state: &mut State,
        name: &str,
        request: &mut NmreqRegister,
    ) -> std::result::Result<Bound, Errno> {
        let port = state.ports.get(name).ok_or(Errno::ENXIO)?;
        let (tx, rx) = (port.rings(Side::Tx), port.rings(Side::Rx));
        let nic = Ranges {
            tx: 0..tx.len() as u16,
            rx: 0..rx.len() as u16,
        };
        let (mode, flags) = (request.nr_mode, request.nr_flags);
        let mine = select(&nic, &Ranges::default(), mode, request.nr_ringid, flags)
            .map_err(|_| Errno::EINVAL)?;
        let wide = |rings: Range<u16>| usize::from(rings.start)..usize::from(rings.end);
        let (my_tx, my_rx) = (wide(mine.tx), wide(mine.rx));
        let object = state.free_ifs.pop().ok_or(Errno::ENOMEM)?;
        let offset = inner.layout.ifs.object(object).ok_or(Errno::ENOMEM)? as usize;
        let mut header = IfHeader::zeroed();
        (header.ni_tx_rings, header.ni_rx_rings) = (tx.len() as u32, rx.len() as u32);
        (header.ni_host_tx_rings, header.ni_host_rx_rings) = (1, 1);
        if matches!(PortName::parse(name.as_bytes()), PortName::Interface(_)) {
            header.ni_flags = FERROMAP_NI_EMULATED;
        }
        let label = name.as_bytes();
        let len = label.len().min(IFNAMSIZ - 1);
        header.ni_name[..len].copy_from_slice(&label[..len]);
        inner.region.write(offset, header);
        // The placeholder of the host rings is an entry of its own, always 0.
        let entries = |rings: &[RingState], mine: &Range<usize>| {
            let to_ring = |(i, ring): (usize, &RingState)| {
                if mine.contains(&i) {
                    ring.offset() as i64 - offset as i64
                } else {
                    0
                }
            };
            rings
                .iter()
                .enumerate()
                .map(to_ring)
                .chain([0])
                .collect::<Vec<i64>>()
        };
        let table = [entries(tx, &my_tx), entries(rx, &my_rx)].concat();
        for (i, entry) in table.into_iter().enumerate() {
            inner
                .region
                .write_i64(offset + IfHeader::RING_OFS + 8 * i, entry);
        }
        (request.nr_tx_rings, request.nr_rx_rings) = (tx.len() as u16, rx.len() as u16);
        (request.nr_tx_slots, request.nr_rx_slots) = (tx[0].n, rx[0].n);
        (request.nr_host_tx_rings, request.nr_host_rx_rings) = (0, 0);
        (request.nr_offset, request.nr_mem_id) = (offset as u64, MEM_ID);
        request.nr_memsize = inner.region.len() as u64;
        request.nr_extra_bufs = state.lend_buffers(inner, offset, request.nr_extra_bufs);
        Ok(Bound {
            name: name.to_owned(),
            object,
            offset,
            tx: my_tx,
            rx: my_rx,
            flags: request.nr_flags,
        })
    }
}

impl State {
    /// Puts up to `count` buffers into the list of the `netmap_if` at `offset`.
    fn lend_buffers(&mut self, inner: &Inner, offset: usize, count: u32) -> u32 {
        let head = offset + offset_of!(IfHeader, ni_bufs_head);
        for done in 0..count {
            let Some((index, buffer)) =
                self.take_buffer().and_then(|i| Some((i, inner.buffer(i)?)))
            else {
                return done;
            };
            let next = inner.region.read_u32(head).unwrap_or(0);
            inner.region.write_u32(buffer, next);
            inner.region.write_u32(head, index);
        }
        count
    }

    /// Takes the buffers in that list back.
    fn return_buffers(&mut self, inner: &Inner, offset: usize) {
        let head = offset + offset_of!(IfHeader, ni_bufs_head);
        let mut index = inner.region.read_u32(head).unwrap_or(0);
        for _ in 0..inner.layout.bufs.count {
            if index < NETMAP_RESERVED_BUFS {
                break;
            }
            let Some(buffer) = inner.buffer(index) else {
                break;
            };
            let next = inner.region.read_u32(buffer).unwrap_or(0);
            self.put_buffer(index);
            index = next;
        }
    }

    /// Removes a port that no file is bound to.
    fn tidy(&mut self, inner: &Inner, name: &str) {
        if self.ports.get(name).is_some_and(|p| p.files.is_empty()) {
            if let Some(port) = self.ports.remove(name) {
                port.free(inner, self);
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let Ok(bound) = self.bound() else { return };
        let mut state = self.inner.lock();
        state.return_buffers(&self.inner, bound.offset);
        state.free_ifs.push(bound.object);
        if let Some(port) = state.ports.get_mut(&bound.name) {
            port.files.retain(|f| !Arc::ptr_eq(f, &self.event));
            port.exclusive &= !port.files.is_empty();
        }
        state.tidy(&self.inner, &bound.name);
    }
}

impl Device for File {
    fn register(
        &self,
        name: &str,
        request: &mut NmreqRegister,
        offsets: Option<&mut Offsets>,
    ) -> Result<()> {
        self.try_register(name, request, offsets)
            .map_err(|errno| Error::request("REGISTER", name, errno, None))
    }

    fn another(&self) -> Result<Box<dyn Device>> {
        Ok(Box::new(File::new(self.inner.clone(), false)))
    }

    fn map(&self, _len: usize, _mem_id: u16) -> std::result::Result<Arc<Region>, Errno> {
        Ok(self.inner.region.clone())
    }

    fn txsync(&self) -> std::result::Result<(), Errno> {
        let bound = self.bound()?;
        self.sync(&mut self.inner.lock(), &bound, Side::Tx);
        Ok(())
    }

    fn rxsync(&self) -> std::result::Result<(), Errno> {
        let bound = self.bound()?;
        self.sync(&mut self.inner.lock(), &bound, Side::Rx);
        Ok(())
    }

    /// The fake has no loops.
    fn csb_enable(&self, name: &str, _: &Csb) -> Result<()> {
        Err(Error::request("CSB_ENABLE", name, Errno::EOPNOTSUPP, None))
    }

    fn kloop_start(&self, name: &str, _: u32, _: &[NmKloopEventfds], _: &Csb) -> Result<()> {
        let errno = Errno::EOPNOTSUPP;
        Err(Error::request("SYNC_KLOOP_START", name, errno, None))
    }

    fn kloop_stop(&self, name: &str) -> Result<()> {
        let errno = Errno::EOPNOTSUPP;
        Err(Error::request("SYNC_KLOOP_STOP", name, errno, None))
    }

    fn poll(
        &self,
        events: PollFlags,
        timeout: Option<Duration>,
    ) -> std::result::Result<PollFlags, Errno> {
        let bound = self.bound()?;
        let end = timeout.map(|t| Instant::now() + t);
        let mut state = self.inner.lock();
        loop {
            let mut got = PollFlags::empty();
            if events.contains(PollFlags::POLLOUT) || bound.flags & NR_NO_TX_POLL == 0 {
                if !self.sync(&mut state, &bound, Side::Tx) {
                    got |= PollFlags::POLLERR;
                }
                if state.ready(&self.inner, &bound, Side::Tx) {
                    got |= PollFlags::POLLOUT & events;
                }
            }
            if events.contains(PollFlags::POLLIN) {
                if !self.sync(&mut state, &bound, Side::Rx) {
                    got |= PollFlags::POLLERR;
                }
                if state.ready(&self.inner, &bound, Side::Rx) {
                    got |= PollFlags::POLLIN;
                }
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if !got.is_empty() || left == Some(Duration::ZERO) {
                return Ok(got);
            }
            let wait = left.unwrap_or(Duration::from_secs(3600));
            let waited = self.inner.news.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    fn fdinfo(&self) -> std::io::Result<String> {
        let Ok(bound) = self.bound() else {
            return Ok("netmap-port:\t(not bound)\n".to_owned());
        };
        let state = self.inner.lock();
        let mut text = format!("netmap-port:\t{}\nnetmap-region:\t{MEM_ID}\n", bound.name);
        for (side, kind, cause) in [(Side::Tx, "tx", "bad_length"), (Side::Rx, "rx", "full")] {
            let rings = state.bound_rings(&bound, side).iter();
            for (number, ring) in bound.queues(side).zip(rings) {
                let counted = ring.counted;
                for (counter, value) in [
                    ("frames", counted.frames),
                    ("bytes", counted.bytes),
                    (&*format!("drop_{cause}"), counted.dropped),
                ] {
                    text += &format!("netmap-{kind}{number}-{counter}:\t{value}\n");
                }
            }
        }
        Ok(text)
    }
}

impl Bound {
    fn queues(&self, side: Side) -> Range<usize> {
        match side {
            Side::Tx => self.tx.clone(),
            Side::Rx => self.rx.clone(),
        }
    }
}

impl PortState {
    /// Gives the rings that a file is bound to offsets. None of them has others.
    fn grant(&mut self, inner: &Inner, bound: &Bound, granted: Granted, initial: Option<u64>) {
        for side in [Side::Tx, Side::Rx] {
            for ring in &mut self.rings_mut(side)[bound.queues(side)] {
                ring.grant(inner, granted, initial);
            }
        }
    }
}

impl State {
    /// The rings that a file is bound to.
    fn bound_rings(&self, bound: &Bound, side: Side) -> &[RingState] {
        match self.ports.get(&bound.name) {
            Some(port) => &port.rings(side)[bound.queues(side)],
            None => &[],
        }
    }

    fn ready(&self, inner: &Inner, bound: &Bound, side: Side) -> bool {
        let mut rings = self.bound_rings(bound, side).iter();
        rings.any(|ring| ring.ready(inner))
    }

    /// How far the program's slots have been taken.
    fn taken(&self, bound: &Bound, side: Side) -> Vec<u32> {
        let rings = self.bound_rings(bound, side).iter();
        rings.map(|ring| ring.hwcur).collect()
    }
}
