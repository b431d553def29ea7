// SPDX-License-Identifier: MIT OR Apache-2.0

//! An open file that is bound to a port: its memory, and where its rings are.

use crate::{
    counters::{Counters, RingCounters},
    device::Device,
    error::{Error, Result},
    raw::{
        region::{Region, RegionId},
        ring::Ring,
    },
    spec::{Offsets, NULL_PREFIX},
};
use ferromap_abi::{
    ext::FERROMAP_NI_EMULATED,
    wire::{IfHeader, NmreqRegister},
};
use nix::{errno::Errno, poll::PollFlags};
use std::{
    collections::HashSet,
    mem::offset_of,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Shared by the port and its rings; the port stays bound as long as one of them is there.
pub(crate) struct Binding {
    // First the mapping, then the file: a mapping would keep the file open.
    pub(crate) region: Arc<Region>,
    pub(crate) device: Box<dyn Device>,
    /// The name, for messages.
    pub(crate) name: String,
    /// What REGISTER returned.
    pub(crate) answer: NmreqRegister,
    /// The offsets that the kernel has granted.
    pub(crate) offsets: Option<Offsets>,
}

/// What the kernel tells of a binding: its rings, in the order of their numbers, host rings last.
pub(crate) struct Found {
    /// What the kernel calls the port, cut to 15 bytes.
    pub(crate) name: String,
    pub(crate) emulated: bool,
    pub(crate) tx: Vec<Claimed>,
    pub(crate) rx: Vec<Claimed>,
}

/// A ring of this process, and its entry in [`HELD`].
pub(crate) struct Claimed {
    pub(crate) ring: Ring,
    pub(crate) host: bool,
    _claim: Claim,
}

/// Every ring that this process has, by region and offset. Two `Ring`s on one ring could lend the
/// same buffer twice, so the second is refused.
static HELD: Mutex<Option<HashSet<(RegionId, usize)>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<HashSet<(RegionId, usize)>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Claim(RegionId, usize);

impl Claim {
    fn new(region: RegionId, offset: usize) -> Option<Self> {
        let mut held = held();
        let new = held
            .get_or_insert_with(HashSet::new)
            .insert((region, offset));
        // Only made when it is one: a claim that is dropped gives the ring free.
        new.then(|| Claim(region, offset))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(held) = held().as_mut() {
            held.remove(&(self.0, self.1));
        }
    }
}

impl Binding {
    /// Binds `device` as `request` and `offsets` say. With `beside`, the memory of another binding
    /// is used if the kernel says that it is the same.
    pub(crate) fn new(
        device: Box<dyn Device>,
        name: &str,
        request: &NmreqRegister,
        mut offsets: Option<Offsets>,
        beside: Option<&Binding>,
    ) -> Result<Self> {
        let mut answer = *request;
        // To the kernel the name of a null port is a label.
        let kernel_name = name.strip_prefix(NULL_PREFIX).unwrap_or(name);
        device.register(kernel_name, &mut answer, offsets.as_mut())?;
        let len = usize::try_from(answer.nr_memsize).map_err(|_| Error::Layout {
            port: name.to_owned(),
            reason: "the region is larger than the address space",
        })?;
        let same = |b: &&Binding| b.answer.nr_mem_id == answer.nr_mem_id && b.region.len() == len;
        let region = match beside.filter(same) {
            Some(beside) => beside.region.clone(),
            None => device
                .map(len, answer.nr_mem_id)
                .map_err(|errno| Error::Map {
                    port: name.to_owned(),
                    errno,
                })?,
        };
        Ok(Binding {
            region,
            device,
            name: name.to_owned(),
            answer,
            offsets,
        })
    }

    fn layout(&self, reason: &'static str) -> Error {
        Error::Layout {
            port: self.name.clone(),
            reason,
        }
    }

    fn if_offset(&self) -> usize {
        usize::try_from(self.answer.nr_offset).unwrap_or(usize::MAX)
    }

    /// Where the word is that starts the list of extra buffers.
    pub(crate) fn extra_head(&self) -> usize {
        self.if_offset()
            .saturating_add(offset_of!(IfHeader, ni_bufs_head))
    }

    /// Reads the `netmap_if` and makes a ring of every entry that is not 0.
    pub(crate) fn rings(&self) -> Result<Found> {
        let at = self.if_offset();
        let nifp: IfHeader = self
            .region
            .read(at)
            .ok_or_else(|| self.layout("its netmap_if lies outside the region"))?;
        let (tx, host_tx) = (nifp.ni_tx_rings, nifp.ni_host_tx_rings);
        let (rx, host_rx) = (nifp.ni_rx_rings, nifp.ni_host_rx_rings);
        if [tx, host_tx, rx, host_rx].iter().any(|&n| n > 1 << 16) {
            return Err(self.layout("it has too many rings"));
        }
        let table = at + IfHeader::RING_OFS;
        let all_tx = tx + host_tx;
        let name = nifp.ni_name.split(|&b| b == 0).next().unwrap_or_default();
        Ok(Found {
            name: String::from_utf8_lossy(name).into_owned(),
            emulated: nifp.ni_flags & FERROMAP_NI_EMULATED != 0,
            tx: self.part(table, 0..all_tx, tx)?,
            rx: self.part(table, all_tx..all_tx + rx + host_rx, all_tx + rx)?,
        })
    }

    /// The rings of entries `range` of the table at `table`; those from `host` on are host rings.
    fn part(&self, table: usize, range: std::ops::Range<u32>, host: u32) -> Result<Vec<Claimed>> {
        let mut rings = Vec::new();
        for i in range {
            let to_ring = self
                .region
                .read_i64(table + i as usize * size_of::<i64>())
                .ok_or_else(|| self.layout("the table of rings lies outside the region"))?;
            if to_ring == 0 {
                continue;
            }
            let offset = isize::try_from(to_ring)
                .ok()
                .and_then(|by| self.if_offset().checked_add_signed(by))
                .ok_or_else(|| self.layout("a ring lies outside the region"))?;
            let claim = Claim::new(self.region.id(), offset).ok_or_else(|| Error::RingHeld {
                port: self.name.clone(),
            })?;
            let ring = Ring::new(self.region.clone(), offset);
            let mut ring = ring.map_err(|why| self.layout(why))?;
            if let Some(offsets) = self.offsets {
                ring.grant_offsets(offsets.max);
            }
            rings.push(Claimed {
                ring,
                host: i >= host,
                _claim: claim,
            });
        }
        Ok(rings)
    }

    pub(crate) fn txsync(&self) -> Result<()> {
        self.device.txsync().map_err(|errno| Error::Sync {
            call: "NIOCTXSYNC",
            port: self.name.clone(),
            errno,
        })
    }

    pub(crate) fn rxsync(&self) -> Result<()> {
        self.device.rxsync().map_err(|errno| Error::Sync {
            call: "NIOCRXSYNC",
            port: self.name.clone(),
            errno,
        })
    }

    pub(crate) fn counters(&self) -> Result<Counters> {
        let error = |errno| Error::Counters {
            port: self.name.clone(),
            errno,
        };
        let told = self.device.fdinfo();
        let told = told.map_err(|e| error(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))?;
        Counters::parse(&told).ok_or_else(|| error(Errno::EOPNOTSUPP))
    }

    /// The counters of one ring, by its kind and its number among the rings of that kind,
    /// host rings last.
    pub(crate) fn ring_counters(&self, kind: &str, number: usize) -> Result<RingCounters> {
        let rings = match kind {
            "tx" => self.answer.nr_tx_rings,
            _ => self.answer.nr_rx_rings,
        };
        let name = match number.checked_sub(rings.into()) {
            None => format!("{kind}{number}"),
            Some(host) => format!("host-{kind}{host}"),
        };
        let counters = self.counters()?;
        let ring = counters.rings.into_iter().find(|ring| ring.name == name);
        ring.ok_or_else(|| Error::Counters {
            port: self.name.clone(),
            errno: Errno::ENOENT,
        })
    }

    /// Polls. An interrupted call counts as one that timed out, so that ^C is seen by who waits.
    pub(crate) fn poll(&self, events: PollFlags, timeout: Option<Duration>) -> Result<PollFlags> {
        let error = |errno| Error::Poll {
            port: self.name.clone(),
            errno,
        };
        match self.device.poll(events, timeout) {
            Ok(got) if got.contains(PollFlags::POLLERR) && !got.intersects(events) => {
                Err(error(None))
            }
            Ok(got) => Ok(got),
            Err(Errno::EINTR) => Ok(PollFlags::empty()),
            Err(errno) => Err(error(Some(errno))),
        }
    }
}
