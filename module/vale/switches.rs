// SPDX-License-Identifier: GPL-2.0

//! All switches, by network namespace and name: who joins, who leaves, who is there.
//!
//! A switch exists while it has members. It does not keep its namespace alive: when that ends,
//! attached interfaces go, and what programs elsewhere still have open is a switch that nobody
//! finds any more.

use super::{
    switch::{Member, Occupant, Switch},
    xdp::{ProgramSlot, Workspaces},
};
use crate::{
    abi::{
        consts::{IFNAMSIZ, VALE_MAX_PORTS, VALE_NO_PORT},
        ext::{
            FERROMAP_VALE_HOST, FERROMAP_VALE_INTERFACE, FERROMAP_VALE_PERSISTENT,
            FERROMAP_VALE_VIRTUAL,
        },
        name::ValeName,
    },
    params,
    port::PortLabel,
    refusal::{refuse, Fallible, Name},
    ring::Operator,
    sys::cpus,
    sys::net::NetId,
    text::Text,
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// A switch refuses a port when it would have this many, counting two for the new one: an attached
/// NIC takes two.
const FULL: usize = VALE_MAX_PORTS - 2;

/// A part of a name: up to 15 characters, and `^` behind them for the host port of an attached
/// interface. What is too long was refused where the name was read.
type Part = Text<IFNAMSIZ>;

/// Everything about the switches that control requests look at.
#[pin_data]
pub(crate) struct Switches {
    #[pin]
    list: Mutex<KVec<Entry>>,
}

struct Entry {
    net: NetId,
    name: Part,
    /// Its number in its namespace, for VALE_LIST.
    number: u16,
    switch: Arc<Switch>,
    ports: KVec<PortEntry>,
    /// Free indexes; the last one goes first.
    free: KVec<u8>,
}

struct PortEntry {
    name: Part,
    member: Arc<Member>,
    /// How many [`Joined`] there are.
    holders: usize,
}

/// A line of VALE_LIST.
pub(crate) struct Listed {
    pub(crate) switch: u16,
    pub(crate) port: u32,
    /// What is behind it: `FERROMAP_VALE_...`, 0 if there is no such port.
    pub(crate) kind: u16,
    name: (Part, Part),
}

impl Listed {
    /// The port's name, with that of its switch.
    pub(crate) fn name(&self) -> PortLabel {
        PortLabel::new(&[&self.name.0, b":", &self.name.1])
    }
}

impl Switches {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Switches { list <- new_mutex!(KVec::new()) }),
            GFP_KERNEL,
        )
    }

    /// Joins the port of that name, if it is there.
    pub(crate) fn find(self: &Arc<Self>, net: NetId, name: &ValeName<'_>) -> Option<Joined> {
        let mut list = self.list.lock();
        let entry = Entry::find(&mut list, net, name)?;
        let port = Part::new(&[name.port]);
        let port = entry.ports.iter_mut().find(|p| p.name == port)?;
        port.holders += 1;
        Some(Joined {
            switches: self.clone(),
            switch: entry.switch.clone(),
            member: port.member.clone(),
        })
    }

    /// The port of that name, or with an empty port name the switch, if it is there.
    pub(crate) fn spot(&self, net: NetId, name: &ValeName<'_>) -> Fallible<Option<Spot>> {
        let mut list = self.list.lock();
        let Some(entry) = Entry::find(&mut list, net, name) else {
            return Ok(None);
        };
        let port = Part::new(&[name.port]);
        if let Some(port) = entry.ports.iter().find(|p| p.name == port) {
            return Ok(Some(Spot::Port(port.member.clone())));
        }
        if !name.port.is_empty() {
            return Ok(None);
        }
        let mut largest = 0;
        for port in &entry.ports {
            largest = largest.max(port.member.buf_size()?);
        }
        Ok(Some(Spot::Switch(entry.switch.clone(), largest)))
    }

    /// Adds a port for `occupant`; the switch is made if it is not there.
    pub(crate) fn create(
        self: &Arc<Self>,
        net: NetId,
        name: &ValeName<'_>,
        occupant: Occupant,
    ) -> Fallible<Joined> {
        let mut list = self.list.lock();
        if let Some(entry) = Entry::find(&mut list, net, name) {
            // What an attached interface's host is called may be somebody else's name.
            let port = Part::new(&[name.port]);
            if entry.ports.iter().any(|p| p.name == port) {
                refuse!(
                    EBUSY,
                    "switch {} has a port {} already",
                    Name(name.switch),
                    Name(name.port)
                );
            }
            return entry.join(self, name, occupant);
        }
        let mut entry = Entry::new(&list, net, name)?;
        list.reserve(1, GFP_KERNEL)?;
        let joined = entry.join(self, name, occupant)?;
        // The room was reserved above.
        let _ = list.push_within_capacity(entry);
        Ok(joined)
    }

    /// The line of the port of that name. `Err(ENOENT)` for a switch that is not there; port
    /// [`VALE_NO_PORT`] for a port that is not, which may have a name that none can have.
    pub(crate) fn listed(&self, net: NetId, switch: &[u8], port: &[u8]) -> Fallible<Listed> {
        let mut list = self.list.lock();
        let name = ValeName { switch, port };
        let Some(entry) = Entry::find(&mut list, net, &name) else {
            refuse!(ENOENT, "there is no switch {}", Name(switch));
        };
        // A part is cut where it is too long.
        let found = entry.ports.iter().find(|p| *p.name == *port);
        let port = Part::new(&[port]);
        Ok(Listed {
            switch: entry.number,
            port: found.map_or(VALE_NO_PORT, |p| p.member.index.into()),
            kind: found.map_or(0, |p| entry.kind(p)),
            name: (entry.name, port),
        })
    }

    /// The first port at or after that position, going through the ports of a switch by index and
    /// then to the next switch.
    pub(crate) fn list_from(&self, net: NetId, switch: u16, from: u32) -> Option<Listed> {
        let list = self.list.lock();
        let mut next: Option<Listed> = None;
        for entry in list.iter().filter(|e| e.net == net) {
            for port in &entry.ports {
                let at = (entry.number, u32::from(port.member.index));
                let nearer = |other: &Listed| at < (other.switch, other.port);
                if at >= (switch, from) && next.as_ref().is_none_or(nearer) {
                    next = Some(Listed {
                        switch: at.0,
                        port: at.1,
                        kind: entry.kind(port),
                        name: (entry.name, port.name),
                    });
                }
            }
        }
        next
    }

    /// Calls `f` for every port of every namespace, with the parts of its name.
    pub(crate) fn each(&self, mut f: impl FnMut(&[u8], &[u8], &Member)) {
        for entry in self.list.lock().iter() {
            for port in &entry.ports {
                f(&entry.name, &port.name, &port.member);
            }
        }
    }

    /// One holder fewer; the last one takes the port along, and the last port the switch.
    fn leave(&self, switch: &Arc<Switch>, index: u8) {
        let mut list = self.list.lock();
        let Some(at) = list.iter().position(|e| Arc::ptr_eq(&e.switch, switch)) else {
            return;
        };
        let entry = &mut list[at];
        let Some(port) = entry.ports.iter().position(|p| p.member.index == index) else {
            return;
        };
        entry.ports[port].holders -= 1;
        if entry.ports[port].holders > 0 {
            return;
        }
        switch.unplug(index);
        let gone = entry.ports.remove(port);
        // There was room for it before the port took it.
        let _ = entry.free.push_within_capacity(index);
        let empty = if entry.ports.is_empty() {
            list.remove(at).ok()
        } else {
            None
        };
        drop(list);
        drop((gone, empty));
    }
}

