// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ports that are open for a moment and carry what they can.

use super::deeds::Work;
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::random::Random;
use crate::harness::raw::extmem::{anonymous, few};
use crate::harness::raw::*;
use ferromap_abi::consts::*;
use ferromap_abi::wire::NmreqPoolsInfo;
use nix::poll::PollFlags;

/// Memory of a thread's own: two ports and a pipe fit.
const BYTES: u64 = 2 << 20;

/// Flags of REGISTER: half of those who open a port share it.
pub fn flags(random: &mut Random) -> u64 {
    random.of(&[0, 0, NR_EXCLUSIVE, NR_TX_RINGS_ONLY, NR_ACCEPT_VNET_HDR])
}

/// A mode that the port has rings for.
pub fn mode(port: &str, random: &mut Random) -> u32 {
    match port {
        "fm1" => random.of(&[NR_REG_ALL_NIC, NR_REG_SW, NR_REG_NIC_SW]),
        _ => random.of(&[NR_REG_ALL_NIC, NR_REG_ONE_NIC]),
    }
}

/// A port of some kind, in the region that all share or one of its own.
pub fn plainly(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let (port, random) = (work.port(), &mut work.random);
        let request = vale(port).slots(64, 64).mem(random.of(&[0, GLOBAL_MEM_ID]));
        let request = request.mode(mode(port, random)).flags(flags(random));
        if let Some(bound) = work.did_at("open", port, request.bind())? {
            carry(&bound, work)?;
        }
    }
    Ok(())
}

/// A monitor of a port.
pub fn watching(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let (port, random) = (work.port(), &mut work.random);
        let (what, flags) = random.of(&[
            ("watch", NR_MONITOR_TX | NR_MONITOR_RX),
            ("watch", NR_MONITOR_RX),
            ("watch without copies", NR_ZCOPY_MON),
            ("watch without copies", NR_ZCOPY_MON),
        ]);
        // One without copies is where the port is.
        let request = vale(port)
            .slots(64, 64)
            .mode(mode(port, random))
            .flags(flags);
        if let Some(bound) = work.did_at(what, port, request.bind())? {
            carry(&bound, work)?;
        }
    }
    Ok(())
}

/// A null port, in the region that all share.
pub fn nothing(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let extra = work.random.below(100) as u32;
        let opened = null(GLOBAL_MEM_ID).extra(extra).bind();
        if let Some(bound) = work.did("open nothing", opened)? {
            carry(&bound, work)?;
        }
    }
    Ok(())
}

/// A port in memory that this thread brings along and takes away again, and what is beside it
/// there.
pub fn within_own_memory(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let map = anonymous(BYTES)?;
        let info = NmreqPoolsInfo {
            nr_buf_pool_objtotal: 512,
            ..few(BYTES)
        };
        let bind = |name: &str| {
            let request = vale(name).slots(64, 64);
            request.bind_within(&map, info).map(|(bound, _)| bound)
        };
        let opened = bind("vale944:e");
        let Some(bound) = work.did_at("open in own memory", "vale944:e", opened)? else {
            continue;
        };
        let _beside = match work.random.once_in(2) {
            true => work.did("open a pipe in own memory", bind("vale944:e{1"))?,
            false => work.did("open a second in own memory", bind("vale944:f"))?,
        };
        carry(&bound, work)?;
        if work.random.once_in(2) {
            // The module keeps what it uses.
            let Bound {
                device, map: ours, ..
            } = bound;
            drop((map, ours));
            work.did("sync in memory that was unmapped", device.txsync())?;
        }
    }
    Ok(())
}

/// A port whose frames start somewhere in their buffers.
pub fn with_offsets(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let (port, random) = (work.port(), &mut work.random);
        let (largest, initial) = random.of(&[(512, 0), (512, 100), (64, 64)]);
        let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
        options.option(0).body[..2].copy_from_slice(&[largest, initial]);
        let request = shared(port).flags(flags(random)).options(options.first());
        let opened = request.bind();
        let Some(bound) = work.did_at("open with offsets", port, opened)? else {
            continue;
        };
        for (_, ring) in bound.tx_rings() {
            for at in ring.owned() {
                // Above the largest, too.
                ring.edit_slot(at, |slot| slot.ptr = work.random.below(largest * 2));
            }
        }
        carry(&bound, work)?;
    }
    Ok(())
}

/// Sends and receives a few times.
pub fn carry(bound: &Bound, work: &mut Work) -> Outcome {
    for _ in 0..work.random.below(4) {
        for (_, ring) in bound.tx_rings() {
            // Others who have the ring move its head as well.
            let mut last = ring.head();
            for (at, frame) in ring.owned().into_iter().zip(numbered(0..20)) {
                ring.fill(at, &frame, 0);
                last = ring.after(at, 1);
            }
            ring.set_head_cur(last);
        }
        work.did("sync to send", bound.device.txsync())?;
        let limit = work.random.below(2);
        work.did("poll", bound.poll(PollFlags::POLLIN, limit))?;
        for (_, ring) in bound.rx_rings() {
            ring.take();
        }
        work.did("sync to receive", bound.device.rxsync())?;
    }
    Ok(())
}
