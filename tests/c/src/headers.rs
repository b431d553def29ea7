// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds where headers, interface and library differ.

use crate::{
    abi::{NUMBERS, STRUCTURES},
    Structure,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

pub(crate) const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../userlib/c/include");
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../userlib/c/src");

/// Headers of the interface; others have what programs do with it.
const INTERFACE: [&str; 3] = ["net/ferromap.h", "net/netmap.h", "net/netmap_legacy.h"];

/// Fields that C has under other names: the time is a structure of the system's there, and `errno`
/// a macro.
const RENAMED: [(&str, &str, &str); 3] = [
    ("netmap_ring", "ts_sec", "ts.tv_sec"),
    ("netmap_ring", "ts_usec", "ts.tv_usec"),
    ("nmreq_why", "errno", "error"),
];

/// In C its table of rings is part of it, so it is aligned as that is.
const ENDS_IN_A_TABLE: &str = "netmap_if";

/// Constants that the system's own headers have.
const SYSTEMS: &str = "#include <net/ethernet.h>\n#include <net/if.h>\n";

/// What is compared with `abi/`: texts, so that tests can change them.
pub(crate) struct Sources {
    /// By the name by which programs include them.
    pub(crate) headers: BTreeMap<String, String>,
    exports: String,
    types: String,
}

impl Sources {
    pub(crate) fn ours() -> Self {
        let read = |path: PathBuf| fs::read_to_string(&path).unwrap();
        let mut headers = BTreeMap::new();
        for folder in ["", "net/"] {
            for file in fs::read_dir(Path::new(INCLUDE).join(folder)).unwrap() {
                let file = file.unwrap();
                if file.path().is_file() {
                    let name = format!("{folder}{}", file.file_name().to_str().unwrap());
                    headers.insert(name, read(file.path()));
                }
            }
        }
        Sources {
            headers,
            exports: read(Path::new(LIBRARY).join("exports.rs")),
            types: read(Path::new(LIBRARY).join("types.rs")),
        }
    }
}

/// Compiles a text and says what the compiler said: nothing if all is well.
pub(crate) fn compile(
    compiler: &str,
    language: &str,
    options: &[&str],
    include: &str,
    code: &str,
) -> String {
    let output = run(
        Command::new(compiler).args(options).args([
            "-fsyntax-only",
            "-I",
            include,
            "-x",
            language,
            "-",
        ]),
        code,
    );
    output.1
}

/// What a command made of a text, and what it said.
fn run(command: &mut Command, input: &str) -> (String, String) {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mut said = text(output.stderr);
    if !output.status.success() && said.is_empty() {
        said = output.status.to_string();
    }
    (text(output.stdout), said)
}

/// A folder with the headers, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn with(headers: &BTreeMap<String, String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ferromap-headers-{}-{number}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        for (name, text) in headers {
            let path = folder.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All differences, in words.
pub(crate) fn faults(sources: &Sources) -> Vec<String> {
    let folder = Folder::with(&sources.headers);
    let mut faults = Vec::new();
    for text in INTERFACE.map(|name| &sources.headers[name]) {
        if text.lines().any(|line| line.starts_with("enum")) {
            faults.push("an enum in a header of the interface: #define is what is compared".into());
        }
    }
    faults.extend(twice());
    faults.extend(macros(folder.path()));
    faults.extend(structures(sources));
    faults.extend(functions(sources));
    faults.extend(values(sources, folder.path()));
    faults
}

/// Two structures of `abi/` that are one in C.
fn twice() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let again = STRUCTURES.iter().filter(|s| !seen.insert(s.name));
    again
        .map(|s| format!("abi/ has two structures for struct {}", s.name))
        .collect()
}

/// Numbers that the headers have, by what the preprocessor says, and `abi/` has not.
fn macros(include: &str) -> Vec<String> {
    let code = "#include <net/ferromap.h>\n";
    let (text, said) = run(
        Command::new("cc").args(["-E", "-dD", "-I", include, "-x", "c", "-"]),
        code,
    );
    if !said.is_empty() {
        return vec![said];
    }
    let known: BTreeSet<&str> = NUMBERS.iter().map(|(name, _)| *name).collect();
    let mut ours = false;
    let mut faults = Vec::new();
    for line in text.lines() {
        if let Some(marker) = line.strip_prefix("# ") {
            ours = marker.contains(include);
            continue;
        }
        let Some(name) = line.strip_prefix("#define ").filter(|_| ours) else {
            continue;
        };
        let name = name.split(' ').next().unwrap_or(name);
        // One with arguments is no number; and these keep a header from being read twice.
        if !name.contains('(') && !name.ends_with("_H") && !known.contains(name) {
            faults.push(format!("the headers define {name}, which abi/ has not"));
        }
    }
    faults
}

/// Structures that a header defines.
fn defined(header: &str) -> BTreeSet<&str> {
    header
        .lines()
        .filter_map(|line| line.strip_prefix("struct ")?.split_once(" {"))
        .map(|(name, _)| name)
        .collect()
}

/// Structures that only one side has.
fn structures(sources: &Sources) -> Vec<String> {
    let headers = INTERFACE.map(|name| defined(&sources.headers[name]));
    let headers: BTreeSet<&str> = headers.into_iter().flatten().collect();
    let abi: BTreeSet<&str> = STRUCTURES.iter().map(|s| s.name).collect();
    let library = defined(&sources.headers["libnetmap.h"]);
    let layouts = layouts(&sources.types);
    let types: BTreeSet<&str> = layouts.iter().map(|l| l.name.as_str()).collect();
    let differ = |one: &BTreeSet<&str>, other: &BTreeSet<&str>, who: &str| {
        let only = one.difference(other);
        only.map(|name| format!("struct {name} is {who} only"))
            .collect::<Vec<_>>()
    };
    [
        differ(&headers, &abi, "in the headers"),
        differ(&abi, &headers, "in abi/"),
        differ(&library, &types, "in libnetmap.h"),
        differ(&types, &library, "in the library"),
    ]
    .concat()
}

