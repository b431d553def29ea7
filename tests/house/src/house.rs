// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a house may be blamed for.

use crate::{
    methods,
    tree::{File, Link, Tree},
};
use std::collections::{BTreeMap, BTreeSet};

/// Lines of a file, at most: one with more has more than one subject.
const LONGEST: usize = 450;

/// Each fault of the crate whose root is the source `root`, in words.
pub(crate) fn faults(
    sources: &BTreeMap<String, String>,
    root: &str,
    rooms: &[&[&str]],
    unsafe_rooms: &[&str],
) -> Vec<String> {
    let tree = Tree::grow(sources, root);
    let mut links = tree.links();
    links.extend(methods::links(sources, &tree.files));
    let mut faults = Vec::new();
    for name in sources.keys().filter(|name| !tree.files.contains(name)) {
        faults.push(format!("{name} is declared by no other file"));
    }
    for (name, text) in sources {
        let lines = text.lines().count();
        if lines > LONGEST {
            faults.push(format!(
                "{name} has {lines} lines, and {LONGEST} are the most"
            ));
        }
    }
    for name in tree.files.iter().filter(|name| room(rooms, name).is_none()) {
        faults.push(format!("{name} is in no room of the list"));
    }
    faults.extend(upward(&tree, &links, rooms));
    faults.extend(circles(&tree, &links));
    for name in tree.files_that_say("unsafe") {
        if room(&[unsafe_rooms], name).is_none() {
            faults.push(format!(
                "{name} says unsafe, which is for {}",
                unsafe_rooms.join(" and ")
            ));
        }
    }
    faults
}

/// The floor and the name of the room that the file is in: of the innermost, if there are several.
pub(crate) fn room<'a>(rooms: &[&[&'a str]], file: &str) -> Option<(usize, &'a str)> {
    let path = file.trim_end_matches(".rs");
    let all = rooms
        .iter()
        .enumerate()
        .flat_map(|(floor, line)| line.iter().map(move |r| (floor, *r)));
    all.filter(|(_, room)| {
        path.strip_prefix(room)
            .is_some_and(|p| p.is_empty() || p.starts_with('/'))
    })
    .max_by_key(|(_, room)| room.len())
}

fn upward(tree: &Tree, links: &BTreeSet<Link>, rooms: &[&[&str]]) -> Vec<String> {
    let mut faults = Vec::new();
    for ((from, to), paths) in by_files(links) {
        let (from, to) = (&tree.files[from], &tree.files[to]);
        if let (Some((low, below)), Some((high, above))) = (room(rooms, from), room(rooms, to)) {
            if low < high {
                faults.push(format!(
                    "{from} names {paths} ({to}): {above} is above {below}"
                ));
            }
        }
    }
    faults
}

/// Files that need each other, over others or directly. A file that only re-exports needs nothing.
fn circles(tree: &Tree, links: &BTreeSet<Link>) -> Vec<String> {
    let links: Vec<&Link> = links.iter().filter(|link| link.needed).collect();
    let reached: Vec<BTreeSet<File>> = (0..tree.files.len())
        .map(|file| reached(&links, file))
        .collect();
    let mut faults = Vec::new();
    for file in 0..tree.files.len() {
        let with = |other: &File| reached[file].contains(other) && reached[*other].contains(&file);
        let circle: Vec<File> = (0..tree.files.len()).filter(with).collect();
        // Once, for its first file.
        if circle.first() != Some(&file) {
            continue;
        }
        let names: Vec<&str> = circle.iter().map(|&f| tree.files[f].as_str()).collect();
        faults.push(format!("a circle of files: {}", names.join(", ")));
        let inside = |link: &&Link| circle.contains(&link.from) && circle.contains(&link.to);
        for ((from, to), paths) in by_files(links.iter().copied().filter(inside)) {
            let (from, to) = (&tree.files[from], &tree.files[to]);
            faults.push(format!("    {from} names {paths} ({to})"));
        }
    }
    faults
}

/// By what paths the one file names the other.
fn by_files<'a>(links: impl IntoIterator<Item = &'a Link>) -> BTreeMap<(File, File), String> {
    let mut all: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for link in links {
        let paths = all.entry((link.from, link.to)).or_default();
        paths.push(&link.path);
    }
    let joined = |(files, paths): (_, Vec<&str>)| (files, paths.join(", "));
    all.into_iter().map(joined).collect()
}

/// What the file names, and what that names in turn.
fn reached(links: &[&Link], file: File) -> BTreeSet<File> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(from) = open.pop() {
        for link in links.iter().filter(|link| link.from == from) {
            if reached.insert(link.to) {
                open.push(link.to);
            }
        }
    }
    reached
}
