// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is plugged into switches (VALE), and how that is changed.
//!
//! Every port here is named as the kernel names it: `vale0:a`, `vale0:eth0`. What is changed
//! outlives the file, and the program.

use crate::{
    control::Control,
    error::{Error, Result},
    port::PortInfo,
    spec::{Config, PortSpec},
};
use ferromap_abi::{consts::*, ext::*, wire::*};
use nix::errno::Errno;
use std::ffi::OsString;

/// A port of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValePort {
    /// Its full name, as in `vale0:a`. Any byte may be in it: what is no text is U+FFFD here.
    pub name: String,
    /// The number of the switch.
    pub switch: u16,
    /// The number of the port in the switch.
    pub port: u32,
    /// What is behind it; `None` if the kernel does not tell, as netmap's does not.
    pub kind: Option<ValeKind>,
    /// The name as the kernel has it.
    exact: OsString,
}

/// What is behind a port of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValeKind {
    /// Programs.
    Virtual,
    /// An attached network interface.
    Interface,
    /// The host stack of an attached interface.
    HostStack,
    /// A [`Persistent`] port.
    Persistent,
}

impl ValePort {
    fn new(exact: OsString, answer: &NmreqValeList) -> Self {
        ValePort {
            name: exact.to_string_lossy().into_owned(),
            switch: answer.nr_bridge_idx,
            port: answer.nr_port_idx,
            kind: match answer.pad1 {
                FERROMAP_VALE_VIRTUAL => Some(ValeKind::Virtual),
                FERROMAP_VALE_INTERFACE => Some(ValeKind::Interface),
                FERROMAP_VALE_HOST => Some(ValeKind::HostStack),
                FERROMAP_VALE_PERSISTENT => Some(ValeKind::Persistent),
                _ => None,
            },
            exact,
        }
    }
}

/// How to plug an interface into a switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attach {
    /// Plug in the host stack as well, as a second port, so that the machine keeps the interface.
    /// Without it the stack neither gets nor sends frames there.
    pub host: bool,
    /// Memory region to use, or 0 to let the kernel choose.
    pub mem_id: u16,
}

/// A switch port that is a network device of its own and stays when nobody has it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persistent {
    /// Slots of each transmit ring; 0 leaves the choice to the kernel, here and below.
    pub tx_slots: u32,
    /// Slots of each receive ring.
    pub rx_slots: u32,
    /// Transmit rings.
    pub tx_rings: u16,
    /// Receive rings.
    pub rx_rings: u16,
    /// Memory region.
    pub mem_id: u16,
}

/// Which CPUs poll an interface that is plugged into a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polling {
    /// This one polls all receive rings.
    OneCpu(u32),
    /// Each of `count` CPUs from `first` on polls the ring of its own number.
    Cpus {
        /// The first CPU, and the first ring.
        first: u32,
        /// How many.
        count: u32,
    },
}

impl Control {
    /// `VALE_LIST` — every port of every switch in this network namespace. Ports that come and go
    /// meanwhile may be missed.
    pub fn vale_ports(&self) -> Result<Vec<ValePort>> {
        let mut ports = Vec::new();
        let mut body = NmreqValeList::default();
        loop {
            let mut name = OsString::new();
            body.pad1 = 0;
            let asked = self
                .0
                .control("VALE_LIST", NETMAP_REQ_VALE_LIST, &mut name, &mut body);
            match asked {
                Ok(()) => ports.push(ValePort::new(name, &body)),
                Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(ports),
                Err(e) => return Err(e),
            }
            body.nr_port_idx = body.nr_port_idx.saturating_add(1);
        }
    }

