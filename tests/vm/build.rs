// SPDX-License-Identifier: MIT OR Apache-2.0

//! The XDP programs that the tests put on ports.

#[path = "../../tools/bpf/build.rs"]
mod bpf;

fn main() {
    bpf::compile("bpf", "", &[]);
}
