// SPDX-License-Identifier: MIT OR Apache-2.0

//! `xdp filter`: the rules of the program `filter`, which are in maps of it.

use crate::{
    args::{Change, Filter},
    object::Loaded,
    place::Place,
    programs::Known,
    rules::Rule,
};
use common::{json::Object, say};
use libbpf_rs::{ErrorKind, MapCore, MapFlags};

/// Rules for a program that is not on a device yet.
pub fn fill(program: &Loaded, rules: &[Rule]) -> Result<(), String> {
    for rule in rules {
        let map = program.map(rule.map());
        add(&map.ok_or("the program has no rules")?, *rule)?;
    }
    Ok(())
}

pub fn run(args: &Filter) -> Result<(), String> {
    let place = Place::named(&args.device)?;
    let programs = place.programs()?;
    let known = programs.iter().filter_map(|p| Known::of(p.id));
    let mut filters = known.filter(|known| Rule::MAPS.iter().all(|map| known.map(map).is_some()));
    let Some(filter) = filters.next() else {
        let device = place.device();
        return Err(format!(
            "no filter that this user may see is on {device}. Load one with: xdp load -d {device} \
             filter"
        ));
    };
    if args.what == Change::List {
        list(&filter, place.device(), args.json);
        return Ok(());
    }
    for &rule in &args.rules {
        let map = filter.map(rule.map()).ok_or("the filter has gone")?;
        match args.what {
            Change::Del => remove(&map, rule)?,
            _ => add(&map, rule)?,
        }
    }
    Ok(())
}

fn add(map: &impl MapCore, rule: Rule) -> Result<(), String> {
    map.update(&rule.key(), &[1], MapFlags::ANY).map_err(|e| {
        format!("{rule} cannot be added: {e:#}. A filter has room for 65536 rules of a kind")
    })
}

fn remove(map: &impl MapCore, rule: Rule) -> Result<(), String> {
    map.delete(&rule.key()).map_err(|e| match e.kind() {
        ErrorKind::NotFound => format!("there is no rule {rule}"),
        _ => format!("{rule} cannot be removed: {e:#}"),
    })
}

fn list(filter: &Known, device: &str, json: bool) {
    let mut rules: Vec<Rule> = Vec::new();
    for name in Rule::MAPS {
        if let Some(map) = filter.map(name) {
            rules.extend(map.keys().filter_map(|key| Rule::of_key(name, &key)));
        }
    }
    rules.sort();
    for rule in rules {
        if json {
            let object = Object::new("rule").text("device", device);
            say!("{}", object.text("rule", &rule.to_string()));
        } else {
            say!("{rule}");
        }
    }
}
