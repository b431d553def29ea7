// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ports and switches that come and go, and their names: items 123 to 126, 133, 145, 146, 148, 149.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::{port_info, vale_find, vale_list, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::traces::{read_parameter, write_parameter};
use crate::harness::traffic::*;
use crate::harness::why::why;
use crate::harness::wire::ip;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::NmreqPortInfoGet;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};

pub const CASES: &[Case] = crate::cases![
    item_123_defaults_and_clamping,
    item_124_port_and_switch_vanish_at_the_last_close,
    item_125_ninth_switch_finds_no_memory,
    item_126_switch_takes_252_ports,
    item_133_bad_names_are_refused,
    item_133_longest_names_work,
    item_145_list_visits_every_port_once,
    item_146_list_by_name_gives_indexes,
    item_148_namespaces_have_switches_of_their_own,
    item_149_interface_name_is_no_port_name,
];

/// A port that exists but has no rings: all that a switch needs to be full.
fn bare(name: &str) -> Reg {
    vale(name)
        .flags(NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY)
        .mem(GLOBAL_MEM_ID)
}

fn item_123_defaults_and_clamping() -> Outcome {
    let bound = vale("vale123:a").bind()?;
    let reg = bound.reg;
    same("default rings", (reg.nr_tx_rings, reg.nr_rx_rings), (1, 1))?;
    same(
        "default slots",
        (reg.nr_tx_slots, reg.nr_rx_slots),
        (1024, 1024),
    )?;
    same(
        "slots in the rings",
        (bound.tx(0).n(), bound.rx(0).n()),
        (1024, 1024),
    )?;
    same(
        "room in a region of default size",
        reg.nr_memsize,
        42_369_024,
    )?;

    let bound = vale("vale123:b").rings(17, 300).slots(64, 64).bind()?;
    let reg = bound.reg;
    same("most rings", (reg.nr_tx_rings, reg.nr_rx_rings), (16, 16))?;
    same(
        "bound rings",
        (bound.tx_rings().len(), bound.rx_rings().len()),
        (16, 16),
    )?;
    let bound = vale("vale123:c").slots(4097, 100_000).bind()?;
    let reg = bound.reg;
    same(
        "most slots",
        (reg.nr_tx_slots, reg.nr_rx_slots),
        (4096, 4096),
    )?;
    same(
        "slots in the rings",
        (bound.tx(0).n(), bound.rx(0).n()),
        (4096, 4096),
    )?;

    let ask = NmreqPortInfoGet {
        nr_tx_rings: u16::MAX,
        nr_rx_rings: 5,
        nr_tx_slots: u32::MAX,
        nr_rx_slots: 3,
        ..Default::default()
    };
    let info = works("PORT_INFO_GET", port_info("vale123:d", ask))?;
    same("rings", (info.nr_tx_rings, info.nr_rx_rings), (16, 5))?;
    same("slots", (info.nr_tx_slots, info.nr_rx_slots), (4096, 3))
}

fn item_124_port_and_switch_vanish_at_the_last_close() -> Outcome {
    let [a, b] = ports("vale124", ["a", "b"])?;
    let again = vale("vale124:a").bind()?;
    let dup = again.device.dup()?;
    drop(a);
    works("a, still held", vale_find("vale124:a"))?;
    drop(again);
    same("a, held by a duplicate", vale_find("vale124:a")?.1, 0)?;
    drop(dup);
    same("a, given up", vale_find("vale124:a")?.1, VALE_NO_PORT)?;
    same("b, still there", vale_find("vale124:b")?.1, 1)?;
    same(
        "the list",
        vale_list()?,
        vec![("vale124:b".to_string(), 0, 1)],
    )?;
    drop(b);
    fails("the switch", vale_find("vale124:b"), Errno::ENOENT)?;
    same("the list", vale_list()?, vec![])?;
    // Information requests leave nothing behind.
    works("PORT_INFO_GET", port_info("vale124:c", Default::default()))?;
    same("the list", vale_list()?, vec![])
}

fn item_125_ninth_switch_finds_no_memory() -> Outcome {
    let most: usize = read_parameter("max_bridges")?.parse().unwrap_or(0);
    same("max_bridges", most, 8)?;
    let mut held = Vec::new();
    for i in 0..most {
        let name = format!("vale{i}:x");
        held.push(works(&name, bare(&name).bind())?);
        same("its number", vale_find(&name)?.0, i as u16)?;
    }
    let device = Device::open()?;
    fails(
        "the 9th switch",
        bare("vale8:x").send(&device),
        Errno::ENOMEM,
    )?;
    let (_, text) = why(&device)?;
    that(
        format!("the parameter in {text:?}"),
        text.contains("max_bridges"),
    )?;
    works("another port of an old one", bare("vale7:y").bind())?;
    drop(held.remove(3));
    let ninth = works(
        "the 9th after one has gone",
        bare("vale8:x").bind_on(device),
    )?;
    same("its number", vale_find("vale8:x")?.0, 3)?;
    drop(ninth);
    Ok(())
}

