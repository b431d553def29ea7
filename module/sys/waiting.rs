// SPDX-License-Identifier: GPL-2.0

//! How a thread of ours, or a long system call, sleeps until one of several wait queues is woken.

use super::{task, wait::Spot};
use core::{marker::PhantomData, mem::MaybeUninit};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Full, Release},
        barrier::smp_mb,
    },
    task::Task,
    types::{NotThreadSafe, Opaque},
};

/// Sleeps by `sleep`, in that state of a task, until `woken`; not at all if `unless` says so.
pub(super) fn sleep_unless(
    sleeping: u32,
    woken: &AtomicFlag,
    unless: impl Fn() -> bool,
    sleep: impl FnOnce(),
) {
    // SAFETY: the running task is there while it runs, and its state is a field of it.
    let state = unsafe { &raw mut (*Task::current_raw()).__state };
    // SAFETY: a task writes its own state as it likes; others set it to running, by a word's
    // store as well (kernel/sched/core.c, `try_to_wake_up`).
    unsafe { state.write_volatile(sleeping) };
    // Full: whoever wakes us after this look finds us asleep, and wakes us.
    if !woken.xchg(false, Full) && !unless() {
        sleep();
        woken.store(false, Release);
        // Whoever wakes us before this has news that we find when we look after it.
        smp_mb(Full);
    }
    // SAFETY: still the running task's own state, which nobody but itself puts to sleep.
    unsafe { state.write_volatile(bindings::TASK_RUNNING) };
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
    /// Calls `f`, with which the running task can sleep until one of the queues is woken.
    pub(crate) fn wait_on<'q, T>(
        &mut self,
        queues: impl Iterator<Item = Spot<'q>>,
        f: impl FnOnce(&Waiting<'_>) -> T,
    ) -> T {
        // None of the entries is on a queue: `Waiting` borrows them until all have been taken off,
        // and they are ours alone here. So nobody reads this.
        self.wakeup.task = Task::current_raw();
        // INVARIANT: no entry is on a queue yet.
        let mut waiting = Waiting {
            wakeup: &self.wakeup,
            room: self.room.len(),
            first: self.room.as_mut_ptr().cast(),
            count: 0,
            _entries: PhantomData,
            _task: NotThreadSafe,
        };
        for queue in queues {
            // SAFETY: what `queue` stands for outlives this call, in which `waiting` is dropped.
            unsafe { waiting.join(&queue) };
        }
        // Whatever `f` does, the queues forget us here: it cannot take `waiting` away.
        f(&waiting)
    }

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

/// The running task is on some queues.
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
    wakeup: &'e Wakeup,
    first: *mut Entry,
    room: usize,
    count: usize,
    _entries: PhantomData<&'e mut WaitEntries>,
    /// Nobody else is put to sleep by it.
    _task: NotThreadSafe,
}

impl Waiting<'_> {
    /// Whether one of the queues has been woken since the last sleep.
    pub(super) fn woken(&self) -> &AtomicFlag {
        &self.wakeup.woken
    }

    /// For a system call: sleeps until one of the queues has been woken since the last sleep, for
    /// `us` microseconds at most, or until the process gets a signal. A machine that is suspended
    /// does not wait for us.
    pub(crate) fn sleep_for(&self, us: u32) {
        let state = bindings::TASK_INTERRUPTIBLE | bindings::TASK_FREEZABLE;
        sleep_unless(state, self.woken(), task::has_signal, || {
            let mut time = i64::from(us) * 1000;
            // SAFETY: the time is ours for as long as this sleeps, which a system call that holds
            // nothing may do.
            unsafe {
                bindings::schedule_hrtimeout(&mut time, bindings::hrtimer_mode_HRTIMER_MODE_REL)
            };
        });
    }

    /// For a system call: sleeps until one of the queues has been woken since the last sleep, or
    /// until the process is being killed.
    pub(crate) fn sleep_unless_killed(&self) {
        sleep_unless(
            bindings::TASK_KILLABLE,
            self.woken(),
            task::is_killed,
            // SAFETY: a system call that holds nothing may sleep.
            || unsafe { bindings::schedule() },
        );
    }

    /// Goes on one more queue, if there is room.
    ///
    /// # Safety
    ///
    /// The queue must outlive `self`.
    unsafe fn join(&mut self, queue: &Spot<'_>) {
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
                queue: queue.0,
            });
            bindings::add_wait_queue(queue.0, at.cast());
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
