// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compiles the eBPF program of the AF_XDP peer with clang.

use std::{env, path::Path, process::Command};

const SOURCE: &str = "src/peers/redirect.bpf.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let object =
        Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("redirect.bpf.o");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the architecture");
    let done = Command::new("clang")
        .args(["-O2", "-Wall", "-Werror", "-target", "bpf"])
        // Where Debian has the kernel's headers of one architecture.
        .args(["-idirafter", &format!("/usr/include/{arch}-linux-gnu")])
        .args(["-c", SOURCE, "-o"])
        .arg(object)
        .status()
        .expect("clang does not start; it is needed for the AF_XDP peer");
    assert!(done.success(), "clang did not compile {SOURCE}");
}
