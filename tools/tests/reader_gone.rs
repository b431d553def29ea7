// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tools whose reader has gone, as behind `| head`, end at once and say nothing.

use nix::unistd::pipe;
use std::{
    io::Read,
    process::{Command, Stdio},
};

/// The status of a program that finds nobody at its stdout, and what it said on stderr.
fn to_nobody(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = Command::new(program);
    let mut child = command
        .args(args)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn every_tool_ends_quietly() {
    for tool in [
        env!("CARGO_BIN_EXE_bridge"),
        env!("CARGO_BIN_EXE_ferromap"),
        env!("CARGO_BIN_EXE_lb"),
        env!("CARGO_BIN_EXE_nmreplay"),
        env!("CARGO_BIN_EXE_pkt-gen"),
        env!("CARGO_BIN_EXE_vale-ctl"),
        env!("CARGO_BIN_EXE_xdp"),
    ] {
        for args in [
            &["--help"][..],
            &["--version"],
            &["--generate", "man"],
            &["--generate", "bash"],
        ] {
            let ended = to_nobody(tool, args);
            assert_eq!(ended, (Some(141), String::new()), "{tool} {args:?}");
        }
    }
}
