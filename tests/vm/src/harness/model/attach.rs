// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interfaces on switches (sections 7.5, 7.6 and 7.11 of the interface).

use super::find::switch_port_name;
use super::state::{Attachment, Key, Place, Port, Rings, Shape, State};
use super::Answer;
use ferromap_abi::consts::*;
use ferromap_abi::wire::{NmreqRegister, NmreqValePolling};
use nix::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

impl State {
    /// VALE_ATTACH: the number of the port.
    pub fn attach(&mut self, name: &str, req: &NmreqRegister) -> Result<u32> {
        let (switch, interface) = switch_port_name(name).ok_or(Errno::EINVAL)?;
        let region = self.region(req.nr_mem_id)?;
        if let Some(port) = self.loose(interface) {
            return self.plug_in_persistent(port, switch, interface);
        }
        let with_host = match req.nr_mode {
            NR_REG_ALL_NIC => false,
            NR_REG_NIC_SW => true,
            _ => return Err(Errno::EINVAL),
        };
        if req.nr_ringid != 0 {
            return Err(Errno::EINVAL);
        }
        if self.station(switch, interface).is_some() {
            return Err(Errno::EBUSY);
        }
        if !self.is_interface(interface) {
            return Err(Errno::EINVAL);
        }
        let (key, nic) = self.open_interface(interface, &NmreqRegister::default(), region)?;
        if key.is_some_and(|key| self.bindings_of(key).next().is_some()) {
            // Programs have it, or another switch. To have pipes on it is not to have it.
            return Err(Errno::EBUSY);
        }
        let mut bindings = Vec::new();
        let plugged = self.plug_in(&mut bindings, switch, (key, nic), with_host);
        match plugged {
            Ok(()) => {
                let port = self.bindings[&bindings[1]].port;
                let number = self.number(port);
                let polled = false;
                self.attachments.push(Attachment { bindings, polled });
                Ok(number)
            }
            Err(errno) => {
                bindings.into_iter().rev().for_each(|b| self.unbind(b));
                Err(errno)
            }
        }
    }

    /// Makes the bindings of an attachment, as far as that can be done.
    fn plug_in(
        &mut self,
        bindings: &mut Vec<Key>,
        switch: &str,
        (key, nic): (Option<Key>, Port),
        with_host: bool,
    ) -> Result<()> {
        let (place, memory, whole) = (nic.place.clone(), nic.memory, nic.shape);
        let Place::Interface(name) = place else {
            unreachable!("an interface is opened by its name");
        };
        let host = if with_host {
            (whole.host_tx_rings, whole.host_rx_rings)
        } else {
            (0, 0)
        };
        let rings = (whole.tx_rings + host.0, whole.rx_rings + host.1);
        bindings.push(self.bind_whole(key, nic, rings)?);
        // What the interface receives, its port on the switch sends.
        let mut plug = |name: String, tx_rings, rx_rings| -> Result<()> {
            if self.station(switch, &name).is_some() {
                return Err(Errno::EBUSY);
            }
            self.has_room(switch)?;
            let place = Place::Switch(switch.into(), name);
            let shape = Shape {
                tx_rings,
                rx_rings,
                tx_slots: whole.rx_slots,
                rx_slots: whole.tx_slots,
                ..Shape::default()
            };
            let port = Port::new(place, memory, shape);
            bindings.push(self.bind_whole(None, port, (tx_rings, rx_rings))?);
            Ok(())
        };
        plug(name.clone(), whole.rx_rings, whole.tx_rings)?;
        if with_host {
            plug(format!("{name}^"), host.1, host.0)?;
        }
        Ok(())
    }

    /// Binds a port that nobody has, with so many rings, all of them, for the kernel.
    fn bind_whole(&mut self, key: Option<Key>, port: Port, (tx, rx): (u16, u16)) -> Result<Key> {
        let rings = Rings {
            tx: 0..tx,
            rx: 0..rx,
            exclusive: true,
        };
        self.may_bind(None, &port, &rings)?;
        self.room(None, &port, &rings)?;
        let key = key.unwrap_or_else(|| self.add_port(port));
        self.ports.get_mut(&key).expect("the port").attached = true;
        Ok(self.bind(key, rings, 0))
    }

    /// The port that a request about an attached interface names.
    fn plugged(&self, name: &str) -> Result<Key> {
        let (switch, port) = switch_port_name(name).ok_or(Errno::EINVAL)?;
        self.station(switch, port).ok_or(Errno::ENXIO)
    }

    /// The port on its switch that an attached interface has.
    pub fn port_of(&self, interface: &str) -> Option<Key> {
        let port = |binding: Key| self.bindings[&binding].port;
        let place = Place::Interface(interface.into());
        let mut all = self.attachments.iter();
        let found = all.find(|one| self.ports[&port(one.bindings[0])].place == place);
        found.map(|one| port(one.bindings[1]))
    }

    /// Which attachment has the port as that of its interface.
    fn attachment(&self, port: Key) -> Option<usize> {
        let is_it = |one: &Attachment| self.bindings[&one.bindings[1]].port == port;
        self.attachments.iter().position(is_it)
    }

    /// VALE_DETACH: the number that the port had.
    pub fn detach(&mut self, name: &str) -> Result<u32> {
        let port = self.plugged(name)?;
        let number = self.number(port);
        if let Place::Persistent(interface) = &self.ports[&port].place {
            if self.port_of(interface).is_some() {
                return Err(Errno::EBUSY);
            }
            self.pull_out_persistent(port);
            return Ok(number);
        }
        // The port of a program, or of an interface's host, stays (quirk 12).
        if let Some(at) = self.attachment(port) {
            if self.attachments[at].polled {
                return Err(Errno::EBUSY);
            }
            let gone = self.attachments.remove(at);
            gone.bindings.into_iter().for_each(|b| self.unbind(b));
        }
        Ok(number)
    }

    /// POLLING_ENABLE.
    pub fn poll(&mut self, name: &str, req: &NmreqValePolling) -> Result<Answer> {
        switch_port_name(name).ok_or(Errno::EINVAL)?;
        let cpus = self.setting.cpus;
        let (first, count) = (req.nr_first_cpu_id, req.nr_num_polling_cpus);
        let legal = match req.nr_mode {
            // 0 is taken for 1 (quirk 25).
            NETMAP_POLLING_MODE_SINGLE_CPU => count <= 1,
            NETMAP_POLLING_MODE_MULTI_CPU => count > 0 && count < cpus,
            _ => false,
        };
        if !legal || first.saturating_add(count.max(1)) > cpus {
            return Err(Errno::EINVAL);
        }
        let at = self
            .attachment(self.plugged(name)?)
            .ok_or(Errno::EOPNOTSUPP)?;
        if self.attachments[at].polled {
            return Err(Errno::EFAULT);
        }
        let nic = self.bindings[&self.attachments[at].bindings[0]].port;
        let rings = self.ports[&nic].shape.rx_rings;
        if req.nr_mode == NETMAP_POLLING_MODE_MULTI_CPU && first + count > rings.into() {
            return Err(Errno::EINVAL);
        }
        self.attachments[at].polled = true;
        Ok(Answer::Done)
    }

    /// POLLING_DISABLE.
    pub fn poll_no_more(&mut self, name: &str) -> Result<Answer> {
        let at = self
            .attachment(self.plugged(name)?)
            .ok_or(Errno::EOPNOTSUPP)?;
        match std::mem::take(&mut self.attachments[at].polled) {
            true => Ok(Answer::Done),
            false => Err(Errno::EFAULT),
        }
    }
}
