// SPDX-License-Identifier: MIT OR Apache-2.0

//! The table of docs/abi-coverage.md: a row for each item of the interface's checklist, with the
//! tests that show it. Whether they pass is told by `rig/coverage`.

use std::collections::{BTreeMap, BTreeSet};

/// A row: what holds of the item, and the tests that show it.
pub(crate) struct Row {
    pub(crate) item: u32,
    pub(crate) holds: String,
    pub(crate) tests: Vec<String>,
}

/// The rows whose first cell is a number.
pub(crate) fn rows(table: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let (item, holds, tests) = (cells.next()?, cells.next()?, cells.next()?);
        Some(Row {
            item: item.parse().ok()?,
            holds: holds.into(),
            tests: tests
                .split('`')
                .skip(1)
                .step_by(2)
                .map(String::from)
                .collect(),
        })
    };
    table.lines().filter_map(row).collect()
}

/// The numbers of the checklist, which is section 12.
pub(crate) fn items(interface: &str) -> Vec<u32> {
    let number = |line: &str| line.split_once(". ")?.0.parse().ok();
    let from = interface.find("\n## 12. ").expect("section 12");
    let rest = &interface[from + 4..];
    let section = &rest[..rest.find("\n## ").unwrap_or(rest.len())];
    section.lines().skip(1).filter_map(number).collect()
}

/// The names of all tests in the VM: cases of `tests/vm`, and functions of scripts.
pub(crate) fn tests(files: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let name = |file: &str, line| -> Option<&str> {
        let line: &str = line;
        let name = if file.ends_with(".rs") {
            line.strip_prefix("fn ")?.split_once("() -> Outcome")?.0
        } else {
            line.strip_suffix("() {")?
        };
        Some(name)
    };
    let ours =
        |file: &str| file.starts_with("tests/vm/src/cases/") || file.starts_with("rig/guest/");
    let files = files.iter().filter(|(file, _)| ours(file));
    files
        .flat_map(|(file, text)| text.lines().filter_map(move |line| name(file, line)))
        .collect()
}

/// What is wrong with the table.
pub(crate) fn faults(files: &BTreeMap<String, String>) -> Vec<String> {
    let (rows, tests) = (rows(&files["docs/abi-coverage.md"]), tests(files));
    let mut faults = Vec::new();
    let listed: Vec<u32> = rows.iter().map(|r| r.item).collect();
    if listed != items(&files["docs/netmap-abi.md"]) {
        faults.push("the rows are not the items of the checklist, in their order".into());
    }
    for Row {
        item,
        holds,
        tests: shown,
    } in &rows
    {
        if !["yes", "better: "]
            .iter()
            .any(|word| holds.starts_with(word))
        {
            faults.push(format!(
                "item {item} says {holds:?}, not yes or what is better"
            ));
        }
        if shown.is_empty() {
            faults.push(format!("item {item} has no test"));
        }
        for test in shown.iter().filter(|t| !tests.contains(t.as_str())) {
            faults.push(format!("item {item} names {test}, which is no test"));
        }
    }
    // Who adds a test to an item says so in its row.
    for test in tests.iter().filter(|t| t.starts_with("item_")) {
        let number = test.split('_').nth(1).and_then(|n| n.parse().ok());
        let row = rows.iter().find(|r| Some(r.item) == number);
        if !row.is_some_and(|r| r.tests.iter().any(|t| t == test)) {
            faults.push(format!("{test} is not in the row of its item"));
        }
    }
    faults
}

#[test]
fn each_item_of_the_interface_has_its_tests() {
    let faults = faults(&crate::texts(std::path::Path::new(crate::CHECKOUT)));
    assert!(
        faults.is_empty(),
        "docs/abi-coverage.md: {}",
        faults.join("\n")
    );
}

#[test]
fn a_table_with_faults() {
    let checklist = "\n## 12. All of it\n1. Opens.\n2. Closes.\n   3. nothing\n## 13.\n4. no\n";
    let case = "fn item_001_opens() -> Outcome {\n}\nfn item_002_closes() -> Outcome {\n";
    let blame = |table: &str| {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        faults(&BTreeMap::from([
            file("docs/netmap-abi.md", checklist),
            file("docs/abi-coverage.md", table),
            file("tests/vm/src/cases/one.rs", case),
            file("rig/guest/some-tests", "nic_counts() {\n"),
        ]))
    };
    let good = "| 1 | yes | `item_001_opens`, `nic_counts` |\n";
    let whole = format!("{good}| 2 | better: at once | `item_002_closes` |");
    assert_eq!(blame(&whole), [""; 0]);
    for (table, words) in [
        (good.to_owned(), "not the items"),
        (whole.replace("better: at once", "no"), "item 2 says \"no\""),
        (whole.replace("`item_002_closes`", ""), "item 2 has no test"),
        (
            whole.replace(", `nic_counts`", ", `nic_c`"),
            "names nic_c, which",
        ),
        (
            whole.replace("`item_001_opens`, ", ""),
            "item_001_opens is not in",
        ),
    ] {
        let faults = blame(&table);
        assert!(
            faults.iter().any(|f| f.contains(words)),
            "no {words:?} in {faults:#?}"
        );
    }
}
