// SPDX-License-Identifier: MIT OR Apache-2.0

//! Attaching interfaces to switches, and polling them there.

use super::raw::Device;
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;

/// VALE_ATTACH in a mode, in a region or in none that is named, by this device. The port's number.
fn attach_by(device: &Device, name: &str, mode: u32, region: u16) -> Result<u32, Errno> {
    let mut body = NmreqValeAttach::default();
    (body.reg.nr_mode, body.reg.nr_mem_id) = (mode, region);
    device.request(NETMAP_REQ_VALE_ATTACH, name, &mut body)?;
    Ok(body.port_index)
}

/// VALE_ATTACH in a mode.
pub fn attach_as(name: &str, mode: u32) -> Result<u32, Errno> {
    attach_by(&Device::open()?, name, mode, 0)
}

/// VALE_ATTACH without its host.
pub fn attach(name: &str) -> Result<u32, Errno> {
    attach_as(name, NR_REG_ALL_NIC)
}

/// VALE_DETACH.
pub fn detach(name: &str) -> Result<u32, Errno> {
    let mut body = NmreqValeDetach::default();
    Device::open()?.request(NETMAP_REQ_VALE_DETACH, name, &mut body)?;
    Ok(body.port_index)
}

/// POLLING_ENABLE.
pub fn poll_on(name: &str, mode: u32, first: u32, count: u32) -> Result<(), Errno> {
    let mut body = NmreqValePolling {
        nr_mode: mode,
        nr_first_cpu_id: first,
        nr_num_polling_cpus: count,
        pad1: 0,
    };
    Device::open()?.request(NETMAP_REQ_VALE_POLLING_ENABLE, name, &mut body)
}

/// POLLING_DISABLE.
pub fn poll_off(name: &str) -> Result<(), Errno> {
    let mut body = NmreqValePolling::default();
    Device::open()?.request(NETMAP_REQ_VALE_POLLING_DISABLE, name, &mut body)
}

/// Detached when the case ends, however it ends.
pub struct Attached(&'static str);

impl Attached {
    pub fn new(name: &'static str) -> Result<Self, Errno> {
        attach(name).map(|_| Attached(name))
    }

    /// What has been attached by other means.
    pub fn already(name: &'static str) -> Self {
        Attached(name)
    }

    pub fn by(device: &Device, name: &'static str, mode: u32) -> Result<Self, Errno> {
        attach_by(device, name, mode, 0).map(|_| Attached(name))
    }

    /// With its host, in that region.
    pub fn in_region(device: &Device, name: &'static str, region: u16) -> Result<Self, Errno> {
        attach_by(device, name, NR_REG_NIC_SW, region).map(|_| Attached(name))
    }

    pub fn with_host(name: &'static str) -> Result<Self, Errno> {
        attach_as(name, NR_REG_NIC_SW).map(|_| Attached(name))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = poll_off(self.0);
        let _ = detach(self.0);
    }
}
