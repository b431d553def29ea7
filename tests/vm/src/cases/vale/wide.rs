// SPDX-License-Identifier: MIT OR Apache-2.0

//! Large batches of longer frames, which the switch copies with the processor's wide registers.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::Case;
use ferromap_abi::consts::NIOCTXSYNC;

pub const CASES: &[Case] = crate::cases![
    wide_copies_are_exact_at_every_length,
    wide_registers_of_a_program_survive_a_sync,
];

/// As many frames as the rings have room for.
const BATCH: u32 = 63;

fn frames(lengths: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    lengths
        .map(|len| frame_of(len, BROADCAST, station(1), len as u32))
        .collect()
}

fn wide_copies_are_exact_at_every_length() -> Outcome {
    let (a, b) = pair("valewide")?;
    let ring = b.rx(0);
    for first in (60..=2048).step_by(BATCH as usize) {
        let batch = frames((first..first + BATCH as usize).map(|len| len.min(2048)));
        // What is behind each frame stays as it was.
        b.device.rxsync()?;
        let ahead = |i: u32| ring.slot(ring.after(ring.head(), i)).buf_idx;
        for i in 0..BATCH {
            ring.write_buf(ahead(i), &[0xee; 2048]);
        }
        a.send(&batch)?;
        b.device.rxsync()?;
        same("frames", ring.space(), BATCH)?;
        for (i, want) in batch.iter().enumerate() {
            let whole = ring.read_buf(ahead(i as u32), 2048);
            let (frame, behind) = whole.split_at(want.len());
            that(
                format!("a frame of {} bytes, exact", want.len()),
                frame == *want,
            )?;
            that(
                format!("nothing written behind {} bytes", want.len()),
                behind.iter().all(|&byte| byte == 0xee),
            )?;
        }
        b.recv()?;
    }
    Ok(())
}

fn wide_registers_of_a_program_survive_a_sync() -> Outcome {
    that("AVX here", std::arch::is_x86_feature_detected!("avx"))?;
    let (a, b) = pair("valewide")?;
    for round in 0..50u8 {
        for frame in frames((0..BATCH).map(|_| 1500)) {
            a.tx(0).put(&frame);
        }
        let before: [u8; 64] = std::array::from_fn(|i| i as u8 ^ round);
        let mut after = [0u8; 64];
        let status: i64;
        // SAFETY: one system call, with both registers that the switch uses filled before and read
        // after it; what else a system call changes is named.
        unsafe {
            std::arch::asm!(
                "vmovdqu ymm0, [{before}]",
                "vmovdqu ymm1, [{before} + 32]",
                "syscall",
                "vmovdqu [{after}], ymm0",
                "vmovdqu [{after} + 32], ymm1",
                "vzeroupper",
                before = in(reg) before.as_ptr(),
                after = in(reg) after.as_mut_ptr(),
                inout("rax") libc::SYS_ioctl => status,
                in("rdi") i64::from(a.device.raw()),
                in("rsi") u64::from(NIOCTXSYNC),
                in("rdx") 0,
                out("rcx") _,
                out("r11") _,
                out("xmm0") _,
                out("xmm1") _,
                options(nostack),
            )
        };
        same("the sync's answer", status, 0)?;
        same("the registers", after, before)?;
        same("frames", b.recv()?.len(), BATCH as usize)?;
    }
    Ok(())
}
