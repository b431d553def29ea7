// SPDX-License-Identifier: GPL-2.0

//! For tests only: lets allocations of netmap.ko fail, as if memory had run out.
//!
//! Stock kernels lack FAILSLAB but have kprobes. A probe on the entry of each function that
//! netmap.ko allocates with looks who calls: the test's own process (`pid`, or 0 for everybody, as
//! threads of the kernel's carry frames, too), from the module's text (`start` to `end`). Such
//! calls are counted, and from number `nth` on, `span` of them find no memory. Everybody else's go
//! through. Blocks of pages, which the module has another way for, are never there, so that it is
//! the other way whose calls fail; or with `blocks` are asked of the kernel, uncounted.
//!
//! A probe that the kernel has optimised cannot change where a function goes on, so whoever loads
//! this writes 0 to `/proc/sys/debug/kprobes-optimization` first.
//!
//! A test loads this anew for each case: the module may lie elsewhere by then.

use core::ptr::null_mut;
use kernel::{bindings::pt_regs, prelude::*, task::Task, types::Opaque};

#[path = "../sys.rs"]
mod sys;
use sys::bindings;

module! {
    type: FailAlloc,
    name: "failalloc",
    authors: ["The Ferromap founders"],
    description: "For tests only: lets allocations of netmap.ko fail",
    license: "GPL",
    params: {
        pid: i32 {
            default: 0,
            description: "the process whose calls count, 0 for all",
        },
        start: u64 {
            default: 0,
            description: "where netmap.ko starts",
        },
        end: u64 {
            default: 0,
            description: "where netmap.ko ends",
        },
    },
}

sys::param::params! {
    nth = 0, WRITABLE, "the first allocation that fails, counted from 1; 0 for none";
    span = 1, WRITABLE, "how many fail in a row";
    blocks = 0, WRITABLE, "whether there are blocks of pages";
    count = 0, WRITABLE, "allocations so far";
    failed = 0, WRITABLE,
        "what failed first: 0 nothing, 1 kmalloc, 2 kvmalloc, 3 vmalloc or vmap, 4 a frame";
}

/// A function that allocates. Those of Rust also free, when the size, their second argument, is 0.
struct Function {
    name: &'static CStr,
    handler: unsafe extern "C" fn(*mut bindings::kprobe, *mut pt_regs) -> i32,
}

const FUNCTIONS: [Function; 12] = [
    Function {
        name: c"rust_helper_krealloc_node_align",
        handler: before_realloc::<1>,
    },
    Function {
        name: c"rust_helper_kvrealloc_node_align",
        handler: before_realloc::<2>,
    },
    Function {
        name: c"vmalloc_huge_node_noprof",
        handler: before::<3>,
    },
    Function {
        name: c"__vmalloc_noprof",
        handler: before::<3>,
    },
    Function {
        name: c"vmap",
        handler: before::<3>,
    },
    // Without a block it asks vmalloc.
    Function {
        name: c"alloc_pages_exact_noprof",
        handler: before_block,
    },
    Function {
        name: c"__napi_alloc_frag_align",
        handler: before::<4>,
    },
    Function {
        name: c"napi_build_skb",
        handler: before::<4>,
    },
    Function {
        name: c"__alloc_skb",
        handler: before::<4>,
    },
    Function {
        name: c"alloc_skb_with_frags",
        handler: before::<4>,
    },
    // Puts a list into one piece.
    Function {
        name: c"__pskb_pull_tail",
        handler: before::<4>,
    },
    Function {
        name: c"skb_clone",
        handler: before::<4>,
    },
];

/// # Safety
///
/// Called by the kernel at the entry of a function, with its registers.
unsafe extern "C" fn before_realloc<const KIND: i32>(
    _: *mut bindings::kprobe,
    regs: *mut pt_regs,
) -> i32 {
    // SAFETY: the registers are ours until we return.
    let regs = unsafe { &mut *regs };
    if regs.si == 0 {
        return 0;
    }
    // SAFETY: they are those at the entry.
    unsafe { maybe_fail(KIND, regs) }
}

