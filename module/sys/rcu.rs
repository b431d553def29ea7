// SPDX-License-Identifier: GPL-2.0

//! One shared object, or none, that readers look at without a lock.

use core::{
    marker::PhantomData,
    sync::atomic::{AtomicPtr, Ordering::*},
};
use kernel::{
    bindings,
    sync::{rcu::Guard, Arc},
};

/// Holds an `Arc<T>` or nothing. Readers borrow what is there under an RCU guard; whoever takes it
/// out waits until the last such reader has gone.
///
/// # Invariants
///
/// `ptr` is null or came from `Arc::into_raw`, and that reference is ours.
pub(crate) struct RcuSlot<T> {
    ptr: AtomicPtr<T>,
    _owns: PhantomData<Arc<T>>,
}

impl<T> RcuSlot<T> {
    pub(crate) const fn new() -> Self {
        RcuSlot {
            ptr: AtomicPtr::new(core::ptr::null_mut()),
            _owns: PhantomData,
        }
    }

    /// What is there, for as long as the guard is held.
    #[inline]
    pub(crate) fn load<'g>(&'g self, _guard: &'g Guard) -> Option<&'g T> {
        let ptr = self.ptr.load(Acquire);
        // SAFETY: by the invariant it was null, or an object of which the slot had a reference,
        // when it was loaded; Acquire shows what was in it when `replace` put it there. Only two
        // take that reference away: `replace`, which waits for all who were under a guard when it
        // took the pointer out, us among them, before it hands the reference on (it is not called
        // under one); and `drop`, for which `self` may not be borrowed. The guard and `self` are
        // borrowed for `'g`.
        unsafe { ptr.as_ref() }
    }

    /// Whether anything is there at this moment: who mostly finds nothing needs no guard for that.
    #[inline(always)]
    pub(crate) fn is_there(&self) -> bool {
        !self.ptr.load(Relaxed).is_null()
    }

    /// Puts `new` there, and returns what was there once no reader can still be looking at it.
    /// Waits for readers only if there was something.
    ///
    /// Not to be called under a guard, nor with a spinlock, which no type says. Under a guard of
    /// its own it would, where the kernel does not preempt readers, not wait for that one, and what
    /// was borrowed under it would be gone. That is the gap that the kernel crate leaves in all of
    /// its own that may sleep, `synchronize_rcu` and `Revocable::revoke` among them: no type tells
    /// atomic context from another. The kernel finds it where it was built with `PROVE_RCU`.
    pub(crate) fn replace(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        let new = new.map_or(core::ptr::null_mut(), |new| Arc::into_raw(new).cast_mut());
        let old = self.ptr.swap(new, AcqRel);
        if old.is_null() {
            return None;
        }
        // The expedited kind: somebody waits in close(2) for this.
        // SAFETY: only waits, and may sleep, which our caller allows by what is said above.
        unsafe { bindings::synchronize_rcu_expedited() };
        // SAFETY: by the invariant it came from `Arc::into_raw` and the reference was the slot's;
        // the swap made it ours, and it is taken once.
        Some(unsafe { Arc::from_raw(old) })
    }
}

impl<T> Drop for RcuSlot<T> {
    fn drop(&mut self) {
        let ptr = *self.ptr.get_mut();
        if !ptr.is_null() {
            // SAFETY: by the invariant it came from `Arc::into_raw` and the reference is ours. No
            // reader is left: each borrows `self`.
            drop(unsafe { Arc::from_raw(ptr) });
        }
    }
}

// SAFETY: it is an `Arc<T>`, which may go to another thread where `T` is `Send` and `Sync`.
unsafe impl<T: Send + Sync> Send for RcuSlot<T> {}
// SAFETY: through a reference several threads may look at the `T`, which is `Sync`, and take the
// `Arc<T>` out, which is `Send`; the pointer to it is atomic.
unsafe impl<T: Send + Sync> Sync for RcuSlot<T> {}
