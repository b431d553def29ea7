// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes down what `abi/` has, by name, for the compiler to fill in the values: every constant and
//! every structure of the files that are the interface.

use std::{collections::BTreeSet, env, fmt::Write, fs, path::Path};

const ABI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../abi/src");

/// What crosses the border between kernel and program.
const INTERFACE: [&str; 4] = ["consts", "ext", "options", "wire"];
/// What only computes with it.
const ARITHMETIC: [&str; 6] = ["abi", "cursor", "layout", "lib", "name", "select"];

fn main() {
    println!("cargo:rerun-if-changed={ABI}");
    let known: BTreeSet<String> = INTERFACE
        .iter()
        .chain(&ARITHMETIC)
        .map(|name| format!("{name}.rs"))
        .collect();
    let there = fs::read_dir(ABI).unwrap();
    let there = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        there.collect::<BTreeSet<_>>(),
        known,
        "a file of abi/ is either interface or arithmetic: say which in tests/c/build.rs"
    );

    let (mut numbers, mut structures) = (String::new(), String::new());
    for file in INTERFACE {
        let text = fs::read_to_string(Path::new(ABI).join(file).with_extension("rs")).unwrap();
        for name in constants(&text) {
            let path = format!("ferromap_abi::{file}::{name}");
            writeln!(numbers, "    ({name:?}, {path} as u64),").unwrap();
        }
        for (name, alias) in public_structures(&text) {
            let fields = fields(&text, &name);
            let c = alias.unwrap_or_else(|| snake_case(&name));
            let path = format!("ferromap_abi::{file}::{name}");
            writeln!(
                structures,
                "    Structure {{ name: {c:?}, size: size_of::<{path}>(), \
                 align: align_of::<{path}>(), fields: &["
            )
            .unwrap();
            for field in fields {
                writeln!(
                    structures,
                    "        ({field:?}, offset_of!({path}, {field}), \
                     width::<{path}, _>(|all| &all.{field})),"
                )
                .unwrap();
            }
            structures.push_str("    ] },\n");
        }
    }
    let out = Path::new(&env::var_os("OUT_DIR").unwrap()).join("abi.rs");
    let code = format!(
        "pub(crate) const NUMBERS: &[(&str, u64)] = &[\n{numbers}];\n\
         pub(crate) const STRUCTURES: &[Structure] = &[\n{structures}];\n"
    );
    fs::write(out, code).unwrap();
}

/// At the top of a file.
fn constants(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|rest| rest.split_once(':').map(|(name, _)| name))
}

/// Names, each with the one that C programs know it by if that is another.
fn public_structures(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut alias = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("#[doc(alias = \"") {
            alias = rest.split('"').next().map(str::to_owned);
        } else if let Some(rest) = line.strip_prefix("pub struct ") {
            let name = rest.split([' ', '(', '<']).next().unwrap();
            found.push((name.to_owned(), alias.take()));
        }
    }
    found
}

/// As `plain!` lists them, which also sees to it that these are all.
fn fields<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut calls = text.split("plain!(").skip(1);
    let call = calls
        .find(|call| call.starts_with(&format!("{name},")))
        .unwrap_or_else(|| panic!("{name} has no plain! beside it"));
    let list = call.split_once(';').unwrap().1.split(')').next().unwrap();
    list.split(',')
        .filter_map(|field| field.split_once('@'))
        .map(|(field, _)| field.trim())
        .collect()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
