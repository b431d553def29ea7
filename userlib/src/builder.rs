// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening a port with more than a name.

use crate::{
    control::Control,
    device::NetmapFile,
    error::Result,
    memory::{Memory, PoolSizes},
    port::Port,
    spec::{Offsets, PortSpec},
};
use ferromap_abi::consts::*;
use std::os::fd::AsFd;

/// What to open, and how. Made by [`Port::builder`]; what is set here wins over the
/// name's suffixes.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened without `open`"]
pub struct PortBuilder {
    name: String,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Flag(u64, bool),
    Spec(fn(&mut PortSpec, u32), u32),
    Extra(u32),
    Memory(Memory),
    Pools(PoolSizes),
    Offsets(Offsets),
}

/// All that is to be opened.
struct Wanted {
    spec: PortSpec,
    extra: u32,
    memory: Option<(Memory, PoolSizes)>,
}

impl PortBuilder {
    pub(crate) fn new(name: &str) -> Self {
        PortBuilder {
            name: name.to_owned(),
            changes: Vec::new(),
        }
    }

    fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Slots of every ring, where the port is created by this call.
    pub fn slots(self, slots: u32) -> Self {
        self.tx_slots(slots).rx_slots(slots)
    }

    /// Slots of each transmit ring.
    pub fn tx_slots(self, slots: u32) -> Self {
        self.with(Change::Spec(|s, n| s.config.tx_slots = n, slots))
    }

    /// Slots of each receive ring.
    pub fn rx_slots(self, slots: u32) -> Self {
        self.with(Change::Spec(|s, n| s.config.rx_slots = n, slots))
    }

    /// Rings in each direction, where the port is created by this call.
    pub fn rings(self, rings: u16) -> Self {
        self.tx_rings(rings).rx_rings(rings)
    }

    /// Transmit rings.
    pub fn tx_rings(self, rings: u16) -> Self {
        self.with(Change::Spec(
            |s, n| s.config.tx_rings = n as u16,
            rings.into(),
        ))
    }

    /// Receive rings.
    pub fn rx_rings(self, rings: u16) -> Self {
        self.with(Change::Spec(
            |s, n| s.config.rx_rings = n as u16,
            rings.into(),
        ))
    }

    /// Host rings in each direction, for a network interface that nobody has open.
    pub fn host_rings(self, rings: u16) -> Self {
        self.with(Change::Spec(
            |s, n| (s.config.host_tx_rings, s.config.host_rx_rings) = (n as u16, n as u16),
            rings.into(),
        ))
    }

    /// Bind this ring pair only, of the NIC rings, or of the host rings if the name asks for these.
    pub fn one_ring(self, ring: u16) -> Self {
        self.with(Change::Spec(
            |s, n| s.rings = s.rings.one(n as u16),
            ring.into(),
        ))
    }

    /// Memory region to use: that of a port with which buffers are to be exchanged,
    /// opened by the same user in the same network namespace. [`open_in`](Self::open_in)
    /// takes a descriptor instead.
    pub fn mem_id(self, id: u16) -> Self {
        self.with(Change::Spec(|s, n| s.mem_id = n as u16, id.into()))
    }

    /// Memory of this program's that the port's region is made of, or is made of already: all ports
    /// in it exchange buffers. [`pools`](Self::pools) says what it is divided into.
    ///
    /// ```no_run
    /// use ferromap::{Memory, Port};
    ///
    /// let memory = Memory::file("/dev/shm/frames")?;
    /// let port = Port::builder("vale0:a").memory(&memory).open()?;
    /// # Ok::<(), ferromap::Error>(())
    /// ```
    #[doc(alias = "NETMAP_REQ_OPT_EXTMEM")]
    pub fn memory(self, memory: &Memory) -> Self {
        self.with(Change::Memory(memory.clone()))
    }

    /// How many objects of which size the region has that is made of [`memory`](Self::memory).
    pub fn pools(self, sizes: PoolSizes) -> Self {
        self.with(Change::Pools(sizes))
    }

