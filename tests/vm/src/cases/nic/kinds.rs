// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interfaces of every kind that the kernel has: each can be opened, or is refused in words.

use crate::harness::check::*;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::why::{refused, why};
use crate::harness::wire::*;
use crate::harness::Case;
use nix::errno::Errno;

// Slow: the kernel loads a module for each kind.
pub const CASES: &[Case] = crate::cases![; slow: kinds_of_interfaces_open_or_are_refused_in_words];

/// What REGISTER returns.
enum Then {
    Opens,
    Refused(Errno, &'static [&'static str]),
}

use Then::*;

/// No frames with an Ethernet header pass there.
const NOT_ETHERNET: Then = Refused(Errno::EINVAL, &["not", "Ethernet"]);
/// The kernel refuses a hook.
const NO_HOOK: Then = Refused(Errno::EINVAL, &["kind", "below it"]);

/// Each made by `ip link add fmkN type ...`, some above a dummy interface. The kernel of the tests
/// has all of them.
const KINDS: &[(&str, Then)] = &[
    ("dummy", Opens),
    ("ifb", Opens),
    ("veth peer name fmp", Opens),
    ("bridge", Opens),
    ("bond", Opens),
    ("team", Opens),
    ("vxlan id 1 dstport 4789", Opens),
    ("geneve id 1 remote 10.0.0.9", Opens),
    ("gretap local 10.0.0.1 remote 10.0.0.9", Opens),
    ("macsec", Opens),
    ("vlan id 5", Opens),
    ("macvlan", Opens),
    (
        "macvtap",
        Refused(Errno::EBUSY, &["macvtap", "/dev/tap", "below"]),
    ),
    (
        "ipvtap",
        Refused(Errno::EBUSY, &["ipvtap", "/dev/tap", "below"]),
    ),
    ("ipvlan", NO_HOOK),
    ("vrf table 10", NO_HOOK),
    ("nlmon", NOT_ETHERNET),
    ("gre local 10.0.0.1 remote 10.0.0.9", NOT_ETHERNET),
    ("ipip local 10.0.0.1 remote 10.0.0.9", NOT_ETHERNET),
    ("sit local 10.0.0.1 remote 10.0.0.9", NOT_ETHERNET),
    ("ip6tnl local fd00::1 remote fd00::9", NOT_ETHERNET),
    ("vti local 10.0.0.1 remote 10.0.0.9", NOT_ETHERNET),
    ("wireguard", NOT_ETHERNET),
];

/// What takes the frames of the interface below it.
const TAKERS: &[(&str, &[&str])] = &[
    (
        "bridge",
        &["is in bridge fmt0", "ip link set fmdt0 nomaster"],
    ),
    ("bond", &["is in bond fmt1", "nomaster"]),
    ("team", &["is in team fmt2", "nomaster"]),
    ("macvlan", &["on top of fmdt", "macvlan", "ip link del"]),
    ("ipvlan", &["on top of fmdt", "ipvlan", "ip link del"]),
    ("macsec", &["on top of fmdt", "ip link del"]),
];

/// ipvlan and vrf were refused with nothing but "Invalid argument", and a macvtap for being "in a
/// bridge or a bond".
fn kinds_of_interfaces_open_or_are_refused_in_words() -> Outcome {
    small_region_one()?;
    wire()?;
    // Nothing is deleted: the kernel takes its time over each, and all goes with the namespace.
    for (n, (kind, then)) in KINDS.iter().enumerate() {
        let name = format!("fmk{n}");
        add(&name, kind)?;
        match then {
            Opens => drop(opens(kind, &name)?),
            Refused(errno, words) => refused(vale(&name), *errno, words)?,
        }
    }
    for (n, (kind, words)) in TAKERS.iter().enumerate() {
        let (taker, below) = (format!("fmt{n}"), format!("fmdt{n}"));
        let member = ["bridge", "bond", "team"].contains(kind);
        add(&taker, kind)?;
        if member {
            ip(&format!("link add {below} type dummy"))?;
            ip(&format!("link set {below} master {taker}"))?;
        }
        refused(vale(&below), Errno::EBUSY, words)?;
        // And the other way: what is open is not given to others.
        let other = format!("fmo{n}");
        ip(&format!("link add {other} type dummy"))?;
        let open = opens(&format!("without a {kind}"), &other)?;
        let took = match member {
            true => ip(&format!("link set {other} master {taker}")),
            false => ip(&format!("link add link {other} fmx{n} type {kind}")),
        };
        that(format!("no {kind} gets what is open"), took.is_err())?;
        drop(open);
    }
    Ok(())
}

/// An interface of that kind: above one that is called fmd and the rest of its name, if the kind
/// wants one below.
fn add(name: &str, kind: &str) -> Outcome {
    let above = ["macsec", "vlan", "macvlan", "macvtap", "ipvtap", "ipvlan"];
    let below = name.replacen("fm", "fmd", 1);
    if above.iter().any(|word| kind.starts_with(word)) {
        ip(&format!("link add {below} type dummy"))?;
        return ip(&format!("link add link {below} {name} type {kind}"));
    }
    ip(&format!("link add {name} type {kind}"))
}

/// That it can be opened; it is while what is returned lives.
fn opens(what: &str, name: &str) -> Outcome<Device> {
    let device = Device::open()?;
    match vale(name).send(&device) {
        Ok(()) => Ok(device),
        Err(errno) => fail(format!("{what}: {errno}, {:?}", why(&device)?)),
    }
}
