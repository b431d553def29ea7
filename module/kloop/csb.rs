// SPDX-License-Identifier: GPL-2.0

//! The memory of a process in which a program says `head` and `cur` of its rings, and is told
//! `hwcur` and `hwtail` (section 2.10 of the interface).
//!
//! The process may take it away or give it to somebody else at any moment, and a page of it may
//! take any time to come. So nothing is held while it is accessed, each access may fail with
//! `EFAULT`, and it is by the process's own rights.

use crate::{
    abi::{
        cursor::Claimed,
        options::{NmCsbAtok, NmCsbKtoa},
        wire::Plain,
    },
    refusal::{refuse, Fallible, Refusal},
    ring::Indexes,
    sys::user::{self, AddressSpace},
};
use core::mem::offset_of;
use kernel::prelude::*;

/// Bytes of an entry of each of the two arrays.
const ENTRY: u64 = size_of::<NmCsbAtok>() as u64;
const _: () = assert!(size_of::<NmCsbAtok>() == size_of::<NmCsbKtoa>());

/// Refuses what no binding of `rings` rings can use as its two arrays.
pub(crate) fn check(exclusive: bool, atok: u64, ktoa: u64, rings: usize) -> Fallible {
    if rings == 0 {
        return Ok(());
    }
    if !exclusive {
        refuse!(
            EINVAL,
            "CSB mode needs the rings for itself: bind them with NR_EXCLUSIVE"
        );
    }
    for (name, addr) in [("csb_atok", atok), ("csb_ktoa", ktoa)] {
        if addr % ENTRY != 0 {
            refuse!(
                EINVAL,
                "{} is {:#x}: it must be a multiple of 64",
                name,
                addr
            );
        }
    }
    // They lie within 64 bits, or they cannot be accessed.
    if atok.abs_diff(ktoa) < ENTRY * rings as u64 {
        refuse!(
            EINVAL,
            "csb_atok and csb_ktoa overlap: each has {} entries of 64 bytes",
            rings
        );
    }
    Ok(())
}

/// The two arrays, with an entry for each ring.
pub(super) struct Csb {
    process: AddressSpace,
    atok: u64,
    ktoa: u64,
}

impl Csb {
    /// Arrays of the calling process, which [`check`] has found good.
    pub(super) fn of_caller(atok: u64, ktoa: u64) -> Fallible<Self> {
        let Some(process) = AddressSpace::of_caller() else {
            refuse!(EFAULT, "a task without memory has no CSB");
        };
        Ok(Csb {
            process,
            atok,
            ktoa,
        })
    }

    /// The entries, ring by ring. Refuses any other process, whose memory they are not in.
    pub(super) fn entries(&self) -> Fallible<impl Iterator<Item = Entry>> {
        if !self.process.is_running() {
            refuse!(
                EINVAL,
                "the CSB of this file is memory of another process: let that one start the loop, \
                 or say CSB_ENABLE here"
            );
        }
        let (atok, ktoa) = (self.atok, self.ktoa);
        Ok((0..).map(move |i: u64| Entry {
            atok: atok.wrapping_add(i * ENTRY),
            ktoa: ktoa.wrapping_add(i * ENTRY),
        }))
    }
}

/// A ring's part of the two arrays: addresses of the running process.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    atok: u64,
    ktoa: u64,
}

impl Entry {
    /// Writes everything that a program expects to find when it begins.
    pub(super) fn init(self, at: Claimed, now: Indexes) -> Result {
        // What is behind these is the program's.
        user::write_bytes(self.atok, &[0; offset_of!(NmCsbAtok, pad)])?;
        user::write(
            self.ktoa,
            &NmCsbKtoa {
                kern_need_kick: 1,
                ..NmCsbKtoa::zeroed()
            },
        )?;
        self.say(offset_of!(NmCsbAtok, head), at.head)?;
        self.say(offset_of!(NmCsbAtok, cur), at.cur)?;
        self.say(offset_of!(NmCsbAtok, appl_need_kick), 1)?;
        self.say(offset_of!(NmCsbAtok, sync_flags), 1)?;
        self.publish(now)
    }

    fn say(self, field: usize, value: u32) -> Result {
        user::store(self.atok.wrapping_add(field as u64), value)
    }

    fn said(self, field: usize) -> Result<u32> {
        user::load(self.atok.wrapping_add(field as u64))
    }

    fn tell(self, field: usize, value: u32) -> Result {
        user::store(self.ktoa.wrapping_add(field as u64), value)
    }

    /// What the program says about `head`, and then `cur`, which it writes in the opposite order:
    /// a new `head` is not seen with an old `cur`.
    ///
    /// What it says of `sync_flags` nobody asks: a sync always does all that there is to do.
    #[inline]
    pub(super) fn claimed(self) -> Result<Claimed> {
        let head = self.said(offset_of!(NmCsbAtok, head))?;
        let cur = self.said(offset_of!(NmCsbAtok, cur))?;
        Ok(Claimed { head, cur })
    }

    /// Has the program begin anew at `head`.
    pub(super) fn reset(self, head: u32) -> Result {
        self.say(offset_of!(NmCsbAtok, cur), head)?;
        self.say(offset_of!(NmCsbAtok, head), head)
    }

    /// Tells the program how far the kernel has come: `hwcur`, and then `hwtail`, which it reads in
    /// the opposite order.
    #[inline]
    pub(super) fn publish(self, now: Indexes) -> Result {
        self.tell(offset_of!(NmCsbKtoa, hwcur), now.hwcur)?;
        self.tell(offset_of!(NmCsbKtoa, hwtail), now.hwtail)
    }

    /// Whether the program wants to be woken.
    pub(super) fn wants_kick(self) -> Result<bool> {
        Ok(self.said(offset_of!(NmCsbAtok, appl_need_kick))? != 0)
    }

    /// Tells the program whether we want to be woken.
    pub(super) fn want_kick(self, want: bool) -> Result {
        self.tell(offset_of!(NmCsbKtoa, kern_need_kick), want.into())
    }
}

/// The process has taken the memory away.
pub(super) fn gone(errno: Error) -> Refusal {
    Refusal::new(
        errno,
        fmt!(
            "the memory of the CSB cannot be accessed: keep it mapped, readable and writable, \
             until the loop has ended"
        ),
    )
}
