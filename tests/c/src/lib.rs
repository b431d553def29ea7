// SPDX-License-Identifier: MIT OR Apache-2.0

//! The headers for C programs (`userlib/c/include`) are written by hand, and say the same as
//! `abi/`, which module and crate use, and as the library does of its own: every number, every
//! structure to the byte, every function, in both directions. A C compiler is asked.

#![cfg(test)]

mod headers;

use headers::{faults, Sources};
use std::{fs, path::Path, process::Command};

/// A structure as Rust has it: fields by name, offset and size.
pub(crate) struct Structure {
    name: &'static str,
    size: usize,
    align: usize,
    fields: &'static [(&'static str, usize, usize)],
}

mod abi {
    use super::Structure;
    use std::mem::offset_of;

    const fn width<T, F>(_: fn(&T) -> &F) -> usize {
        size_of::<F>()
    }

    #[allow(clippy::unnecessary_cast, reason = "of numbers of all widths")]
    mod written {
        use super::{offset_of, width, Structure};
        include!(concat!(env!("OUT_DIR"), "/abi.rs"));
    }
    pub(crate) use written::{NUMBERS, STRUCTURES};
}

#[test]
fn headers_and_interface_are_the_same() {
    let faults = faults(&Sources::ours());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is on one side only, or another there, is found.
#[test]
fn any_difference_is_found() {
    type Change = (&'static str, &'static str, &'static str, &'static str);
    let changes: &[Change] = &[
        // (file, what is there, what is in its place, what is said)
        (
            "net/netmap.h",
            "#define NR_REG_SW 2",
            "#define NR_REG_SW 3",
            "NR_REG_SW",
        ),
        ("net/netmap.h", "#define NR_REG_SW 2", "", "NR_REG_SW"),
        (
            "net/netmap.h",
            "#define NR_REG_SW 2",
            "#define NR_REG_SW 2\n#define NR_NEW 1",
            "NR_NEW",
        ),
        (
            "net/netmap.h",
            "#define NR_REG_SW 2",
            "#define NR_REG_SW 2\nenum { NR_NEW };",
            "enum",
        ),
        ("net/netmap_legacy.h", "'i', 145", "'i', 144", "NIOCGINFO"),
        (
            "net/netmap.h",
            "struct nmreq_vale_detach {",
            "struct nmreq_other {",
            "nmreq_other",
        ),
        (
            "net/netmap.h",
            "struct nmreq_vale_detach {",
            "struct nmreq_o {",
            "nmreq_vale_detach",
        ),
        (
            "net/netmap.h",
            "uint32_t port_index; /* returned */",
            "uint64_t port_index;",
            "port_ind",
        ),
        (
            "net/netmap.h",
            "uint32_t nr_hdr_len;",
            "uint32_t nr_length;",
            "nr_hdr_len",
        ),
        (
            "net/netmap.h",
            "uint64_t nro_min_gap;",
            "uint64_t nro_min_gap, more;",
            "size",
        ),
        (
            "net/ferromap.h",
            "struct nmreq_xdp {",
            "struct nmreq_xdp { int more;",
            "nmreq_xdp",
        ),
        ("libnetmap.h", "\tint refcount;\n", "", "nmem_d"),
        (
            "libnetmap.h",
            "int nmport_mmap(struct nmport_d *d);",
            "",
            "nmport_mmap",
        ),
        (
            "libnetmap.h",
            "int nmport_mmap(",
            "int nmport_new_one(void);\nint nmport_mmap(",
            "new_one",
        ),
        (
            "libnetmap.h",
            "void nmport_undo_mmap(struct nmport_d *d)",
            "void nmport_undo_mmap(void)",
            "nmport_undo_mmap",
        ),
    ];
    for (file, there, instead, said) in changes {
        let mut sources = Sources::ours();
        let text = sources.headers.get_mut(*file).unwrap();
        assert!(text.contains(there), "{file} has no `{there}`");
        *text = text.replacen(there, instead, 1);
        let faults = faults(&sources);
        let found = faults.iter().any(|fault| fault.contains(said));
        assert!(found, "{file} with `{instead}`: {faults:#?}");
    }
}

/// Each header by itself, as strict as compilers can be; C++ as well.
#[test]
fn every_compiler_takes_the_headers() {
    let headers = Sources::ours().headers;
    let strict = [
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wshadow",
        "-pedantic",
        "-Werror",
    ];
    for (compiler, language, standards) in [
        ("cc", "c", &["c99", "gnu99", "c11", "gnu11"][..]),
        ("clang", "c", &["c99", "gnu17"]),
        ("c++", "c++", &["c++11", "gnu++17", "c++20"]),
    ] {
        if Command::new(compiler).arg("--version").output().is_err() {
            eprintln!("no {compiler} here");
            assert_ne!(
                compiler, "cc",
                "without a C compiler nothing can be compared"
            );
            continue;
        }
        for (standard, header) in standards
            .iter()
            .flat_map(|s| headers.keys().map(move |h| (s, h)))
        {
            let code = format!("#define NETMAP_WITH_LIBS\n#include <{header}>\n");
            let std = format!("-std={standard}");
            let mut options = vec![std.as_str()];
            options.extend(strict);
            let said = headers::compile(compiler, language, &options, headers::INCLUDE, &code);
            assert_eq!(said, "", "{compiler} {std}: {header}");
        }
    }
}

/// The test programs, which run in the VM, as people are told to build theirs.
#[test]
fn programs_are_of_all_standards() {
    let strict = ["-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"];
    let mut programs = 0;
    for file in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|e| e != "c") {
            continue;
        }
        programs += 1;
        let code = fs::read_to_string(&path).unwrap();
        for (compiler, standard) in [
            ("cc", "-std=c99"),
            ("cc", "-std=c11"),
            ("clang", "-std=c99"),
        ] {
            if compiler == "clang" && Command::new(compiler).arg("--version").output().is_err() {
                continue;
            }
            let options = [&strict[..], &[standard, "-I", env!("CARGO_MANIFEST_DIR")]].concat();
            let said = headers::compile(compiler, "c", &options, headers::INCLUDE, &code);
            assert_eq!(said, "", "{compiler} {standard}: {}", path.display());
        }
    }
    assert_ne!(programs, 0, "there are no programs");
}

#[test]
fn every_file_has_its_licence() {
    for header in Sources::ours().headers.keys() {
        let text = fs::read_to_string(Path::new(headers::INCLUDE).join(header)).unwrap();
        let first = text.lines().next();
        assert_eq!(
            first,
            Some("/* SPDX-License-Identifier: MIT OR Apache-2.0 */"),
            "{header}"
        );
    }
}
