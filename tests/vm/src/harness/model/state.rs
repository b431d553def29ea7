// SPDX-License-Identifier: MIT OR Apache-2.0

//! What there is: open files, ports and who has which of their rings, switches, regions.

use ferromap_abi::consts::{GLOBAL_MEM_ID, VALE_MAX_PORTS};
use ferromap_abi::layout::{Layout, PoolRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The machine that the model stands for.
pub struct Setting {
    /// Bytes of a page of the kernel's.
    pub page: u32,
    /// What the parameters of region 1 ask for, and of private ones: netmap_ifs, rings, buffers.
    pub global: [PoolRequest; 3],
    pub private: [PoolRequest; 3],
    /// Slots of an interface's rings.
    pub nic_slots: u32,
    pub max_switches: u16,
    pub cpus: u32,
    pub interfaces: Vec<Interface>,
}

/// A network interface, open or not.
pub struct Interface {
    pub name: &'static str,
    pub mtu: u32,
    pub queues: u16,
}

/// Ports, bindings and regions are known by numbers that mean nothing.
pub type Key = u32;
/// Region 1.
pub const SHARED: Key = 0;

#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub tx_rings: u16,
    pub rx_rings: u16,
    pub host_tx_rings: u16,
    pub host_rx_rings: u16,
    pub tx_slots: u32,
    pub rx_slots: u32,
}

impl Shape {
    /// Of the other end of a pipe.
    pub fn turned(self) -> Self {
        Shape {
            tx_rings: self.rx_rings,
            rx_rings: self.tx_rings,
            tx_slots: self.rx_slots,
            rx_slots: self.tx_slots,
            ..self
        }
    }
}

/// Where a port is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Switch, and name there.
    Switch(String, String),
    Interface(String),
    /// An interface of the kernel's that is made by request, and can be plugged into a switch.
    Persistent(String),
    /// Nowhere: a null port, with its label.
    Null(String),
    /// Nowhere, either: a monitor, with its name.
    Monitor(String),
    /// The end of a pipe: what it is built on, whether it is the master's, and the pipe's id.
    Pipe(Box<Place>, bool, String),
}

impl Place {
    /// The kernel's name of the port (2.4).
    pub fn name(&self) -> String {
        match self {
            Place::Switch(switch, port) => format!("{switch}:{port}"),
            Place::Interface(name) | Place::Persistent(name) | Place::Monitor(name) => name.clone(),
            Place::Null(label) => format!("null:{label}"),
            Place::Pipe(base, true, id) => format!("{}{{{id}", base.name()),
            Place::Pipe(base, false, id) => format!("{}}}{id}", base.name()),
        }
    }

    /// Where the other end is, if it is that of a pipe.
    pub fn other_end(&self) -> Option<Place> {
        match self {
            Place::Pipe(base, master, id) => Some(Place::Pipe(base.clone(), !master, id.clone())),
            _ => None,
        }
    }

    /// What a pipe is built on.
    fn base(&self) -> Option<&Place> {
        match self {
            Place::Pipe(base, ..) => Some(base),
            _ => None,
        }
    }
}

/// The memory of a port.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    There(Key),
    /// A private region, made with the port.
    New(Layout),
}

/// A port that is there, or that a request would make.
#[derive(Clone, Debug)]
pub struct Port {
    pub place: Place,
    pub memory: Memory,
    pub shape: Shape,
    /// Length of its virtio-net header.
    pub header: u32,
    /// The kernel has it: it belongs to an attached interface.
    pub attached: bool,
    /// What it is built on, if that would be made with it.
    pub base: Option<Box<Port>>,
    /// What it watches, if it is a monitor: a port before it is added, an audience from then on.
    pub watches: Option<Key>,
    /// All its rings are there, as those of a pipe are from the first binding of either end on.
    pub is_whole: bool,
    /// It is there until it is deleted, whether or not somebody has it open.
    pub stays: bool,
}

impl Port {
    /// One of which nothing else is known.
    pub fn new(place: Place, memory: Memory, shape: Shape) -> Self {
        Port {
            place,
            memory,
            shape,
            header: 0,
            attached: false,
            base: None,
            watches: None,
            is_whole: false,
            stays: false,
        }
    }
}

/// Which rings a binding has.
#[derive(Clone, Debug)]
pub struct Rings {
    pub tx: Range<u16>,
    pub rx: Range<u16>,
    pub exclusive: bool,
}

pub struct Binding {
    pub port: Key,
    pub rings: Rings,
    pub extra_bufs: u32,
    /// Only a loop syncs its rings.
    pub csb: bool,
    /// The next loop ends before it begins.
    pub stopped: bool,
    /// Where its netmap_if is, once that is known.
    pub offset: Option<u64>,
}

