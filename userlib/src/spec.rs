// SPDX-License-Identifier: MIT OR Apache-2.0

//! Port names as people type them, and what they ask for.
//!
//! ```text
//! [netmap:]NAME[{ID|}ID][MODE][/FLAGS][@MEMID][@OPTION...]
//! valeX:NAME[{ID|}ID][MODE][/FLAGS][@MEMID][@OPTION...]
//! null:LABEL[/FLAGS][@MEMID][@OPTION...]
//! ```
//!
//! A null port has rings and buffers, and no traffic: one ring of 1024 slots each way and memory
//! region 1, where nothing else is asked for.
//!
//! | part | meaning |
//! |---|---|
//! | `{ID`, `}ID` | the master or the slave end of pipe `ID` |
//! | `^`, `^N` | host rings, host ring N |
//! | `*` | NIC and host rings |
//! | `-N` | NIC ring pair N |
//! | `/x` | exclusive |
//! | `/z`, `/t`, `/r` | zero-copy monitor; monitor of what is sent, of what is received |
//! | `/R`, `/T` | receive rings only, transmit rings only |
//! | `@N` | memory region N |
//! | `@share=PORT` | the memory region of another port |
//! | `@conf:KEY=N,...` | `slots`, `rings`, `host-rings`, each also as `tx-...` or `rx-...` |
//! | `@extmem=FILE` | memory of this program's for the region: a file that is mapped, all of it |
//! | `@extmem:KEY=...,...` | the same with `file`, and what the region is divided into |
//! | `@offset=N` | frames start `N` bytes into their buffers |
//! | `@offset:KEY=N,...` | the same with `initial`, and how many `bits` of a slot's `ptr` say it |
//!
//! What a region in a file is divided into say `if-num` and `if-size` (descriptions of bindings),
//! `ring-num` and `ring-size`, `buf-num` and `buf-size`; what is not said is as
//! [`PoolSizes`](crate::PoolSizes) has it.
//!
//! An interface may have the characters of suffixes in its name. The longest name that an interface
//! has wins: where there is an interface `eth0-0`, `netmap:eth0-0` is all of it, and
//! `netmap:eth0-0-1` its ring pair 1; `netmap:eth0-00` is ring pair 0 of `eth0` in any case.

mod end;
mod name;
mod suffix;

use crate::{
    error::{Error, Result},
    interface,
    memory::PoolSizes,
};
use ferromap_abi::{consts::*, name::is_vale, wire::NmreqRegister};
use std::{borrow::Cow, str::FromStr};

/// A port name, taken apart. [`FromStr`] reads it; the fields may be changed afterwards.
///
/// Where a name can be read in two ways, an interface that is there wins: `netmap:br-1` is all of
/// the interface `br-1` if there is one, else ring pair 1 of `br`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortSpec {
    /// The name for the kernel: without `netmap:`, with the switch, with the pipe suffix.
    pub name: String,
    /// Which rings.
    pub rings: Rings,
    /// `NR_*` flags of the request.
    pub flags: u64,
    /// Memory region, or 0 to let the kernel choose.
    pub mem_id: u16,
    /// Use the region of this port, which must exist: its name, as people type it.
    pub share: Option<String>,
    /// Sizes to ask for.
    pub config: Config,
    /// Memory of this program's that becomes the region.
    pub extmem: Option<Extmem>,
    /// Where in their buffers frames start.
    pub offsets: Option<Offsets>,
}

/// A file that becomes the memory region of a port: [`Memory::file`](crate::Memory::file).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extmem {
    /// Its name.
    pub file: String,
    /// What it is divided into.
    pub pools: PoolSizes,
}

/// Offsets of frames in their buffers, to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offsets {
    /// The largest that a slot may have; no less than `initial`.
    pub max: u64,
    /// What every slot starts with, where nobody else has the ring.
    pub initial: u64,
    /// How many low bits of a slot's `ptr` are its offset; 0 for all.
    pub bits: u32,
    /// Bytes that the kernel may write behind an offset, where it is the first to ask for offsets
    /// of a ring; 0 for all up to the buffer's end.
    pub min_gap: u64,
}

impl Offsets {
    /// Every frame starts `initial` bytes into its buffer, and none later.
    pub fn starting_at(initial: u64) -> Self {
        Offsets {
            max: initial,
            initial,
            ..Offsets::default()
        }
    }

    /// The same, but slots may say more, up to `max`.
    pub fn up_to(self, max: u64) -> Self {
        Offsets { max, ..self }
    }

