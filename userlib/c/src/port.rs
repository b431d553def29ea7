// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening a port, in steps that can be taken back one by one.

use crate::{
    failure::{Failure, Fallible},
    memory, name,
    raw::{context, handle::Handle},
    types::NmportD,
};
use ferromap::Control;
use ferromap_abi::{
    consts::*,
    options::{NmreqOptExtmem, NmreqOptOffsets},
    wire::{NmreqHeader, NmreqOption, NmreqPoolsInfo, NmreqRegister, Plain},
};
use nix::errno::Errno;
use std::{
    ffi::{c_int, CStr},
    os::fd::{AsFd, IntoRawFd, OwnedFd},
};

/// What people call an option.
pub(crate) fn option_name(kind: u32) -> &'static CStr {
    match kind {
        NETMAP_REQ_OPT_EXTMEM => c"extmem",
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS => c"sync-kloop-eventfds",
        NETMAP_REQ_OPT_CSB => c"csb",
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE => c"sync-kloop-mode",
        NETMAP_REQ_OPT_OFFSETS => c"offsets",
        _ => c"unknown",
    }
}

/// Reads a name into the request of a port that is not open.
pub(crate) fn parse(d: &mut Handle, full: &str) -> Fallible {
    not_registered(d)?;
    undo_parse(d);
    let result = read_into(d, full);
    if result.is_err() {
        undo_parse(d);
    }
    result
}

fn read_into(d: &mut Handle, full: &str) -> Fallible {
    let mut spec = name::read(full)?;
    d.reg = name::register(&mut spec)?;
    name::put(&spec, &mut d.hdr);
    if let Some(wanted) = &spec.extmem {
        extmem_from_file(d, &wanted.file, NmreqPoolsInfo::from(&wanted.pools))?;
    }
    if let Some(wanted) = spec.offsets {
        offset(d, wanted.initial, wanted.max, wanted.bits.into(), 0)?;
    }
    Ok(())
}

/// What [`parse`] has done. Options that the program has put into the list stay there.
pub(crate) fn undo_parse(d: &mut Handle) {
    undo_extmem(d);
    // Nothing is made here, so nothing fails.
    let _ = d.set_offsets(None);
    d.hdr.nr_name.fill(0);
    d.reg = NmreqRegister::default();
}

fn not_registered(d: &Handle) -> Fallible {
    match d.register_done {
        0 => Ok(()),
        _ => Err(Failure::invalid(format!(
            "{} is registered already: close it first",
            name::of(&d.hdr)
        ))),
    }
}

/// Binds a new descriptor to the port.
pub(crate) fn register(d: &mut Handle) -> Fallible {
    not_registered(d)?;
    let file: OwnedFd = Control::open()?.into();
    let name = name::of(&d.hdr);
    d.asked = d.reg;
    if let Err(errno) = d.request(file.as_fd()) {
        let call = "REGISTER";
        let why = Control::refusal(&file, NETMAP_REQ_REGISTER, call, &name, errno);
        let mut failure = Failure::from(why);
        if context::is_verbose(d.ctx) {
            for (kind, status) in d.statuses().into_iter().filter(|(_, status)| *status != 0) {
                let status = Errno::from_raw(status as i32);
                let option = option_name(kind).to_string_lossy();
                failure.words += &format!("; option {option}: {status}");
            }
        }
        return Err(failure);
    }
    d.fd = file.into_raw_fd();
    d.register_done = 1;
    if context::is_verbose(d.ctx) {
        let (id, size) = (d.reg.nr_mem_id, d.reg.nr_memsize);
        context::say(
            d.ctx,
            &format!("{name} is open, in region {id} of {size} bytes"),
        );
    }
    Ok(())
}

/// Closes the descriptor. The request is what it was, so that it can be made again: the region that
/// was returned may be gone.
pub(crate) fn undo_register(d: &mut Handle) {
    if d.register_done != 0 {
        // It was open, and is not wanted any more, whatever close says.
        let _ = nix::unistd::close(d.fd);
        d.fd = -1;
        d.reg = d.asked;
        d.register_done = 0;
    }
}

