// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which port a request means (section 6.1 of the interface), and which of its rings (7.3).

use super::state::{Key, Memory, Place, Port, Rings, Shape, State, SHARED};
use ferromap_abi::consts::*;
use ferromap_abi::layout::{
    Layout, PoolRequest, PortNeeds, BUF_LIMITS, PRIV_IF_LIMITS, RING_LIMITS,
};
use ferromap_abi::wire::NmreqRegister;
use nix::errno::Errno;

/// Most ports of a switch: it refuses one when it would have 254, counting two for the new one.
const MOST_PORTS: usize = VALE_MAX_PORTS - 2;
/// Most host rings of an interface in a direction.
const MOST_HOST_RINGS: u16 = 1024;

/// What a name means.
pub enum Name<'n> {
    Switch(&'n str, &'n str),
    /// Starts with `vale`, and is none.
    BadSwitch,
    /// Base, whether it is the master's end, id.
    Pipe(&'n str, bool, &'n str),
    /// A pipe without a base or an id.
    BadPipe,
    Interface(&'n str),
    Empty,
}

/// The same, whatever interfaces there are.
fn parse(name: &str) -> Name<'_> {
    for (mark, master) in [('{', true), ('}', false)] {
        match name.rsplit_once(mark) {
            Some((base, id)) if base.is_empty() || id.is_empty() => return Name::BadPipe,
            Some((base, id)) => return Name::Pipe(base, master, id),
            None => {}
        }
    }
    match switch_port_name(name) {
        Some((switch, port)) => Name::Switch(switch, port),
        None if name.starts_with("vale") => Name::BadSwitch,
        None if name.is_empty() => Name::Empty,
        None => Name::Interface(name),
    }
}

/// The parts of the name of a switch port. That of an interface's host has a `^` more.
pub fn switch_port_name(name: &str) -> Option<(&str, &str)> {
    let fits = |port: &str| port.strip_suffix('^').unwrap_or(port).len() < IFNAMSIZ;
    split(name).filter(|(_, port)| fits(port))
}

/// The same, whether or not a port can be called that.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let (switch, port) = name.split_once(':')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_switch = switch.starts_with("vale") && switch.len() < IFNAMSIZ;
    (is_switch && switch.chars().all(legal)).then_some((switch, port))
}

/// A port: under its key if it is there, and as it is or would be.
pub type Found = (Option<Key>, Port);

