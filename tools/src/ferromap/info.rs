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
    table::{by_name, lay_out, Column},
};

pub fn run(facts: &Facts, args: &Info) -> Result<(), String> {
    let Some(port) = &args.port else {
        return module(facts, args.json);
    };
    let about = About::learn(facts, bare(port))?;
    if args.json {
        say!("{}", about.json());
    } else {
        about.lines().iter().for_each(|line| say!("{line}"));
        hidden(&about.holders);
    }
    Ok(())
}

/// Tells what there is to tell; the error is what cannot be told.
fn module(facts: &Facts, json: bool) -> Result<(), String> {
    let loaded = facts.module_is_loaded();
    let changed = parameters::changed(facts);
    let ports = counters::read(facts).map(|mut ports| {
        ports.sort_by(|a, b| by_name(&a.name, &b.name));
        ports
    });
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
        let ports = ports?;
        for port in &ports {
            say!("{}", open_port(port, &ports, &holders));
        }
        return Ok(());
    }
    if !loaded {
        return ports.map(drop);
    }
    say!("The module is loaded.");
    if changed.is_empty() {
        say!("Its parameters are the default ones.");
    }
    for one in &changed {
        let (name, value, default) = (one.name, one.value, one.default);
        say!("Parameter {name} is {value}; the default is {default}.");
    }
    let ports = ports.map_err(|why| format!("open ports are not known: {why}"))?;
    if ports.is_empty() {
        say!("No port is open.");
    } else {
        let rows: Vec<_> = ports
            .iter()
            .map(|port| row(port, &ports, &holders))
            .collect();
        lay_out(&COLUMNS, &rows)
            .iter()
            .for_each(|line| say!("{line}"));
    }
    hidden(&holders);
    Ok(())
}

const COLUMNS: [Column; 5] = [
    Column::Text("PORT"),
    Column::Text("KIND"),
    Column::Number("REGION"),
    Column::Number("HEADER"),
    Column::Text("HELD_BY"),
];

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
            "The files of {} processes cannot be read: run this with sudo to see all that have \
             ports.",
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
