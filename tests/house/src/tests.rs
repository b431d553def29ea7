// SPDX-License-Identifier: MIT OR Apache-2.0

//! The checks themselves, on houses of a few lines.

use crate::house::faults;

const ROOMS: &[&[&str]] = &[&["cellar"], &["hall"], &["hall/attic"], &["root"]];

/// The faults of a house with these files.
fn blame(files: &[(&str, &str)]) -> Vec<String> {
    let sources = files
        .iter()
        .map(|(name, text)| (format!("{name}.rs"), (*text).into()))
        .collect();
    faults(&sources, "root.rs", ROOMS, &["cellar"])
}

/// A house that stands, with one more line in one of its files.
fn with(file: &str, line: &str) -> Vec<String> {
    let mut files = [
        ("root", "mod cellar; mod hall;".to_owned()),
        (
            "cellar",
            "pub(crate) struct Coal; pub(crate) fn dig() -> Coal { Coal }".into(),
        ),
        (
            "hall/mod",
            "mod chair; mod table; mod attic; pub(crate) use table::{Leg, Table};".into(),
        ),
        (
            "hall/chair",
            "use super::Table; fn at() -> Table { todo!() }".into(),
        ),
        (
            "hall/table",
            "pub(crate) struct Table; pub(crate) struct Leg(crate::cellar::Coal);".into(),
        ),
        (
            "hall/attic",
            "use super::{Leg, chair}; use kernel::{kernel, prelude::*}; struct Trunk;".into(),
        ),
    ];
    let into = files.iter_mut().find(|(name, _)| *name == file).unwrap();
    into.1.push_str(line);
    blame(&files.each_ref().map(|(name, text)| (*name, text.as_str())))
}

#[track_caller]
fn assert_says(faults: &[String], words: &str) {
    assert!(
        faults.iter().any(|f| f.contains(words)),
        "no {words:?} in {faults:#?}"
    );
}

#[test]
fn a_house_that_stands() {
    assert_eq!(with("root", ""), [""; 0]);
}

/// `deny(unsafe_code)` at the root can be taken back by any file.
#[test]
fn unsafe_is_said_where_it_is_at_home() {
    const LINE: &str = "#[allow(unsafe_code)] fn touch(p: *mut u8) { unsafe { *p = 0 } }";
    assert_eq!(with("cellar", LINE), [""; 0]);
    assert_says(&with("hall/chair", LINE), "hall/chair.rs says unsafe");
    assert_says(
        &with("hall/attic", "mod box { unsafe fn f() {} }"),
        "attic.rs says unsafe",
    );
    assert_eq!(
        with("hall/chair", "// unsafe\n#[deny(unsafe_code)] fn f() {}"),
        [""; 0]
    );
}

#[test]
fn two_files_that_know_each_other() {
    let faults = with("hall/table", "use super::chair::at;");
    assert_says(&faults, "a circle of files: hall/chair.rs, hall/table.rs");
    assert_says(&faults, "hall/chair.rs names super::Table (hall/table.rs)");
    assert_says(
        &faults,
        "hall/table.rs names super::chair::at (hall/chair.rs)",
    );
    assert_eq!(faults.len(), 3, "{faults:#?}");
}

#[test]
fn a_circle_of_three() {
    let faults = blame(&[
        ("root", "mod hall;"),
        ("hall/mod", "mod a; mod b; mod c;"),
        ("hall/a", "use super::b::B; struct A;"),
        ("hall/b", "use crate::hall::c::C; struct B;"),
        ("hall/c", "use super::super::hall::a::A; struct C;"),
    ]);
    assert_says(
        &faults,
        "a circle of files: hall/a.rs, hall/b.rs, hall/c.rs",
    );
}

#[test]
fn two_circles_that_do_not_meet() {
    let faults = blame(&[
        ("root", "mod hall;"),
        ("hall/mod", "mod a; mod b; mod c; mod d;"),
        ("hall/a", "use super::b::B; struct A;"),
        ("hall/b", "use super::{a::A, c::C}; struct B;"),
        ("hall/c", "use super::d::D; struct C;"),
        ("hall/d", "use super::c::C; struct D;"),
    ]);
    assert_says(&faults, "a circle of files: hall/a.rs, hall/b.rs");
    assert_says(&faults, "a circle of files: hall/c.rs, hall/d.rs");
    assert_eq!(faults.len(), 6, "{faults:#?}");
}

/// It may show what its files have, and they may use what it defines; but not use it, too.
#[test]
fn a_circle_with_the_file_of_the_room() {
    let house = |more: &str| {
        let room = "mod table; pub(crate) use table::Table; pub(crate) struct Room;";
        blame(&[
            ("root", "mod hall;"),
            ("hall/mod", &format!("{room} {more}")),
            (
                "hall/table",
                "pub(crate) struct Table(super::Room); struct Other; fn lay() {}",
            ),
        ])
    };
    assert_eq!(house("mod inner { struct Table; }"), [""; 0]);
    for more in [
        "fn f(table: &Table) {}",
        "use table::Other;",
        "fn f() { table::lay() }",
        "fn f() { lay!(Table) }",
    ] {
        assert_says(
            &house(more),
            "a circle of files: hall/mod.rs, hall/table.rs",
        );
    }
}

/// The kernel's macro `module!` makes a type that nobody has written.
#[test]
fn what_a_macro_of_the_kernels_makes() {
    assert_eq!(with("cellar", "type M = crate::LocalModule;"), [""; 0]);
}