impl State {
    /// What the name means. It is an interface if there is one of that very name (quirk 6).
    pub fn meaning<'n>(&self, name: &'n str) -> Name<'n> {
        match parse(name) {
            Name::BadSwitch | Name::Pipe(..) | Name::BadPipe if self.is_interface(name) => {
                Name::Interface(name)
            }
            meaning => meaning,
        }
    }

    /// Where a port of that name is, or would be. A persistent port has two names.
    pub fn place(&self, name: &str) -> Option<Place> {
        match self.meaning(name) {
            Name::Switch(switch, port) => {
                let there = self
                    .station(switch, port)
                    .map(|key| &self.ports[&key].place);
                let place = || Place::Switch(switch.into(), port.into());
                Some(there.cloned().unwrap_or_else(place))
            }
            Name::Interface(name) => {
                let persistent = Place::Persistent(name.into());
                let is_there = self.port_at(&persistent).is_some();
                Some(if is_there {
                    persistent
                } else {
                    Place::Interface(name.into())
                })
            }
            Name::Pipe(base, master, id) => {
                let base = Box::new(self.place(base)?);
                Some(Place::Pipe(base, master, id.into()))
            }
            _ => None,
        }
    }

    /// The port of that name, if it is there.
    pub fn named(&self, name: &str) -> Option<Key> {
        self.port_at(&self.place(name)?)
    }

    /// The region of that number; none for 0.
    pub fn region(&self, id: u16) -> Result<Option<Key>, Errno> {
        match id {
            0 => Ok(None),
            id => self.region_by_id(id).map(Some).ok_or(Errno::EINVAL),
        }
    }

    /// The port that a request means, by its name, mode, flags, numbers of rings and slots, region
    /// and extra buffers.
    pub fn find(&self, name: &str, want: &NmreqRegister) -> Result<Found, Errno> {
        let region = self.region(want.nr_mem_id)?;
        if want.nr_mode == NR_REG_NULL {
            let memory = Memory::There(region.ok_or(Errno::EINVAL)?);
            let shape = Shape {
                tx_rings: want.nr_tx_rings,
                rx_rings: want.nr_rx_rings,
                tx_slots: want.nr_tx_slots,
                rx_slots: want.nr_rx_slots,
                ..Shape::default()
            };
            return Ok((None, Port::new(Place::Null(name.into()), memory, shape)));
        }
        if want.nr_flags & (NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON) != 0 {
            return self.monitor(name, want, region);
        }
        match self.meaning(name) {
            Name::Switch(switch, name) => self.switch_port(switch, name, want, region),
            Name::Interface(name) => match self.there(&Place::Persistent(name.into())) {
                Some(found) => Ok(found),
                None => self.open_interface(name, want, region),
            },
            Name::Pipe(base, master, id) => self.pipe(base, master, id, want),
            Name::BadPipe | Name::BadSwitch => Err(Errno::EINVAL),
            Name::Empty => Err(Errno::ENXIO),
        }
    }

    /// The same, for a question.
    pub fn look_up(&self, name: &str, want: &NmreqRegister) -> Result<Found, Errno> {
        let all = NmreqRegister {
            nr_mode: NR_REG_ALL_NIC,
            ..*want
        };
        self.find(name, &all)
    }

    fn there(&self, place: &Place) -> Option<Found> {
        let key = self.port_at(place)?;
        Some((Some(key), self.ports[&key].clone()))
    }

    /// A port of a switch (8.3).
    fn switch_port(
        &self,
        switch: &str,
        name: &str,
        want: &NmreqRegister,
        region: Option<Key>,
    ) -> Result<Found, Errno> {
        if let Some(key) = self.station(switch, name) {
            return Ok((Some(key), self.ports[&key].clone()));
        }
        // The name of an interface's host port is its own as well.
        if self.is_interface(name.strip_suffix('^').unwrap_or(name)) {
            return Err(Errno::EINVAL);
        }
        self.has_room(switch)?;
        let place = Place::Switch(switch.into(), name.into());
        Ok((None, self.switched(place, want, region)?))
    }

    /// A port of the kind that is on switches, which the request would make.
    pub fn switched(
        &self,
        place: Place,
        want: &NmreqRegister,
        region: Option<Key>,
    ) -> Result<Port, Errno> {
        let or = |asked: u32, default, most| if asked == 0 { default } else { asked.min(most) };
        let rings = |asked: u16| or(asked.into(), 1, VALE_MAX_RINGS.into()) as u16;
        let slots = |asked| or(asked, VALE_DEFAULT_SLOTS, VALE_MAX_SLOTS);
        let shape = Shape {
            tx_rings: rings(want.nr_tx_rings),
            rx_rings: rings(want.nr_rx_rings),
            tx_slots: slots(want.nr_tx_slots),
            rx_slots: slots(want.nr_rx_slots),
            ..Shape::default()
        };
        let memory = match region {
            Some(region) => Memory::There(region),
            None => Memory::New(self.private_layout(shape, 2, want.nr_extra_bufs)?),
        };
        Ok(Port::new(place, memory, shape))
    }

    /// A monitor (8.7).
    fn monitor(
        &self,
        name: &str,
        want: &NmreqRegister,
        region: Option<Key>,
    ) -> Result<Found, Errno> {
        match self.meaning(name) {
            Name::Interface(name) if self.is_interface(name) => {}
            Name::Interface(_) | Name::Empty => return Err(Errno::ENXIO),
            _ => {}
        }
        let key = self.named(name).ok_or(Errno::EINVAL)?;
        if !self.is_bound(key) {
            return Err(Errno::EINVAL);
        }
        let watched = &self.ports[&key];
        let Memory::There(memory) = watched.memory else {
            unreachable!("a port that is there has its region");
        };
        let has = |flag| want.nr_flags & flag != 0;
        let zero_copy = has(NR_ZCOPY_MON);
        let slots = |wished, default| match wished {
            0 => default,
            wished => MONITOR_MAX_SLOTS.min(wished),
        };
        let of = &watched.shape;
        let host = of.host_tx_rings.max(of.host_rx_rings);
        let shape = Shape {
            tx_rings: 1,
            rx_rings: of.tx_rings.max(of.rx_rings),
            host_tx_rings: host.min(1),
            host_rx_rings: host,
            tx_slots: slots(want.nr_tx_slots, of.tx_slots),
            rx_slots: slots(want.nr_rx_slots, of.rx_slots),
        };
        let memory = match region {
            Some(region) if zero_copy && region != memory => return Err(Errno::EINVAL),
            Some(region) => Memory::There(region),
            None if zero_copy => Memory::There(memory),
            None => Memory::New(self.private_layout(shape, 0, want.nr_extra_bufs)?),
        };
        let letters = [
            (zero_copy, "z"),
            (zero_copy || has(NR_MONITOR_RX), "r"),
            (zero_copy || has(NR_MONITOR_TX), "t"),
        ];
        let letters = letters.iter().filter(|(is, _)| *is);
        let letters: String = letters.map(|(_, letter)| *letter).collect();
        let number = self.next_number(key);
        let name = format!("{}/{letters}#{number}", watched.place.name());
        let found = Port {
            header: watched.header,
            watches: Some(key),
            ..Port::new(Place::Monitor(name), memory, shape)
        };
        Ok((None, found))
    }

    /// One end of a pipe (8.6).
    fn pipe(
        &self,
        base: &str,
        master: bool,
        id: &str,
        want: &NmreqRegister,
    ) -> Result<Found, Errno> {
        if nesting(base) >= MOST_NESTED_PIPES {
            return Err(Errno::EINVAL);
        }
        let all = NmreqRegister {
            nr_mode: NR_REG_ALL_NIC,
            nr_flags: 0,
            ..*want
        };
        let (there, base) = match self.meaning(base) {
            Name::Interface(name) if !self.is_interface(name) => {
                let region = self.region(want.nr_mem_id)?;
                (
                    None,
                    self.persistent(name, &NmreqRegister::default(), region)?,
                )
            }
            _ => self.find(base, &all)?,
        };
        let place = Place::Pipe(Box::new(base.place.clone()), master, id.into());
        if let Some(found) = self.there(&place) {
            return Ok(found);
        }
        if base.attached {
            return Err(Errno::EBUSY);
        }
        let is_sibling =
            |port: &&Port| matches!(&port.place, Place::Pipe(on, true, _) if **on == base.place);
        if self.ports.values().filter(is_sibling).count() >= PIPE_MAX_PER_BASE {
            return Err(Errno::EINVAL);
        }
        let slots = |wished, default| match wished {
            0 => default,
            wished => PIPE_MAX_SLOTS.min(wished),
        };
        // Both wish and base are as the master sees them.
        let of_master = Shape {
            tx_rings: want.nr_tx_rings.clamp(1, PIPE_MAX_RINGS),
            rx_rings: want.nr_rx_rings.clamp(1, PIPE_MAX_RINGS),
            tx_slots: slots(want.nr_tx_slots, base.shape.tx_slots),
            rx_slots: slots(want.nr_rx_slots, base.shape.rx_slots),
            ..Shape::default()
        };
        let shape = if master {
            of_master
        } else {
            of_master.turned()
        };
        let mut found = Port::new(place, base.memory, shape);
        if there.is_none() {
            found.base = Some(Box::new(base));
        }
        Ok((None, found))
    }

    /// Whether one more port can be on that switch, and the switch be there.
    pub fn has_room(&self, switch: &str) -> Result<(), Errno> {
        let fits = match self.switches.get(switch) {
            Some(switch) => switch.ports.len() < MOST_PORTS,
            None => self.switches.len() < self.setting.max_switches.into(),
        };
        fits.then_some(()).ok_or(Errno::ENOMEM)
    }

    /// The region that is made for a port of that shape (3.7, and a netmap_if for each ring).
    fn private_layout(&self, shape: Shape, pipes: u32, extra_bufs: u32) -> Result<Layout, Errno> {
        let needs = PortNeeds {
            tx_rings: u32::from(shape.tx_rings) + u32::from(shape.host_tx_rings),
            rx_rings: u32::from(shape.rx_rings) + u32::from(shape.host_rx_rings),
            tx_slots: shape.tx_slots,
            rx_slots: shape.rx_slots,
            pipes,
            extra_bufs: extra_bufs.min(VALE_MAX_EXTRA_BUFS),
        };
        let least = needs
            .pools(self.setting.page)
            .expect("a port within its limits");
        let mut pools = self.setting.private;
        for (pool, least) in pools.iter_mut().zip(least) {
            *pool = PoolRequest {
                size: pool.size.max(least.size),
                count: pool.count.max(least.count),
            };
        }
        let limits = [PRIV_IF_LIMITS, RING_LIMITS, BUF_LIMITS];
        if !limits
            .iter()
            .zip(pools)
            .all(|(limits, pool)| limits.allow(pool))
        {
            return Err(Errno::EINVAL);
        }
        let [ifs, rings, bufs] = pools;
        Ok(Layout::new(self.setting.page, ifs, rings, bufs).expect("sizes that can be had"))
    }

    /// An interface (8.1), which is opened for the first time or has been.
    pub fn open_interface(
        &self,
        name: &str,
        want: &NmreqRegister,
        region: Option<Key>,
    ) -> Result<Found, Errno> {
        let place = Place::Interface(name.into());
        if let Some(found) = self.there(&place) {
            return Ok(found);
        }
        let (tx_rings, rx_rings) = match self.interface(name) {
            Some(interface) => (interface.queues, interface.queues),
            None => self.queues(name).ok_or(Errno::ENXIO)?,
        };
        let host = |asked: u16| asked.clamp(1, MOST_HOST_RINGS);
        let shape = Shape {
            tx_rings,
            rx_rings,
            host_tx_rings: host(want.nr_host_tx_rings),
            host_rx_rings: host(want.nr_host_rx_rings),
            tx_slots: self.setting.nic_slots,
            rx_slots: self.setting.nic_slots,
        };
        let memory = Memory::There(region.unwrap_or(SHARED));
        Ok((None, Port::new(place, memory, shape)))
    }
}