    /// The same, and of what comes no more than `min_gap` bytes are put behind a slot's offset: so
    /// several slots may share a buffer, each with a part of its own. On an interface a longer
    /// frame goes on in further slots; on a switch it arrives empty.
    #[doc(alias = "nro_min_gap")]
    pub fn with_min_gap(self, min_gap: u64) -> Self {
        Offsets { min_gap, ..self }
    }
}

/// Which rings of a port a binding includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rings {
    /// All rings of the port's own queues.
    #[default]
    Nic,
    /// All host rings.
    Host,
    /// Both.
    NicAndHost,
    /// One pair of NIC rings.
    OneNic(u16),
    /// One pair of host rings.
    OneHost(u16),
}

impl Rings {
    /// Pair `ring` of the same kind.
    pub(crate) fn one(self, ring: u16) -> Self {
        match self {
            Rings::Host | Rings::OneHost(_) => Rings::OneHost(ring),
            Rings::Nic | Rings::NicAndHost | Rings::OneNic(_) => Rings::OneNic(ring),
        }
    }
}

/// Slots and rings to ask for. They count where the port is created by the request; 0 leaves the
/// choice to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Slots of each transmit ring.
    pub tx_slots: u32,
    /// Slots of each receive ring.
    pub rx_slots: u32,
    /// Transmit rings.
    pub tx_rings: u16,
    /// Receive rings.
    pub rx_rings: u16,
    /// Host transmit rings.
    pub host_tx_rings: u16,
    /// Host receive rings.
    pub host_rx_rings: u16,
}

/// What the names of null ports start with.
pub(crate) const NULL_PREFIX: &str = "null:";

/// Rings and slots each way of a null port, of which the kernel makes none by itself.
const NULL_CONFIG: (u16, u32) = (1, 1024);

impl PortSpec {
    /// Reads a name where `is_interface` tells which interfaces there are. [`FromStr`]
    /// asks the kernel.
    pub fn read(full: &str, is_interface: impl Fn(&str) -> bool) -> Result<Self> {
        parse(full, &is_interface).map_err(|reason| Error::Name {
            name: full.to_owned(),
            reason,
        })
    }

    /// Refuses a name, as the kernel has it (`eth0`, `vale0:a`, `vale0:`), that is too long, and
    /// names the limit. An alternative name of an interface that is there may be longer.
    pub fn check_length(name: &str) -> Result<()> {
        name::check_length(name, &interface::is_there).map_err(|reason| Error::Name {
            name: name.to_owned(),
            reason,
        })
    }

    /// The name in full: one without `netmap:`, the name of a switch or `null:` before it is an
    /// interface's, or a pipe's.
    pub fn full_name(name: &str) -> Cow<'_, str> {
        // A colon behind these belongs to an option.
        let end = name.find(['/', '@']).unwrap_or(name.len());
        if name[..end].contains(':') {
            name.into()
        } else {
            format!("netmap:{name}").into()
        }
    }

    /// Whether it is a null port.
    pub fn is_null(&self) -> bool {
        self.name.starts_with(NULL_PREFIX)
    }

    /// Whether it is a port of a switch.
    pub fn is_vale(&self) -> bool {
        is_vale(self.name.as_bytes())
    }

    /// Whether there is no wire behind the port, as far as the name shows: a switch port, a pipe or
    /// a null port.
    pub fn is_virtual(&self) -> bool {
        self.is_vale() || self.is_null() || self.name.contains(['{', '}'])
    }

    /// Whether it says in which memory region the port is to be.
    pub fn names_region(&self) -> bool {
        self.mem_id != 0 || self.share.is_some() || self.extmem.is_some()
    }

    /// The name that the kernel gets in a request: to it that of a null port is a label.
    pub fn kernel_name(&self) -> &str {
        self.name.strip_prefix(NULL_PREFIX).unwrap_or(&self.name)
    }

    /// Reads a name up to its suffixes, and returns these as they stand. With
    /// [`read_suffix`](Self::read_suffix) and [`read_option`](Self::read_option) this is for who
    /// wants to look at the options himself; [`FromStr`] reads all.
    pub fn split(full: &str) -> Result<(Self, &str)> {
        let named = |reason| Error::Name {
            name: full.to_owned(),
            reason,
        };
        let (spec, suffix) = split(full, &interface::is_there).map_err(named)?;
        Ok((spec, &full[full.len() - suffix..]))
    }

    /// Reads which rings, flags and region (`-1/R@2`), and returns what is behind: nothing, or
    /// options. An error says in words what is wrong.
    pub fn read_suffix<'a>(&mut self, text: &'a str) -> std::result::Result<&'a str, String> {
        let mut rest = suffix::Cursor(text);
        suffix::all_but_options(&mut rest, self)?;
        Ok(rest.0)
    }

    /// Reads an option, without the `@` before it. An error says in words what is wrong.
    pub fn read_option(&mut self, text: &str) -> std::result::Result<(), String> {
        suffix::option(text, self)
    }

    /// The REGISTER request for this, as the crate `ferromap-abi` has it.
    pub fn register(&self) -> NmreqRegister {
        let (nr_mode, nr_ringid) = match self.rings {
            _ if self.is_null() => (NR_REG_NULL, 0),
            Rings::Nic => (NR_REG_ALL_NIC, 0),
            Rings::Host => (NR_REG_SW, 0),
            Rings::NicAndHost => (NR_REG_NIC_SW, 0),
            Rings::OneNic(i) => (NR_REG_ONE_NIC, i),
            Rings::OneHost(i) => (NR_REG_ONE_SW, i),
        };
        let request = NmreqRegister {
            nr_tx_slots: self.config.tx_slots,
            nr_rx_slots: self.config.rx_slots,
            nr_tx_rings: self.config.tx_rings,
            nr_rx_rings: self.config.rx_rings,
            nr_host_tx_rings: self.config.host_tx_rings,
            nr_host_rx_rings: self.config.host_rx_rings,
            nr_mem_id: self.mem_id,
            nr_ringid,
            nr_mode,
            nr_flags: self.flags,
            ..NmreqRegister::default()
        };
        if self.is_null() {
            null_port(request)
        } else {
            request
        }
    }
}

