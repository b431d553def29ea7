// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ports that are open for a moment and carry what they can.

use super::NAMES;
use crate::harness::frame::numbered;
use crate::harness::random::Random;
use crate::harness::raw::extmem::{anonymous, few};
use crate::harness::raw::request::legacy;
use crate::harness::raw::*;
use ferromap_abi::consts::*;
use ferromap_abi::wire::{Nmreq, NmreqPoolsInfo, NmreqRegister};
use nix::errno::Errno;
use nix::poll::PollFlags;

/// Flags of REGISTER: half of those who open a port share it, one in three watches it.
const FLAGS: [u64; 6] = [
    0,
    0,
    NR_EXCLUSIVE,
    NR_TX_RINGS_ONLY,
    NR_MONITOR_TX | NR_MONITOR_RX,
    NR_ZCOPY_MON,
];

/// Memory of a thread's own: a port and a pipe on it fit.
const BYTES: u64 = 2 << 20;

/// A port of some kind in a region that others use as well.
pub fn open(random: &mut Random) -> Result<(), Errno> {
    let name = random.of(&NAMES);
    let kind = random.of(&[NR_REG_ALL_NIC, NR_REG_ALL_NIC, NR_REG_NIC_SW, NR_REG_NULL]);
    // Zero-copy monitors are where the port is.
    let region = random.of(&[0, GLOBAL_MEM_ID, GLOBAL_MEM_ID]);
    let request = shared(name).mem(region).mode(kind);
    carry(&request.flags(random.of(&FLAGS)).bind()?, random);
    Ok(())
}

/// A port in memory that this thread brings along and takes away again; or what is built on it, or
/// watches it, there.
pub fn within_own_memory(random: &mut Random) -> Result<(), Errno> {
    let map = anonymous(BYTES)?;
    let info = NmreqPoolsInfo {
        nr_buf_pool_objtotal: 512,
        ..few(BYTES)
    };
    let bind = |name: &str, flags| {
        let request = vale(name).slots(64, 64).flags(flags);
        request.bind_within(&map, info).map(|(bound, _)| bound)
    };
    let port = bind("vale944:e", 0)?;
    // Those see the same memory, or have some of their own.
    let _other = match random.below(3) {
        0 => bind("vale944:e{1", 0).ok(),
        1 => bind("vale944:e", NR_ZCOPY_MON).ok(),
        _ => None,
    };
    carry(&port, random);
    if random.once_in(2) {
        // The module keeps what it uses.
        let Bound {
            device, map: ours, ..
        } = port;
        drop((map, ours));
        let _ = device.txsync();
    }
    Ok(())
}

/// A port whose frames start somewhere in their buffers.
pub fn with_offsets(random: &mut Random) -> Result<(), Errno> {
    let (largest, initial) = random.of(&[(512, 0), (512, 100), (64, 64), (4000, 10), (2, 3)]);
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
    options.option(0).body[..2].copy_from_slice(&[largest, initial]);
    let request = shared(random.of(&NAMES)).flags(random.of(&FLAGS));
    let port = request.options(options.first()).bind()?;
    for (_, ring) in port.tx_rings() {
        for at in ring.owned() {
            ring.edit_slot(at, |slot| slot.ptr = random.below(largest * 2));
        }
    }
    carry(&port, random);
    Ok(())
}

/// A port as old programs open it.
pub fn by_old_call(random: &mut Random) -> Result<(), Errno> {
    // A version of the interface that has no modes, and says in the ring's number what it wants.
    let old = random.once_in(2);
    let mode = random.of(&[NR_REG_ALL_NIC, NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_NIC]);
    let flags = random.of(&FLAGS) as u32;
    let mut request = Nmreq {
        nr_tx_slots: 64,
        nr_rx_slots: 64,
        nr_ringid: random.of(&[0, NETMAP_HW_RING, NETMAP_SW_RING, NETMAP_NO_TX_POLL]),
        nr_arg2: random.of(&[0, GLOBAL_MEM_ID]),
        nr_flags: if old { 0 } else { mode | flags },
        ..legacy(random.of(&NAMES))
    };
    let device = Device::open()?;
    device.regif(&mut request)?;
    let reg = NmreqRegister {
        nr_offset: request.nr_offset.into(),
        nr_memsize: request.nr_memsize.into(),
        ..Default::default()
    };
    carry(&Bound::new(device, reg)?, random);
    Ok(())
}

/// Sends and receives a few times.
fn carry(port: &Bound, random: &mut Random) {
    for _ in 0..random.below(4) {
        for (_, ring) in port.tx_rings() {
            // Others who have the ring move its head as well.
            let mut last = ring.head();
            for (at, frame) in ring.owned().into_iter().zip(numbered(0..20)) {
                ring.fill(at, &frame, 0);
                last = ring.after(at, 1);
            }
            ring.set_head_cur(last);
        }
        // An interface may go meanwhile.
        let _ = port.device.txsync();
        let _ = port.poll(PollFlags::POLLIN, random.below(2));
        for (_, ring) in port.rx_rings() {
            ring.take();
        }
        let _ = port.device.rxsync();
    }
}
