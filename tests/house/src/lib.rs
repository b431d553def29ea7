// SPDX-License-Identifier: MIT OR Apache-2.0

//! The walls of the module's house: no files that know each other in a circle, no room that knows
//! one above it, and no `unsafe` but where it is at home. And its signposts: the tour has every
//! room, what comments and documents name is there, and each item of the interface has its tests.
//!
//! Who knows whom is read from the sources: every path in a file counts, wherever it stands, and
//! leads to the file that defines what it names, through re-exports as the compiler would go. A
//! call of a method counts where its name is given once. It does not see that a trait is
//! implemented elsewhere than where its type is: no path leads there.
//! `FERROMAP_HOUSE` names another folder with a `netmap.rs` to look at.

#![cfg(test)]

mod coverage;
mod house;
mod methods;
mod names;
mod paths;
mod picture;
mod tests;
mod tree;

use crate::paths::Said;
use std::{collections::BTreeMap, env, fs, path::Path};

/// The rooms, from the ground up: a folder or a file of `module/` without its `.rs`. What is in a
/// line may name what is in that line and in those before it. A room within a room has its own.
const HOUSE: &[&[&str]] = &[
    &["abi"],
    &["live", "text", "refusal"],
    &["sys"],
    &["sys/net"],
    &["params", "turn"],
    &["memory"],
    &["ring"],
    &["port", "kloop"],
    &["null", "vale", "nic", "pipe", "monitor"],
    &["registry"],
    &["binding"],
    &["attach"],
    &["world"],
    &["file"],
    &["control"],
    &["debug_files", "device"],
    &["netmap"],
];

/// The rooms that may say `unsafe`. What a macro of theirs says elsewhere is said by them.
const UNSAFE: &[&str] = &["sys", "memory"];

/// Rooms that are used by nearly all, and the root, which knows all: no part of the picture.
const BESIDE: &[&str] = &["abi", "live", "text", "refusal", "params", "netmap"];

/// Where else the module's crate gets `unsafe` from: the interface says there what is plain data.
const PLAIN: &str = "wire.rs";

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../module");
const ABI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../abi/src");
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture.md");

/// What stands around the picture there.
const MARKS: [&str; 2] = ["<!-- drawn by tests/house -->\n", "<!-- until here -->\n"];

#[test]
fn the_picture_is_the_house() {
    let doc = fs::read_to_string(DOC).unwrap();
    let (before, rest) = doc.split_once(MARKS[0]).expect("the first mark");
    let (there, behind) = rest.split_once(MARKS[1]).expect("the second mark");
    let drawn = picture::draw(&sources(Path::new(OURS)), "netmap.rs", HOUSE, BESIDE);
    if env::var_os("FERROMAP_DRAW").is_some() {
        let [begin, end] = MARKS;
        fs::write(DOC, [before, begin, &drawn, end, behind].concat()).unwrap();
        return;
    }
    assert_eq!(
        there, drawn,
        "draw it anew: FERROMAP_DRAW=1 cargo test -p ferromap-house-tests"
    );
}

#[test]
fn the_house_stands() {
    let folder = env::var("FERROMAP_HOUSE").unwrap_or_else(|_| OURS.into());
    let faults = house::faults(&sources(Path::new(&folder)), "netmap.rs", HOUSE, UNSAFE);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_interface_says_unsafe_of_plain_data_only() {
    for (name, text) in sources(Path::new(ABI)) {
        let said = Said::read(text.parse().unwrap());
        assert!(name == PLAIN || !said.has("unsafe"), "{name} says unsafe");
    }
}

/// In the root's own documentation.
#[test]
fn the_tour_has_every_room() {
    let root = fs::read_to_string(Path::new(OURS).join("netmap.rs")).unwrap();
    let tour: String = root.lines().filter(|l| l.starts_with("//!")).collect();
    for room in HOUSE.iter().copied().flatten().filter(|r| **r != "netmap") {
        let room = room.replace('/', "::");
        let shown = [format!("[`{room}`]"), format!("[`{room}::")];
        let shown = shown.iter().any(|link| tour.contains(link));
        assert!(shown, "{room} is no stop of the tour");
    }
}

#[test]
fn what_is_named_is_there() {
    let faults = names::missing(&texts(Path::new(CHECKOUT)));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every source in the folder, by its path there.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    let mut files = texts(folder);
    files.retain(|name, _| name.ends_with(".rs"));
    files
}

/// Every file in the folder, by its path there; but none that was built.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    const BUT: [&str; 3] = [".git", "build", "target"];
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display())) {
            let path = entry.unwrap().path();
            if BUT.iter().any(|but| path.ends_with(but)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                let text = fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&text).into_owned();
                files.insert(name.to_owned(), text);
            }
        }
    }
    files
}
