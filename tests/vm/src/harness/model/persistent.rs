// SPDX-License-Identifier: MIT OR Apache-2.0

//! Persistent ports (sections 7.9, 7.10 and 8.5 of the interface).

use super::state::{Key, Place, Port, State};
use super::Answer;
use ferromap_abi::consts::IFNAMSIZ;
use ferromap_abi::wire::{NmreqRegister, NmreqValeNewif};
use nix::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// The MTU that such an interface comes with.
pub const PERSISTENT_MTU: u32 = 1500;

/// Whether an interface can be called that.
fn is_legal(name: &str) -> bool {
    let odd = |c: char| c.is_ascii_whitespace() || "/:%".contains(c);
    let has_length = (1..IFNAMSIZ).contains(&name.len());
    has_length && !["", ".", ".."].contains(&name) && !name.contains(odd)
}

impl State {
    /// The port that a request would make, to stay or for a pipe on it.
    pub fn persistent(
        &self,
        name: &str,
        want: &NmreqRegister,
        region: Option<Key>,
    ) -> Result<Port> {
        if name.starts_with("vale") || !is_legal(name) {
            return Err(Errno::EINVAL);
        }
        if self.is_interface(name) {
            return Err(Errno::EEXIST);
        }
        self.switched(Place::Persistent(name.into()), want, region)
    }

    /// Queues of a persistent port's interface, transmit and receive: the port has as many rings.
    pub fn queues(&self, name: &str) -> Option<(u16, u16)> {
        let key = self.port_at(&Place::Persistent(name.into()))?;
        let shape = self.ports[&key].shape;
        Some((shape.tx_rings, shape.rx_rings))
    }

    /// VALE_NEWIF.
    pub fn new_interface(&mut self, name: &str, req: &NmreqValeNewif) -> Result<NmreqValeNewif> {
        let want = NmreqRegister {
            nr_tx_slots: req.nr_tx_slots,
            nr_rx_slots: req.nr_rx_slots,
            nr_tx_rings: req.nr_tx_rings,
            nr_rx_rings: req.nr_rx_rings,
            ..Default::default()
        };
        let region = self.region(req.nr_mem_id)?;
        let port = Port {
            stays: true,
            ..self.persistent(name, &want, region)?
        };
        let key = self.add_port(port);
        let port = &self.ports[&key];
        Ok(NmreqValeNewif {
            nr_tx_slots: port.shape.tx_slots,
            nr_rx_slots: port.shape.rx_slots,
            nr_tx_rings: port.shape.tx_rings,
            nr_rx_rings: port.shape.rx_rings,
            nr_mem_id: self.id(port.memory),
            pad1: req.pad1,
        })
    }

    /// VALE_DELIF.
    pub fn delete_interface(&mut self, name: &str) -> Result<Answer> {
        let Some(key) = self.port_at(&Place::Persistent(name.into())) else {
            let is_other = self.interface(name).is_some();
            return Err(if is_other {
                Errno::EINVAL
            } else {
                Errno::ENXIO
            });
        };
        if !self.ports[&key].stays {
            return Err(Errno::EINVAL);
        }
        // A pipe on it has it open as well.
        if self.is_used(key) || self.plug(key).is_some() {
            return Err(Errno::EBUSY);
        }
        self.remove(key);
        Ok(Answer::Done)
    }

    /// The persistent port of that name, if it is not plugged in: plugged in, it is an interface
    /// like any other for a second switch.
    pub fn loose(&self, name: &str) -> Option<Key> {
        let key = self.port_at(&Place::Persistent(name.into()))?;
        self.plug(key).is_none().then_some(key)
    }

    /// VALE_ATTACH of such a port.
    pub fn plug_in_persistent(&mut self, port: Key, switch: &str, name: &str) -> Result<u32> {
        if self.is_bound(port) || self.station(switch, name).is_some() {
            return Err(Errno::EBUSY);
        }
        self.has_room(switch)?;
        self.put_on(port, switch, name);
        Ok(self.number(port))
    }

    /// VALE_DETACH of one that is attached nowhere else. What belonged to its place is gone.
    pub fn pull_out_persistent(&mut self, port: Key) {
        self.pull_out(port);
        self.ports.get_mut(&port).expect("a port").header = 0;
    }

    /// What a port is called with its persistent port by the name that this has on a switch.
    pub fn name_on_switch(&self, place: &Place) -> String {
        let plug = self.port_at(place).and_then(|key| self.plug(key));
        match (place, plug) {
            (Place::Persistent(_), Some((switch, name, _))) => format!("{switch}:{name}"),
            (Place::Pipe(base, true, id), _) => format!("{}{{{id}", self.name_on_switch(base)),
            (Place::Pipe(base, false, id), _) => format!("{}}}{id}", self.name_on_switch(base)),
            _ => place.name(),
        }
    }

    /// Whether the interface of that name on a switch can be attached, as far as the model can tell
    /// what comes of it.
    pub fn may_attach(&self, name: &str) -> bool {
        let name = name
            .split_once(':')
            .map_or(name, |(_, interface)| interface);
        let key = self.port_at(&Place::Persistent(name.into()));
        key.is_none_or(|key| self.ports[&key].stays || self.plug(key).is_none())
    }
}
