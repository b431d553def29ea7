// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random headers, bodies, options and addresses. Each gets an errno that the interface knows, and
//! nothing is written where nobody asked.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::delif;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::request::{legacy, null, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_REQ_WHY;
use ferromap_abi::wire::{NmreqHeader, Plain};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::time::{Duration, Instant};

pub const CASES: &[Case] =
    crate::cases![hostile_random_requests, hostile_random_registers_are_undone];

/// Memory that requests point to, with marks that must stay between what the kernel may write.
#[repr(C)]
struct Arena {
    before: [u64; 4],
    header: NmreqHeader,
    between: [u64; 4],
    body: [u64; 32],
    after: [u64; 4],
    options: [[u64; 16]; 4],
    end: [u64; 4],
}

/// A name that no interface has at first.
const NEW: &str = "no_such_if";

const MARK: u64 = 0x5a5a_1234_dead_beef;

impl Arena {
    fn new() -> Box<Self> {
        Box::new(Arena {
            before: [MARK; 4],
            header: NmreqHeader::zeroed(),
            between: [MARK; 4],
            body: [0; 32],
            after: [MARK; 4],
            options: [[0; 16]; 4],
            end: [MARK; 4],
        })
    }

    fn marks_stand(&self) -> bool {
        let marks = [self.before, self.between, self.after, self.end];
        marks.iter().flatten().all(|&mark| mark == MARK)
    }

    /// Random contents; addresses are of this memory, or bad.
    fn fill(&mut self, random: &mut Random, bad: &[u64]) {
        for word in &mut self.body {
            *word = match random.below(4) {
                0 => random.next(),
                1 => random.below(5),
                _ => 0,
            };
        }
        // A REGISTER that asks for gigabytes is tested elsewhere; here it would take all the time.
        // Offsets 16..28 are slots and rings, 40 the extra buffers.
        let small = |word: u64, mask: u64| word & mask;
        self.body[2] = small(self.body[2], 0x0000_01ff_0000_01ff);
        self.body[3] = small(self.body[3], 0xffff_ffff_0003_0003);
        self.body[5] = small(self.body[5], 0xffff_ffff_0000_03ff);
        let names: [&[u8]; 10] = [
            b"vale922:a",
            b"vale922:b",
            b"vale922:",
            b"vale923:a",
            b"lo",
            b"",
            NEW.as_bytes(),
            b"vale922:a{1",
            b"vale9",
            b"valex:%s",
        ];
        let reqtype = match random.below(8) {
            0 => random.next() as u16,
            1 | 2 => NETMAP_REQ_REGISTER,
            3 => FERROMAP_REQ_WHY + random.below(5) as u16,
            _ => random.below(18) as u16,
        };
        self.header = header(reqtype, random.of(&names));
        if random.once_in(20) {
            self.header.nr_version = random.below(20) as u16;
        }
        if random.once_in(20) {
            self.header.nr_reserved = random.next() as u32;
        }
        let base = address(&mut self.options[0]);
        let step = size_of::<[u64; 16]>() as u64;
        let link = |random: &mut Random| match random.below(12) {
            0 => random.of(bad),
            1 => base + random.below(4) * step + random.below(24),
            2..=4 => base + random.below(4) * step,
            _ => 0,
        };
        for i in 0..4 {
            for word in &mut self.options[i] {
                *word = random.next() >> random.below(64);
            }
            self.options[i][0] = link(random);
            // The type, and a status that is not yet written.
            self.options[i][1] = random.below(9);
        }
        self.header.nr_options = link(random);
        self.header.nr_body = match random.below(12) {
            0 => random.of(bad),
            1 => 0,
            _ => address(&mut self.body),
        };
    }
}

fn bad_addresses(page: &GuardPage) -> Vec<u64> {
    vec![
        1,
        page.bad(),
        page.bad() - 20,
        page.bad() + 4095,
        0xffff_8880_0000_0000,
        0xffff_ffff_8100_0000,
        0x0000_7fff_ffff_f000,
        0x0000_8000_0000_0000,
        u64::MAX,
        u64::MAX - 40,
        0x8000_0000_0000_0000,
    ]
}