    /// `VALE_LIST` — the numbers of a switch and of a port in it; `None` if there is no such port.
    pub fn vale_port(&self, name: &str) -> Result<Option<ValePort>> {
        let mut body = NmreqValeList::default();
        match self.request("VALE_LIST", NETMAP_REQ_VALE_LIST, whole(name)?, &mut body) {
            Ok(()) if body.nr_port_idx == VALE_NO_PORT => Ok(None),
            Ok(()) => Ok(Some(ValePort::new(name.into(), &body))),
            Err(e) if e.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `PORT_INFO_GET` and `PORT_HDR_GET` — sizes of a port that is there, and the length of the
    /// virtio-net header before each of its frames.
    pub fn vale_port_info(&self, port: &ValePort) -> Result<(PortInfo, u32)> {
        // The header first: this request makes no port if it has gone meanwhile.
        let header = self.header(&port.exact)?;
        Ok((self.info(&port.exact, &Config::default(), 0)?, header))
    }

    /// `VALE_ATTACH` — plugs a network interface, or a [`Persistent`] port, into a switch:
    /// `vale0:eth0`. The switch is made if it is not there. Returns the number of the port.
    pub fn attach(&self, port: &str, how: Attach) -> Result<u32> {
        let mut body = how.body();
        self.request(
            "VALE_ATTACH",
            NETMAP_REQ_VALE_ATTACH,
            whole(port)?,
            &mut body,
        )?;
        Ok(body.port_index)
    }

    /// `VALE_DETACH` — takes it out again, and the host stack with it. Returns the number that
    /// the port had.
    pub fn detach(&self, port: &str) -> Result<u32> {
        let mut body = NmreqValeDetach::default();
        self.request(
            "VALE_DETACH",
            NETMAP_REQ_VALE_DETACH,
            whole(port)?,
            &mut body,
        )?;
        Ok(body.port_index)
    }

    /// `VALE_NEWIF` — makes a network device that can be plugged into switches. Returns
    /// what it got.
    pub fn create_interface(&self, name: &str, want: Persistent) -> Result<Persistent> {
        let mut body = want.body();
        self.request("VALE_NEWIF", NETMAP_REQ_VALE_NEWIF, whole(name)?, &mut body)?;
        Ok(Persistent {
            tx_slots: body.nr_tx_slots,
            rx_slots: body.nr_rx_slots,
            tx_rings: body.nr_tx_rings,
            rx_rings: body.nr_rx_rings,
            mem_id: body.nr_mem_id,
        })
    }

    /// `VALE_DELIF` — removes such a device.
    pub fn delete_interface(&self, name: &str) -> Result<()> {
        self.0
            .bare("VALE_DELIF", NETMAP_REQ_VALE_DELIF, whole(name)?)
    }

    /// `VALE_POLLING_ENABLE` — has CPUs look for frames of an attached interface all the time, in
    /// place of its interrupts.
    pub fn enable_polling(&self, port: &str, polling: Polling) -> Result<()> {
        let mut body = polling.body();
        self.request(
            "VALE_POLLING_ENABLE",
            NETMAP_REQ_VALE_POLLING_ENABLE,
            whole(port)?,
            &mut body,
        )
    }

    /// `VALE_POLLING_DISABLE` — ends that.
    pub fn disable_polling(&self, port: &str) -> Result<()> {
        // Nothing in it matters; the mode is a valid one for a kernel that looks.
        let mut body = Polling::OneCpu(0).body();
        self.request(
            "VALE_POLLING_DISABLE",
            NETMAP_REQ_VALE_POLLING_DISABLE,
            whole(port)?,
            &mut body,
        )
    }
}

/// A name for the kernel as it is, if it fits: a longer one would be cut and mean another port.
pub(crate) fn whole(name: &str) -> Result<&str> {
    let reason = match name {
        "" => "it is empty",
        n if n.contains('\0') => "it has a NUL inside",
        _ => return PortSpec::check_length(name).map(|()| name),
    };
    Err(Error::Name {
        name: name.to_owned(),
        reason: reason.to_owned(),
    })
}

impl Attach {
    fn body(self) -> NmreqValeAttach {
        NmreqValeAttach {
            reg: NmreqRegister {
                nr_mode: if self.host {
                    NR_REG_NIC_SW
                } else {
                    NR_REG_ALL_NIC
                },
                nr_mem_id: self.mem_id,
                ..NmreqRegister::default()
            },
            ..NmreqValeAttach::default()
        }
    }
}

impl Persistent {
    fn body(self) -> NmreqValeNewif {
        NmreqValeNewif {
            nr_tx_slots: self.tx_slots,
            nr_rx_slots: self.rx_slots,
            nr_tx_rings: self.tx_rings,
            nr_rx_rings: self.rx_rings,
            nr_mem_id: self.mem_id,
            pad1: 0,
        }
    }
}

impl Polling {
    fn body(self) -> NmreqValePolling {
        let (nr_mode, nr_first_cpu_id, nr_num_polling_cpus) = match self {
            Polling::OneCpu(cpu) => (NETMAP_POLLING_MODE_SINGLE_CPU, cpu, 1),
            Polling::Cpus { first, count } => (NETMAP_POLLING_MODE_MULTI_CPU, first, count),
        };
        NmreqValePolling {
            nr_mode,
            nr_first_cpu_id,
            nr_num_polling_cpus,
            pad1: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_was_asked() {
        let reg = |host, mem_id| Attach { host, mem_id }.body().reg;
        assert_eq!(reg(false, 0).nr_mode, NR_REG_ALL_NIC);
        assert_eq!(reg(true, 0).nr_mode, NR_REG_NIC_SW);
        assert_eq!((reg(true, 7).nr_mem_id, reg(true, 7).nr_ringid), (7, 0));
        let polling = |p: Polling| {
            let b = p.body();
            (b.nr_mode, b.nr_first_cpu_id, b.nr_num_polling_cpus)
        };
        assert_eq!(polling(Polling::OneCpu(3)), (1, 3, 1));
        let several = Polling::Cpus { first: 1, count: 2 };
        assert_eq!(polling(several), (2, 1, 2));
        let sizes = Persistent {
            tx_slots: 1,
            rx_slots: 2,
            tx_rings: 3,
            rx_rings: 4,
            mem_id: 5,
        };
        let b = sizes.body();
        assert_eq!((b.nr_tx_slots, b.nr_rx_slots), (1, 2));
        assert_eq!((b.nr_tx_rings, b.nr_rx_rings, b.nr_mem_id), (3, 4, 5));
    }

    #[test]
    fn a_name_that_the_kernel_would_cut_is_refused() {
        assert!(whole("vale0:br-lan").is_ok());
        assert!(whole(&format!("{}{{1", "a".repeat(15))).is_ok());
        for bad in ["", "a\0b", &"a".repeat(64)] {
            assert!(matches!(whole(bad), Err(Error::Name { .. })), "{bad:?}");
        }
    }
}
