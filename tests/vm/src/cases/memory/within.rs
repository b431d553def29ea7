// SPDX-License-Identifier: MIT OR Apache-2.0

//! The crate's ports in memory of the program's own.

use crate::harness::check::*;
use crate::harness::raw::extmem::{anonymous as pages, few};
use crate::harness::raw::vale;
use crate::harness::Case;
use ferromap::{Error, Memory, PoolSizes, Port, PortBuilder};
use ferromap_abi::consts::GLOBAL_MEM_ID;
use nix::errno::Errno;
use std::fs::{self, File};

pub const CASES: &[Case] = crate::cases![
    crate_makes_a_region_of_a_file,
    crate_opens_ports_in_one_file_by_name_and_number,
    crate_clones_rings_in_its_own_memory,
    crate_passes_frames_on_in_its_own_memory,
    crate_gives_its_own_memory_back,
    crate_says_what_is_wrong_with_memory,
];

const MIB: u64 = 1 << 20;

/// Room for several ports.
fn pools() -> PoolSizes {
    let mut pools = PoolSizes::default();
    (pools.interfaces, pools.rings, pools.ring_size) = (16, 32, 4096);
    (pools.buffers, pools.buffer_size) = (256, 2048);
    pools
}

fn wrong(e: Error) -> Failure {
    failure(e.to_string())
}

fn anonymous() -> Outcome<Memory> {
    Memory::anonymous(4 * MIB as usize).map_err(wrong)
}

fn within(memory: &Memory, port: &str) -> PortBuilder {
    Port::builder(port).slots(64).memory(memory).pools(pools())
}

/// A file on tmpfs that goes with the value.
struct Shm(String);

impl Shm {
    fn new(name: &str, bytes: u64) -> Outcome<Self> {
        let path = format!("/dev/shm/{name}");
        File::create(&path)?.set_len(bytes)?;
        Ok(Shm(path))
    }

    /// `PORT@extmem:...` in this file.
    fn port(&self, name: &str) -> String {
        let sizes = "if-num=16,ring-num=32,ring-size=4096,buf-num=256";
        format!("{name}@conf:slots=64@extmem:file={},{sizes}", self.0)
    }
}

impl Drop for Shm {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A frame of 100 bytes of `fill` behind its addresses.
fn frame(fill: u8) -> [u8; 100] {
    let mut frame = [fill; 100];
    frame[..12].copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1]);
    frame
}

fn send(port: &mut Port, fill: u8) -> Outcome {
    that(
        "room",
        port.tx_rings()[0].send(&frame(fill)).map_err(wrong)?,
    )?;
    port.sync().map_err(wrong)
}

/// What has come first of all that has.
fn receive(port: &mut Port) -> Outcome<Vec<u8>> {
    port.sync().map_err(wrong)?;
    let batch = port.rx_rings()[0].recv(64);
    let first = batch.slot(0).map(|slot| slot.bytes().to_vec());
    first.map_or_else(|| fail("nothing has come"), Ok)
}

fn crate_makes_a_region_of_a_file() -> Outcome {
    let file = Shm::new("makes", 4 * MIB)?;
    let mut a = Port::open(&file.port("valewithin:a")).map_err(wrong)?;
    let mut far = Port::builder("valewithin:far")
        .slots(64)
        .open()
        .map_err(wrong)?;
    that(
        "its own id",
        a.mem_id() > GLOBAL_MEM_ID && a.mem_id() != far.mem_id(),
    )?;
    that("another region", !a.shares_memory_with(&far))?;
    same("bytes", a.info().memory_size, 4 * MIB)?;
    send(&mut a, 7)?;
    same("out of it", receive(&mut far)?, frame(7))?;
    send(&mut far, 9)?;
    same("into it", receive(&mut a)?, frame(9))?;
    // They lie in the file.
    let held = fs::read(&file.0)?;
    for fill in [7, 9] {
        let wanted = frame(fill);
        that(
            "in the file",
            held.chunks(2048).any(|buffer| buffer.starts_with(&wanted)),
        )?;
    }
    let maps = fs::read_to_string("/proc/self/maps")?;
    same(
        "mappings",
        maps.lines().filter(|line| line.ends_with(&file.0)).count(),
        1,
    )
}

fn crate_opens_ports_in_one_file_by_name_and_number() -> Outcome {
    let file = Shm::new("names", 4 * MIB)?;
    let first = Port::open(&file.port("valewithin:a")).map_err(wrong)?;
    let id = first.mem_id();
    for name in [
        file.port("valewithin:b"),
        format!("valewithin:b@{id}"),
        "valewithin:b@share=valewithin:a".to_owned(),
        "valewithin:a{1".to_owned(),
    ] {
        let second = Port::builder(&name).slots(64).open().map_err(wrong)?;
        same(&name, second.mem_id(), id)?;
        that(&name, first.shares_memory_with(&second))?;
    }
    Ok(())
}

