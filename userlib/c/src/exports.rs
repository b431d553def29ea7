// SPDX-License-Identifier: MIT OR Apache-2.0

//! The functions as C sees them. `include/libnetmap.h` says what each does.
//!
//! # What this rests on
//!
//! Who calls keeps to the header: a port came from this library and was not deleted, and one thread
//! uses it at a time; strings end with a NUL; lists of options are lists. A null pointer in place
//! of any is met with `EINVAL`, or nothing is done.
#![expect(unsafe_code, reason = "C calls these")]

use crate::{
    failure::{Failure, Fallible},
    name, port,
    raw::{
        context,
        handle::{self, Handle},
        list, request,
    },
    types::{Nmctx, NmportD},
};
use ferromap::PortSpec;
use ferromap_abi::wire::{NmreqHeader, NmreqOption, NmreqPoolsInfo, NmreqRegister};
use nix::errno::Errno;
use std::{
    ffi::{c_char, c_int, c_void, CStr},
    ptr,
};

/// Tells of a failure, and returns what stands for it.
fn done<T>(ctx: *mut Nmctx, result: Fallible<T>, failed: T) -> T {
    result.unwrap_or_else(|failure| {
        context::say(ctx, &failure.words);
        // Last, since the program's own function may change it.
        failure.errno.set();
        failed
    })
}

fn status(ctx: *mut Nmctx, result: Fallible) -> c_int {
    done(ctx, result.map(|()| 0), -1)
}

fn missing(what: &str) -> Failure {
    Failure::invalid(format!("a null pointer is no {what}"))
}

/// # Safety
///
/// `text` is null, or a string that stays as long as the result is used.
unsafe fn string<'a>(text: *const c_char) -> Fallible<&'a str> {
    if text.is_null() {
        return Err(missing("name"));
    }
    // SAFETY: not null, so it is a string.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str()
        .map_err(|_| Failure::invalid("a name is text in UTF-8, and this is not"))
}

/// # Safety
///
/// As [`Handle::new`].
unsafe fn with(d: *mut NmportD, step: impl FnOnce(&mut Handle) -> Fallible) -> c_int {
    // SAFETY: by the contract.
    match unsafe { Handle::new(d) } {
        Some(mut d) => {
            let ctx = d.ctx;
            status(ctx, step(&mut d))
        }
        None => status(ptr::null_mut(), Err(missing("port"))),
    }
}

/// # Safety
///
/// As [`Handle::new`].
unsafe fn undo(d: *mut NmportD, step: impl FnOnce(&mut Handle)) {
    // SAFETY: by the contract.
    if let Some(mut d) = unsafe { Handle::new(d) } {
        step(&mut d);
    }
}

fn fresh() -> Fallible<*mut NmportD> {
    handle::make(NmportD::new(context::default()))
}

#[no_mangle]
extern "C" fn nmport_new() -> *mut NmportD {
    done(ptr::null_mut(), fresh(), ptr::null_mut())
}

#[no_mangle]
unsafe extern "C" fn nmport_delete(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    if let Some(d) = unsafe { Handle::new(d) } {
        d.free();
    }
}

