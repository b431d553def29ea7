// SPDX-License-Identifier: MIT OR Apache-2.0

//! The networks that peers are measured in, made with iproute2 in the namespace of
//! the calling thread.

use super::pair::Ends;
use crate::frame;
use anyhow::{bail, Context, Result};
use ferromap::{Attach, Control, Persistent};
use std::{fs, io::ErrorKind, process::Command};

/// Bytes of the longest frame that the interfaces here carry: 1500 and the Ethernet header.
pub const LONGEST: usize = 1514;

/// A veth pair.
pub fn veth() -> Result<Ends> {
    pair("sender", "receiver")?;
    Ok(Ends {
        sender: "sender".to_owned(),
        receiver: "receiver".to_owned(),
    })
}

/// A veth pair that receives as a NIC does, many frames for an interrupt (NAPI). Without GRO, or
/// for a sender with TSO, each frame by itself goes through the backlog, and each turns interrupts
/// off and on, which is dear in User Mode Linux.
pub fn napi_veth() -> Result<Ends> {
    let ends = veth()?;
    for end in [&ends.sender, &ends.receiver] {
        run("ethtool", &format!("-K {end} tso off gro on"))?;
    }
    Ok(ends)
}

/// A veth pair where no namespace takes it away: it goes with this.
pub struct Pair;

impl Pair {
    pub fn napi() -> Result<Pair> {
        napi_veth().map(|_| Pair)
    }

    pub fn as_made() -> Result<Pair> {
        veth().map(|_| Pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // If that fails, making the next one says so.
        let _ = ip("link del sender");
    }
}

/// Two veth pairs with a bridge between their inner ends. It knows where the receiver is.
pub fn bridge() -> Result<Ends> {
    ip("link add bridge type bridge stp_state 0 mcast_snooping 0")?;
    ip("link set bridge up")?;
    for (outer, inner) in [("sender", "bridge-in"), ("receiver", "bridge-out")] {
        pair(outer, inner)?;
        ip(&format!("link set {inner} master bridge"))?;
    }
    let address = mac(frame::receiver(0));
    // Our own tool has that name, too, and is found first.
    run(
        "/sbin/bridge",
        &format!("fdb replace {address} dev bridge-out master static"),
    )?;
    Ok(Ends {
        sender: "sender".to_owned(),
        receiver: "receiver".to_owned(),
    })
}

/// A persistent port of a switch, by whose interface is sent, and a port that receives.
pub fn persistent_sender() -> Result<Ends> {
    persistent("sender")?;
    Ok(Ends {
        sender: "sender".to_owned(),
        receiver: "vale0:rings".to_owned(),
    })
}

/// The same the other way round.
pub fn persistent_receiver() -> Result<Ends> {
    persistent("receiver")?;
    Ok(Ends {
        sender: "vale0:rings".to_owned(),
        receiver: "receiver".to_owned(),
    })
}

fn persistent(name: &str) -> Result<()> {
    without_ipv6()?;
    let control = Control::open()?;
    control.create_interface(name, Persistent::default())?;
    control.attach(&format!("vale0:{name}"), Attach::default())?;
    up(name)
}

/// Interfaces that are made from here on have no IPv6, which would send frames of its own.
fn without_ipv6() -> Result<()> {
    match fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
        // A kernel without IPv6 will do.
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(why).context("IPv6 cannot be switched off")
        }
        _ => Ok(()),
    }
}

/// A veth pair with both ends up. The ends of the flow have the addresses that its frames bear.
fn pair(one: &str, other: &str) -> Result<()> {
    without_ipv6()?;
    ip(&format!("link add {one} type veth peer name {other}"))?;
    [one, other].into_iter().try_for_each(up)
}

fn up(end: &str) -> Result<()> {
    let address = match end {
        "sender" => format!("address {}", mac(frame::sender(0))),
        "receiver" => format!("address {}", mac(frame::receiver(0))),
        _ => String::new(),
    };
    ip(&format!("link set {end} {address} up"))
}

fn mac(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

pub fn ip(words: &str) -> Result<()> {
    run("ip", words)
}

pub fn run(program: &str, words: &str) -> Result<()> {
    let done = Command::new(program)
        .args(words.split_whitespace())
        .output()
        .with_context(|| format!("{program} does not start; it comes with iproute2"))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        bail!("{program} {words}: {}", why.trim());
    }
    Ok(())
}
