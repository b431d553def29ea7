// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests, filled in from their defaults and sent.

use super::bound::Bound;
use super::device::{header, Device};
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;

/// A REGISTER request in the making: ALL_NIC of a name, until told otherwise.
#[derive(Clone)]
pub struct Reg {
    pub name: Vec<u8>,
    pub body: NmreqRegister,
    pub options: u64,
}

/// REGISTER of all rings of `name`: a VALE port, `valeX:Y`, or anything else a test wants refused.
pub fn vale(name: &str) -> Reg {
    Reg {
        name: name.into(),
        body: NmreqRegister {
            nr_mode: NR_REG_ALL_NIC,
            ..Default::default()
        },
        options: 0,
    }
}

/// REGISTER of a small VALE port in the shared region.
pub fn shared(name: &str) -> Reg {
    vale(name).mem(GLOBAL_MEM_ID).slots(64, 64)
}

/// REGISTER of a null port in region `mem`, with one ring of 64 slots each way.
pub fn null(mem: u16) -> Reg {
    vale("nothing")
        .mode(NR_REG_NULL)
        .mem(mem)
        .rings(1, 1)
        .slots(64, 64)
}

impl Reg {
    pub fn mode(mut self, mode: u32) -> Self {
        self.body.nr_mode = mode;
        self
    }

    /// Only NIC ring `ring`.
    pub fn one(mut self, ring: u16) -> Self {
        self.body.nr_ringid = ring;
        self.mode(NR_REG_ONE_NIC)
    }

    /// Adds `NR_*` flags.
    pub fn flags(mut self, flags: u64) -> Self {
        self.body.nr_flags |= flags;
        self
    }

    pub fn rings(mut self, tx: u16, rx: u16) -> Self {
        self.body.nr_tx_rings = tx;
        self.body.nr_rx_rings = rx;
        self
    }

    pub fn slots(mut self, tx: u32, rx: u32) -> Self {
        self.body.nr_tx_slots = tx;
        self.body.nr_rx_slots = rx;
        self
    }

    pub fn mem(mut self, id: u16) -> Self {
        self.body.nr_mem_id = id;
        self
    }

    pub fn extra(mut self, bufs: u32) -> Self {
        self.body.nr_extra_bufs = bufs;
        self
    }

    /// The address of the first option.
    pub fn options(mut self, first: u64) -> Self {
        self.options = first;
        self
    }

    /// Sends the request on `device`. What it returns is in `body`.
    pub fn send(&mut self, device: &Device) -> Result<(), Errno> {
        let mut header = header(NETMAP_REQ_REGISTER, &self.name);
        header.nr_body = super::device::address(&mut self.body);
        header.nr_options = self.options;
        device.ctrl(&mut header)
    }

    /// Sends it on a new device and maps the whole region.
    pub fn bind(self) -> Result<Bound, Errno> {
        self.bind_on(Device::open()?)
    }

    /// Sends it on this device and maps the whole region.
    pub fn bind_on(mut self, device: Device) -> Result<Bound, Errno> {
        self.send(&device)?;
        Bound::new(device, self.body)
    }

    /// What comes of it, when a refusal is expected: the device is thrown away.
    pub fn try_bind(mut self) -> Result<(), Errno> {
        self.send(&Device::open()?)
    }
}

/// PORT_INFO_GET, with the slots, rings and region in `ask` for a port that does not exist yet.
pub fn port_info(name: &str, ask: NmreqPortInfoGet) -> Result<NmreqPortInfoGet, Errno> {
    let mut body = ask;
    Device::open()?.request(NETMAP_REQ_PORT_INFO_GET, name, &mut body)?;
    Ok(body)
}

/// PORT_INFO_GET without a name: whether region `id` exists, and its size.
pub fn region_size(id: u16) -> Result<u64, Errno> {
    let ask = NmreqPortInfoGet {
        nr_mem_id: id,
        ..Default::default()
    };
    Ok(port_info("", ask)?.nr_memsize)
}

/// How many buffers nobody has in that region, in which somebody has a port. Takes them all for a
/// moment.
pub fn free_buffers(region: u16) -> Result<u32, Errno> {
    let mut all = null(region).rings(0, 0).extra(u32::MAX);
    let device = Device::open()?;
    all.send(&device)?;
    Ok(all.body.nr_extra_bufs)
}

/// POOLS_INFO_GET of the region that `name` uses, or would use if created in region `mem`.
pub fn pools_info(name: &str, mem: u16) -> Result<NmreqPoolsInfo, Errno> {
    let mut body = NmreqPoolsInfo {
        nr_mem_id: mem,
        ..Default::default()
    };
    Device::open()?.request(NETMAP_REQ_POOLS_INFO_GET, name, &mut body)?;
    Ok(body)
}

/// VALE_LIST by name: the indexes of switch and port.
pub fn vale_find(name: &str) -> Result<(u16, u32), Errno> {
    let mut body = NmreqValeList::default();
    Device::open()?.request(NETMAP_REQ_VALE_LIST, name, &mut body)?;
    Ok((body.nr_bridge_idx, body.nr_port_idx))
}

/// VALE_LIST without a name, over and over: every port of every switch, as name and indexes.
pub fn vale_list() -> Result<Vec<(String, u16, u32)>, Errno> {
    let device = Device::open()?;
    let mut found = Vec::new();
    let mut body = NmreqValeList::default();
    loop {
        let mut header = header(NETMAP_REQ_VALE_LIST, b"");
        header.nr_body = super::device::address(&mut body);
        match device.ctrl(&mut header) {
            Ok(()) => {}
            Err(Errno::ENOENT) => return Ok(found),
            Err(e) => return Err(e),
        }
        let name = ferromap_abi::name::trim(&header.nr_name);
        let name = String::from_utf8_lossy(name).into_owned();
        found.push((name, body.nr_bridge_idx, body.nr_port_idx));
        body.nr_port_idx += 1;
    }
}

/// PORT_HDR_SET: the length of the virtio-net header of a port.
pub fn set_vnet_hdr(name: &str, len: u32) -> Result<(), Errno> {
    let mut body = NmreqPortHdr {
        nr_hdr_len: len,
        pad1: 0,
    };
    Device::open()?.request(NETMAP_REQ_PORT_HDR_SET, name, &mut body)
}

/// PORT_HDR_GET.
pub fn vnet_hdr(name: &str) -> Result<u32, Errno> {
    let mut body = NmreqPortHdr::default();
    Device::open()?.request(NETMAP_REQ_PORT_HDR_GET, name, &mut body)?;
    Ok(body.nr_hdr_len)
}

/// A legacy request on `name`, version 14, everything else 0.
pub fn legacy(name: &str) -> Nmreq {
    let mut request = Nmreq {
        nr_version: u32::from(NETMAP_API),
        ..Default::default()
    };
    for (to, from) in request.nr_name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    request
}
