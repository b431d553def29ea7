// SPDX-License-Identifier: GPL-2.0

//! From a name to a port: finds it, or makes it where it is of a kind that is made by opening.

use crate::{
    abi::{
        consts::{NR_MONITOR_RX, NR_MONITOR_TX, NR_REG_ALL_NIC, NR_REG_NULL, NR_ZCOPY_MON},
        name::{PortName, ValeName},
    },
    memory::{Claimant, Kind, RegionRef, Regions},
    monitor::{self, MonitorPort, Monitors},
    nic::{NicPort, Nics},
    null::NullPort,
    pipe::{PipeName, PipePort, Pipes},
    port::Port,
    refusal::{refuse, Fallible, Name},
    ring::{Operator, RingSet, Shape},
    sys::net::{home::Homes, NetId, NetNs},
    vale::{Joined, Life, Occupant, Persistent, Persistents, Switches, ValePort},
};
use kernel::{prelude::*, sync::Arc};

/// Where ports are looked for, and what they are made of.
pub(crate) struct Registry {
    pub(crate) regions: Arc<Regions>,
    pub(crate) switches: Arc<Switches>,
    pub(crate) nics: Arc<Nics>,
    pub(crate) pipes: Arc<Pipes>,
    pub(crate) monitors: Arc<Monitors>,
    pub(crate) persistents: Arc<Persistents>,
    pub(crate) homes: Homes,
}

impl Registry {
    pub(crate) fn new() -> Result<Self> {
        Ok(Registry {
            regions: Regions::new()?,
            switches: Switches::new()?,
            nics: Nics::new()?,
            pipes: Pipes::new()?,
            monitors: Monitors::new()?,
            persistents: Persistents::new()?,
            homes: Homes::new()?,
        })
    }
}

/// What a request says about the port that it wants.
pub(crate) struct Want<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) flags: u64,
    /// For a port that is made by the request; zeros mean defaults.
    pub(crate) shape: Shape,
    /// The region for such a port, and who asks.
    pub(crate) region: Option<RegionRef>,
    pub(crate) claimant: Claimant,
    pub(crate) extra_bufs: u32,
}

impl Want<'_> {
    /// Whether it is to watch a port.
    pub(crate) fn is_monitor(&self) -> bool {
        const FLAGS: u64 = NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON;
        self.mode != NR_REG_NULL && self.flags & FLAGS != 0
    }
}

/// Finds the port, or makes it; not for who wants to watch one.
pub(crate) fn open(registry: &Registry, want: &Want<'_>) -> Fallible<KBox<dyn Port>> {
    let region = want.region.clone();
    if want.mode == NR_REG_NULL {
        let Some(region) = region else {
            refuse!(EINVAL, "a null port needs a memory region: set nr_mem_id");
        };
        let shape = Shape {
            host_tx_rings: 0,
            host_rx_rings: 0,
            ..want.shape
        };
        return NullPort::open(want.name, RingSet::new(region, shape)?);
    }
    let net = NetNs::current()?;
    match meaning(&net, want.name) {
        PortName::Vale(name) => open_vale(registry, &name, want, region),
        PortName::BadVale => refuse!(
            EINVAL,
            "{} is not the name of a switch port: it must be valeSWITCH:PORT, with letters, digits \
             and _ in SWITCH and at most 15 characters in each part",
            Name(want.name)
        ),
        PortName::Pipe { base, id, master } => {
            open_pipe(registry, base, PipeName { id, master }, want)
        }
        PortName::BadPipe => refuse!(
            EINVAL,
            "a pipe needs a base and an id: BASE{{ID or BASE}}ID"
        ),
        PortName::Interface(name) => match registry.persistents.find(&net, name) {
            Some(port) => port.open(),
            None => open_nic(
                registry,
                name,
                want.shape,
                &want.claimant,
                region,
                Operator::Programs,
            ),
        },
        PortName::Empty => refuse!(ENXIO, "the port has no name"),
    }
}

/// The port of that name, to be watched: it must be there.
pub(crate) fn watched(registry: &Registry, want: &Want<'_>) -> Fallible<KBox<dyn Port>> {
    let net = NetNs::current()?;
    match meaning(&net, want.name) {
        PortName::Vale(_) | PortName::Pipe { .. } => match find(registry, want.name)? {
            Some(port) => Ok(port),
            None => refuse!(
                EINVAL,
                "there is no port {} to be watched: open it first",
                Name(want.name)
            ),
        },
        // Nothing comes of opening an interface that nobody else has open.
        _ => open(
            registry,
            &Want {
                mode: NR_REG_ALL_NIC,
                flags: 0,
                shape: Shape::default(),
                region: None,
                ..*want
            },
        ),
    }
}