/// A structure of the library's own.
struct Layout {
    name: String,
    size: usize,
    fields: Vec<(String, usize)>,
}

/// What its `layout!` lines assert.
fn layouts(types: &str) -> Vec<Layout> {
    let calls = types.split("\nlayout!(").skip(1);
    calls
        .map(|call| {
            let (head, rest) = call.split_once(';').unwrap();
            let (name, size) = head.split_once(',').unwrap();
            let size = size.split(',').next().unwrap().trim().parse().unwrap();
            let fields = rest.split(')').next().unwrap().split(',');
            let fields = fields.map(|field| {
                let (name, offset) = field.split_once('@').unwrap();
                (name.trim().to_owned(), offset.trim().parse().unwrap())
            });
            Layout {
                name: match name {
                    "NmportD" => "nmport_d".into(),
                    "NmemD" => "nmem_d".into(),
                    other => other.to_lowercase(),
                },
                size,
                fields: fields.collect(),
            }
        })
        .collect()
}

/// Functions that only one side has, or of which the two think otherwise about the number of
/// arguments.
fn functions(sources: &Sources) -> Vec<String> {
    let header = &sources.headers["libnetmap.h"];
    let declared: BTreeMap<String, usize> = statements(header, ";")
        .filter(|text| !text.contains("typedef") && !text.contains("static"))
        .filter_map(|text| function(text.trim_end()))
        .collect();
    let exported: BTreeMap<String, usize> = sources
        .exports
        .split("#[no_mangle]")
        .skip(1)
        .filter_map(|text| {
            let text = text.split_once("fn ").unwrap().1;
            let end = text.find(") ").unwrap();
            function(&format!("fn {}", &text[..=end]))
        })
        .collect();
    let mut faults = Vec::new();
    for name in declared
        .keys()
        .chain(exported.keys())
        .collect::<BTreeSet<_>>()
    {
        let (c, rust) = (declared.get(name), exported.get(name));
        if c != rust {
            let told = |n: Option<&usize>| n.map_or("none".into(), |n| format!("{n} arguments"));
            let (c, rust) = (told(c), told(rust));
            faults.push(format!("{name}: {c} in libnetmap.h, {rust} in the library"));
        }
    }
    faults
}

/// The parts of a header between these, without comments.
fn statements<'t>(header: &'t str, end: &'t str) -> impl Iterator<Item = String> + 't {
    let mut plain = String::new();
    let mut rest = header;
    while let Some((before, behind)) = rest.split_once("/*") {
        plain += before;
        rest = behind.split_once("*/").unwrap().1;
    }
    plain += rest;
    let all: Vec<String> = plain.split(end).map(str::to_owned).collect();
    all.into_iter()
}

/// Name and number of arguments, of a text that ends in a list of them.
fn function(text: &str) -> Option<(String, usize)> {
    let (before, arguments) = text.strip_suffix(')')?.rsplit_once('(')?;
    let name = before.rsplit([' ', '*', '\n']).next()?;
    let arguments = arguments.split(',').map(str::trim);
    let arguments = arguments.filter(|a| !a.is_empty() && *a != "void");
    name.starts_with("nm")
        .then(|| (name.to_owned(), arguments.count()))
}

/// What the C compiler says about sizes, offsets and numbers.
fn values(sources: &Sources, include: &str) -> Vec<String> {
    let mut code = String::from(SYSTEMS);
    code += "#include <stddef.h>\n#include <net/ferromap.h>\n#include <libnetmap.h>\n";
    let mut same = |what: String, value: u64, name: &str| {
        code += &format!("_Static_assert(({what}) == {value}ull, \"{name}\");\n");
    };
    for (name, value) in NUMBERS {
        same((*name).into(), *value, name);
    }
    for Structure {
        name,
        size,
        align,
        fields,
    } in STRUCTURES
    {
        let s = format!("struct {name}");
        same(
            format!("sizeof({s})"),
            *size as u64,
            &format!("size of {s}"),
        );
        if *name != ENDS_IN_A_TABLE {
            same(
                format!("_Alignof({s})"),
                *align as u64,
                &format!("alignment of {s}"),
            );
        }
        for (field, offset, size) in *fields {
            let renamed = RENAMED.iter().find(|r| (r.0, r.1) == (*name, *field));
            let field = renamed.map_or(*field, |renamed| renamed.2);
            let what = format!("{s}, {field}");
            same(
                format!("offsetof({what})"),
                *offset as u64,
                &format!("offset: {what}"),
            );
            let width = format!("sizeof((({s} *)0)->{field})");
            same(width, *size as u64, &format!("size: {what}"));
        }
    }
    for Layout { name, size, fields } in layouts(&sources.types) {
        let s = format!("struct {name}");
        same(format!("sizeof({s})"), size as u64, &format!("size of {s}"));
        for (field, offset) in fields {
            let what = format!("{s}, {field}");
            same(
                format!("offsetof({what})"),
                offset as u64,
                &format!("offset: {what}"),
            );
        }
    }
    let said = compile("cc", "c", &["-std=gnu11"], include, &code);
    if said.is_empty() {
        Vec::new()
    } else {
        vec![said]
    }
}
