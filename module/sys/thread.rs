// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.

use super::waiting::{sleep_unless, Waiting};
use core::ptr::NonNull;
use kernel::{
    bindings, cpu::CpuId, cpumask::Cpumask, error::from_err_ptr, prelude::*,
    sync::atomic::AtomicFlag, task::Task, types::NotThreadSafe,
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

    /// Sleeps until one of the queues has been woken since the last sleep, or until the thread is
    /// to stop.
    pub(crate) fn sleep_on(&self, waiting: &Waiting<'_>) {
        self.sleep(waiting.woken());
    }

    /// Sleeps until `woken`, or until the thread is to stop.
    fn sleep(&self, woken: &AtomicFlag) {
        let unless = || self.should_stop();
        sleep_unless(bindings::TASK_IDLE, woken, unless, || self.resched());
    }
}