/// Maps the region, and finds the rings in it.
pub(crate) fn mmap(d: &mut Handle) -> Fallible {
    if d.register_done == 0 {
        return Err(Failure::invalid(
            "the port is not registered yet: nmport_register() does that",
        ));
    }
    if d.mmap_done != 0 {
        return Ok(());
    }
    let name = name::of(&d.hdr);
    let size = usize::try_from(d.reg.nr_memsize)
        .map_err(|_| Failure::invalid(format!("the memory of {name} is too large")))?;
    d.mem = match d.extmem().map(|option| option.nro_usrptr as usize) {
        Some(base) => memory::extmem(d.reg.nr_mem_id, base, size)?,
        None => memory::map(d.fd, d.reg.nr_mem_id, size)?,
    };
    d.mmap_done = 1;
    let Some((nifp, tx, rx)) = d.bound() else {
        undo_mmap(d);
        return Err(Failure::invalid(format!(
            "the kernel describes {name} in a way that makes no sense"
        )));
    };
    d.nifp = nifp;
    (d.first_tx_ring, d.last_tx_ring) = tx;
    (d.first_rx_ring, d.last_rx_ring) = rx;
    (d.cur_tx_ring, d.cur_rx_ring) = (tx.0, rx.0);
    Ok(())
}

/// Gives the mapping back.
pub(crate) fn undo_mmap(d: &mut Handle) {
    if d.mmap_done != 0 {
        memory::release(d.mem);
        d.mem = std::ptr::null();
        d.nifp = std::ptr::null_mut();
        (d.first_tx_ring, d.last_tx_ring) = (1, 0);
        (d.first_rx_ring, d.last_rx_ring) = (1, 0);
        d.mmap_done = 0;
    }
}

/// [`register`] and [`mmap`], or neither.
pub(crate) fn open(d: &mut Handle) -> Fallible {
    register(d)?;
    mmap(d).inspect_err(|_| undo_register(d))
}

/// Takes back what [`open`] has done. First the mapping: it would keep the file open.
pub(crate) fn undo_open(d: &mut Handle) {
    undo_mmap(d);
    undo_register(d);
}

/// A second port of the same request, and its options for offsets.
pub(crate) fn clone(d: &Handle) -> (NmportD, Option<NmreqOptOffsets>) {
    let mut copy = NmportD::new(d.ctx);
    copy.hdr = NmreqHeader::zeroed();
    copy.hdr.nr_name = d.hdr.nr_name;
    copy.reg = d.reg;
    (copy, d.offsets().copied())
}

/// Puts a frame into one of the rings, from the one that was used last on. Its length, or 0.
pub(crate) fn inject(d: &mut Handle, frame: &[u8]) -> c_int {
    let (first, last) = (d.first_tx_ring, d.last_tx_ring);
    for _ in first..=last {
        let ring = d.cur_tx_ring.clamp(first, last);
        if d.inject(ring, frame) {
            d.cur_tx_ring = ring;
            return c_int::try_from(frame.len()).unwrap_or(c_int::MAX);
        }
        d.cur_tx_ring = if ring == last { first } else { ring + 1 };
    }
    0
}

/// Has the region made of memory of the program's.
pub(crate) fn extmem(d: &mut Handle, base: usize, info: NmreqPoolsInfo) -> Fallible {
    not_registered(d)?;
    if d.extmem().is_some() {
        return Err(Failure::invalid(
            "this port has memory for its region already",
        ));
    }
    d.set_extmem(Some(NmreqOptExtmem {
        nro_opt: option::<NmreqOptExtmem>(NETMAP_REQ_OPT_EXTMEM),
        nro_usrptr: base as u64,
        nro_info: info,
    }))
}

/// The same with a file, all of it.
pub(crate) fn extmem_from_file(d: &mut Handle, path: &str, info: NmreqPoolsInfo) -> Fallible {
    not_registered(d)?;
    let (base, size) = memory::map_file(path)?;
    let info = NmreqPoolsInfo {
        nr_memsize: size as u64,
        ..info
    };
    extmem(d, base, info).inspect_err(|_| memory::unmap_file(base))
}

/// Takes it back. A region that is there keeps its memory.
pub(crate) fn undo_extmem(d: &mut Handle) {
    if let Some(base) = d.extmem().map(|option| option.nro_usrptr as usize) {
        memory::unmap_file(base);
        // Nothing is made here, so nothing fails.
        let _ = d.set_extmem(None);
    }
}

/// Has frames start at an offset.
pub(crate) fn offset(d: &mut Handle, initial: u64, most: u64, bits: u64, gap: u64) -> Fallible {
    not_registered(d)?;
    let bits = u32::try_from(bits).map_err(|_| Failure::invalid("a slot has 64 bits at most"))?;
    d.set_offsets(Some(NmreqOptOffsets {
        nro_opt: option::<NmreqOptOffsets>(NETMAP_REQ_OPT_OFFSETS),
        nro_max_offset: most,
        nro_initial_offset: initial,
        nro_offset_bits: bits,
        nro_tx_align: 0,
        nro_min_gap: gap,
    }))
}

/// The head of an option.
fn option<T>(kind: u32) -> NmreqOption {
    NmreqOption {
        nro_reqtype: kind,
        nro_size: size_of::<T>() as u64,
        ..NmreqOption::default()
    }
}
