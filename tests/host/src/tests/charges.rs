// SPDX-License-Identifier: MIT OR Apache-2.0

//! What programs make is charged to their cgroup: the module allocates with
//! `GFP_KERNEL_ACCOUNT`, but for what it has once, for lists that are everybody's, and for
//! telling why there is no memory.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// How often a file may say plain `GFP_KERNEL`.
const ONCE: &[(&str, usize)] = &[
    ("attach/attachments.rs", 2),
    ("memory/regions.rs", 2),
    ("sys/net/home.rs", 3),
    ("monitor/monitors.rs", 2),
    ("netmap.rs", 1),
    ("nic/nics.rs", 3),
    ("pipe/pipes.rs", 2),
    ("refusal.rs", 1),
    ("sys/debugfs.rs", 2),
    ("turn.rs", 1),
    ("vale/switches.rs", 2),
    ("vale/persistent.rs", 2),
    ("world.rs", 1),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|is| is == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn what_programs_make_is_charged_to_them() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../module");
    let mut found = Vec::new();
    sources(&module, &mut found);
    assert!(found.len() > 50, "the module's sources");
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let plain = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let plain = plain.filter(|word| *word == "GFP_KERNEL").count();
        let name = path.strip_prefix(&module).unwrap();
        let known = ONCE.iter().find(|(file, _)| name == Path::new(file));
        let allowed = known.map_or(0, |(_, count)| *count);
        assert!(
            plain <= allowed,
            "{} says GFP_KERNEL {plain} times: GFP_KERNEL_ACCOUNT for what a program makes",
            name.display()
        );
    }
}