/// The monitors of a port, until that is closed.
pub struct Audience {
    pub port: Key,
    /// Their ports.
    pub members: Vec<Key>,
    /// Their numbers.
    pub numbers: Vec<u32>,
}

pub struct Region {
    /// 0 until it is known.
    pub id: u16,
    pub layout: Layout,
    pub private: bool,
}

pub struct Switch {
    pub number: u16,
    /// Ports by their numbers, and what they are called there.
    pub ports: BTreeMap<u8, (String, Key)>,
    /// Free numbers; the last one goes first.
    free: Vec<u8>,
}

/// An attached interface: its own binding, that of its port, and that of its host's.
pub struct Attachment {
    pub bindings: Vec<Key>,
    pub polled: bool,
}

/// Objects of a region that are free.
pub struct Free {
    pub ifs: u32,
    pub rings: u32,
    pub bufs: u32,
}

pub struct State {
    pub setting: Setting,
    /// By number: whether it is open, and its binding.
    pub files: Vec<Option<Option<Key>>>,
    pub regions: BTreeMap<Key, Region>,
    pub ports: BTreeMap<Key, Port>,
    pub bindings: BTreeMap<Key, Binding>,
    pub switches: BTreeMap<String, Switch>,
    pub attachments: Vec<Attachment>,
    pub audiences: BTreeMap<Key, Audience>,
    last_key: Key,
}

impl State {
    pub fn new(setting: Setting, files: usize) -> Self {
        let [ifs, rings, bufs] = setting.global;
        let shared = Region {
            id: GLOBAL_MEM_ID,
            layout: Layout::new(setting.page, ifs, rings, bufs).expect("sizes that can be had"),
            private: false,
        };
        State {
            setting,
            files: (0..files).map(|_| None).collect(),
            regions: [(SHARED, shared)].into(),
            ports: BTreeMap::new(),
            bindings: BTreeMap::new(),
            switches: BTreeMap::new(),
            attachments: Vec::new(),
            audiences: BTreeMap::new(),
            last_key: SHARED,
        }
    }