/// The request with what is not asked for filled in.
fn null_port(mut request: NmreqRegister) -> NmreqRegister {
    let (rings, slots) = NULL_CONFIG;
    for n in [&mut request.nr_tx_rings, &mut request.nr_rx_rings] {
        *n = if *n == 0 { rings } else { *n };
    }
    for n in [&mut request.nr_tx_slots, &mut request.nr_rx_slots] {
        *n = if *n == 0 { slots } else { *n };
    }
    if request.nr_mem_id == 0 {
        request.nr_mem_id = GLOBAL_MEM_ID;
    }
    request
}

impl FromStr for PortSpec {
    type Err = Error;

    fn from_str(full: &str) -> Result<Self> {
        PortSpec::read(full, interface::is_there)
    }
}

type Parsed<T> = std::result::Result<T, String>;

fn parse(full: &str, is_interface: &dyn Fn(&str) -> bool) -> Parsed<PortSpec> {
    let (mut spec, len) = split(full, is_interface)?;
    match suffix::all(&full[full.len() - len..], &mut spec) {
        Ok(()) => Ok(spec),
        // People may have meant an interface that is not there.
        Err(why) if !spec.is_vale() && !spec.is_null() => {
            let rest = full.strip_prefix("netmap:").unwrap_or(full);
            if rest.len() < IFNAMSIZ && !rest.contains('/') {
                Err(format!("{why}; and no interface is called `{rest}`"))
            } else {
                Err(why)
            }
        }
        Err(why) => Err(why),
    }
}

