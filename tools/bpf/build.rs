// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compiles XDP programs for build scripts: those of the tools, of the tests and of the benchmark.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles every C file of a directory, named from the package's own, to an object with BTF in
/// `OUT_DIR`: `drop.c` to `drop{suffix}.bpf.o`. Its headers are libbpf's own, as libbpf-sys brings
/// them.
pub fn compile(directory: &str, suffix: &str, flags: &[&str]) {
    println!("cargo:rerun-if-changed={directory}");
    let sources = std::fs::read_dir(directory).expect("the directory of XDP programs");
    let sources = sources.map(|entry| entry.expect("an entry of it").path());
    for source in sources.filter(|path| path.extension().is_some_and(|e| e == "c")) {
        clang(&source, suffix, flags);
    }
}

fn clang(source: &Path, suffix: &str, flags: &[&str]) {
    let variable = |name| PathBuf::from(env::var_os(name).expect("what cargo sets"));
    let name = source.file_stem().and_then(|name| name.to_str());
    let name = name.expect("a file's name");
    let object = variable("OUT_DIR").join(format!("{name}{suffix}.bpf.o"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("what cargo sets");
    // -g is what makes BTF. The last directory has asm/types.h, on Debian and its kin.
    let status = Command::new("clang")
        .args(["-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(variable("DEP_BPF_INCLUDE"))
        .arg(format!("-I/usr/include/{arch}-linux-gnu"))
        .args(flags)
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) => panic!("clang could not compile {}", source.display()),
        Err(e) => panic!("clang is needed to compile XDP programs: install it ({e})"),
    }
}
