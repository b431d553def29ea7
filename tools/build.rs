// SPDX-License-Identifier: MIT OR Apache-2.0

//! The XDP programs that `xdp` has built in.

#[path = "bpf/build.rs"]
mod bpf;

fn main() {
    bpf::compile("bpf", "", &[]);
    bpf::compile("bpf", "-counted", &["-DCOUNTED_ELSEWHERE"]);
}
