// SPDX-License-Identifier: GPL-2.0

//! Kernel threads, and how they sleep until one of several wait queues is woken.

use super::wait::WaitQueue;
use core::{marker::PhantomData, mem::MaybeUninit, ptr::NonNull};
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::Cpumask,
    error::from_err_ptr,
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Full, Release},
        barrier::smp_mb,
    },
    task::Task,
    types::{NotThreadSafe, Opaque},
};

/// What a thread does.
pub(crate) trait Work: Send + 'static {
    /// Called once, in the thread. It is to return when [`Inside::should_stop`] says so.
    fn run(&mut self, inside: &Inside);
}

/// A running thread. Dropping it stops it and waits for its end.
pub(crate) struct Thread<W: Work> {
    /// With a reference.
    task: NonNull<bindings::task_struct>,
    /// From `KBox::into_raw`; the thread's own until it has ended.
    work: *mut W,
}

// SAFETY: any task may stop another, and the work is `Send`, so that any thread may drop it.
unsafe impl<W: Work> Send for Thread<W> {}
// SAFETY: a reference gives nothing to do with task or work: both are private, and used by `start`,
// before anybody else has the value, and by `drop`, when nobody has a reference any more.
unsafe impl<W: Work> Sync for Thread<W> {}

impl<W: Work> Thread<W> {
    /// Starts a thread, on any CPU; or on that CPU, whose time is charged to the control group of
    /// the calling process. `EINVAL` if that may not use it (cpuset), or if there is none of that
    /// number.
    pub(crate) fn start(name: &CStr, cpu: Option<u32>, work: W) -> Result<Self> {
        let cpu = match cpu {
            Some(number) => Some(CpuId::from_u32(number).ok_or(EINVAL)?),
            None => None,
        };
        let work = KBox::into_raw(KBox::new(work, GFP_KERNEL_ACCOUNT)?);
        // SAFETY: may sleep here, as the allocation above may. `run` gets the work that it wants,
        // which is nobody else's until it has ended; the format takes one string, which is copied.
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
                // SAFETY: it came from `into_raw`, and no thread was made that could have it.
                drop(unsafe { KBox::from_raw(work) });
                return Err(errno);
            }
        };
        // SAFETY: a new task waits for `wake_up_process` or `kthread_stop`, neither of which has
        // been called, so that it is there. The reference is the new value's.
        unsafe { bindings::get_task_struct(task.as_ptr()) };
        // Dropping it before it has run ends it, too.
        let thread = Thread { task, work };
        if let Some(cpu) = cpu {
            thread.charge_to_caller(cpu)?;
            // SAFETY: the task is there by our reference, and sleeps uninterruptibly until it is
            // woken below, which `kthread_bind` waits for. The number is within the kernel's masks,
            // as a `CpuId` is.
            unsafe { bindings::kthread_bind(task.as_ptr(), cpu.as_u32()) };
        }
        // SAFETY: our reference keeps the task.
        unsafe { bindings::wake_up_process(task.as_ptr()) };
        Ok(thread)
    }

    /// Moves the thread, which is going to be bound to `cpu`, into the control groups of the
    /// calling process. A cpuset refuses threads that are bound already.
    fn charge_to_caller(&self, cpu: CpuId) -> Result {
        let could = self.may_use(cpu);
        #[cfg(CONFIG_CGROUPS)]
        // SAFETY: the calling task runs, and our reference keeps the thread's. May sleep here, and
        // nothing is held that is taken under the locks of control groups (docs/locks.md).
        kernel::error::to_result(unsafe {
            bindings::cgroup_attach_task_all(Task::current_raw(), self.task.as_ptr())
        })?;
        // A CPU that threads of the kernel leave alone by themselves (isolcpus) may be asked for:
        // it is for such uses.
        if could && !self.may_use(cpu) {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn may_use(&self, cpu: CpuId) -> bool {
        // SAFETY: our reference keeps the task. Others may write its set, of which one bit is
        // looked at.
        let set = unsafe { Cpumask::from_raw(&raw const (*self.task.as_ptr()).cpus_mask) };
        set.test(cpu)
    }
}

impl<W: Work> Drop for Thread<W> {
    fn drop(&mut self) {
        // SAFETY: the reference, which is given up here, keeps the task, also of a thread that has
        // died. When it has ended, which is waited for, the work is ours again; it came from
        // `into_raw`.
        unsafe {
            bindings::kthread_stop_put(self.task.as_ptr());
            drop(KBox::from_raw(self.work));
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with what [`Thread::start`] gave it.
unsafe extern "C" fn run<W: Work>(work: *mut c_void) -> c_int {
    let inside = Inside(NotThreadSafe);
    // SAFETY: `start` gave us the work. Until this function returns nobody else looks at it: the
    // `Thread` keeps a pointer only, and `kthread_stop` in its `drop` waits for our end.
    unsafe { (*work.cast::<W>()).run(&inside) };
    // A thread that ended by itself could not be stopped any more.
    while !inside.should_stop() {
        inside.sleep(&AtomicFlag::new(false));
    }
    0
}

/// Proof that we are inside a thread of ours.
pub(crate) struct Inside(NotThreadSafe);

impl Inside {
    pub(crate) fn should_stop(&self) -> bool {
        // SAFETY: we are a kernel thread: `run` makes the only `Inside`, which does not leave it.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Lets others run. For threads that are busy for long.
    pub(crate) fn resched(&self) {
        // SAFETY: may be called by any task; a thread of ours holds nothing that keeps it from
        // sleeping.
        unsafe { bindings::schedule() };
    }

    /// Calls `f`, with which the thread can sleep until one of the queues is woken.
    pub(crate) fn wait_on<'q>(
        &self,
        entries: &mut WaitEntries,
        queues: impl Iterator<Item = &'q WaitQueue>,
        f: impl FnOnce(&Waiting<'_>),
    ) {
        // None of the entries is on a queue: `Waiting` borrows them until all have been taken off,
        // and they are ours alone here. So nobody reads this.
        entries.wakeup.task = Task::current_raw();
        // INVARIANT: no entry is on a queue yet.
        let mut waiting = Waiting {
            inside: self,
            wakeup: &entries.wakeup,
            room: entries.room.len(),
            first: entries.room.as_mut_ptr().cast(),
            count: 0,
            _entries: PhantomData,
        };
        for queue in queues {
            // SAFETY: a `&'q WaitQueue` outlives this call, in which `waiting` is dropped.
            unsafe { waiting.join(queue) };
        }
        f(&waiting);
        // Whatever `f` does, the queues forget us here: it cannot take `waiting` away.
        drop(waiting);
    }

    /// Sleeps until `woken`, or until the thread is to stop.
    fn sleep(&self, woken: &AtomicFlag) {
        // SAFETY: the running task is there while it runs, and its state is a field of it.
        let state = unsafe { &raw mut (*Task::current_raw()).__state };
        // SAFETY: a task writes its own state as it likes; others set it to running, by a word's
        // store as well (kernel/sched/core.c, `try_to_wake_up`).
        unsafe { state.write_volatile(bindings::TASK_IDLE) };
        // Full: whoever wakes us after this look finds us asleep, and wakes us.
        if !woken.xchg(false, Full) && !self.should_stop() {
            self.resched();
            woken.store(false, Release);
            // Whoever wakes us before this has news that we find when we look after it.
            smp_mb(Full);
        }
        // SAFETY: still the running task's own state, which nobody but itself puts to sleep.
        unsafe { state.write_volatile(bindings::TASK_RUNNING) };
    }
}

/// Room for waiting to some queues: made ahead, since waiting cannot fail.
pub(crate) struct WaitEntries {
    room: KVec<MaybeUninit<Entry>>,
    wakeup: KBox<Wakeup>,
}

/// Set when a queue is woken.
struct Wakeup {
    woken: AtomicFlag,
    /// Who waits. Written before the first entry is on a queue, and read only while one is.
    task: *mut bindings::task_struct,
}

/// One for each queue. `entry` comes first, so that a pointer to it is a pointer to all of this.
#[repr(C)]
struct Entry {
    entry: Opaque<bindings::wait_queue_entry>,
    wakeup: *const Wakeup,
    queue: *mut bindings::wait_queue_head,
}

// SAFETY: when it is moved, no entry is on a queue, since `wait_on` borrows it until all are off;
// so nobody else uses what its pointers point to, and the wakeup's task is written anew before it
// is read.
unsafe impl Send for WaitEntries {}

impl WaitEntries {
    /// For `count` queues.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let mut room = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            room.push(MaybeUninit::uninit(), GFP_KERNEL_ACCOUNT)?;
        }
        let wakeup = Wakeup {
            woken: AtomicFlag::new(false),
            task: core::ptr::null_mut(),
        };
        Ok(WaitEntries {
            room,
            wakeup: KBox::new(wakeup, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

/// The thread is on some queues.
///
/// Whoever wakes a queue works on its entries at the same time. So there is a pointer to them here,
/// and no reference, as long as one of them is on a queue.
///
/// # Invariants
///
/// From `first` on there is room for `room` entries, which nobody but this and the queues uses for
/// `'e`. The first `count` of them were written, and are on the queues that they name, which
/// outlive this.
pub(crate) struct Waiting<'e> {
    inside: &'e Inside,
    wakeup: &'e Wakeup,
    first: *mut Entry,
    room: usize,
    count: usize,
    _entries: PhantomData<&'e mut WaitEntries>,
}

impl Waiting<'_> {
    /// Sleeps until one of the queues has been woken since the last sleep, or until the thread is
    /// to stop.
    pub(crate) fn sleep(&self) {
        self.inside.sleep(&self.wakeup.woken);
    }

    /// Goes on one more queue, if there is room.
    ///
    /// # Safety
    ///
    /// The queue must outlive `self`.
    unsafe fn join(&mut self, queue: &WaitQueue) {
        if self.count == self.room {
            return;
        }
        let entry = bindings::wait_queue_entry {
            func: Some(wake),
            ..Default::default()
        };
        // INVARIANT: the entry is on the queue, which outlives this, as the caller promises.
        // SAFETY: by the invariant there is room for one more entry, which is on no queue. `entry`
        // is what an entry begins with. It stays where it is until `drop` takes it off: the room is
        // borrowed until then, so that it neither grows nor moves.
        unsafe {
            let at = self.first.add(self.count);
            at.write(Entry {
                entry: Opaque::new(entry),
                wakeup: self.wakeup,
                queue: queue.as_ptr(),
            });
            bindings::add_wait_queue(queue.as_ptr(), at.cast());
        }
        self.count += 1;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for at in 0..self.count {
            // SAFETY: by the invariant it was written, and is on the queue that it names. Whoever
            // wakes it holds that queue's lock, for which this waits; what names the queue nobody
            // changes.
            unsafe {
                let entry = self.first.add(at);
                bindings::remove_wait_queue((*entry).queue, entry.cast());
            }
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with the entry of an [`Entry`] on a queue.
unsafe extern "C" fn wake(
    entry: *mut bindings::wait_queue_entry,
    _mode: c_uint,
    _flags: c_int,
    _key: *mut c_void,
) -> c_int {
    // SAFETY: the entry is what an `Entry` begins with. While it is on the queue, which the caller
    // keeps locked, the one who waits is in `wait_on`: it takes the entry off under the same lock
    // before it returns. So the wakeup, which `wait_on` borrows, is there, and the task, which runs
    // it, has not ended.
    unsafe {
        let wakeup = &*(*entry.cast::<Entry>()).wakeup;
        wakeup.woken.store(true, Release);
        bindings::wake_up_process(wakeup.task)
    }
}
