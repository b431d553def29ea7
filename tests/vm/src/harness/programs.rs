// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs of the tests, and the requests that put them on ports.

use crate::harness::check::*;
use crate::harness::raw::*;
use ferromap_abi::ext::*;
use libbpf_rs::{query::ProgInfoIter, MapCore, MapFlags, Object, ObjectBuilder, Program};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Numbers of the actions (linux/bpf.h).
pub const DROP: usize = 1;
pub const PASS: usize = 2;
pub const TX: usize = 3;
pub const REDIRECT: usize = 4;

/// The programs of `bpf/programs.c`, loaded.
pub struct Programs(Object);

impl Programs {
    pub fn load() -> Outcome<Self> {
        let object = include_bytes!(concat!(env!("OUT_DIR"), "/programs.bpf.o"));
        let loaded = ObjectBuilder::default()
            .open_memory(object)
            .and_then(|open| open.load());
        match loaded {
            Ok(object) => Ok(Programs(object)),
            Err(e) => fail(format!("loading the programs: {e:#}")),
        }
    }

    /// The program with that name.
    pub fn borrow(&self, name: &str) -> BorrowedFd<'_> {
        let mut all = self.0.progs();
        let found = all.find(|program| program.name() == name);
        let fd = found.expect("a program of that name").as_fd().as_raw_fd();
        // SAFETY: the descriptor is the object's, which stays open for as long as `self` is
        // borrowed.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }

    pub fn fd(&self, name: &str) -> i32 {
        self.borrow(name).as_raw_fd()
    }

    pub fn id(&self, name: &str) -> u32 {
        Program::id_from_fd(self.borrow(name)).expect("the id of a loaded program")
    }

    /// Sets the port that `steer` and `by_number` send frames to.
    pub fn aim(&self, port: u32) -> Outcome {
        let map = self.0.maps().find(|map| map.name() == "target");
        let map = map.expect("the map of that name");
        let set = map.update(&0u32.to_ne_bytes(), &port.to_ne_bytes(), MapFlags::ANY);
        set.map_err(|e| failure(format!("the target: {e:#}")))
    }

    /// ATTACH; there must be none before.
    pub fn attach(&self, port: &str, program: &str) -> Result<NmreqXdp, Errno> {
        attach(port, self.fd(program), 0, 0)
    }

    /// ATTACH in the place of whatever is there.
    pub fn replace(&self, port: &str, program: &str) -> Result<NmreqXdp, Errno> {
        attach(port, self.fd(program), FERROMAP_XDP_REPLACE, 0)
    }
}

/// Whether a program with that id is loaded.
pub fn is_loaded(id: u32) -> bool {
    ProgInfoIter::default().any(|program| program.id == id)
}

pub fn attach(port: &str, fd: i32, flags: u32, expected: u32) -> Result<NmreqXdp, Errno> {
    let body = NmreqXdp {
        fd,
        flags,
        expected,
        ..NmreqXdp::default()
    };
    ask(FERROMAP_REQ_XDP_ATTACH, port, body)
}

pub fn detach(port: &str) -> Result<NmreqXdp, Errno> {
    ask(FERROMAP_REQ_XDP_DETACH, port, NmreqXdp::default())
}

pub fn query(port: &str) -> Result<NmreqXdp, Errno> {
    ask(FERROMAP_REQ_XDP_QUERY, port, NmreqXdp::default())
}

pub fn ask(reqtype: u16, port: &str, mut body: NmreqXdp) -> Result<NmreqXdp, Errno> {
    Device::open()?.request(reqtype, port, &mut body)?;
    Ok(body)
}

/// Packets by action.
pub fn packets(body: &NmreqXdp) -> [u64; XDP_ACTIONS] {
    body.actions.map(|count| count.packets)
}

/// What `packets` should be, and as many times `len` bytes.
pub fn decided(what: &str, body: &NmreqXdp, want: [u64; XDP_ACTIONS], len: u64) -> Outcome {
    same(format!("{what}: packets"), packets(body), want)?;
    let bytes = body.actions.map(|count| count.bytes);
    same(format!("{what}: bytes"), bytes, want.map(|n| n * len))
}