/// # Safety
///
/// As above.
unsafe extern "C" fn before<const KIND: i32>(_: *mut bindings::kprobe, regs: *mut pt_regs) -> i32 {
    // SAFETY: the registers are ours until we return, and they are those at the entry.
    unsafe { maybe_fail(KIND, &mut *regs) }
}

/// # Safety
///
/// As above.
unsafe extern "C" fn before_block(_: *mut bindings::kprobe, regs: *mut pt_regs) -> i32 {
    // SAFETY: the registers are ours until we return.
    let regs = unsafe { &mut *regs };
    // SAFETY: they are those at the entry.
    if blocks.get() == 0 && unsafe { matters(regs) } {
        return fail(regs);
    }
    0
}

/// Counts the call if it is one of those that matter, and has it fail if its turn has come.
///
/// # Safety
///
/// The registers must be those at the entry of a function.
unsafe fn maybe_fail(kind: i32, regs: &mut pt_regs) -> i32 {
    // SAFETY: by the caller's promise.
    if !unsafe { matters(regs) } {
        return 0;
    }
    // Not one step, but a test that cares for the number has one thread that allocates.
    let number = count.get().wrapping_add(1);
    count.set(number);
    let first = nth.get();
    if first <= 0 || number < first || number - first >= span.get() {
        return 0;
    }
    if failed.get() == 0 {
        failed.set(kind);
    }
    fail(regs)
}

/// Whether it is the test's process that calls, or whoever counts, from the module.
///
/// # Safety
///
/// The registers must be those at the entry of a function.
unsafe fn matters(regs: &pt_regs) -> bool {
    // SAFETY: the current task is there while it runs.
    let process = unsafe { (*Task::current_raw()).tgid };
    let counts = [process, 0].contains(&module_parameters::pid.value());
    // SAFETY: at the entry of a function the return address is on top of the stack.
    let caller = unsafe { (regs.sp as *const u64).read() };
    let range = module_parameters::start.value()..module_parameters::end.value();
    counts && range.contains(&caller)
}

/// It goes on in [`nothing`] instead of the function that was called; the kernel is told by 1.
fn fail(regs: &mut pt_regs) -> i32 {
    regs.ip = nothing as usize;
    1
}

/// What the caller gets instead: it returns to the caller, as the function itself would have.
extern "C" fn nothing() -> *mut core::ffi::c_void {
    null_mut()
}

/// A registered probe. It has no post_handler: the kernel would not let it change where to
/// go on then.
struct Probe(Pin<KBox<Opaque<bindings::kprobe>>>);

// SAFETY: only the kernel looks into it, under its own locks.
unsafe impl Send for Probe {}
// SAFETY: as above.
unsafe impl Sync for Probe {}

impl Probe {
    fn new(function: &Function) -> Result<Self> {
        let probe = KBox::pin(
            Opaque::new(bindings::kprobe {
                symbol_name: function.name.as_char_ptr(),
                pre_handler: Some(function.handler),
                // SAFETY: the rest is pointers and numbers, for which 0 is right.
                ..unsafe { core::mem::zeroed() }
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: it stays where it is until it is unregistered.
        kernel::error::to_result(unsafe { bindings::register_kprobe(probe.get()) })?;
        Ok(Probe(probe))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: registered in `new`. Afterwards no handler runs any more.
        unsafe { bindings::unregister_kprobe(self.0.get()) };
    }
}

struct FailAlloc {
    _probes: KVec<Probe>,
}

impl kernel::Module for FailAlloc {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut probes = KVec::new();
        for function in &FUNCTIONS {
            let probe = Probe::new(function)
                .inspect_err(|e| pr_err!("no probe on {}: {:?}\n", function.name, e))?;
            probes.push(probe, GFP_KERNEL)?;
        }
        Ok(FailAlloc { _probes: probes })
    }
}