/// However it is written, in whatever place.
#[test]
fn imports_from_above() {
    for line in [
        "use crate::hall::Table;",
        "use super::hall::Table as Desk;",
        "use {core::mem, crate::{cellar::Coal, hall::{self, Leg}}};",
        "use crate::hall; fn f() { hall::Table::new() }",
        "use crate::hall as room; fn f(t: &room::Table) {}",
        "use crate::hall::*;",
        "fn f() { use crate::hall; hall::Table::new() }",
        "fn f() { g(&[crate::hall::Table::new()]); }",
        "fn f() { println!(\"{}\", crate::hall::Table::new()); }",
        "macro_rules! f { () => { $crate::hall::Table } }",
        "fn f() -> Vec<<crate::hall::Table as Iterator>::Item> {}",
        "impl self::super::hall::Table { }",
        "#[cfg(test)] mod tests { fn f() { super::super::hall::Table::new() } }",
        "use crate::hall; mod inner { use super::*; fn f() { hall::Table::new() } }",
        "use crate::hall; mod inner { use super::hall; fn f() { hall::Table::new() } }",
    ] {
        let faults = with("cellar", line);
        assert_says(&faults, "hall is above cellar");
    }
}

#[test]
fn what_only_looks_like_an_import_from_above() {
    for line in [
        "use hall::Table;",
        "use ::hall::Table;",
        "use kernel::hall::Table;",
        "// use crate::hall::Table;",
        "/// Of [`crate::hall::Table`].\nconst HALL: &str = \"crate::hall::Table\";",
        "fn f(hall: Hall) { hall.table(); <T as hall::Table>::crate_hall() }",
        "fn f() -> impl Sized + use<'_> {} mod hall { struct Table; } type T = hall::Table;",
    ] {
        assert_eq!(with("cellar", line), [""; 0], "{line}");
    }
}

/// Although it might be one of all the things that come from elsewhere.
#[test]
fn a_name_beside_an_import_of_everything() {
    let faults = blame(&[
        ("root", "mod cellar; mod hall;"),
        ("cellar", "use crate::hall; fn dig() { hall::sit() }"),
        (
            "hall",
            "use crate::cellar::*; pub(crate) fn sit() { dig() }",
        ),
    ]);
    assert_says(&faults, "hall is above cellar");
    assert_says(&faults, "a circle of files: cellar.rs, hall.rs");
}

/// What a room shows of its files is among that.
#[test]
fn everything_of_a_room() {
    let faults = with("hall/table", "use super::chair::*; use kernel::prelude::*;");
    assert_says(&faults, "a circle of files: hall/chair.rs, hall/table.rs");
    let faults = with("hall/table", "use super::*;");
    assert_eq!(faults, [""; 0]);
    let faults = with("cellar", "use crate::hall::*;");
    assert_says(&faults, "cellar.rs names crate::hall::* (hall/table.rs)");
}

/// To go by way of a room is to know it.
#[test]
fn what_is_below_but_found_above() {
    let faults = blame(&[
        ("root", "mod cellar; mod hall;"),
        (
            "cellar/mod",
            "mod coal; mod fire; pub(crate) use coal::Coal;",
        ),
        ("cellar/coal", "pub(crate) struct Coal;"),
        ("cellar/fire", "use crate::hall::Coal;"),
        ("hall", "pub(crate) use crate::cellar::Coal;"),
    ]);
    assert_says(
        &faults,
        "cellar/fire.rs names crate::hall::Coal (hall.rs): hall is above cellar",
    );
}

#[test]
fn a_room_within_a_room() {
    let faults = with("hall/table", "use super::attic::Trunk;");
    assert_says(&faults, "hall/attic is above hall");
    assert_eq!(with("hall/attic", "use crate::hall::Table;"), [""; 0]);
}

/// As `abi`, which is declared with a path.
#[test]
fn a_file_that_is_elsewhere() {
    let faults = blame(&[
        ("root", "mod cellar; mod hall;"),
        ("cellar", "use crate::hall::Table;"),
    ]);
    assert_says(&faults, "hall is above cellar");
}

#[test]
fn files_that_nobody_knows_of() {
    let faults = blame(&[("root", "mod shed;"), ("shed", ""), ("hall/ghost", "")]);
    assert_says(&faults, "shed.rs is in no room of the list");
    assert_says(&faults, "hall/ghost.rs is declared by no other file");
}

#[test]
fn methods_in_another_file_than_their_type() {
    let more = "impl super::Table { fn lay(&self) {} } ";
    let calls = "fn serve(table: &super::Table) { table.lay(); } ";
    let blame = |chair: &str, cook: &str| {
        blame(&[
            ("root", "mod cellar; mod hall;"),
            ("cellar", "pub struct Coal; fn lay() {}"),
            ("hall/mod", "mod chair; mod cook; pub struct Table;"),
            ("hall/chair", chair),
            ("hall/cook", &["pub struct Spoon; ", cook].concat()),
        ])
    };
    let both_ways = more.replace("{}", "{ super::cook::Spoon; }");
    let told_apart = |text: &str| text.replace("lay", "lay_for_all");
    assert_eq!(blame(&told_apart(more), &told_apart(calls)), [""; 0]);
    assert_says(
        &blame(&told_apart(&both_ways), &told_apart(calls)),
        ".lay_for_all()",
    );
    // Where others have a function of that name, nobody can tell.
    assert_eq!(blame(&both_ways, calls), [""; 0]);
}

#[test]
fn a_file_that_goes_on_for_ever() {
    let line = "// What nobody reads to its end.\n";
    assert_eq!(with("cellar", &line.repeat(400)), [""; 0]);
    assert_says(&with("cellar", &line.repeat(500)), "has 500 lines");
}
