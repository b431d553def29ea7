// SPDX-License-Identifier: MIT OR Apache-2.0

//! A bound port and its rings.

use crate::{
    binding::Binding,
    builder::PortBuilder,
    counters::Counters,
    device::Device,
    error::{Error, Result},
    extra::ExtraBuffers,
    raw::{buffers::Loose, csb::Csb},
    rx::RxRing,
    spec::{Offsets, PortSpec},
    tx::TxRing,
};
use nix::poll::PollFlags;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
    time::Duration,
};

/// A port: a network interface, a switch port, one end of a pipe.
///
/// It is closed when the port and all rings taken from it are gone.
pub struct Port {
    binding: Arc<Binding>,
    name: String,
    spec: PortSpec,
    emulated: bool,
    tx: Vec<TxRing>,
    rx: Vec<RxRing>,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something was received.
    Receive,
    /// There is room to send.
    Send,
    /// Either of them.
    Both,
}

/// What a [`Port::poll`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A receive ring has new slots.
    pub receive: bool,
    /// A transmit ring has free slots.
    pub send: bool,
}

/// What the kernel says about a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortInfo {
    /// Bytes of its memory region.
    pub memory_size: u64,
    /// The region's number.
    pub mem_id: u16,
    /// Slots of each transmit ring.
    pub tx_slots: u32,
    /// Slots of each receive ring.
    pub rx_slots: u32,
    /// Transmit rings.
    pub tx_rings: u16,
    /// Receive rings.
    pub rx_rings: u16,
    /// Host transmit rings.
    pub host_tx_rings: u16,
    /// Host receive rings.
    pub host_rx_rings: u16,
}

impl Port {
    /// Opens a port by name: `eth0`, `vale0:a`, `netmap:eth0-1/R`. See [`PortSpec`].
    pub fn open(name: &str) -> Result<Port> {
        Port::builder(name).open()
    }

    /// Opens a port by name and more.
    pub fn builder(name: &str) -> PortBuilder {
        PortBuilder::new(name)
    }

    pub(crate) fn bind(device: Box<dyn Device>, spec: &PortSpec, extra: u32) -> Result<Port> {
        let mut request = spec.register();
        request.nr_extra_bufs = extra;
        let binding = Binding::new(device, &spec.name, &request, spec.offsets, None)?;
        Port::from_binding(binding, spec.clone())
    }

    fn from_binding(binding: Binding, spec: PortSpec) -> Result<Port> {
        let found = binding.rings()?;
        let name = if spec.is_virtual() || found.name.is_empty() {
            spec.name.clone()
        } else {
            found.name
        };
        let binding = Arc::new(binding);
        let (tx, rx) = (found.tx.into_iter(), found.rx.into_iter());
        Ok(Port {
            tx: tx
                .map(|claimed| TxRing {
                    claimed,
                    binding: binding.clone(),
                })
                .collect(),
            rx: rx
                .map(|claimed| RxRing {
                    claimed,
                    binding: binding.clone(),
                })
                .collect(),
            binding,
            name,
            spec,
            emulated: found.emulated,
        })
    }

    /// For a port opened with one ring pair (`netmap:eth0-0`, `netmap:eth0^0`): opens ring pair
    /// `ring` of the same port, as another file that shares the memory. A thread that owns it
    /// syncs and sleeps without touching the others' rings. The rings live until the last of these
    /// ports is dropped.
    pub fn clone_ring(&self, ring: u16) -> Result<Port> {
        let mut spec = self.spec.clone();
        spec.rings = spec.rings.one(ring);
        // What the first request returned is the input of the next one: same sizes, same region.
        let mut request = self.binding.answer;
        let chosen = spec.register();
        (request.nr_mode, request.nr_ringid) = (chosen.nr_mode, chosen.nr_ringid);
        request.nr_extra_bufs = 0;
        let device = self.binding.device.another()?;
        let beside = Some(&*self.binding);
        let binding = Binding::new(device, &spec.name, &request, self.binding.offsets, beside)?;
        if binding.answer.nr_mem_id != self.binding.answer.nr_mem_id {
            return Err(Error::DifferentRegions);
        }
        Port::from_binding(binding, spec)
    }

    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// From now on the rings are used by a CSB, which has them all, transmit rings first.
    pub(crate) fn use_csb(&mut self, csb: &Arc<Csb>) {
        let tx = self.tx.iter_mut().map(|ring| &mut ring.claimed.ring);
        let rx = self.rx.iter_mut().map(|ring| &mut ring.claimed.ring);
        for (i, ring) in tx.chain(rx).enumerate() {
            ring.use_csb(csb.clone(), i);
        }
    }

    /// The name, as the kernel knew it when it was opened: an interface's own, also where it was
    /// opened by an alternative one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the port was opened as.
    pub fn spec(&self) -> &PortSpec {
        &self.spec
    }

