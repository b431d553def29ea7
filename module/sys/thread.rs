// SPDX-License-Identifier: GPL-2.0

//! Kernel threads, and how they sleep until one of several wait queues is woken.

use super::{bindings::cpumask_test_cpu, wait::WaitQueue};
use core::{
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::{fence, AtomicBool, Ordering::*},
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    types::{NotThreadSafe, Opaque},
};

/// What a thread does.
pub(crate) trait Work: Send + 'static {
    /// Called once, in the thread. It is to return when [`Inside::should_stop`] says so.
    fn run(&mut self, inside: &Inside);
}

/// A running thread. Dropping it stops it and waits for its end.
pub(crate) struct Thread<W: Work> {
    task: NonNull<bindings::task_struct>,
    /// From `KBox::into_raw`; the thread's own until it has ended.
    work: *mut W,
}

// SAFETY: the task is only stopped through it, and the work may be dropped by any thread.
unsafe impl<W: Work> Send for Thread<W> {}
// SAFETY: there is nothing to do with a reference.
unsafe impl<W: Work> Sync for Thread<W> {}

impl<W: Work> Thread<W> {
    /// Starts a thread, on any CPU; or on that CPU, whose time is charged to the control group of the calling process.
    /// `EINVAL` if that may not use it (cpuset).
    pub(crate) fn start(name: &CStr, cpu: Option<u32>, work: W) -> Result<Self> {
        let work = KBox::into_raw(KBox::new(work, GFP_KERNEL_ACCOUNT)?);
        // SAFETY: `run` gets the work as it wants it; the format takes one string.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(run::<W>),
                work.cast(),
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });
        let thread = task.and_then(|task| NonNull::new(task).ok_or(ENOMEM));
        let task = match thread {
            Ok(task) => task,
            Err(errno) => {
                // SAFETY: from `into_raw`, above; no thread has it.
                drop(unsafe { KBox::from_raw(work) });
                return Err(errno);
            }
        };
        // Dropping it before it has run ends it, too.
        let thread = Thread { task, work };
        if let Some(cpu) = cpu {
            thread.charge_to_caller(cpu)?;
            // SAFETY: the task is new and has not run.
            unsafe { bindings::kthread_bind(task.as_ptr(), cpu) };
        }
        // SAFETY: the task ends no sooner than it is stopped.
        unsafe { bindings::wake_up_process(task.as_ptr()) };
        Ok(thread)
    }

    /// Moves the thread, which is going to be bound to `cpu`, into the control groups of the calling process. A cpuset
    /// refuses threads that are bound already.
    fn charge_to_caller(&self, cpu: u32) -> Result {
        let could = self.may_use(cpu);
        #[cfg(CONFIG_CGROUPS)]
        // SAFETY: both tasks are there. May sleep here, and nothing is held that is taken under the locks of control
        // groups.
        kernel::error::to_result(unsafe {
            bindings::cgroup_attach_task_all(bindings::get_current(), self.task.as_ptr())
        })?;
        // A CPU that threads of the kernel leave alone by themselves (isolcpus) may be asked for: it is for such uses.
        if could && !self.may_use(cpu) {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn may_use(&self, cpu: u32) -> bool {
        // SAFETY: the task is there, and there is such a CPU. Others may write the set.
        unsafe { cpumask_test_cpu(cpu as c_int, &raw const (*self.task.as_ptr()).cpus_mask) }
    }
}

impl<W: Work> Drop for Thread<W> {
    fn drop(&mut self) {
        // SAFETY: the task is there, as it has not been stopped. When it has ended, the work is ours again.
        unsafe {
            bindings::kthread_stop(self.task.as_ptr());
            drop(KBox::from_raw(self.work));
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with what [`Thread::start`] gave it.
unsafe extern "C" fn run<W: Work>(work: *mut c_void) -> c_int {
    let inside = Inside(NotThreadSafe);
    // SAFETY: the work is this thread's until it has ended.
    unsafe { (*work.cast::<W>()).run(&inside) };
    // A thread that ended by itself could not be stopped any more.
    while !inside.should_stop() {
        inside.sleep(&AtomicBool::new(false));
    }
    0
}

/// Proof that we are inside a thread of ours.
pub(crate) struct Inside(NotThreadSafe);

impl Inside {
    pub(crate) fn should_stop(&self) -> bool {
        // SAFETY: we are a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Lets others run. For threads that are busy for long.
    pub(crate) fn breathe(&self) {
        // SAFETY: a thread of ours may sleep where it has a reference to this.
        unsafe { bindings::schedule() };
    }

    /// Calls `f`, with which the thread can sleep until one of the queues is woken.
    pub(crate) fn listen<'q>(
        &self,
        ears: &mut Ears,
        queues: impl Iterator<Item = &'q WaitQueue>,
        f: impl FnOnce(&Listening<'_>),
    ) {
        let mut listening = Listening {
            inside: self,
            ears,
            count: 0,
        };
        for queue in queues {
            listening.hear(queue);
        }
        f(&listening);
        // Whatever `f` does, the queues forget us here: it cannot take `listening` away.
        drop(listening);
    }

    /// Sleeps until `rung`, or until the thread is to stop.
    fn sleep(&self, rung: &AtomicBool) {
        // SAFETY: the running task's own state, which others only set to running.
        let state = unsafe { &raw mut (*bindings::get_current()).__state };
        // SAFETY: as above.
        unsafe { state.write_volatile(bindings::TASK_IDLE) };
        // Whoever rings after this look finds us asleep, and wakes us.
        fence(SeqCst);
        if !rung.swap(false, AcqRel) && !self.should_stop() {
            self.breathe();
            rung.store(false, Release);
            fence(SeqCst);
        }
        // SAFETY: as above.
        unsafe { state.write_volatile(bindings::TASK_RUNNING) };
    }
}

/// Room for listening to some queues: made ahead, since listening cannot fail.
pub(crate) struct Ears {
    room: KVec<MaybeUninit<Ear>>,
    bell: KBox<Bell>,
}

/// Rung when a queue is woken.
struct Bell {
    rung: AtomicBool,
    task: *mut bindings::task_struct,
}

#[repr(C)]
struct Ear {
    entry: Opaque<bindings::wait_queue_entry>,
    bell: *const Bell,
    queue: *mut bindings::wait_queue_head,
}

// SAFETY: an entry is only used by the thread that listens, and the bell's task is that thread.
unsafe impl Send for Ears {}

impl Ears {
    /// For `count` queues.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let mut room = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            room.push(MaybeUninit::uninit(), GFP_KERNEL_ACCOUNT)?;
        }
        let bell = Bell {
            rung: AtomicBool::new(false),
            task: core::ptr::null_mut(),
        };
        Ok(Ears {
            room,
            bell: KBox::new(bell, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

/// The thread hears some queues.
///
/// # Invariants
///
/// The first `count` ears are on the queues that they name, which outlive this.
pub(crate) struct Listening<'e> {
    inside: &'e Inside,
    ears: &'e mut Ears,
    count: usize,
}

impl Listening<'_> {
    /// Sleeps until one of the queues has been woken since the last sleep, or until the thread is to stop.
    pub(crate) fn sleep(&self) {
        self.inside.sleep(&self.ears.bell.rung);
    }

    /// Hears one more queue, if there is room.
    fn hear(&mut self, queue: &WaitQueue) {
        // SAFETY: the running task.
        self.ears.bell.task = unsafe { bindings::get_current() };
        let bell: *const Bell = &raw const *self.ears.bell;
        let Some(ear) = self.ears.room.get_mut(self.count) else {
            return;
        };
        let entry = bindings::wait_queue_entry {
            func: Some(ring),
            ..Default::default()
        };
        let ear = ear.write(Ear {
            entry: Opaque::new(entry),
            bell,
            queue: queue.as_ptr(),
        });
        // SAFETY: the entry stays where it is until it is taken off: the room never grows.
        unsafe { bindings::add_wait_queue(ear.queue, ear.entry.get()) };
        self.count += 1;
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        for ear in self.ears.room.iter_mut().take(self.count) {
            // SAFETY: by the invariant.
            unsafe {
                let ear = ear.assume_init_mut();
                bindings::remove_wait_queue(ear.queue, ear.entry.get());
            }
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with the entry of an [`Ear`] on a queue.
unsafe extern "C" fn ring(
    entry: *mut bindings::wait_queue_entry,
    _mode: c_uint,
    _flags: c_int,
    _key: *mut c_void,
) -> c_int {
    // SAFETY: the entry is the first field of an ear; its bell is there while the ear is on the queue.
    unsafe {
        let bell = &*(*entry.cast::<Ear>()).bell;
        bell.rung.store(true, Release);
        bindings::wake_up_process(bell.task)
    }
}
