// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ferromap info`: the module and all ports, or one port.

use crate::{
    about::{self, About},
    args::{bare, Info},
    counters::{self, Port},
    facts::Facts,
    holders::{self, Holders},
    parameters,
};
use common::{
    json::{quoted, Object},
    say,
    table::lay_out,
};
use std::error::Error;

pub fn run(facts: &Facts, args: &Info) -> Result<(), Box<dyn Error>> {
    match &args.port {
        None => module(facts, args.json),
        Some(port) => {
            let about = About::learn(facts, bare(port))?;
            if args.json {
                say!("{}", about.json());
            } else {
                about.lines().iter().for_each(|line| say!("{line}"));
                hidden(&about.holders);
            }
        }
    }
    Ok(())
}

/// That it is not loaded is an answer, too.
fn module(facts: &Facts, json: bool) {
    let loaded = facts.module_is_loaded();
    let changed = parameters::changed(facts);
    let ports = counters::read(facts);
    let holders = holders::find(facts);
    if json {
        let mut object = Object::new("module").plain("loaded", loaded);
        if loaded {
            let mut values = Object::default();
            for one in &changed {
                values = values.plain(one.name, one.value);
            }
            object = object.plain("changed_parameters", values);
            if let Err(why) = &ports {
                object = object.text("ports_unknown", why);
            }
        }
        say!("{object}");
        for port in ports.iter().flatten() {
            say!(
                "{}",
                open_port(port, ports.as_deref().unwrap_or_default(), &holders)
            );
        }
        return;
    }
    if !loaded {
        say!("The module is not loaded. Load it: modprobe netmap");
        return;
    }
    say!("The module is loaded.");
    if changed.is_empty() {
        say!("Its parameters are the default ones.");
    }
    for one in &changed {
        let (name, value, default) = (one.name, one.value, one.default);
        say!("Parameter {name} is {value}; the default is {default}.");
    }
    match ports {
        Err(why) => say!("Open ports are not known: {why}."),
        Ok(ports) if ports.is_empty() => say!("No port is open."),
        Ok(ports) => {
            let head = "PORT KIND REGION HEADER HELD_BY".split(' ');
            let mut table = vec![head.map(str::to_owned).collect()];
            table.extend(ports.iter().map(|port| row(port, &ports, &holders)));
            lay_out(&table).iter().for_each(|line| say!("{line}"));
        }
    }
    hidden(&holders);
}

fn row(port: &Port, ports: &[Port], holders: &Holders) -> Vec<String> {
    let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    let mut held: Vec<String> = holders
        .of(&port.name)
        .map(|h| format!("{} ({})", h.process, h.pid))
        .collect();
    match counters::plugged(ports, &port.name) {
        Some(own) if own == port.name => held.push("the kernel".to_owned()),
        Some(own) => held.push(format!("the kernel, as {own}")),
        None => {}
    }
    if held.is_empty() {
        held.push("-".to_owned());
    }
    vec![
        port.name.clone(),
        port.kind.name().to_owned(),
        number(port.region),
        number(port.header),
        held.join(", "),
    ]
}

fn hidden(holders: &Holders) {
    if holders.unreadable > 0 {
        say!(
            "The files of {} processes cannot be read: run this with sudo to see all that have ports.",
            holders.unreadable
        );
    }
}

/// An open port, for programs.
fn open_port(port: &Port, ports: &[Port], holders: &Holders) -> Object {
    let plugged = counters::plugged(ports, &port.name);
    Object::new("port")
        .text("name", &port.name)
        .text("kind", port.kind.name())
        .maybe("region", port.region)
        .maybe("header", port.header)
        .maybe("attached_as", plugged.map(quoted))
        .list("holders", about::holder_objects(&port.name, holders))
}
