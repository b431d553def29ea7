// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs on a switch: what they cost frames that pass, how fast they drop, and how fast the
//! stack drops with the same program on a veth pair.

use super::flow::{Flow, Through};
use crate::{peers::net, suite::Scenario};
use anyhow::{bail, Context, Result};
use ferromap::Port;
use std::{fs, process::Command};

/// Beside each other: the same flow without a program, with one that passes everything, and with
/// one that drops everything.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for bytes in [60, 256, 1500] {
        for base in [Flow::KERNEL, Flow::USER] {
            let flow = |scenario, base: &Flow| Flow {
                scenario,
                bytes,
                ..base.clone()
            };
            all.push(flow("XDP, none", &base).scenario());
            all.push(flow("XDP, pass", &base).scenario_with(|| OnSwitch::load("pass")));
            let drop = Flow {
                receivers: &[],
                ..flow("XDP, drop", &base)
            };
            all.push(drop.scenario_with(|| OnSwitch::load("drop")));
        }
    }
    all.push(on_veth());
    all
}

/// A program on the whole switch, which is there for as long as this.
struct OnSwitch {
    _keeps_the_switch: Port,
}

impl OnSwitch {
    fn load(program: &str) -> Result<Self> {
        let keeper = Port::open("vale0:keeper")?;
        xdp(&format!("load -d vale0: {program}"))?;
        Ok(OnSwitch {
            _keeps_the_switch: keeper,
        })
    }
}

/// Frames that the stack drops on one end of a veth pair (generic mode), sent by netmap on
/// the other end.
fn on_veth() -> Scenario {
    let flow = Flow {
        through: Through::Veth,
        scenario: "XDP, drop",
        receivers: &[],
        note: "generic mode, dropped by the stack",
        ..Flow::USER
    };
    Scenario::new("netmap on veth XDP, drop, generic", move |bench| {
        let _pair = net::Pair::napi()?;
        xdp("load -d receiver -m generic drop")?;
        let mut record = flow.measure(bench)?;
        let sent = fs::read_to_string("/sys/class/net/sender/statistics/tx_packets")?;
        let sent: f64 = sent.trim().parse()?;
        let part = dropped("receiver")? / sent;
        record.lost = Some(1.0 - part);
        // What did not get as far as the program was not dropped by it.
        let pps = record.pps.map(|mut pps| {
            for value in [&mut pps.median, &mut pps.min, &mut pps.max] {
                *value *= part;
            }
            pps
        });
        Ok(vec![record.rate(pps)])
    })
}

/// Frames that the program on `device` dropped, by `xdp status`.
fn dropped(device: &str) -> Result<f64> {
    let status: serde_json::Value =
        serde_json::from_str(&xdp(&format!("status -d {device} --json"))?)?;
    let count = &status["actions"]["drop"]["packets"];
    count
        .as_f64()
        .with_context(|| format!("no count in {status}"))
}

fn xdp(words: &str) -> Result<String> {
    let done = Command::new("xdp").args(words.split_whitespace()).output();
    let done = done.context("xdp does not start; it is one of the tools")?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        bail!("xdp {words}: {}", why.trim());
    }
    Ok(String::from_utf8(done.stdout)?)
}
