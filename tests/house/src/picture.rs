// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rooms and which of them use which, as a picture (Mermaid, a language for graphs that forges
//! show as such).

use crate::{house::room, tree::Tree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Draws the crate whose root is the source `root`, without the rooms `beside`. An arrow that can
/// be had by way of others is left out.
pub(crate) fn draw(
    sources: &BTreeMap<String, String>,
    root: &str,
    rooms: &[&[&str]],
    beside: &[&str],
) -> String {
    let tree = Tree::grow(sources, root);
    let shown = |file: usize| {
        let (floor, name) = room(rooms, &tree.files[file])?;
        (!beside.contains(&name)).then_some((floor, name))
    };
    let mut uses: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for link in tree.links() {
        if let (Some(from), Some(to)) = (shown(link.from), shown(link.to)) {
            if from != to {
                uses.entry(from).or_default().insert(to);
            }
        }
    }
    let mut picture = String::from("```mermaid\nflowchart TD\n");
    for (&(_, from), to) in uses.iter().rev() {
        let by_way_of_others: BTreeSet<_> = to.iter().flat_map(|r| below(&uses, *r)).collect();
        for (_, to) in to.difference(&by_way_of_others) {
            let _ = writeln!(picture, "    {from} --> {to}");
        }
    }
    picture + "```\n"
}

/// A room, and the floor that it is on.
type Room<'a> = (usize, &'a str);

/// All rooms that one uses, also by way of others.
fn below<'a>(uses: &BTreeMap<Room<'a>, BTreeSet<Room<'a>>>, of: Room<'a>) -> BTreeSet<Room<'a>> {
    let direct = uses.get(&of).into_iter().flatten();
    direct
        .flat_map(|&room| below(uses, room).into_iter().chain([room]))
        .collect()
}