impl Entry {
    fn find<'l>(list: &'l mut [Entry], net: NetId, name: &ValeName<'_>) -> Option<&'l mut Entry> {
        let switch = Part::new(&[name.switch]);
        list.iter_mut().find(|e| e.name == switch && e.net == net)
    }

    /// What is behind a port of it.
    fn kind(&self, port: &PortEntry) -> u16 {
        if port.member.is_persistent() {
            return FERROMAP_VALE_PERSISTENT;
        }
        if port.member.operator == Operator::Programs {
            return FERROMAP_VALE_VIRTUAL;
        }
        // The host port of an interface is beside that interface's own.
        let interface = port.name.strip_suffix(b"^").map(|name| Part::new(&[name]));
        let attached =
            |p: &PortEntry| p.member.operator == Operator::Kernel && Some(p.name) == interface;
        if self.ports.iter().any(attached) {
            FERROMAP_VALE_HOST
        } else {
            FERROMAP_VALE_INTERFACE
        }
    }

    /// A switch without ports, under the lowest number that is free in its namespace.
    fn new(list: &[Entry], net: NetId, name: &ValeName<'_>) -> Fallible<Self> {
        let most = u16::try_from(params::max_bridges.get()).unwrap_or(0);
        let used = |number| list.iter().any(|e| e.net == net && e.number == number);
        let Some(number) = (0..most).find(|&number| !used(number)) else {
            refuse!(
                ENOMEM,
                "all {} switches of this network namespace are in use: load the module with a \
                 larger max_bridges",
                most
            );
        };
        let mut free = KVec::with_capacity(VALE_MAX_PORTS, GFP_KERNEL_ACCOUNT)?;
        for index in (0..VALE_MAX_PORTS as u8).rev() {
            free.push(index, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Entry {
            name: Part::new(&[name.switch]),
            number,
            switch: Switch::new()?,
            ports: KVec::new(),
            free,
            net,
        })
    }

    /// Adds a port.
    fn join(
        &mut self,
        switches: &Arc<Switches>,
        name: &ValeName<'_>,
        occupant: Occupant,
    ) -> Fallible<Joined> {
        if self.ports.len() >= FULL {
            refuse!(
                ENOMEM,
                "switch {} is full: it has {} ports",
                Name(name.switch),
                FULL
            );
        }
        self.ports.reserve(1, GFP_KERNEL_ACCOUNT)?;
        let Some(&index) = self.free.last() else {
            refuse!(
                ENOMEM,
                "switch {} has no free port number",
                Name(name.switch)
            );
        };
        let since = self.switch.table.now();
        let member = Arc::new(Member::new(index, since, occupant), GFP_KERNEL_ACCOUNT)?;
        self.free.pop();
        let port = PortEntry {
            name: Part::new(&[name.port]),
            member: member.clone(),
            holders: 1,
        };
        // The room was reserved above.
        let _ = self.ports.push_within_capacity(port);
        self.switch.plug(member.clone());
        Ok(Joined {
            switches: switches.clone(),
            switch: self.switch.clone(),
            member,
        })
    }
}

/// Where an XDP program can be.
pub(crate) enum Spot {
    Port(Arc<Member>),
    /// A whole switch, and bytes of its largest buffers.
    Switch(Arc<Switch>, u32),
}

impl Spot {
    pub(crate) fn xdp(&self) -> &ProgramSlot {
        match self {
            Spot::Port(member) => &member.xdp,
            Spot::Switch(switch, _) => &switch.xdp,
        }
    }

    /// Memory for a program there: as much as can be in use at once.
    pub(crate) fn workspaces(&self) -> Fallible<Arc<Workspaces>> {
        let (syncs, size) = match self {
            Spot::Port(member) => (member.rings.shape().tx_rings.into(), member.buf_size()?),
            Spot::Switch(_, size) => (u32::MAX, *size),
        };
        Ok(Workspaces::new(cpus::online().min(syncs), size)?)
    }
}

/// Membership of a switch. The port is there while somebody holds one of these.
pub(crate) struct Joined {
    switches: Arc<Switches>,
    switch: Arc<Switch>,
    member: Arc<Member>,
}

impl Joined {
    pub(crate) fn switch(&self) -> &Arc<Switch> {
        &self.switch
    }

    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.switches.leave(&self.switch, self.member.index);
    }
}
