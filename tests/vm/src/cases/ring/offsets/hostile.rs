// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets that change while they are used.

use super::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::stack::Stack;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::ext::FERROMAP_NR_SWAP;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![hostile_offsets_that_change_stay_in_the_buffer];

/// Nothing is read or written outside the buffers of slots, whatever their words say meanwhile.
fn hostile_offsets_that_change_stay_in_the_buffer() -> Outcome {
    wire()?;
    let a = bind_at(vale("vale4:a").mem(GLOBAL_MEM_ID).slots(64, 64), 0)?;
    let b = bind_at(vale("vale4:b").mem(GLOBAL_MEM_ID).slots(64, 64), 0)?;
    let headed = bind_at(vale("vale4:c").slots(64, 64).flags(NR_ACCEPT_VNET_HDR), 0)?;
    set_vnet_hdr("vale4:c", 12)?;
    let nic = bind_at(vale("fm0").mode(NR_REG_NIC_SW), 0)?;
    let far = Stack::on("fm1")?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let rings = [
            a.tx(0),
            b.rx(0),
            headed.tx(0),
            headed.rx(0),
            nic.tx(0),
            nic.rx(0),
            nic.host_tx(0),
            nic.host_rx(0),
        ];
        let stop = &stop;
        scope.spawn(move || {
            let mut random = Random::new(7);
            while !stop.load(SeqCst) {
                let ring = &rings[random.below(rings.len() as u64) as usize];
                let slot = random.below(ring.n().into()) as u32;
                let ptr = random.next() >> random.below(64);
                let flags = random.of(&[0, NS_MOREFRAG, NS_INDIRECT]);
                let len = random.below(2100) as u16;
                ring.edit_slot(slot, |slot| {
                    (slot.ptr, slot.flags, slot.len) = (ptr, flags, len)
                });
            }
        });
        for round in 0..2000 {
            let swap = if round % 2 == 0 { FERROMAP_NR_SWAP } else { 0 };
            a.tx(0).set_flags(swap);
            for (bound, ring) in [
                (&headed, headed.tx(0)),
                (&a, a.tx(0)),
                (&nic, nic.tx(0)),
                (&nic, nic.host_tx(0)),
            ] {
                let free = ring.space().min(30);
                ring.set_head_cur(ring.after(ring.head(), free));
                bound.device.txsync()?;
            }
            far.send(&frame(BROADCAST, station(2), 1))?;
            for (bound, ring) in [
                (&b, b.rx(0)),
                (&headed, headed.rx(0)),
                (&nic, nic.rx(0)),
                (&nic, nic.host_rx(0)),
            ] {
                bound.device.rxsync()?;
                ring.set_head_cur(ring.tail());
            }
        }
        stop.store(true, SeqCst);
        Ok(())
    })?;
    let (c, d) = pair("vale5")?;
    c.send(&numbered(0..3))?;
    same("then", numbers(&d.recv()?), vec![0, 1, 2])?;
    same(
        "nothing waits",
        a.poll(PollFlags::POLLOUT, 0)?,
        PollFlags::POLLOUT,
    )
}