fn hostile_random_requests() -> Outcome {
    let (a, b) = pair("vale924")?;
    let page = GuardPage::new()?;
    let bad = bad_addresses(&page);
    let mut arena = Arena::new();
    let mut random = Random::new(11);
    let mut devices: Vec<Device> = (0..6).map(|_| Device::open()).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let (mut calls, mut good) = (0, 0);
    while start.elapsed() < Duration::from_secs(3) && calls < 60_000 {
        calls += 1;
        let which = random.below(6) as usize;
        if random.once_in(30) {
            devices[which] = Device::open()?;
        }
        let device = &devices[which];
        arena.fill(&mut random, &bad);
        let result = match random.below(20) {
            0 => {
                let command = random.of(&[NIOCCTRL, NIOCREGIF, NIOCGINFO, NIOCCONFIG]);
                device.ioctl(command, random.of(&bad)).map(drop)
            }
            1 => {
                // What would be a header is a legacy request.
                let mut old = legacy(random.of(&["vale922:a", "vale923:x", "lo", ""]));
                old.nr_cmd = random.below(14) as u16;
                old.nr_flags = random.next() as u32 & 0x3_ff0f;
                old.nr_ringid = random.next() as u16;
                old.nr_arg1 = random.below(14) as u16;
                old.nr_arg2 = random.below(5) as u16;
                old.nr_arg3 = random.below(1000) as u32;
                old.nr_tx_slots = random.below(500) as u32;
                old.nr_tx_rings = random.below(4) as u16;
                if random.once_in(2) {
                    device.regif(&mut old)
                } else {
                    device.ginfo(&mut old)
                }
            }
            2 => device.txsync(),
            3 => device.rxsync(),
            4 => {
                device.poll(
                    PollFlags::from_bits_truncate(random.next() as i16),
                    Duration::ZERO,
                )?;
                Ok(())
            }
            5 => device
                .map(4096 << random.below(16), random.below(9) * 4096)
                .map(drop),
            _ => device.ctrl(&mut arena.header),
        };
        documented("a random call", result)?;
        good += u32::from(result.is_ok());
        that(
            "only the request, its body and its options are written",
            arena.marks_stand(),
        )?;
        if calls % 500 == 0 {
            a.send(&numbered(0..30))?;
            same("frames of others", b.recv()?, numbered(0..30))?;
        }
    }
    that(
        format!("{good} of {calls} calls succeeded"),
        good > calls / 20 && good < calls,
    )?;
    drop(devices);
    // What NEWIF makes stays until somebody deletes it.
    match delif(NEW) {
        Ok(()) | Err(Errno::ENXIO) => {}
        other => works("to delete what is left", other)?,
    }
    let left = vale_list()?;
    same("ports left", left.len(), 2)
}

fn hostile_random_registers_are_undone() -> Outcome {
    small_region_one()?;
    // So that its memory is made once.
    let _there = null(GLOBAL_MEM_ID).bind()?;
    let before = crate::harness::traces::live();
    let mut random = Random::new(12);
    let start = Instant::now();
    let mut bound = 0;
    while start.elapsed() < Duration::from_secs(2) {
        let sizes = [
            0,
            1,
            2,
            3,
            4,
            16,
            63,
            64,
            65,
            1000,
            1024,
            4096,
            5000,
            70_000,
            u32::MAX,
        ];
        let rings = [0, 1, 2, 3, 16, 17, 100, 5000, u16::MAX];
        let mut request = vale(random.of(&["vale925:a", "vale925:b", "vale926:a"]))
            .mode(random.of(&[0, 1, 1, 1, 1, 2, 3, 4, 4, 7, 7, 8, 9, u32::MAX]))
            .mem(random.of(&[0, 1, 1, 1, 2, 9]))
            .slots(random.of(&sizes), random.of(&sizes))
            .rings(random.of(&rings), random.of(&rings))
            .extra(random.of(&[0, 0, 1, 100, 200_000]))
            .flags(random.next() & random.next());
        request.body.nr_ringid = random.of(&[0, 1, 2, 15, 16, u16::MAX]);
        request.body.nr_host_tx_rings = random.next() as u16;
        if request.body.nr_mem_id == 0 {
            // Private regions of that size take their time; only a few.
            if !random.once_in(10) {
                continue;
            }
            request = request.slots(64, 64).rings(2, 2).extra(9);
        }
        let device = Device::open()?;
        let result = request.send(&device);
        documented("REGISTER", result)?;
        if result.is_ok() {
            bound += 1;
            let bound = Bound::new(device, request.body)?;
            for (_, ring) in bound.tx_rings() {
                same("a fresh ring", (ring.head(), ring.cur()), (0, 0))?;
            }
            works("NIOCTXSYNC", bound.device.txsync())?;
            works("NIOCRXSYNC", bound.device.rxsync())?;
            bound.poll(PollFlags::POLLIN, 0)?;
        }
    }
    that(format!("that some were good, {bound}"), bound > 5)?;
    same("live objects", crate::harness::traces::live(), before)
}