#[no_mangle]
unsafe extern "C" fn nmport_parse(d: *mut NmportD, full: *const c_char) -> c_int {
    // SAFETY: the contract of this file, for both.
    unsafe { with(d, |d| port::parse(d, string(full)?)) }
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_parse(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe { undo(d, port::undo_parse) }
}

#[no_mangle]
unsafe extern "C" fn nmport_register(d: *mut NmportD) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { with(d, port::register) }
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_register(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe { undo(d, port::undo_register) }
}

#[no_mangle]
unsafe extern "C" fn nmport_mmap(d: *mut NmportD) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { with(d, port::mmap) }
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_mmap(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe { undo(d, port::undo_mmap) }
}

#[no_mangle]
unsafe extern "C" fn nmport_open_desc(d: *mut NmportD) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { with(d, port::open) }
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_open_desc(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe { undo(d, port::undo_open) }
}

/// A new port, of which `steps` are done; or none.
fn prepared(steps: impl FnOnce(&mut Handle) -> Fallible) -> *mut NmportD {
    let ctx = ptr::null_mut();
    let made = fresh().and_then(|at| {
        // SAFETY: just made, and nobody else's yet.
        let Some(mut d) = (unsafe { Handle::new(at) }) else {
            return Ok(at);
        };
        match steps(&mut d) {
            Ok(()) => Ok(at),
            Err(failure) => {
                port::undo_parse(&mut d);
                d.free();
                Err(failure)
            }
        }
    });
    done(ctx, made, ptr::null_mut())
}

#[no_mangle]
unsafe extern "C" fn nmport_prepare(full: *const c_char) -> *mut NmportD {
    // SAFETY: the contract of this file.
    prepared(|d| port::parse(d, unsafe { string(full) }?))
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_prepare(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe {
        nmport_undo_parse(d);
        nmport_delete(d);
    }
}

#[no_mangle]
unsafe extern "C" fn nmport_open(full: *const c_char) -> *mut NmportD {
    prepared(|d| {
        // SAFETY: the contract of this file.
        port::parse(d, unsafe { string(full) }?)?;
        port::open(d)
    })
}

#[no_mangle]
unsafe extern "C" fn nmport_close(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe {
        nmport_undo_open_desc(d);
        nmport_undo_prepare(d);
    }
}

#[no_mangle]
unsafe extern "C" fn nmport_clone(d: *mut NmportD) -> *mut NmportD {
    // SAFETY: the contract of this file.
    let Some(d) = (unsafe { Handle::new(d) }) else {
        return done(ptr::null_mut(), Err(missing("port")), ptr::null_mut());
    };
    let (copy, offsets) = port::clone(&d);
    let ctx = copy.ctx;
    let made = handle::make(copy).and_then(|at| {
        // SAFETY: just made, and nobody else's yet.
        if let Some(mut copy) = unsafe { Handle::new(at) } {
            if let Err(failure) = copy.set_offsets(offsets) {
                copy.free();
                return Err(failure);
            }
        }
        Ok(at)
    });
    done(ctx, made, ptr::null_mut())
}

#[no_mangle]
unsafe extern "C" fn nmport_inject(d: *mut NmportD, frame: *const c_void, size: usize) -> c_int {
    // SAFETY: the contract of this file.
    let Some(mut d) = (unsafe { Handle::new(d) }) else {
        return 0;
    };
    if frame.is_null() || size > isize::MAX as usize {
        return 0;
    }
    // SAFETY: so many bytes of the program's, which it leaves alone during the call.
    port::inject(&mut d, unsafe {
        std::slice::from_raw_parts(frame.cast(), size)
    })
}

#[no_mangle]
unsafe extern "C" fn nmport_extmem(d: *mut NmportD, base: *mut c_void, size: usize) -> c_int {
    let info = NmreqPoolsInfo {
        nr_memsize: size as u64,
        ..NmreqPoolsInfo::default()
    };
    // SAFETY: the contract of this file.
    unsafe { with(d, |d| port::extmem(d, base.expose_provenance(), info)) }
}

#[no_mangle]
unsafe extern "C" fn nmport_extmem_from_file(d: *mut NmportD, file: *const c_char) -> c_int {
    let info = NmreqPoolsInfo::default();
    // SAFETY: the contract of this file, for both.
    unsafe { with(d, |d| port::extmem_from_file(d, string(file)?, info)) }
}

#[no_mangle]
unsafe extern "C" fn nmport_extmem_getinfo(d: *mut NmportD) -> *mut NmreqPoolsInfo {
    // SAFETY: the contract of this file.
    match unsafe { Handle::new(d) } {
        Some(d) => d.extmem_info(),
        None => ptr::null_mut(),
    }
}

#[no_mangle]
unsafe extern "C" fn nmport_undo_extmem(d: *mut NmportD) {
    // SAFETY: the contract of this file.
    unsafe { undo(d, port::undo_extmem) }
}

#[no_mangle]
unsafe extern "C" fn nmport_offset(
    d: *mut NmportD,
    initial: u64,
    most: u64,
    bits: u64,
    gap: u64,
) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { with(d, |d| port::offset(d, initial, most, bits, gap)) }
}

#[no_mangle]
unsafe extern "C" fn nmport_enable_option(option: *const c_char) -> c_int {
    // SAFETY: the contract of this file.
    let option = unsafe { string(option) };
    status(ptr::null_mut(), option.and_then(|o| name::enable(o, true)))
}

#[no_mangle]
unsafe extern "C" fn nmport_disable_option(option: *const c_char) -> c_int {
    // SAFETY: the contract of this file.
    let option = unsafe { string(option) };
    status(ptr::null_mut(), option.and_then(|o| name::enable(o, false)))
}

#[no_mangle]
unsafe extern "C" fn nmreq_header_init(hdr: *mut NmreqHeader, kind: u16, body: *mut c_void) {
    if !hdr.is_null() {
        // SAFETY: the contract of this file; any bytes are a header, so it need not be one yet.
        unsafe { hdr.write_bytes(0, 1) };
        // SAFETY: as above.
        let hdr = unsafe { &mut *hdr };
        request::begin(hdr, kind, body.expose_provenance() as u64);
    }
}

/// Reads the text at `*at`, and moves that behind what `read` has taken: it returns what is left.
///
/// # Safety
///
/// `at` is null or points to a string.
unsafe fn advance<T>(
    at: *mut *const c_char,
    read: impl for<'a> FnOnce(&'a str) -> Fallible<(T, &'a str)>,
) -> Fallible<T> {
    if at.is_null() {
        return Err(missing("name"));
    }
    // SAFETY: by the contract.
    let text = unsafe { string(*at) }?;
    let (value, rest) = read(text)?;
    let taken = text.len() - rest.len();
    // SAFETY: the rest is the end of the text, so this is still inside it.
    unsafe { *at = (*at).add(taken) };
    Ok(value)
}

/// Which rings, flags and region, and what is behind.
fn suffix(text: &str) -> Fallible<(NmreqRegister, &str)> {
    let mut spec = PortSpec::default();
    let rest = spec.read_suffix(text).map_err(Failure::invalid)?;
    Ok((spec.register(), rest))
}

/// The region of a port that a text begins with, and what is behind its name.
fn mem_id(text: &str) -> Fallible<(u16, &str)> {
    let (_, rest) = name::start(text)?;
    Ok((name::mem_id(text)?, rest))
}

#[no_mangle]
unsafe extern "C" fn nmreq_header_decode(
    at: *mut *const c_char,
    hdr: *mut NmreqHeader,
    ctx: *mut Nmctx,
) -> c_int {
    // SAFETY: the contract of this file, for both.
    let result = unsafe { advance(at, name::start) }.and_then(|spec| {
        // SAFETY: the contract of this file.
        let hdr = unsafe { hdr.as_mut() }.ok_or_else(|| missing("request"))?;
        name::put(&spec, hdr);
        Ok(())
    });
    status(ctx, result)
}

#[no_mangle]
unsafe extern "C" fn nmreq_register_decode(
    at: *mut *const c_char,
    reg: *mut NmreqRegister,
    ctx: *mut Nmctx,
) -> c_int {
    // SAFETY: the contract of this file.
    let result = unsafe { advance(at, suffix) }.and_then(|read| {
        // SAFETY: the contract of this file.
        let reg = unsafe { reg.as_mut() }.ok_or_else(|| missing("request"))?;
        // Sizes, which are no part of this, stay.
        (reg.nr_mode, reg.nr_ringid) = (read.nr_mode, read.nr_ringid);
        (reg.nr_flags, reg.nr_mem_id) = (read.nr_flags, read.nr_mem_id);
        Ok(())
    });
    status(ctx, result)
}

#[no_mangle]
unsafe extern "C" fn nmreq_get_mem_id(at: *mut *const c_char, ctx: *mut Nmctx) -> i32 {
    // SAFETY: the contract of this file.
    let id = unsafe { advance(at, mem_id) };
    done(ctx, id.map(i32::from), -1)
}

#[no_mangle]
unsafe extern "C" fn nmreq_push_option(hdr: *mut NmreqHeader, option: *mut NmreqOption) {
    // SAFETY: the contract of this file.
    if let Some(hdr) = unsafe { hdr.as_mut() } {
        // SAFETY: the contract of this file.
        unsafe { list::push(hdr, option) }
    }
}

#[no_mangle]
unsafe extern "C" fn nmreq_remove_option(hdr: *mut NmreqHeader, option: *mut NmreqOption) {
    // SAFETY: the contract of this file.
    if let Some(hdr) = unsafe { hdr.as_mut() } {
        // SAFETY: the contract of this file.
        unsafe { list::remove(hdr, option) }
    }
}

#[no_mangle]
unsafe extern "C" fn nmreq_find_option(hdr: *mut NmreqHeader, kind: u32) -> *mut NmreqOption {
    // SAFETY: the contract of this file.
    match unsafe { hdr.as_mut() } {
        // SAFETY: the contract of this file.
        Some(hdr) => unsafe { list::find(hdr, kind) },
        None => ptr::null_mut(),
    }
}

#[no_mangle]
unsafe extern "C" fn nmreq_free_options(hdr: *mut NmreqHeader) {
    // SAFETY: the contract of this file.
    let Some(hdr) = (unsafe { hdr.as_mut() }) else {
        return;
    };
    while hdr.nr_options != 0 {
        let first = ptr::with_exposed_provenance_mut::<NmreqOption>(hdr.nr_options as usize);
        // SAFETY: the contract of this file: it is one, and in memory of the default context.
        unsafe {
            hdr.nr_options = (*first).nro_next;
            context::give_back(ptr::null_mut(), first.cast());
        }
    }
}

#[no_mangle]
extern "C" fn nmreq_option_name(kind: u32) -> *const c_char {
    port::option_name(kind).as_ptr()
}

#[no_mangle]
extern "C" fn nmctx_get() -> *mut Nmctx {
    context::default()
}

#[no_mangle]
extern "C" fn nmctx_set_default(ctx: *mut Nmctx) {
    context::set_default(ctx);
}

#[no_mangle]
extern "C" fn nmctx_set_threadsafe() {
    context::use_own_lock();
}

#[no_mangle]
unsafe extern "C" fn nmctx_lock(ctx: *mut Nmctx) {
    context::lock(ctx, true);
}

#[no_mangle]
unsafe extern "C" fn nmctx_unlock(ctx: *mut Nmctx) {
    context::lock(ctx, false);
}

#[no_mangle]
unsafe extern "C" fn nmctx_malloc(ctx: *mut Nmctx, size: usize) -> *mut c_void {
    let memory = context::allocate(ctx, size);
    if memory.is_null() {
        Errno::ENOMEM.set();
    }
    memory
}

#[no_mangle]
unsafe extern "C" fn nmctx_free(ctx: *mut Nmctx, memory: *mut c_void) {
    // SAFETY: the contract of this file.
    unsafe { context::give_back(ctx, memory) }
}
