// SPDX-License-Identifier: MIT OR Apache-2.0

//! Entering CSB mode: items 98 and 175, and section 10.1.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::csb::*;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_098_csb_mode_has_no_syncs_and_no_poll,
    item_175_csb_needs_exclusive_rings,
    item_175_csb_must_be_aligned,
    item_175_csb_must_be_accessible,
    csb_arrays_may_not_overlap,
    csb_refusals_bind_nothing,
    csb_starts_with_values_of_fresh_rings,
    csb_starts_where_the_program_is,
    csb_can_be_moved,
    csb_enable_needs_its_option,
    csb_enable_needs_a_binding,
    csb_of_a_binding_without_rings_does_nothing,
];

fn small(name: &str) -> Reg {
    vale(name).slots(64, 64)
}

fn item_098_csb_mode_has_no_syncs_and_no_poll() -> Outcome {
    let port = CsbPort::bind(small("vale98:a"))?;
    fails("NIOCTXSYNC", port.device().txsync(), Errno::EBUSY)?;
    fails("NIOCRXSYNC", port.device().rxsync(), Errno::EBUSY)?;
    for events in [PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::empty()] {
        same("poll", port.bound.poll(events, 0)?, PollFlags::POLLERR)?;
    }
    works("mmap", port.device().map(port.bound.reg.nr_memsize, 0)).map(drop)
}

/// That both ways into CSB mode refuse these arrays, in these words.
fn refuses(atok: u64, ktoa: u64, errno: Errno, words: &[&str]) -> Outcome {
    let device = Device::open()?;
    let mut options = csb_option(atok, ktoa);
    let mut ask = small("vale175:r")
        .flags(NR_EXCLUSIVE)
        .options(options.first());
    fails("REGISTER", ask.send(&device), errno)?;
    same("status", options.statuses(), [errno as u32])?;
    says(&device, errno, words)?;
    fails("VALE_LIST", vale_find("vale175:r"), Errno::ENOENT)?;

    let bound = small("vale175:e").flags(NR_EXCLUSIVE).bind()?;
    let mut options = csb_option(atok, ktoa);
    let result = csb_enable(&bound.device, &mut options);
    fails("CSB_ENABLE", result, errno)?;
    same("status", options.statuses(), [errno as u32])?;
    says(&bound.device, errno, words)?;
    works("NIOCTXSYNC of a file that is not", bound.device.txsync())
}

fn item_175_csb_needs_exclusive_rings() -> Outcome {
    let csb = Csb::new()?;
    let device = Device::open()?;
    let mut options = csb.option();
    let mut ask = small("vale175:a").options(options.first());
    fails("REGISTER", ask.send(&device), Errno::EINVAL)?;
    same("status", options.statuses(), [Errno::EINVAL as u32])?;
    says(&device, Errno::EINVAL, &["NR_EXCLUSIVE"])?;

    let bound = small("vale175:b").bind()?;
    let mut options = csb.option();
    let result = csb_enable(&bound.device, &mut options);
    fails("CSB_ENABLE", result, Errno::EINVAL)?;
    same("status", options.statuses(), [Errno::EINVAL as u32])?;
    says(&bound.device, Errno::EINVAL, &["NR_EXCLUSIVE"])
}

fn item_175_csb_must_be_aligned() -> Outcome {
    let csb = Csb::new()?;
    let (atok, ktoa) = (csb.atok_address(), csb.ktoa_address());
    for off in [1, 4, 32, 63] {
        refuses(atok + off, ktoa, Errno::EINVAL, &["csb_atok", "64"])?;
        refuses(atok, ktoa + off, Errno::EINVAL, &["csb_ktoa", "64"])?;
    }
    Ok(())
}

fn item_175_csb_must_be_accessible() -> Outcome {
    let (csb, page) = (Csb::new()?, GuardPage::new()?);
    let (atok, ktoa) = (csb.atok_address(), csb.ktoa_address());
    // Two rings: the second entry would lie on the bad page.
    let edge = page.bad() - 64;
    for bad in [0, page.bad(), edge, 1 << 63, u64::MAX - 63, u64::MAX - 127] {
        refuses(bad, ktoa, Errno::EFAULT, &["CSB", "mapped"])?;
        refuses(atok, bad, Errno::EFAULT, &["CSB", "mapped"])?;
    }
    page.make_read_only()?;
    let good = page.bad() - 4096;
    refuses(good, ktoa, Errno::EFAULT, &["writable"])?;
    refuses(atok, good, Errno::EFAULT, &["writable"])
}

fn csb_arrays_may_not_overlap() -> Outcome {
    let csb = Csb::new()?;
    let at = csb.atok_address();
    for off in [0, 64] {
        refuses(at, at + off, Errno::EINVAL, &["overlap", "2 entries"])?;
        refuses(at + off, at, Errno::EINVAL, &["overlap", "2 entries"])?;
    }
    let mut side_by_side = csb_option(at + 128, at);
    let ask = small("vale175:s").flags(NR_EXCLUSIVE);
    let bound = ask.options(side_by_side.first()).bind();
    works("arrays side by side", bound).map(drop)
}