/// Makes a monitor of that port, of one who may watch it.
pub(crate) fn monitor(
    registry: &Registry,
    port: &dyn Port,
    want: &Want<'_>,
) -> Fallible<KBox<dyn Port>> {
    let wish = monitor::Wish {
        flags: want.flags,
        shape: want.shape,
        region: want.region.clone(),
        extra_bufs: want.extra_bufs,
    };
    MonitorPort::open(&registry.monitors, port, wish, |needs| {
        let regions = &registry.regions;
        regions.create(&want.claimant, Kind::Private(needs))
    })
}

/// What a name means. It is a network interface if there is one of that very name, whatever else it
/// could mean.
fn meaning<'n>(net: &NetNs, name: &'n [u8]) -> PortName<'n> {
    match PortName::parse(name) {
        PortName::BadVale | PortName::Pipe { .. } | PortName::BadPipe
            if net.has_interface(name) =>
        {
            PortName::Interface(name)
        }
        meaning => meaning,
    }
}

/// Opens one end of a pipe, and before that the port that it is built on, which may be a pipe as
/// well. Both are made with the same wish if they are not there.
fn open_pipe(
    registry: &Registry,
    base: &[u8],
    pipe: PipeName<'_>,
    want: &Want<'_>,
) -> Fallible<KBox<dyn Port>> {
    if nesting(base) >= MOST_NESTED_PIPES {
        refuse!(
            EINVAL,
            "a pipe on a pipe on a pipe is enough: {} has more than {} of them",
            Name(want.name),
            MOST_NESTED_PIPES
        );
    }
    let of_base = Want {
        name: base,
        mode: NR_REG_ALL_NIC,
        flags: 0,
        region: want.region.clone(),
        ..*want
    };
    let net = NetNs::current()?;
    let made = match meaning(&net, base) {
        PortName::Interface(name) if !net.has_interface(name) => {
            make_base(registry, &net, &of_base)?
        }
        _ => None,
    };
    let port = match made {
        Some(port) => port,
        None => open(registry, &of_base)?,
    };
    PipePort::open(&registry.pipes, port, pipe, want.shape)
}

/// Makes an interface of a name that nobody has, for pipes on it: a persistent port, which goes
/// with the last one who has it open. `None` if an interface has got the name meanwhile: they are
/// renamed and made by others in the middle of our requests.
fn make_base(
    registry: &Registry,
    net: &NetNs,
    want: &Want<'_>,
) -> Fallible<Option<KBox<dyn Port>>> {
    if !want.claimant.administrates() {
        refuse!(
            EPERM,
            "there is no interface {}, and making it for a pipe needs CAP_NET_ADMIN: build the \
             pipe on a switch port (valeSWITCH:PORT), or do it as root (sudo)",
            Name(want.name)
        );
    }
    let shape = ValePort::shape(Shape::default());
    let rings = || private_rings(registry, shape, &want.claimant, want.region.clone(), 0);
    let made = registry
        .persistents
        .make(net, want.name, Life::WhileOpen, rings)?;
    let Some(made) = made else {
        return Ok(None);
    };
    let opened = made.clone().open();
    // If it could not be opened.
    made.expire();
    opened.map(Some)
}

/// Pipes on each other: opening and closing one takes a piece of the kernel's stack for each.
const MOST_NESTED_PIPES: usize = 4;

/// On how many pipes the port of that name is built, itself included.
fn nesting(name: &[u8]) -> usize {
    fn base(name: &[u8]) -> Option<&[u8]> {
        match PortName::parse(name) {
            PortName::Pipe { base, .. } => Some(base),
            _ => None,
        }
    }
    core::iter::successors(base(name), |name| base(name)).count()
}

/// Finds the port of a switch, or a pipe; never makes one. `ENXIO` if it is not there.
pub(crate) fn open_existing(registry: &Registry, name: &[u8]) -> Fallible<KBox<dyn Port>> {
    match (find(registry, name)?, PortName::parse(name)) {
        (Some(port), _) => Ok(port),
        (None, PortName::Pipe { .. }) => refuse!(ENODEV, "there is no pipe {}", Name(name)),
        (None, _) => refuse!(ENXIO, "there is no port {}", Name(name)),
    }
}

/// The same where it is no error that there is none.
fn find(registry: &Registry, name: &[u8]) -> Fallible<Option<KBox<dyn Port>>> {
    let net = NetNs::current()?;
    let found = match meaning(&net, name) {
        PortName::Vale(vale) => {
            let joined = registry.switches.find(net.id(), &vale);
            joined.map(|joined| open_joined(registry, &vale, joined))
        }
        PortName::Pipe { base, id, master } if nesting(name) <= MOST_NESTED_PIPES => {
            let pipe = PipeName { id, master };
            rings_of(registry, &net, base)
                .and_then(|rings| PipePort::find(&registry.pipes, (base, &rings), pipe))
        }
        _ => None,
    };
    found.transpose()
}