    fn new_key(&mut self) -> Key {
        self.last_key += 1;
        self.last_key
    }

    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.setting.interfaces.iter().find(|i| i.name == name)
    }

    pub fn region_by_id(&self, id: u16) -> Option<Key> {
        let mut all = self.regions.iter();
        all.find(|(_, region)| region.id == id).map(|(&key, _)| key)
    }

    /// Whether there is an interface of that name, made by request or not.
    pub fn is_interface(&self, name: &str) -> bool {
        self.interface(name).is_some() || self.port_at(&Place::Persistent(name.into())).is_some()
    }

    /// The port of that name on a switch.
    pub fn station(&self, switch: &str, name: &str) -> Option<Key> {
        let mut all = self.switches.get(switch)?.ports.values();
        all.find(|(called, _)| called == name).map(|&(_, key)| key)
    }

    /// The port of that place, if it is there.
    pub fn port_at(&self, place: &Place) -> Option<Key> {
        let mut all = self.ports.iter();
        all.find(|(_, port)| port.place == *place)
            .map(|(&key, _)| key)
    }

    pub fn layout(&self, memory: Memory) -> Layout {
        match memory {
            Memory::There(key) => self.regions[&key].layout,
            Memory::New(layout) => layout,
        }
    }

    /// The id of the memory; [`NEW`](super::NEW) where it will be a new one.
    pub fn id(&self, memory: Memory) -> u16 {
        match memory {
            Memory::There(key) => self.regions[&key].id,
            Memory::New(_) => super::NEW,
        }
    }

    /// Whether the memory is for one port.
    pub fn is_private(&self, memory: Memory) -> bool {
        match memory {
            Memory::There(key) => self.regions[&key].private,
            Memory::New(_) => true,
        }
    }

    /// The switch that a port is on, what it is called there, and its number.
    pub fn plug(&self, port: Key) -> Option<(&str, &str, u8)> {
        self.switches
            .iter()
            .find_map(|(switch, Switch { ports, .. })| {
                let (number, (name, _)) = ports.iter().find(|(_, (_, key))| *key == port)?;
                Some((&**switch, &**name, *number))
            })
    }

    /// The number of a port on its switch.
    pub fn number(&self, port: Key) -> u32 {
        let (_, _, number) = self.plug(port).expect("a port on a switch");
        number.into()
    }

    pub fn bindings_of(&self, port: Key) -> impl Iterator<Item = &Binding> {
        self.bindings.values().filter(move |b| b.port == port)
    }

    /// Whether anybody has rings of the port.
    pub fn is_bound(&self, port: Key) -> bool {
        let has_some = |b: &Binding| !b.rings.tx.is_empty() || !b.rings.rx.is_empty();
        self.bindings_of(port).any(has_some)
    }

    /// Transmit and receive rings of a port that somebody has. A ring is there as long, and those
    /// of a pipe as long as that.
    pub fn live_rings(&self, port: Key) -> [BTreeSet<u16>; 2] {
        let Port {
            is_whole, shape, ..
        } = &self.ports[&port];
        if *is_whole {
            return [shape.tx_rings, shape.rx_rings].map(|rings| (0..rings).collect());
        }
        let mut live = [BTreeSet::new(), BTreeSet::new()];
        for binding in self.bindings_of(port) {
            live[0].extend(binding.rings.tx.clone());
            live[1].extend(binding.rings.rx.clone());
        }
        live
    }

    /// What nobody has of a region.
    pub fn free(&self, memory: Memory) -> Free {
        let layout = self.layout(memory);
        let mut free = Free {
            ifs: layout.ifs.count,
            rings: layout.rings.count,
            // Numbers 0 and 1 are nobody's.
            bufs: layout.bufs.count - 2,
        };
        let Memory::There(region) = memory else {
            return free;
        };
        for (&key, port) in &self.ports {
            if !matches!(port.memory, Memory::There(of) if of == region) {
                continue;
            }
            for binding in self.bindings_of(key) {
                free.ifs -= 1;
                free.bufs -= binding.extra_bufs;
            }
            let slots = match port.place {
                // Its buffers are those of the other end's receive rings.
                // A monitor sends nothing.
                Place::Pipe(..) | Place::Monitor(_) => [0, port.shape.rx_slots],
                _ => [port.shape.tx_slots, port.shape.rx_slots],
            };
            for (rings, slots) in self.live_rings(key).iter().zip(slots) {
                free.rings -= rings.len() as u32;
                free.bufs -= rings.len() as u32 * slots;
            }
        }
        free
    }

    /// Adds a port that was not there, with the switch and the region that it needs.
    pub fn add_port(&mut self, mut port: Port) -> Key {
        if let Some(base) = port.base.take() {
            let base = self.add_port(*base);
            port.memory = self.ports[&base].memory;
        }
        if let Some(other) = port.place.other_end() {
            let other = Port {
                place: other,
                shape: port.shape.turned(),
                ..port.clone()
            };
            let key = self.new_key();
            self.ports.insert(key, other);
        }
        if let Memory::New(layout) = port.memory {
            let region = Region {
                id: super::NEW,
                layout,
                private: true,
            };
            let key = self.new_key();
            self.regions.insert(key, region);
            port.memory = Memory::There(key);
        }
        let key = self.new_key();
        if let Place::Switch(switch, name) = &port.place {
            self.put_on(key, switch, name);
        }
        if let Some(watched) = port.watches {
            port.watches = Some(self.sit(watched, key));
        }
        self.ports.insert(key, port);
        key
    }

    /// Puts a port on a switch that has room, which is made if it is not there.
    pub fn put_on(&mut self, port: Key, switch: &str, name: &str) {
        if !self.switches.contains_key(switch) {
            let taken: BTreeSet<u16> = self.switches.values().map(|s| s.number).collect();
            let number = (0..).find(|n| !taken.contains(n));
            let new = Switch {
                number: number.expect("one of so many"),
                ports: BTreeMap::new(),
                free: (0..VALE_MAX_PORTS as u8).rev().collect(),
            };
            self.switches.insert(switch.into(), new);
        }
        let switch = self.switches.get_mut(switch).expect("the one just made");
        let number = switch.free.pop();
        let number = number.expect("a number on a switch that is not full");
        switch.ports.insert(number, (name.into(), port));
    }

    /// Takes a port off its switch, if it is on one. The switch goes with its last port.
    pub fn pull_out(&mut self, port: Key) {
        let Some((switch, _, number)) = self.plug(port) else {
            return;
        };
        let name = switch.to_string();
        let switch = self.switches.get_mut(&name).expect("its switch");
        switch.ports.remove(&number);
        switch.free.push(number);
        if switch.ports.is_empty() {
            self.switches.remove(&name);
        }
    }

    /// The number of the next monitor of a port.
    pub fn next_number(&self, watched: Key) -> u32 {
        let mut all = self.audiences.values();
        let audience = all.find(|audience| audience.port == watched);
        let newest = audience.and_then(|audience| audience.numbers.last());
        newest.map_or(0, |newest| newest + 1)
    }

    /// One monitor more. Its audience.
    fn sit(&mut self, watched: Key, monitor: Key) -> Key {
        let number = self.next_number(watched);
        let mut all = self.audiences.iter();
        let known = all.find(|(_, audience)| audience.port == watched);
        let key = match known.map(|(&key, _)| key) {
            Some(key) => key,
            None => self.new_key(),
        };
        let audience = self.audiences.entry(key).or_insert(Audience {
            port: watched,
            members: Vec::new(),
            numbers: Vec::new(),
        });
        audience.members.push(monitor);
        audience.numbers.push(number);
        key
    }

    /// One monitor less, if it is one of a port that is still open.
    fn rise(&mut self, monitor: Key, audience: Key) {
        let Some(of) = self.audiences.get_mut(&audience) else {
            return;
        };
        let at = of.members.iter().position(|&member| member == monitor);
        let at = at.expect("a member");
        of.members.remove(at);
        of.numbers.remove(at);
        if of.members.is_empty() {
            self.audiences.remove(&audience);
        }
    }

    pub fn bind(&mut self, port: Key, rings: Rings, extra_bufs: u32) -> Key {
        let other_end = self.ports[&port].place.other_end();
        if let Some(other) = other_end.and_then(|place| self.port_at(&place)) {
            for end in [port, other] {
                self.ports.get_mut(&end).expect("both ends").is_whole = true;
            }
        }
        let key = self.new_key();
        let binding = Binding {
            port,
            rings,
            extra_bufs,
            csb: false,
            stopped: false,
            offset: None,
        };
        self.bindings.insert(key, binding);
        key
    }

    /// Whether anybody has the port, or an end of the pipe that it is one of, or a pipe on it.
    pub fn is_used(&self, key: Key) -> bool {
        let place = &self.ports[&key].place;
        let other_end = place.other_end().and_then(|place| self.port_at(&place));
        let mut ends = [Some(key), other_end].into_iter().flatten();
        let mut places = self.ports.values().map(|port| &port.place);
        let is_base = |of: Option<&Place>| {
            of.is_some_and(|base| base == place || Some(base) == place.other_end().as_ref())
        };
        ends.any(|end| self.bindings_of(end).next().is_some())
            || places.any(|other| is_base(other.base()))
    }

    /// Undoes a binding, and what goes with the last one: the port, its switch, its region, the
    /// port that it is built on.
    pub fn unbind(&mut self, binding: Key) {
        let key = self.bindings.remove(&binding).expect("a binding").port;
        if self.bindings_of(key).next().is_none() {
            self.ports.get_mut(&key).expect("its port").attached = false;
        }
        if !self.is_bound(key) {
            self.audiences.retain(|_, audience| audience.port != key);
        }
        let unused = |state: &Self| {
            let mut all = state.ports.iter();
            let found = all.find(|(&key, port)| !port.stays && !state.is_used(key));
            found.map(|(&key, _)| key)
        };
        while let Some(key) = unused(self) {
            let place = self.ports[&key].place.other_end();
            let other_end = place.and_then(|place| self.port_at(&place));
            let gone = [Some(key), other_end];
            gone.into_iter().flatten().for_each(|key| self.remove(key));
        }
    }

    /// Takes away a port that nobody uses, with its switch and its region if it was the last there.
    pub fn remove(&mut self, key: Key) {
        self.pull_out(key);
        let port = self.ports.remove(&key).expect("a port");
        if let Some(audience) = port.watches {
            self.rise(key, audience);
        }
        let region = |port: &Port| match port.memory {
            Memory::There(region) => region,
            Memory::New(_) => unreachable!("a port that is there has its region"),
        };
        let gone = region(&port);
        if gone != SHARED && !self.ports.values().any(|port| region(port) == gone) {
            self.regions.remove(&gone);
        }
    }

    /// What the kernel has chosen as the number of a region that has none, if there is such.
    pub fn number_region(&mut self, id: u16) {
        let mut all = self.regions.values_mut();
        if let Some(region) = all.find(|region| region.id == super::NEW) {
            region.id = id;
        }
    }

    /// What the kernel has chosen for the newest binding: the region's number, if that is new, and
    /// where the netmap_if is.
    pub fn choose(&mut self, id: u16, offset: u64) -> Result<(), String> {
        let (&key, binding) = self.bindings.iter().next_back().expect("a binding");
        let Memory::There(region) = self.ports[&binding.port].memory else {
            unreachable!("a port that is there has its region");
        };
        let ifs = self.regions[&region].layout.ifs;
        let in_pool = offset < ifs.bytes() && offset % u64::from(ifs.size) == 0;
        let mut others = self.bindings.values().filter(|other| {
            let memory = self.ports[&other.port].memory;
            matches!(memory, Memory::There(of) if of == region)
        });
        if !in_pool || others.any(|other| other.offset == Some(offset)) {
            return Err(format!(
                "a netmap_if at {offset} is none, or somebody else's"
            ));
        }
        self.number_region(id);
        self.bindings.get_mut(&key).expect("a binding").offset = Some(offset);
        Ok(())
    }

    /// Whether a new region may have that number.
    pub fn is_new(&self, id: u16) -> Result<(), String> {
        match id > GLOBAL_MEM_ID && self.region_by_id(id).is_none() {
            true => Ok(()),
            false => Err(format!("{id} is not the number of a new region")),
        }
    }
}