    /// Sizes and numbers of the port, of all its rings, bound or not.
    pub fn info(&self) -> PortInfo {
        let a = &self.binding.answer;
        PortInfo {
            memory_size: a.nr_memsize,
            mem_id: a.nr_mem_id,
            tx_slots: a.nr_tx_slots,
            rx_slots: a.nr_rx_slots,
            tx_rings: a.nr_tx_rings,
            rx_rings: a.nr_rx_rings,
            host_tx_rings: a.nr_host_tx_rings,
            host_rx_rings: a.nr_host_rx_rings,
        }
    }

    /// The memory region: ports with the same number can exchange buffers.
    pub fn mem_id(&self) -> u16 {
        self.binding.answer.nr_mem_id
    }

    /// Whether this port and `other` lie in one memory region, so that
    /// [`TxSlot::swap`](crate::TxSlot::swap) works between them.
    pub fn shares_memory_with(&self, other: &Port) -> bool {
        self.binding.region.id() == other.binding.region.id()
    }

    /// The offsets that frames of the port may start at, as the kernel has granted them to whoever
    /// asked for some.
    pub fn offsets(&self) -> Option<Offsets> {
        self.binding.offsets
    }

    /// Whether the port is a network interface in emulated mode: its own driver is below, and each
    /// frame is copied between driver and rings. A kernel of netmap's own does not tell.
    #[doc(alias = "FERROMAP_NI_EMULATED")]
    pub fn is_emulated(&self) -> bool {
        self.emulated
    }

    /// The transmit rings of this binding.
    pub fn tx_rings(&mut self) -> &mut [TxRing] {
        &mut self.tx
    }

    /// The receive rings of this binding.
    pub fn rx_rings(&mut self) -> &mut [RxRing] {
        &mut self.rx
    }

    /// The first receive and the first transmit ring, where there are both.
    pub fn pair(&mut self) -> Option<(&mut RxRing, &mut TxRing)> {
        Some((self.rx.first_mut()?, self.tx.first_mut()?))
    }

    /// Takes the port apart, so that each ring can go to a thread of its own.
    ///
    /// The rings go on sharing one file, so a sync or poll of one serves them all. Where that is
    /// not wanted, open one ring pair and [`clone_ring`](Self::clone_ring) the others.
    pub fn split(self) -> (Vec<RxRing>, Vec<TxRing>) {
        (self.rx, self.tx)
    }

    /// How many extra buffers came of those that [`PortBuilder::extra_buffers`] asked for. This
    /// touches none of them, unlike [`take_extra_buffers`](Self::take_extra_buffers), and so takes
    /// no time however many they are.
    pub fn extra_buffers(&self) -> u32 {
        self.binding.answer.nr_extra_bufs
    }

    /// Takes the extra buffers that [`PortBuilder::extra_buffers`] asked for out of
    /// the port's list.
    pub fn take_extra_buffers(&mut self) -> ExtraBuffers {
        let rings = self.rx.iter().map(|r| &r.claimed.ring);
        let first = rings.chain(self.tx.iter().map(|r| &r.claimed.ring)).next();
        ExtraBuffers {
            loose: first.map(|ring| {
                Loose::take(
                    ring.buffers().clone(),
                    self.binding.extra_head(),
                    self.binding.answer.nr_extra_bufs,
                )
            }),
            _binding: self.binding.clone(),
        }
    }

    /// Sends what was committed on all transmit rings and takes what has come on all receive rings.
    pub fn sync(&mut self) -> Result<()> {
        if !self.tx.is_empty() {
            self.binding.txsync()?;
        }
        if !self.rx.is_empty() {
            self.binding.rxsync()?;
        }
        self.after_sync();
        Ok(())
    }

    /// Syncs, and if there is nothing of `interest`, sleeps until there is or `timeout` is over
    /// (`None`: for ever). A signal ends the sleep early.
    pub fn poll(&mut self, interest: Interest, timeout: Option<Duration>) -> Result<Ready> {
        let events = match interest {
            Interest::Receive => PollFlags::POLLIN,
            Interest::Send => PollFlags::POLLOUT,
            Interest::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
        };
        let got = self.binding.poll(events, timeout)?;
        self.after_sync();
        Ok(Ready {
            receive: got.contains(PollFlags::POLLIN),
            send: got.contains(PollFlags::POLLOUT),
        })
    }

    /// What was counted on the rings of this binding, with the frames that were lost and why.
    pub fn counters(&self) -> Result<Counters> {
        self.binding.counters()
    }

    fn after_sync(&mut self) {
        for ring in &mut self.tx {
            ring.claimed.ring.after_sync();
        }
        for ring in &mut self.rx {
            ring.claimed.ring.after_sync();
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.binding.device.fd()
    }
}

impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port")
            .field("name", &self.spec.name)
            .field("info", &self.info())
            .finish_non_exhaustive()
    }
}