    /// Frames start at offsets in their buffers: [`TxSlot::offset`](crate::TxSlot::offset). So a
    /// program has room for headers before a frame that it passes on.
    #[doc(alias = "NETMAP_REQ_OPT_OFFSETS")]
    pub fn offsets(self, offsets: Offsets) -> Self {
        self.with(Change::Offsets(offsets))
    }

    /// Buffers beside those in the rings; see [`Port::take_extra_buffers`]. Fewer may come.
    pub fn extra_buffers(self, buffers: u32) -> Self {
        self.with(Change::Extra(buffers))
    }

    /// Refuse to share any of the rings.
    pub fn exclusive(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_EXCLUSIVE, yes))
    }

    /// Bind transmit rings only.
    pub fn tx_only(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_TX_RINGS_ONLY, yes))
    }

    /// Bind receive rings only.
    pub fn rx_only(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_RX_RINGS_ONLY, yes))
    }

    /// Do not send when only waiting to receive.
    pub fn no_tx_poll(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_NO_TX_POLL, yes))
    }

    /// Receive also when only waiting to send.
    pub fn do_rx_poll(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_DO_RX_POLL, yes))
    }

    /// Accept a port whose frames start with a virtio-net header.
    pub fn accept_vnet_hdr(self, yes: bool) -> Self {
        self.with(Change::Flag(NR_ACCEPT_VNET_HDR, yes))
    }

    /// Opens and binds the port.
    pub fn open(&self) -> Result<Port> {
        // The name first: a wrong one should be told even where no module is loaded.
        let mut wanted = self.wanted()?;
        if wanted.spec.share.is_some() {
            wanted.spec.mem_id = Control::open()?.shared(&wanted.spec)?;
        }
        let device = NetmapFile::open()?.within(wanted.memory);
        Port::bind(Box::new(device), &wanted.spec, wanted.extra)
    }

    /// Opens and binds the port in the memory region of an open port, given by its descriptor,
    /// which may be another process's: it opens the region also to other users and in other network
    /// namespaces, where [`mem_id`](Self::mem_id) does not. A port that is there already must lie
    /// in that region.
    ///
    /// Region 1 is there more than once, and a descriptor does not tell which it is: ports that
    /// were opened in it in different ways do not exchange buffers.
    #[doc(alias = "FERROMAP_OPT_REGION")]
    pub fn open_in(&self, region: impl AsFd) -> Result<Port> {
        let wanted = self.wanted()?;
        let device = NetmapFile::open_in(region.as_fd())?.within(wanted.memory);
        Port::bind(Box::new(device), &wanted.spec, wanted.extra)
    }

    /// Opens the port on a kernel inside this process.
    #[cfg(any(test, feature = "fake"))]
    pub fn open_fake(&self, kernel: &crate::fake::Kernel) -> Result<Port> {
        let mut wanted = self.wanted()?;
        if let Some(other) = &wanted.spec.share {
            wanted.spec.mem_id = kernel.mem_id(&other.parse::<PortSpec>()?.name);
        }
        let device = kernel.file(wanted.memory.is_some());
        Port::bind(Box::new(device), &wanted.spec, wanted.extra)
    }

    fn wanted(&self) -> Result<Wanted> {
        let mut spec: PortSpec = self.name.parse()?;
        let (mut extra, mut memory, mut pools) = (0, None, None);
        for change in &self.changes {
            match change {
                Change::Flag(flag, true) => spec.flags |= flag,
                Change::Flag(flag, false) => spec.flags &= !flag,
                Change::Spec(set, n) => set(&mut spec, *n),
                Change::Extra(n) => extra = *n,
                Change::Memory(own) => memory = Some(own.clone()),
                Change::Pools(sizes) => pools = Some(*sizes),
                Change::Offsets(offsets) => spec.offsets = Some(*offsets),
            }
        }
        if let Some(extmem) = &spec.extmem {
            pools = pools.or(Some(extmem.pools));
            if memory.is_none() {
                memory = Some(Memory::file(&extmem.file)?);
            }
        }
        Ok(Wanted {
            spec,
            extra,
            memory: memory.map(|memory| (memory, pools.unwrap_or_default())),
        })
    }
}
