// SPDX-License-Identifier: MIT OR Apache-2.0

//! Questions and settings that need no bound port.

use crate::{
    device::NetmapFile,
    error::{Error, Result},
    port::PortInfo,
    spec::PortSpec,
};
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// An open `/dev/netmap` that is not bound to a port.
///
/// Ports are named as for [`Port::open`](crate::Port::open); the suffixes for rings and flags do not matter.
pub struct Control(NetmapFile);

/// One of the three pools of a memory region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolInfo {
    /// Where it starts in the region, in bytes.
    pub offset: u64,
    /// Its objects.
    pub objects: u32,
    /// Bytes of each object.
    pub object_size: u32,
}

/// A memory region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolsInfo {
    /// Bytes in all.
    pub memory_size: u64,
    /// Its number.
    pub mem_id: u16,
    /// Descriptions of bindings.
    pub interfaces: PoolInfo,
    /// Rings.
    pub rings: PoolInfo,
    /// Packet buffers.
    pub buffers: PoolInfo,
}

/// A port of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValePort {
    /// Its full name, as in `vale0:a`.
    pub name: String,
    /// The number of the switch.
    pub switch: u16,
    /// The number of the port in the switch.
    pub port: u32,
}

impl Control {
    /// Opens the device.
    pub fn open() -> Result<Self> {
        NetmapFile::open().map(Control)
    }

    /// `PORT_INFO_GET` — sizes of a port. A switch port or pipe that does not exist is made for the
    /// duration of the call, so this shows what opening it would give.
    pub fn port_info(&self, port: &str) -> Result<PortInfo> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqPortInfoGet {
            nr_tx_slots: spec.config.tx_slots,
            nr_rx_slots: spec.config.rx_slots,
            nr_tx_rings: spec.config.tx_rings,
            nr_rx_rings: spec.config.rx_rings,
            nr_mem_id: spec.mem_id,
            ..NmreqPortInfoGet::default()
        };
        self.request(
            "PORT_INFO_GET",
            NETMAP_REQ_PORT_INFO_GET,
            &spec.name,
            &mut body,
        )?;
        Ok(PortInfo {
            memory_size: body.nr_memsize,
            mem_id: body.nr_mem_id,
            tx_slots: body.nr_tx_slots,
            rx_slots: body.nr_rx_slots,
            tx_rings: body.nr_tx_rings,
            rx_rings: body.nr_rx_rings,
            host_tx_rings: body.nr_host_tx_rings,
            host_rx_rings: body.nr_host_rx_rings,
        })
    }

    /// `POOLS_INFO_GET` — the memory region of a port, which is set up if it was not yet.
    pub fn pools_info(&self, port: &str) -> Result<PoolsInfo> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqPoolsInfo {
            nr_mem_id: spec.mem_id,
            ..NmreqPoolsInfo::default()
        };
        self.request(
            "POOLS_INFO_GET",
            NETMAP_REQ_POOLS_INFO_GET,
            &spec.name,
            &mut body,
        )?;
        let pool = |offset, objects, object_size| PoolInfo {
            offset,
            objects,
            object_size,
        };
        Ok(PoolsInfo {
            memory_size: body.nr_memsize,
            mem_id: body.nr_mem_id,
            interfaces: pool(
                body.nr_if_pool_offset,
                body.nr_if_pool_objtotal,
                body.nr_if_pool_objsize,
            ),
            rings: pool(
                body.nr_ring_pool_offset,
                body.nr_ring_pool_objtotal,
                body.nr_ring_pool_objsize,
            ),
            buffers: pool(
                body.nr_buf_pool_offset,
                body.nr_buf_pool_objtotal,
                body.nr_buf_pool_objsize,
            ),
        })
    }

    /// `VALE_LIST` — every port of every switch in this network namespace. Ports that come and go
    /// meanwhile may be missed.
    pub fn vale_ports(&self) -> Result<Vec<ValePort>> {
        let mut ports = Vec::new();
        let mut body = NmreqValeList::default();
        loop {
            let mut name = String::new();
            let asked = self
                .0
                .control("VALE_LIST", NETMAP_REQ_VALE_LIST, &mut name, &mut body);
            match asked {
                Ok(()) => ports.push(ValePort {
                    name,
                    switch: body.nr_bridge_idx,
                    port: body.nr_port_idx,
                }),
                Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(ports),
                Err(e) => return Err(e),
            }
            body.nr_port_idx = body.nr_port_idx.saturating_add(1);
        }
    }

    /// `VALE_LIST` — the numbers of a switch and of a port in it; `None` if there is no such port.
    pub fn vale_port(&self, port: &str) -> Result<Option<ValePort>> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqValeList::default();
        match self.request("VALE_LIST", NETMAP_REQ_VALE_LIST, &spec.name, &mut body) {
            Ok(()) if body.nr_port_idx == VALE_NO_PORT => Ok(None),
            Ok(()) => Ok(Some(ValePort {
                name: spec.name,
                switch: body.nr_bridge_idx,
                port: body.nr_port_idx,
            })),
            Err(e) if e.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `PORT_HDR_SET` — the length of the virtio-net header before each frame of a switch port: 0, 10 or
    /// 12 bytes.
    pub fn set_port_header(&self, port: &str, len: u32) -> Result<()> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqPortHdr {
            nr_hdr_len: len,
            pad1: 0,
        };
        self.request(
            "PORT_HDR_SET",
            NETMAP_REQ_PORT_HDR_SET,
            &spec.name,
            &mut body,
        )
    }

    /// `PORT_HDR_GET` — the length of the virtio-net header before each frame of a port.
    pub fn port_header(&self, port: &str) -> Result<u32> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqPortHdr::default();
        self.request(
            "PORT_HDR_GET",
            NETMAP_REQ_PORT_HDR_GET,
            &spec.name,
            &mut body,
        )?;
        Ok(body.nr_hdr_len)
    }

    fn request<B: Plain>(
        &self,
        call: &'static str,
        reqtype: u16,
        name: &str,
        body: &mut B,
    ) -> std::result::Result<(), Error> {
        self.0.control(call, reqtype, &mut name.to_owned(), body)
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
