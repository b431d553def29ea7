// SPDX-License-Identifier: MIT OR Apache-2.0

//! A benchmark whose reader has gone, as behind `| head`, ends at once and says nothing.

use nix::unistd::pipe;
use std::{fs::File, process::Command};

/// `ferromap-bench guest --list | head -1` panicked.
#[test]
fn it_ends_quietly() {
    for (args, status) in [
        (&["guest", "--list"][..], 141),
        (&["native", "--list"], 141),
        // Nothing is left to be said: it is done.
        (&["guest", "--list", "--only", "no such scenario"], 0),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferromap-bench"));
        let (out, err) = (writer, pipe().unwrap());
        let child = command.args(args).stdout(out).stderr(err.1).spawn();
        drop(command);
        let ended = child.unwrap().wait().unwrap().code();
        let said = std::io::read_to_string(File::from(err.0)).unwrap();
        assert_eq!((ended, &*said), (Some(status), ""), "{args:?}");
    }
}