fn csb_refusals_bind_nothing() -> Outcome {
    let before = live();
    let device = Device::open()?;
    for _ in 0..3 {
        let mut options = csb_option(0, 4096);
        let ask = small("vale175:n").flags(NR_EXCLUSIVE);
        let result = ask.options(options.first()).send(&device);
        fails("REGISTER", result, Errno::EFAULT)?;
    }
    let bound = works("REGISTER after that", small("vale175:n").bind_on(device))?;
    works("NIOCTXSYNC", bound.device.txsync())?;
    drop(bound);
    wait_until("everything is gone", || live() == before)
}

fn csb_starts_with_values_of_fresh_rings() -> Outcome {
    let csb = Csb::new()?;
    csb.fill(0xaaaa_aaaa);
    let mut options = csb.option();
    let ask = small("vale10:a").rings(2, 1).flags(NR_EXCLUSIVE);
    let bound = ask.options(options.first()).bind()?;
    same("status", options.statuses(), [0])?;
    for i in 0..3 {
        let atok = csb.atok(i);
        same(format!("atok {i}"), &atok[..4], &[0, 0, 1, 1][..])?;
        same("what is the program's", atok[4], 0xaaaa_aaaa)?;
        let mut want = [0; 16];
        want[1] = if i < 2 { 63 } else { 0 };
        want[2] = 1;
        same(format!("ktoa {i}"), csb.ktoa(i), want)?;
    }
    same("atok behind the last", csb.atok(3), [0xaaaa_aaaa; 16])?;
    same("ktoa behind the last", csb.ktoa(3), [0xaaaa_aaaa; 16])?;
    drop(bound);
    Ok(())
}

/// Of what it put into the ring before that nothing is lost.
fn csb_starts_where_the_program_is() -> Outcome {
    let (a, b) = (
        small("vale10:b").flags(NR_EXCLUSIVE).bind()?,
        small("vale10:c").bind()?,
    );
    a.send(&numbered(0..5))?;
    for frame in numbered(5..8) {
        a.tx(0).put(&frame);
    }
    let csb = Csb::new()?;
    works("CSB_ENABLE", csb_enable(&a.device, &mut csb.option()))?;
    same("head", csb.head(0), 8)?;
    same("hwcur", csb.hwcur(0), 5)?;
    same("hwtail", csb.hwtail(0), 4)?;
    let port = CsbPort::of(a, csb);
    let running = port.run(0)?;
    wait_until("the last are sent", || port.csb.hwcur(0) == 8)?;
    running.stop()?;
    same("frames", got(&b)?, (0..8).collect::<Vec<_>>())
}

fn csb_can_be_moved() -> Outcome {
    let (port, b) = (CsbPort::bind(small("vale10:d"))?, small("vale10:e").bind()?);
    let running = port.run(0)?;
    port.put(0, &numbered(0..20));
    wait_until("they are sent", || port.csb.hwcur(0) == 20)?;
    running.stop()?;
    let other = Csb::new()?;
    let moved = csb_enable(port.device(), &mut other.option());
    works("CSB_ENABLE once more", moved)?;
    same("head", other.head(0), 20)?;
    same("hwcur", other.hwcur(0), 20)?;
    same("hwtail", other.hwtail(0), 19)?;
    let port = CsbPort::of(port.bound, other);
    let running = port.run(0)?;
    port.put(0, &numbered(20..30));
    wait_until("they are sent", || port.csb.hwcur(0) == 30)?;
    running.stop()?;
    same("frames", got(&b)?, (0..30).collect::<Vec<_>>())
}

fn csb_enable_needs_its_option() -> Outcome {
    let bound = small("vale10:f").flags(NR_EXCLUSIVE).bind()?;
    let result = bare(&bound.device, NETMAP_REQ_CSB_ENABLE, 0);
    fails("CSB_ENABLE", result, Errno::EINVAL)?;
    says(&bound.device, Errno::EINVAL, &["NETMAP_REQ_OPT_CSB"])?;
    works("NIOCTXSYNC", bound.device.txsync())
}

fn csb_enable_needs_a_binding() -> Outcome {
    let (device, csb) = (Device::open()?, Csb::new()?);
    let mut options = csb.option();
    let result = csb_enable(&device, &mut options);
    fails("CSB_ENABLE", result, Errno::ENXIO)?;
    says(&device, Errno::ENXIO, &["REGISTER"])
}

fn csb_of_a_binding_without_rings_does_nothing() -> Outcome {
    let csb = Csb::new()?;
    csb.fill(7);
    let mut options = csb.option();
    let ask = null(GLOBAL_MEM_ID).rings(0, 0).options(options.first());
    let bound = ask.bind()?;
    same("status", options.statuses(), [0])?;
    same("atok", csb.atok(0), [7; 16])?;
    works("NIOCTXSYNC", bound.device.txsync())?;
    let started = kloop_start(&bound.device, 0, 0);
    fails("SYNC_KLOOP_START", started, Errno::EINVAL)
}
