// SPDX-License-Identifier: MIT OR Apache-2.0

//! What comments and documents name must be there: files, and parts of the module as paths.

use std::collections::BTreeMap;

/// Folders of the checkout with which the names of files begin.
const TOPS: [&str; 8] = [
    "abi", "bench", "docs", "module", "rig", "tests", "tools", "userlib",
];

/// What is named in the checkout with these files, by path, and is not there; in words.
pub(crate) fn missing(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    // That one tells of the past.
    for (path, text) in files.iter().filter(|(path, _)| *path != "CHANGELOG.md") {
        for (number, line) in (1..).zip(text.lines()) {
            for name in names(path, line) {
                if !is_there(files, path, name) {
                    faults.push(format!("{path}:{number} names {name}, which is not there"));
                }
            }
        }
    }
    faults
}

/// The names in what a line says to people: between backticks, or as the target of a link.
fn names<'l>(path: &str, line: &'l str) -> impl Iterator<Item = &'l str> {
    let comment = if path.ends_with(".rs") { "//" } else { "#" };
    let (said, links) = match path.ends_with(".md") {
        true => (line, line),
        false => (line.split_once(comment).map_or("", |(_, said)| said), ""),
    };
    let quoted = said.split('`').skip(1).step_by(2);
    let links = links.split("](").skip(1).map(|rest| {
        let target = rest.split(')').next().unwrap_or("");
        target.split('#').next().unwrap_or("")
    });
    // Of a command, the program.
    quoted
        .chain(links)
        .filter_map(|name| name.split_whitespace().next())
}

/// Whether it is no name of ours, or one of something that is there.
fn is_there(files: &BTreeMap<String, String>, by: &str, name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    if !name.chars().all(plain) || name.starts_with("http") {
        return true;
    }
    if name.contains("::") {
        return !by.starts_with("docs/") && !by.starts_with("module/") || is_part(files, name);
    }
    let from_top = TOPS
        .iter()
        .any(|top| name.strip_prefix(top).is_some_and(|s| s.starts_with('/')));
    let of_ours = [".rs", ".md"]
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|stem| !stem.is_empty()));
    if !from_top && !of_ours && !name.starts_with("../") {
        return true;
    }
    // Names are short where it is clear what they mean: the end of a path will do.
    let name = name.trim_start_matches("../").trim_end_matches('/');
    files.keys().any(|path| {
        let ends = format!("/{path}/");
        ends.contains(&format!("/{name}/"))
    })
}

/// Whether a path that starts with a room of the module leads to something that is there: to a
/// file, or to a word of the last file on the way.
fn is_part(files: &BTreeMap<String, String>, path: &str) -> bool {
    let path = path.trim_start_matches("crate::");
    let mut at = "module".to_owned();
    for (number, name) in path.split("::").enumerate() {
        let next = match (number, name) {
            (0, "abi") => "abi/src".into(),
            _ => format!("{at}/{name}"),
        };
        let folder = format!("{next}/");
        let known = files.contains_key(&format!("{next}.rs"))
            || files.keys().any(|path| path.starts_with(&folder));
        if known {
            at = next;
            continue;
        }
        // Of another crate, if it is not even a room. What is in what is found by the compiler.
        let inside = format!("{at}/");
        let own = format!("{at}.rs");
        let word = |text: &String| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == name)
        };
        return number == 0
            || files
                .iter()
                .any(|(path, text)| (*path == own || path.starts_with(&inside)) && word(text));
    }
    true
}

#[test]
fn what_is_named_and_what_is_missing() {
    let with = |path: &str, line: &str| {
        let files = [
            ("module/hall/mod.rs", "mod table;"),
            ("module/hall/table.rs", "struct Leg;"),
            ("module/cellar.rs", "fn dig() {}"),
            ("docs/house.md", ""),
            ("rig/vm", ""),
            (path, line),
        ];
        missing(&files.map(|(path, text)| (path.into(), text.into())).into())
    };
    for good in [
        "`hall/table.rs`, `table.rs`, `module/hall/` and [it](../module/cellar.rs#here)",
        "`hall::table`, `hall::Leg`, `cellar::dig`, `crate::hall::table::Leg`, `core::mem`",
        "`rig/vm --gdb`, `*.rs`, `linux/fs.h`, `a < b`, [elsewhere](https://a.example/b.md)",
    ] {
        assert_eq!(with("docs/good.md", good), [""; 0], "{good}");
    }
    for bad in [
        "`hall/chair.rs`",
        "`able.rs`",
        "`rig/uml`",
        "[it](../module/attic.rs)",
        "`hall::chair`",
        "`cellar::Dig`",
    ] {
        assert_eq!(with("docs/bad.md", bad).len(), 1, "{bad}");
        let comment = format!("fn f() {{}} // {bad}");
        let said = !bad.starts_with('[');
        assert_eq!(with("module/bad.rs", &comment).len(), said.into(), "{bad}");
    }
    assert_eq!(with("module/code.rs", "f(\"`hall/chair.rs`\")"), [""; 0]);
}