/// Pipes on each other, at most.
const MOST_NESTED_PIPES: usize = 4;

/// On how many pipes the port of that name is built, itself included.
fn nesting(name: &str) -> usize {
    match parse(name) {
        Name::Pipe(base, ..) => 1 + nesting(base),
        _ => 0,
    }
}

/// Which rings a REGISTER selects of a port of that shape.
pub fn select(want: &NmreqRegister, shape: &Shape) -> Result<Rings, Errno> {
    let has = |flag| want.nr_flags & flag != 0;
    let (no_tx, no_rx) = (has(NR_RX_RINGS_ONLY), has(NR_TX_RINGS_ONLY));
    let exclusive = has(NR_EXCLUSIVE);
    if no_tx && no_rx {
        // Not even the mode is looked at.
        let (tx, rx) = (0..0, 0..0);
        return Ok(Rings { tx, rx, exclusive });
    }
    let (tx, rx) = (shape.tx_rings, shape.rx_rings);
    let (tx_end, rx_end) = (tx + shape.host_tx_rings, rx + shape.host_rx_rings);
    let one = |tx: std::ops::Range<u16>, rx: std::ops::Range<u16>| {
        let ring = want.nr_ringid;
        let has = |rings: &std::ops::Range<u16>| usize::from(ring) < rings.len();
        if !has(&tx) && !has(&rx) {
            return Err(Errno::EINVAL);
        }
        let pick = |rings: std::ops::Range<u16>| {
            let first = rings.start + if has(&rings) { ring } else { 0 };
            first..(first + 1).min(rings.end)
        };
        Ok((pick(tx), pick(rx)))
    };
    let (tx, rx) = match want.nr_mode {
        NR_REG_ALL_NIC | NR_REG_NULL => (0..tx, 0..rx),
        NR_REG_ONE_NIC => one(0..tx, 0..rx)?,
        NR_REG_SW | NR_REG_NIC_SW | NR_REG_ONE_SW if shape.host_rx_rings == 0 => {
            return Err(Errno::EINVAL)
        }
        NR_REG_SW => (tx..tx_end, rx..rx_end),
        NR_REG_NIC_SW => (0..tx_end, 0..rx_end),
        NR_REG_ONE_SW => one(tx..tx_end, rx..rx_end)?,
        _ => return Err(Errno::EINVAL),
    };
    Ok(Rings {
        tx: if no_tx { 0..0 } else { tx },
        rx: if no_rx { 0..0 } else { rx },
        exclusive,
    })
}