fn item_126_switch_takes_252_ports() -> Outcome {
    // Each needs a netmap_if.
    write_parameter("if_num", "400")?;
    let mut held = Vec::new();
    for i in 0..252 {
        let name = format!("vale126:p{i}");
        held.push(works(&name, bare(&name).try_hold())?);
    }
    let device = Device::open()?;
    fails(
        "the 253rd port",
        bare("vale126:more").send(&device),
        Errno::ENOMEM,
    )?;
    let (_, text) = why(&device)?;
    that(format!("252 in {text:?}"), text.contains("252"))?;
    works(
        "one more file on an old port",
        bare("vale126:p7").try_hold(),
    )?;
    works("a port of another switch", bare("vale126b:p7").try_hold())?;
    let list = vale_list()?;
    same("ports in the list", list.len(), 252)?;
    let want = (0..252).map(|i| (format!("vale126:p{i}"), 0, i));
    that("all names, each at its index", list.into_iter().eq(want))?;
    // A full switch still switches: the two that have rings hear each other.
    held.truncate(250);
    let [a, b] = ports("vale126", ["a", "b"])?;
    a.send(&numbered(0..60))?;
    same("at b", b.recv()?, numbered(0..60))?;
    fails(
        "the 253rd port again",
        bare("vale126:more").send(&device),
        Errno::ENOMEM,
    )
}

impl Reg {
    /// Binds without mapping anything.
    fn try_hold(mut self) -> Result<Device, Errno> {
        let device = Device::open()?;
        self.send(&device)?;
        Ok(device)
    }
}

fn item_133_bad_names_are_refused() -> Outcome {
    let device = Device::open()?;
    for name in [
        "vale",
        "vale0",
        "vale0-a",
        "vale-1:a",
        "vale 0:a",
        "vale0.x:a",
        "vale/0:a",
        "vale\u{e4}:a",
        "vale0123456789ab:a",
        "valeverylongnameofaswitch:a",
        "vale0:0123456789abcdef",
        "vale0:a-very-long-name-of-a-port-that-fills-the-whole-field",
    ] {
        fails(
            format!("REGISTER of {name:?}"),
            vale(name).send(&device),
            Errno::EINVAL,
        )?;
        let (_, text) = why(&device)?;
        that(
            format!("a reason, got {text:?}"),
            text.contains("switch port"),
        )?;
        fails(
            format!("PORT_HDR_GET of {name:?}"),
            vnet_hdr(name),
            Errno::ENXIO,
        )?;
        let listed = vale_find(name);
        fails(format!("VALE_LIST of {name:?}"), listed, Errno::ENOENT)?;
    }
    // Other names are those of interfaces.
    for name in ["valx:y", "val:y", "Vale0:a", "va"] {
        fails(
            format!("REGISTER of {name:?}"),
            vale(name).send(&device),
            Errno::ENXIO,
        )?;
    }
    same("ports afterwards", vale_list()?, vec![])
}

fn item_133_longest_names_work() -> Outcome {
    for (name, shown) in [
        ("vale:x", "vale:x"),
        ("vale_A_9:x", "vale_A_9:x"),
        ("vale0123456789a:x", "vale0123456789a"),
        ("vale0:0123456789abcde", "vale0:012345678"),
        ("vale0123456789a:0123456789abcde", "vale0123456789a"),
        ("vale0:a b/c:d^", "vale0:a b/c:d^"),
    ] {
        let bound = works(name, vale(name).slots(64, 64).bind())?;
        same("ni_name", bound.port_name(), shown)?;
        same("the list", vale_list()?, vec![(name.to_string(), 0, 0)])?;
        works("by name", vale_find(name))?;
        works("PORT_HDR_GET", vnet_hdr(name))?;
    }
    Ok(())
}

fn item_145_list_visits_every_port_once() -> Outcome {
    same("without ports", vale_list()?, vec![])?;
    let names = [
        "vale145a:p",
        "vale145b:q",
        "vale145a:r",
        "vale145c:s",
        "vale145a:t",
    ];
    let mut held = Vec::new();
    for name in names {
        held.push(bare(name).try_hold()?);
    }
    let line = |name: &str, switch, port| (name.to_string(), switch, port);
    let want = vec![
        line("vale145a:p", 0, 0),
        line("vale145a:r", 0, 1),
        line("vale145a:t", 0, 2),
        line("vale145b:q", 1, 0),
        line("vale145c:s", 2, 0),
    ];
    same("all", vale_list()?, want)?;
    // A gap in the ports, and one in the switches.
    drop(held.remove(2));
    drop(held.remove(1));
    let want = vec![
        line("vale145a:p", 0, 0),
        line("vale145a:t", 0, 2),
        line("vale145c:s", 2, 0),
    ];
    same("with gaps", vale_list()?, want)?;
    // The lowest free switch, the port index freed last.
    let _new = [
        bare("vale145d:u").try_hold()?,
        bare("vale145a:v").try_hold()?,
    ];
    let want = vec![
        line("vale145a:p", 0, 0),
        line("vale145a:v", 0, 1),
        line("vale145a:t", 0, 2),
        line("vale145d:u", 1, 0),
        line("vale145c:s", 2, 0),
    ];
    same("filled", vale_list()?, want)
}

