// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the program brings along: where sentences go, where memory comes from.
//!
//! # What this rests on
//!
//! A context that the program hands over stays, and its functions do what the header says of them,
//! as long as a port or the default refers to it. A null pointer means the default.

use crate::{
    failure::{Failure, Fallible},
    types::Nmctx,
};
use nix::{errno::Errno, libc};
use std::{
    cell::UnsafeCell,
    ffi::{c_char, c_int, c_void, CStr, CString},
    io::{self, Write},
    ptr::{self, NonNull},
    sync::{
        atomic::{AtomicPtr, Ordering},
        Condvar, Mutex, PoisonError,
    },
};

/// The context that is there from the start. Programs change it in place.
struct Builtin(UnsafeCell<Nmctx>);

// SAFETY: Rust never has a reference to what is inside; it copies single fields out, which a
// program sets before it has threads, as it does in C.
unsafe impl Sync for Builtin {}

static BUILTIN: Builtin = Builtin(UnsafeCell::new(Nmctx {
    verbose: 0,
    error: Some(to_stderr),
    malloc: Some(malloc),
    free: Some(free),
    lock: None,
}));

/// Null for the builtin one.
static DEFAULT: AtomicPtr<Nmctx> = AtomicPtr::new(ptr::null_mut());

/// # Safety
///
/// `sentence` is null or a string.
unsafe extern "C" fn to_stderr(_: *mut Nmctx, sentence: *const c_char) {
    if !sentence.is_null() {
        // SAFETY: not null, so it is a string by this function's contract.
        let sentence = unsafe { CStr::from_ptr(sentence) }.to_bytes();
        // One write, so that others' lines stay whole. Where nobody reads it, there is nobody to
        // tell.
        let _ = io::stderr().write_all(&[sentence, b"\n"].concat());
    }
}

/// # Safety
///
/// None: as malloc.
unsafe extern "C" fn malloc(_: *mut Nmctx, size: usize) -> *mut c_void {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(size) }
}

/// # Safety
///
/// `memory` is null or came from [`malloc`].
unsafe extern "C" fn free(_: *mut Nmctx, memory: *mut c_void) {
    // SAFETY: by this function's contract.
    unsafe { libc::free(memory) }
}

/// The default context.
pub(crate) fn default() -> *mut Nmctx {
    match DEFAULT.load(Ordering::Acquire) {
        none if none.is_null() => BUILTIN.0.get(),
        ctx => ctx,
    }
}

/// Replaces it; by null, with the one that was there from the start.
pub(crate) fn set_default(ctx: *mut Nmctx) {
    DEFAULT.store(ctx, Ordering::Release);
}

/// The context that is meant.
fn resolve(ctx: *mut Nmctx) -> *mut Nmctx {
    if ctx.is_null() {
        default()
    } else {
        ctx
    }
}

/// One field of a context, copied out.
macro_rules! field {
    ($ctx:expr, $field:ident) => {
        // SAFETY: a context stays (see above), and is never written by Rust.
        unsafe { (&raw const (*$ctx).$field).read() }
    };
}

/// Whether the program wants to hear of what went well.
pub(crate) fn is_verbose(ctx: *mut Nmctx) -> bool {
    field!(resolve(ctx), verbose) > 0
}

/// Tells the program a sentence.
pub(crate) fn say(ctx: *mut Nmctx, sentence: &str) {
    let ctx = resolve(ctx);
    let Some(error) = field!(ctx, error) else {
        return;
    };
    let bytes = sentence.bytes().filter(|&b| b != 0).collect::<Vec<u8>>();
    let sentence = CString::new(bytes).unwrap_or_default();
    // SAFETY: the program's function, with its own context and a string that lasts for the call.
    unsafe { error(ctx, sentence.as_ptr()) }
}

/// Memory of the program's, or null.
pub(crate) fn allocate(ctx: *mut Nmctx, size: usize) -> *mut c_void {
    let ctx = resolve(ctx);
    let allocate = field!(ctx, malloc).unwrap_or(malloc);
    // SAFETY: the program's function, with its own context.
    unsafe { allocate(ctx, size) }
}

/// Gives it back.
///
/// # Safety
///
/// `memory` is null, or came from [`allocate`] with the same context and is not used any more.
pub(crate) unsafe fn give_back(ctx: *mut Nmctx, memory: *mut c_void) {
    let ctx = resolve(ctx);
    let free = field!(ctx, free).unwrap_or(free);
    // SAFETY: by the contract; the function is the program's own.
    unsafe { free(ctx, memory) }
}

/// A value in memory of the program's.
pub(crate) fn boxed<T>(ctx: *mut Nmctx, value: T) -> Fallible<NonNull<T>> {
    let at = allocate(ctx, size_of::<T>()).cast::<T>();
    match NonNull::new(at).filter(|at| at.is_aligned()) {
        Some(at) => {
            // SAFETY: as large as a `T` by the contract of malloc, aligned as was just seen, and
            // nobody else's yet.
            unsafe { at.write(value) };
            Ok(at)
        }
        None => Err(Failure::new(
            Errno::ENOMEM,
            "the program has no memory for a port",
        )),
    }
}

/// Who has the lock of [`use_own_lock`].
static TAKEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// # Safety
///
/// None: it touches nothing of the program's.
unsafe extern "C" fn own_lock(_: *mut Nmctx, lock: c_int) {
    let (taken, free) = &TAKEN;
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    if lock != 0 {
        while *taken {
            taken = free.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
    } else {
        *taken = false;
        free.notify_one();
    }
}

/// Gives the default context a lock, if it has none.
pub(crate) fn use_own_lock() {
    let ctx = default();
    if field!(ctx, lock).is_none() {
        // SAFETY: a context stays; the program calls this before it has threads.
        unsafe { (&raw mut (*ctx).lock).write(Some(own_lock)) }
    }
}

/// Takes or gives back the context's lock, if it has one.
pub(crate) fn lock(ctx: *mut Nmctx, lock: bool) {
    let ctx = resolve(ctx);
    if let Some(own) = field!(ctx, lock) {
        // SAFETY: the program's function, with its own context.
        unsafe { own(ctx, lock.into()) }
    }
}
