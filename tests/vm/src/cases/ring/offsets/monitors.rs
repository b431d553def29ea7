// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors of ports with offsets, and with offsets of their own.

use super::*;
use crate::cases::pipe::bases::on_every_base;
use crate::harness::frame::*;
use crate::harness::why::says;
use crate::harness::Case;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_174_zero_copy_monitors_have_no_offsets,
    monitors_see_frames_where_they_start,
    monitors_see_frames_of_pipes_where_they_start,
];

fn item_174_zero_copy_monitors_have_no_offsets() -> Outcome {
    let _watched = vale("vale174:a").bind()?;
    let device = Device::open()?;
    let mut options = offsets(512, 0, 0, 0);
    let mut ask = vale("vale174:a")
        .flags(NR_ZCOPY_MON)
        .options(options.first());
    fails("REGISTER", ask.send(&device), Errno::EOPNOTSUPP)?;
    same("status", options.statuses(), [Errno::EOPNOTSUPP as u32])?;
    says(&device, Errno::EOPNOTSUPP, &["zero-copy monitor"])
}

fn monitors_see_frames_where_they_start() -> Outcome {
    let watched = bind_at(vale("vale174:a").slots(64, 64), 100)?;
    let peer = vale("vale174:b").slots(64, 64).bind()?;
    let monitor = || vale("vale174:a").slots(64, 64);
    let both = NR_MONITOR_TX | NR_MONITOR_RX;
    let monitors = [
        bind_at(monitor().flags(both), 200)?,
        monitor().flags(both).bind()?,
        monitor().flags(NR_ZCOPY_MON).bind()?,
    ];
    let frames = [1, 2].map(|n| frame_of(600, BROADCAST, station(n), n.into()));
    put_at(&watched.tx(0), &frames[0], 0);
    watched.device.txsync()?;
    peer.send(&frames[1..])?;
    for round in 0..2 {
        watched.device.rxsync()?;
        watched.device.txsync()?;
        if round == 0 {
            that("the port", take_at(&watched.rx(0)) == frames[1..])?;
        }
    }
    are_shown(&monitors, [200, 0, 0], &frames)
}

/// Each monitor has these frames, where it starts all of them.
fn are_shown(monitors: &[Bound], starts: [u64; 3], frames: &[Vec<u8>]) -> Outcome {
    for (monitor, start) in monitors.iter().zip(starts) {
        monitor.device.rxsync()?;
        let ring = monitor.rx(0);
        let at: Vec<u64> = ring.owned().iter().map(|&at| offset(&ring, at)).collect();
        same("where they are", at, vec![start; frames.len()])?;
        that(
            format!("what is there, at {start}"),
            take_at(&ring) == frames,
        )?;
    }
    Ok(())
}

/// In a pipe an offset above the largest goes on as it is; who is shown the frame finds it at that.
fn monitors_see_frames_of_pipes_where_they_start() -> Outcome {
    on_every_base(|base| {
        let end = |mark| vale(&format!("{base}{mark}1")).slots(64, 64);
        let master = bind_at(end('{'), 100)?;
        let slave = end('}').bind()?;
        let monitors = [
            bind_at(end('{').flags(NR_MONITOR_TX), 200)?,
            end('}').flags(NR_MONITOR_RX).bind()?,
            end('{').flags(NR_ZCOPY_MON).bind()?,
        ];
        let (tx, rx) = (master.tx(0), slave.rx(0));
        let frames = [1, 2, 3].map(|n| frame_of(600, BROADCAST, station(1), n));
        let starts = [100, 333, 512];
        for (frame, start) in frames.iter().zip(starts) {
            tx.edit_slot(tx.head(), |slot| slot.ptr = start);
            put_at(&tx, frame, 0);
        }
        tx.edit_slot(2, |slot| slot.ptr = 100_000);
        master.device.txsync()?;
        slave.device.rxsync()?;
        let ptrs: Vec<u64> = rx.owned().iter().map(|&at| rx.slot(at).ptr).collect();
        same("as they were", ptrs, [100, 333, 100_000])?;
        rx.set_head_cur(rx.tail());
        slave.device.rxsync()?;
        master.device.txsync()?;
        are_shown(&monitors, [200, 0, 0], &frames)
    })
}