fn crate_clones_rings_in_its_own_memory() -> Outcome {
    let memory = anonymous()?;
    let first = within(&memory, "valewithin:a-0")
        .rings(2)
        .open()
        .map_err(wrong)?;
    drop(memory);
    let mut second = first.clone_ring(1).map_err(wrong)?;
    that("one memory", first.shares_memory_with(&second))?;
    drop(first);
    let mut far = Port::builder("valewithin:b")
        .slots(64)
        .rings(2)
        .open()
        .map_err(wrong)?;
    send(&mut second, 3)?;
    far.sync().map_err(wrong)?;
    let got = far.rx_rings().iter_mut().any(|ring| {
        let batch = ring.recv(64);
        let first = batch.slot(0).map(|slot| slot.bytes() == frame(3));
        first.unwrap_or(false)
    });
    that("sent after the first port had gone", got)
}

fn crate_passes_frames_on_in_its_own_memory() -> Outcome {
    let memory = anonymous()?;
    let open = |name| within(&memory, name).open().map_err(wrong);
    let (mut one, mut other) = (open("valewithin:a")?, open("valewithin2:a")?);
    let mut source = Port::builder("valewithin:b")
        .slots(64)
        .open()
        .map_err(wrong)?;
    let mut sink = Port::builder("valewithin2:b")
        .slots(64)
        .open()
        .map_err(wrong)?;
    for fill in 0..200 {
        send(&mut source, fill)?;
        one.sync().map_err(wrong)?;
        {
            let mut from = one.rx_rings()[0].recv(64);
            let mut to = other.tx_rings()[0].reserve(from.len());
            same("frames", (from.len(), to.len()), (1, 1))?;
            let (mut received, mut slot) = (from.slot_mut(0), to.slot(0));
            if let (Some(received), Some(slot)) = (&mut received, &mut slot) {
                let index = received.get().buffer_index();
                slot.swap(received).map_err(wrong)?;
                same("not copied", slot.buffer_index(), index)?;
            }
            to.commit(1);
        }
        other.sync().map_err(wrong)?;
        same("passed on", receive(&mut sink)?, frame(fill))?;
    }
    Ok(())
}

fn crate_gives_its_own_memory_back() -> Outcome {
    let file = Shm::new("back", 4 * MIB)?;
    let mapped =
        || -> Outcome<bool> { Ok(fs::read_to_string("/proc/self/maps")?.contains(&file.0)) };
    let name = file.port("valewithin:a");
    for _ in 0..3 {
        let port = Port::open(&name).map_err(wrong)?;
        let (rx, tx) = port.split();
        drop(rx);
        that("mapped while a ring is there", mapped()?)?;
        drop(tx);
        that("mapped no more", !mapped()?)?;
    }
    Ok(())
}

fn crate_says_what_is_wrong_with_memory() -> Outcome {
    let says = |opened: ferromap::Result<Port>, errno, words: &str| match opened {
        Ok(_) => fail(format!("opened in spite of {words:?}")),
        Err(e) => {
            same(words, e.errno(), errno)?;
            that(e.to_string(), e.to_string().contains(words))
        }
    };
    let missing = Port::open("valewithin:a@extmem=/dev/shm/missing");
    says(
        missing,
        Some(Errno::ENOENT),
        "/dev/shm/missing cannot be the memory of a port",
    )?;
    let empty = Shm::new("empty", 0)?;
    says(Port::open(&empty.port("valewithin:a")), None, "it is empty")?;
    let small = Shm::new("small", MIB / 4)?;
    says(
        Port::open(&small.port("valewithin:a")),
        Some(Errno::ENOMEM),
        "nr_memsize is 262144",
    )?;
    // Here as in another program: the crate does not know of it.
    let there = works(
        "REGISTER",
        vale("valewithin:x")
            .slots(64, 64)
            .bind_within(&pages(2 * MIB)?, few(2 * MIB)),
    )?;
    let name = format!("valewithin:b@{}@conf:slots=64", there.0.reg.nr_mem_id);
    says(
        Port::open(&name),
        Some(Errno::EINVAL),
        "name the same file as that",
    )?;
    let file = Shm::new("grows", 4 * MIB)?;
    let port = Port::open(&file.port("valewithin:a")).map_err(wrong)?;
    File::options()
        .write(true)
        .open(&file.0)?
        .set_len(8 * MIB)?;
    says(
        Port::open(&file.port("valewithin:b")),
        None,
        "had 4194304 bytes",
    )?;
    drop(port);
    Port::open(&file.port("valewithin:b"))
        .map_err(wrong)
        .map(drop)
}