fn item_146_list_by_name_gives_indexes() -> Outcome {
    let _held = [
        bare("vale146:a").try_hold()?,
        bare("vale146:b").try_hold()?,
        bare("vale146x:c").try_hold()?,
    ];
    same("a", vale_find("vale146:a")?, (0, 0))?;
    same("b", vale_find("vale146:b")?, (0, 1))?;
    same("c", vale_find("vale146x:c")?, (1, 0))?;
    same(
        "a port that is not there",
        vale_find("vale146:zz")?,
        (0, VALE_NO_PORT),
    )?;
    // None can be called that, so it is not there, either. The first 16 bytes are not its name.
    let _longest = bare("vale146:fifteen_letters").try_hold()?;
    same("15 bytes", vale_find("vale146:fifteen_letters")?, (0, 2))?;
    for name in [
        "vale146:fifteen_letters_",
        "vale146:fifteen_letters_and_more",
    ] {
        same("16 bytes and more", vale_find(name)?, (0, VALE_NO_PORT))?;
        let there = name.replace("146", "147");
        fails("on no switch", vale_find(&there), Errno::ENOENT)?;
    }
    fails(
        "a switch that is not there",
        vale_find("vale147:a"),
        Errno::ENOENT,
    )?;
    fails(
        "a name without a colon",
        vale_find("vale146"),
        Errno::ENOENT,
    )?;
    fails("an interface", vale_find("lo"), Errno::EINVAL)?;
    fails("anything else", vale_find("x"), Errno::EINVAL)
}

fn item_148_namespaces_have_switches_of_their_own() -> Outcome {
    let [a, b] = ports("vale148", ["a", "b"])?;
    let elsewhere = || -> Outcome {
        // This thread alone moves; what it opens is in the new namespace.
        works("unshare", unshare(CloneFlags::CLONE_NEWNET))?;
        same("ports in a new namespace", vale_list()?, vec![])?;
        let [c, d] = ports("vale148", ["a", "c"])?;
        let names: Vec<_> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
        same(
            "ports",
            names,
            vec!["vale148:a".to_string(), "vale148:c".to_string()],
        )?;
        a.send(&numbered(0..10))?;
        same("at b", b.recv()?, numbered(0..10))?;
        same("at the other a", got(&c)?, vec![])?;
        c.send(&numbered(10..20))?;
        same("at c", d.recv()?, numbered(10..20))?;
        same("at b", got(&b)?, vec![])?;
        differs("region", c.reg.nr_mem_id, a.reg.nr_mem_id)?;
        // Each namespace may have as many switches as the parameter says.
        let mut held = Vec::new();
        for i in 0..7 {
            held.push(bare(&format!("vale{i}:x")).try_hold()?);
        }
        fails("the 9th", bare("vale8:x").try_bind(), Errno::ENOMEM)
    };
    std::thread::scope(|scope| scope.spawn(elsewhere).join())
        .unwrap_or_else(|_| fail("the other thread panicked"))?;
    works("another switch here", bare("vale8:x").try_bind())?;
    b.send(&numbered(20..30))?;
    same("at a", a.recv()?, numbered(20..30))
}

fn item_149_interface_name_is_no_port_name() -> Outcome {
    // The interface is this case's own: it goes away with the namespace.
    works("unshare", unshare(CloneFlags::CLONE_NEWNET))?;
    let device = Device::open()?;
    let early = vale("vale149:fm0").slots(64, 64).bind()?;
    ip("link add fm0 type dummy")?;
    ip("link add fm1 type veth peer name fm2")?;
    for name in ["vale149:lo", "vale149:fm1", "vale150:fm2", "vale149b:fm0"] {
        fails(name, vale(name).send(&device), Errno::EINVAL)?;
        let (_, text) = why(&device)?;
        let interface = name.split(':').next_back().unwrap_or_default();
        let told = text.contains(interface) && text.contains("interface");
        that(format!("the reason, got {text:?}"), told)?;
    }
    // A port that was there before stays, for others, too.
    works("the early port", vale("vale149:fm0").bind())?;
    drop(early);
    fails(
        "when it has gone",
        vale("vale149:fm0").send(&device),
        Errno::EINVAL,
    )?;
    ip("link del fm0")?;
    ip("link del fm1")?;
    works(
        "when the interface has gone",
        vale("vale149:fm0").bind_on(device),
    )?;
    Ok(())
}
