// SPDX-License-Identifier: MIT OR Apache-2.0

//! Questions and settings that need no bound port. `switch.rs` has those about switches.

use crate::{
    device::{self, NetmapFile},
    error::{Error, Result},
    memory::Memory,
    port::PortInfo,
    raw::ioctl::Options,
    spec::{Config, PortSpec},
};
use ferromap_abi::{consts::*, ext::FERROMAP_REQ_PROBE, wire::*};
use std::{
    ffi::OsStr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

/// An open `/dev/netmap` that is not bound to a port.
///
/// Ports are named as for [`Port::open`](crate::Port::open); the suffixes for rings and flags do
/// not matter, nor do offsets, except where something else is said. The requests about switches
/// take the kernel's own names, such as `vale0:eth0`, since an interface that is plugged in may
/// have a `-` in its name.
pub struct Control(pub(crate) NetmapFile);

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

impl Control {
    /// Opens the device.
    pub fn open() -> Result<Self> {
        NetmapFile::open().map(Control)
    }

    /// `PORT_INFO_GET` — sizes of a port. A switch port or pipe that does not exist is made for the
    /// duration of the call, so this shows what opening it would give. A name with `@extmem` is
    /// refused: only who opens a port there makes such a region.
    pub fn port_info(&self, port: &str) -> Result<PortInfo> {
        let spec: PortSpec = port.parse()?;
        self.info(&spec.name, &spec.config, self.region(&spec)?)
    }

    /// The region that a name asks for, by its number.
    fn region(&self, spec: &PortSpec) -> Result<u16> {
        if let Some(extmem) = &spec.extmem {
            return Err(Error::Memory {
                name: extmem.file.clone(),
                reason: "the kernel divides it into a region when a port is opened there, and \
                         tells nothing before: ask without `@extmem`, or open the port"
                    .to_owned(),
                errno: None,
            });
        }
        self.shared(spec)
    }

    /// The same of a name without memory of a program's.
    pub(crate) fn shared(&self, spec: &PortSpec) -> Result<u16> {
        match &spec.share {
            Some(other) => Ok(self.port_info(other)?.mem_id),
            None => Ok(spec.mem_id),
        }
    }

    /// As [`port_info`](Self::port_info), for a port as the kernel names it.
    pub(crate) fn info(
        &self,
        name: impl AsRef<OsStr>,
        config: &Config,
        mem_id: u16,
    ) -> Result<PortInfo> {
        let mut body = NmreqPortInfoGet {
            nr_tx_slots: config.tx_slots,
            nr_rx_slots: config.rx_slots,
            nr_tx_rings: config.tx_rings,
            nr_rx_rings: config.rx_rings,
            nr_mem_id: mem_id,
            ..NmreqPortInfoGet::default()
        };
        self.request("PORT_INFO_GET", NETMAP_REQ_PORT_INFO_GET, name, &mut body)?;
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

    /// `FERROMAP_REQ_PROBE` — whether [`Port::open`](crate::Port::open) of this name would succeed
    /// now, and if not, why. Nothing is bound; suffixes and options count, all of them.
    pub fn probe(&self, port: &str) -> Result<()> {
        let mut spec: PortSpec = port.parse()?;
        spec.mem_id = self.shared(&spec)?;
        let memory = match &spec.extmem {
            Some(extmem) => Some((Memory::file(&extmem.file)?, extmem.pools)),
            None => None,
        };
        let mut options = Options::default();
        if let Some((memory, pools)) = &memory {
            options.memory(memory, pools);
        }
        if let Some(offsets) = &spec.offsets {
            options.offsets(offsets);
        }
        let mut name = spec.kernel_name().into();
        let mut body = spec.register();
        let request = FERROMAP_REQ_PROBE;
        self.0
            .ask("REGISTER", request, &mut name, &mut body, &mut options)
    }

    /// `POOLS_INFO_GET` — the memory region of a port, or what it would have. Nothing is made. A
    /// name with `@extmem` is refused, as by [`port_info`](Self::port_info).
    pub fn pools_info(&self, port: &str) -> Result<PoolsInfo> {
        let spec: PortSpec = port.parse()?;
        let mut body = NmreqPoolsInfo {
            nr_mem_id: self.region(&spec)?,
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

    /// `PORT_HDR_SET` — the length of the virtio-net header before each frame of a switch port: 0,
    /// 10 or 12 bytes.
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
        self.header(&spec.name)
    }

    /// As [`port_header`](Self::port_header), for a port as the kernel names it.
    pub(crate) fn header(&self, name: impl AsRef<OsStr>) -> Result<u32> {
        let mut body = NmreqPortHdr::default();
        self.request("PORT_HDR_GET", NETMAP_REQ_PORT_HDR_GET, name, &mut body)?;
        Ok(body.nr_hdr_len)
    }

    /// Why the kernel has just refused a request of a program's own making on `file`, an open
    /// `/dev/netmap`: `reqtype`, known to people as `call`, about `port`.
    pub fn refusal(
        file: impl AsFd,
        reqtype: u16,
        call: &'static str,
        port: &str,
        errno: nix::errno::Errno,
    ) -> Error {
        let why = device::why(file.as_fd(), reqtype, errno);
        Error::request(call, port, errno, why)
    }

    pub(crate) fn request<B: Plain>(
        &self,
        call: &'static str,
        reqtype: u16,
        name: impl AsRef<OsStr>,
        body: &mut B,
    ) -> std::result::Result<(), Error> {
        let mut name = name.as_ref().to_owned();
        self.0.control(call, reqtype, &mut name, body)
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Control {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The open file, for requests of one's own.
impl From<Control> for OwnedFd {
    fn from(control: Control) -> OwnedFd {
        control.0.into()
    }
}