/// A port by the name alone, and how many bytes of suffixes are behind it.
fn split(full: &str, is_interface: &dyn Fn(&str) -> bool) -> Parsed<(PortSpec, usize)> {
    let whole = PortSpec::full_name(full);
    let (subsystem, rest) = whole.split_once(':').unwrap_or_default();
    if whole != full && is_vale(full.as_bytes()) {
        return Err(format!(
            "a port of a switch has a colon in its name, as in `vale0:a`; \
             an interface of that name is `{whole}`"
        ));
    }
    let (port, suffix) = rest.split_at(end::of_name(rest, is_interface));
    let name = if subsystem == "netmap" {
        port.to_owned()
    } else if subsystem == "null" {
        format!("{NULL_PREFIX}{port}")
    } else if is_vale(subsystem.as_bytes()) {
        format!("{subsystem}:{port}")
    } else {
        return Err(format!(
            "`{subsystem}:` is none of `netmap:`, `null:`, \
             and the name of a switch, which starts with `vale`"
        ));
    };
    name::check(&name, is_interface)?;
    let spec = PortSpec {
        name,
        ..PortSpec::default()
    };
    Ok((spec, suffix.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> PortSpec {
        name.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn names_without_suffixes() {
        assert_eq!(spec("netmap:eth0").name, "eth0");
        assert_eq!(spec("vale0:a").name, "vale0:a");
        assert_eq!(spec("vale:x").name, "vale:x");
        assert_eq!(spec("netmap:eth0{3").name, "eth0{3");
        assert_eq!(spec("vale0:a}ab_9").name, "vale0:a}ab_9");
        assert!(spec("vale0:a").is_virtual() && spec("netmap:eth0{3").is_virtual());
        assert!(!spec("netmap:eth0").is_virtual());
    }

    #[test]
    fn a_bare_name_is_an_interface() {
        for name in [
            "eth0",
            "valley",
            "eth0-1/R",
            "eth0^",
            "eth0{1",
            "eth0@conf:slots=9",
            "eth0/x@share=vale0:a",
        ] {
            assert_eq!(spec(name), spec(&format!("netmap:{name}")), "{name}");
        }
        assert_eq!(
            PortSpec::full_name("vale0:a@share:port=b"),
            "vale0:a@share:port=b"
        );
    }

    #[test]
    fn null_ports_ask_for_what_the_kernel_does_not_choose() {
        let r = spec("null:x").register();
        assert_eq!((r.nr_mode, r.nr_mem_id), (NR_REG_NULL, GLOBAL_MEM_ID));
        assert_eq!((r.nr_tx_rings, r.nr_rx_rings), (1, 1));
        assert_eq!((r.nr_tx_slots, r.nr_rx_slots), (1024, 1024));
        let r = spec("null:x@7@conf:rings=2,rx-slots=64").register();
        assert_eq!((r.nr_mem_id, r.nr_tx_rings, r.nr_rx_slots), (7, 2, 64));
        assert!(spec("null:x").is_virtual() && spec("null:x").is_null());
    }

    #[test]
    fn the_suffix_says_which_rings() {
        for (name, rings) in [
            ("netmap:eth0", Rings::Nic),
            ("netmap:eth0^", Rings::Host),
            ("netmap:eth0^2", Rings::OneHost(2)),
            ("netmap:eth0*", Rings::NicAndHost),
            ("netmap:eth0-0", Rings::OneNic(0)),
            ("vale0:a-4094", Rings::OneNic(4094)),
        ] {
            assert_eq!(spec(name).rings, rings, "{name}");
        }
    }

    #[test]
    fn the_examples_of_the_interface() {
        let r = spec("netmap:eth0-0/R").register();
        assert_eq!(
            (r.nr_mode, r.nr_ringid, r.nr_flags),
            (NR_REG_ONE_NIC, 0, NR_RX_RINGS_ONLY)
        );
        let r = spec("netmap:eth0{3@2").register();
        assert_eq!((r.nr_mode, r.nr_mem_id), (NR_REG_ALL_NIC, 2));
        let r = spec("vale0:a/rt").register();
        assert_eq!(r.nr_flags, NR_MONITOR_RX | NR_MONITOR_TX);
        let r = spec("netmap:eth0*/x@conf:host-rings=4").register();
        assert_eq!((r.nr_mode, r.nr_flags), (NR_REG_NIC_SW, NR_EXCLUSIVE));
        assert_eq!((r.nr_host_tx_rings, r.nr_host_rx_rings), (4, 4));
    }

    #[test]
    fn options_fill_the_request() {
        let s = spec("vale0:a@5@conf:slots=512,rx_slots=256,rings=2,tx-rings=3");
        assert_eq!(s.mem_id, 5);
        assert_eq!((s.config.tx_slots, s.config.rx_slots), (512, 256));
        assert_eq!((s.config.tx_rings, s.config.rx_rings), (3, 2));
        assert_eq!(
            spec("vale0:a@share=vale0:b").share.as_deref(),
            Some("vale0:b")
        );
        assert_eq!(
            spec("vale0:a@share:port=netmap:e").share.as_deref(),
            Some("netmap:e")
        );
    }

    #[test]
    fn memory_and_offsets_are_asked_for_by_name() {
        let s = spec("vale0:a-2/x@5@conf:slots=64@extmem:file=/f,buf_num=9,if-size=8@offset=32");
        assert_eq!(
            (s.mem_id, s.rings, s.config.rx_slots),
            (5, Rings::OneNic(2), 64)
        );
        let extmem = s.extmem.as_ref().unwrap();
        assert_eq!((&*extmem.file, extmem.pools.buffers), ("/f", 9));
        assert_eq!((extmem.pools.interface_size, extmem.pools.rings), (8, 0));
        assert_eq!(s.offsets, Some(Offsets::starting_at(32)));
        assert!(s.names_region());
        let s = spec("eth0@extmem=/dev/shm/a:b");
        assert_eq!(s.extmem.as_ref().unwrap().file, "/dev/shm/a:b");
        assert_eq!(s.offsets, None);
        assert!(s.names_region() && !spec("eth0@offset=1").names_region());
        let offsets = spec("eth0@offset:bits=7,initial=64").offsets.unwrap();
        assert_eq!((offsets.initial, offsets.max, offsets.bits), (64, 64, 7));
    }

    #[test]
    fn a_name_can_be_read_in_parts() {
        let (mut spec, rest) = PortSpec::split("vale0:a}1-3/RT@7@conf:slots=9@nothing").unwrap();
        assert_eq!(
            (spec.kernel_name(), rest),
            ("vale0:a}1", "-3/RT@7@conf:slots=9@nothing")
        );
        let rest = spec.read_suffix(rest).unwrap();
        assert_eq!((spec.rings, spec.mem_id), (Rings::OneNic(3), 7));
        assert_eq!(spec.flags, NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY);
        assert_eq!(rest, "@conf:slots=9@nothing");
        spec.read_option("conf:slots=9").unwrap();
        assert_eq!(spec.config.tx_slots, 9);
        assert!(spec.read_option("nothing").is_err());
        // Without `netmap:` as well, and to the end.
        let (spec, rest) = PortSpec::split("eth0").unwrap();
        assert_eq!((spec.kernel_name(), rest), ("eth0", ""));
        let (spec, rest) = PortSpec::split("null:label@1").unwrap();
        assert_eq!((spec.kernel_name(), rest), ("label", "@1"));
        assert!(PortSpec::split("bridge:a").is_err());
        assert_eq!(PortSpec::default().read_suffix("x").unwrap(), "x");
        assert!(PortSpec::default().read_suffix("-").is_err());
    }

    #[test]
    fn wrong_names_are_refused_with_a_reason() {
        for name in [
            "",
            "netmap:",
            "vale0:",
            "vale0",
            "null:",
            "null:a-0",
            "null:a^",
            "eth0@nothing:1",
            "bridge:a",
            "vale-0:a",
            "vale0123456789ab:a",
            "vale0:port567890123456",
            "netmap:interface9012345",
            "netmap:eth0{",
            "netmap:{1",
            "netmap:eth0{a.b",
            "netmap:eth0{1{2",
            "netmap:eth 0",
            "netmap:eth0-",
            "netmap:eth0-4095",
            "netmap:eth0-99999999999",
            "netmap:eth0^x",
            "netmap:eth0*1",
            "netmap:eth0/",
            "netmap:eth0/q",
            "netmap:eth0/R-1",
            "netmap:eth0@",
            "netmap:eth0@0",
            "netmap:eth0@65536",
            "netmap:eth0@conf",
            "netmap:eth0@conf:slots",
            "netmap:eth0@conf:slots=x",
            "netmap:eth0@conf:rings=65536",
            "netmap:eth0@conf:sluts=1",
            "netmap:eth0@share",
            "netmap:eth0@share=",
            "netmap:eth0@offset",
            "netmap:eth0@offset=",
            "netmap:eth0@offset=-1",
            "netmap:eth0@offset:max=32",
            "netmap:eth0@offset:initial",
            "netmap:eth0@extmem",
            "netmap:eth0@extmem=",
            "netmap:eth0@extmem:if-num=1",
            "netmap:eth0@extmem:file=/f,if-num=x",
            "netmap:eth0@extmem:file=/f,odd=1",
            "netmap:eth0@nothing",
            "netmap:0123456789012{01234567890123456789012345678901234567890123456789",
            "netmap:\u{e9}th0-\u{2163}",
        ] {
            match name.parse::<PortSpec>() {
                Err(Error::Name { name: told, reason }) => {
                    assert_eq!(told, name);
                    assert!(!reason.is_empty());
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let parts = [
            "netmap:", "vale0:", "a", "{", "}", "1", "-", "^", "*", "/", "R", "@", "conf:", "=",
            ",", "\u{20ac}",
        ];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(parts[(seed >> 33) as usize % parts.len()]);
            }
            let _ = text.parse::<PortSpec>();
        }
    }
}
