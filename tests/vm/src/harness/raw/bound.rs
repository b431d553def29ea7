// SPDX-License-Identifier: MIT OR Apache-2.0

//! A bound and mapped port.

use super::device::{Device, Mapping};
use super::request::vale;
use super::ring::Ring;
use ferromap_abi::wire::{IfHeader, NmreqRegister};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::Arc;
use std::time::Duration;

/// Two small ports of one switch, `SWITCH:a` and `SWITCH:b`: one ring of 64 slots each way.
pub fn pair(switch: &str) -> Result<(Bound, Bound), Errno> {
    let port = |name: &str| vale(&format!("{switch}:{name}")).slots(64, 64).bind();
    Ok((port("a")?, port("b")?))
}

/// A device bound to a port, with its region mapped, and what REGISTER returned.
pub struct Bound {
    // Before the device: libraries unmap first, too.
    pub map: Arc<Mapping>,
    pub device: Device,
    pub reg: NmreqRegister,
}

impl Bound {
    /// Maps the region of a device that REGISTER has just bound.
    pub fn new(device: Device, reg: NmreqRegister) -> Result<Self, Errno> {
        let map = Arc::new(device.map(reg.nr_memsize, 0)?);
        Ok(Bound { map, device, reg })
    }

    /// The binding's netmap_if.
    pub fn nifp(&self) -> IfHeader {
        self.map.read(self.reg.nr_offset)
    }

    /// The port's name as the kernel writes it.
    pub fn port_name(&self) -> String {
        let name = self.nifp().ni_name;
        let len = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        String::from_utf8_lossy(&name[..len]).into_owned()
    }

    /// Sets the head of the list of extra buffers.
    pub fn set_bufs_head(&self, index: u32) {
        let at = std::mem::offset_of!(IfHeader, ni_bufs_head) as u64;
        self.map.write(self.reg.nr_offset + at, index);
    }

    /// All of `ring_ofs`: transmit rings with host rings, then receive rings with host rings.
    pub fn ring_ofs(&self) -> Vec<i64> {
        let nifp = self.nifp();
        let count =
            nifp.ni_tx_rings + nifp.ni_host_tx_rings + nifp.ni_rx_rings + nifp.ni_host_rx_rings;
        let first = self.reg.nr_offset + IfHeader::RING_OFS as u64;
        (0..u64::from(count))
            .map(|i| self.map.read(first + 8 * i))
            .collect()
    }

    fn ring(&self, index: u32) -> Option<Ring> {
        let ofs = self.ring_ofs()[index as usize];
        let at = self.reg.nr_offset.wrapping_add_signed(ofs);
        (ofs != 0).then(|| Ring::new(self.map.clone(), at))
    }

    /// The transmit rings that this binding has, by number, host rings after the others.
    pub fn tx_rings(&self) -> Vec<(u32, Ring)> {
        let nifp = self.nifp();
        let all = 0..nifp.ni_tx_rings + nifp.ni_host_tx_rings;
        all.filter_map(|i| Some((i, self.ring(i)?))).collect()
    }

    /// The receive rings that this binding has.
    pub fn rx_rings(&self) -> Vec<(u32, Ring)> {
        let nifp = self.nifp();
        let first = nifp.ni_tx_rings + nifp.ni_host_tx_rings;
        let all = 0..nifp.ni_rx_rings + nifp.ni_host_rx_rings;
        all.filter_map(|i| Some((i, self.ring(first + i)?)))
            .collect()
    }

    /// Numbers of the bound rings: transmit, receive.
    pub fn ring_numbers(&self) -> (Vec<u32>, Vec<u32>) {
        let numbers = |rings: Vec<(u32, Ring)>| rings.into_iter().map(|(i, _)| i).collect();
        (numbers(self.tx_rings()), numbers(self.rx_rings()))
    }

    /// Transmit ring `i`; stops the test if it is not bound.
    pub fn tx(&self, i: u32) -> Ring {
        assert!(i < self.nifp().ni_tx_rings, "there is no tx ring {i}");
        self.ring(i)
            .expect("a tx ring that the test needs is not bound")
    }

    /// Receive ring `i`; stops the test if it is not bound.
    pub fn rx(&self, i: u32) -> Ring {
        let nifp = self.nifp();
        assert!(i < nifp.ni_rx_rings, "there is no rx ring {i}");
        let first = nifp.ni_tx_rings + nifp.ni_host_tx_rings;
        self.ring(first + i)
            .expect("an rx ring that the test needs is not bound")
    }

    /// Host transmit ring `i`.
    pub fn host_tx(&self, i: u32) -> Ring {
        self.ring(self.nifp().ni_tx_rings + i)
            .expect("a host tx ring that the test needs is not bound")
    }

    /// Host receive ring `i`.
    pub fn host_rx(&self, i: u32) -> Ring {
        let nifp = self.nifp();
        self.ring(nifp.ni_tx_rings + nifp.ni_host_tx_rings + nifp.ni_rx_rings + i)
            .expect("a host rx ring that the test needs is not bound")
    }

    /// Puts frames into transmit ring 0 and syncs.
    pub fn send(&self, frames: &[Vec<u8>]) -> Result<(), Errno> {
        self.send_on(0, frames)
    }

    /// Puts frames into transmit ring `i` and syncs.
    pub fn send_on(&self, i: u32, frames: &[Vec<u8>]) -> Result<(), Errno> {
        let ring = self.tx(i);
        for frame in frames {
            ring.put(frame);
        }
        self.device.txsync()
    }

    /// Syncs, takes the frames of receive ring 0 and gives the slots back.
    pub fn recv(&self) -> Result<Vec<Vec<u8>>, Errno> {
        self.recv_on(0)
    }

    /// Syncs, takes the frames of receive ring `i` and gives the slots back.
    pub fn recv_on(&self, i: u32) -> Result<Vec<Vec<u8>>, Errno> {
        self.device.rxsync()?;
        let frames = self.rx(i).take_frames();
        self.device.rxsync()?;
        Ok(frames)
    }

    /// As [`recv`](Self::recv), slot by slot with its flags.
    pub fn recv_slots(&self) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
        self.device.rxsync()?;
        let slots = self.rx(0).take();
        self.device.rxsync()?;
        Ok(slots
            .into_iter()
            .map(|(slot, bytes)| (slot.flags, bytes))
            .collect())
    }

    /// Polls for `events`, for at most `ms` milliseconds.
    pub fn poll(&self, events: PollFlags, ms: u64) -> Result<PollFlags, Errno> {
        self.device.poll(events, Duration::from_millis(ms))
    }

    /// The buffer indexes in all slots of all bound rings.
    pub fn buffers(&self) -> Vec<u32> {
        let rings = self.tx_rings().into_iter().chain(self.rx_rings());
        let slots = rings.flat_map(|(_, ring)| ring.slots());
        slots.map(|slot| slot.buf_idx).collect()
    }

    /// Indexes in the list of extra buffers. Stops after a million, so that a circle ends.
    pub fn extra_bufs(&self) -> Vec<u32> {
        let Some((_, ring)) = self.tx_rings().into_iter().chain(self.rx_rings()).next() else {
            panic!("without a ring the test cannot find the buffers");
        };
        let mut list = Vec::new();
        let mut next = self.nifp().ni_bufs_head;
        while next != 0 && list.len() < 1_000_000 {
            list.push(next);
            next = self.map.read(ring.buf_at(next));
        }
        list
    }
}