/// The rings of the port of that name, if there is one: what pipes on it are known by, since an
/// interface may be called otherwise by now, and a persistent port has two names. Never makes one.
fn rings_of(registry: &Registry, net: &NetNs, name: &[u8]) -> Option<Arc<RingSet>> {
    match meaning(net, name) {
        PortName::Vale(vale) => {
            let joined = registry.switches.find(net.id(), &vale)?;
            Some(joined.member().rings.clone())
        }
        PortName::Pipe { base, id, master } => {
            let base = rings_of(registry, net, base)?;
            registry.pipes.rings(&base, PipeName { id, master })
        }
        PortName::Interface(name) => match registry.persistents.find(net, name) {
            Some(port) => Some(port.rings().clone()),
            None => registry.nics.rings(net, name),
        },
        _ => None,
    }
}

/// Opens a network interface. The wish and the region are heeded if nobody has it open yet.
fn open_nic(
    registry: &Registry,
    name: &[u8],
    wish: Shape,
    claimant: &Claimant,
    region: Option<RegionRef>,
    operator: Operator,
) -> Fallible<KBox<dyn Port>> {
    let region = || match region {
        Some(region) => Ok(region),
        None => registry.regions.shared(claimant),
    };
    let net = NetNs::current()?;
    NicPort::open(registry.nics.open(&net, name, wish, region)?, operator)
}

/// Opens a network interface for the kernel itself, which is going to carry its frames to and from
/// a switch.
pub(crate) fn open_for_switch(
    registry: &Registry,
    name: &[u8],
    claimant: &Claimant,
    region: Option<RegionRef>,
) -> Fallible<KBox<dyn Port>> {
    open_nic(
        registry,
        name,
        Shape::default(),
        claimant,
        region,
        Operator::Kernel,
    )
}

/// Makes the port of a switch for an interface that the kernel carries frames to and from.
pub(crate) fn plug(
    registry: &Registry,
    net: NetId,
    name: &ValeName<'_>,
    rings: Arc<RingSet>,
) -> Fallible<KBox<dyn Port>> {
    let joined = registry.switches.create(
        net,
        name,
        Occupant {
            rings,
            operator: Operator::Kernel,
            stack: None,
        },
    )?;
    ValePort::open(name, joined, Operator::Kernel)
}

/// Opens a port that a switch has. A persistent one is the same by each of its names.
fn open_joined(
    registry: &Registry,
    name: &ValeName<'_>,
    joined: Joined,
) -> Fallible<KBox<dyn Port>> {
    match registry.persistents.with(&joined.member().rings) {
        Some(port) => port.open(),
        None => ValePort::open(name, joined, Operator::Programs),
    }
}

/// Makes a persistent port: an interface of that name in the namespace of the calling process.
pub(crate) fn make_persistent(
    registry: &Registry,
    name: &[u8],
    wish: Shape,
    claimant: &Claimant,
    region: Option<RegionRef>,
) -> Fallible<Arc<Persistent>> {
    let shape = ValePort::shape(wish);
    let rings = || private_rings(registry, shape, claimant, region, 0);
    let net = NetNs::current()?;
    let made = registry
        .persistents
        .make(&net, name, Life::UntilDeleted, rings)?;
    match made {
        Some(port) => Ok(port),
        None => refuse!(EEXIST, "there is an interface {} already", Name(name)),
    }
}

/// Rings of a switch port, in a region of its own unless another is given.
fn private_rings(
    registry: &Registry,
    shape: Shape,
    claimant: &Claimant,
    region: Option<RegionRef>,
    extra_bufs: u32,
) -> Fallible<Arc<RingSet>> {
    let region = match region {
        Some(region) => region,
        None => {
            let needs = ValePort::needs(&shape, extra_bufs);
            registry.regions.create(claimant, Kind::Private(needs))?
        }
    };
    RingSet::new(region, shape)
}

fn open_vale(
    registry: &Registry,
    name: &ValeName<'_>,
    want: &Want<'_>,
    region: Option<RegionRef>,
) -> Fallible<KBox<dyn Port>> {
    let net = NetNs::current()?;
    if let Some(joined) = registry.switches.find(net.id(), name) {
        return open_joined(registry, name, joined);
    }
    // Nor is the name taken that its host rings would have there.
    let interface = name.port.strip_suffix(b"^").unwrap_or(name.port);
    if net.has_interface(interface) {
        refuse!(
            EINVAL,
            "{} is a network interface and not attached to {}",
            Name(interface),
            Name(name.switch)
        );
    }
    let shape = ValePort::shape(want.shape);
    let rings = private_rings(registry, shape, &want.claimant, region, want.extra_bufs)?;
    let joined = registry.switches.create(
        net.id(),
        name,
        Occupant {
            rings,
            operator: Operator::Programs,
            stack: None,
        },
    )?;
    ValePort::open(name, joined, Operator::Programs)
}
