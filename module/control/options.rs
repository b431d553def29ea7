// SPDX-License-Identifier: GPL-2.0

//! The options of a request, typed: a request takes those that it understands, and what they return
//! is written back.
//!
//! Each is fetched once, with its body, before it is the request's turn.

use super::option_list::{length, walk, Bad, Entry, Length, Status, HEAD, MOST};
use crate::{
    abi::{
        consts::{
            NETMAP_REQ_OPT_CSB, NETMAP_REQ_OPT_EXTMEM, NETMAP_REQ_OPT_OFFSETS,
            NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
        },
        ext::{NmreqOptRegion, FERROMAP_OPT_REGION},
        options::{NmreqOptCsb, NmreqOptExtmem, NmreqOptOffsets, NmreqOptSyncKloopMode},
        wire::{NmreqOption, Plain},
    },
    refusal::{refuse, Fallible, Refusal},
    sys::user::{self, Bytes},
};
use core::mem;
use kernel::{prelude::*, transmute::AsBytes};

/// An option that some request understands, with the head that all have.
pub(super) trait RequestOption: Plain {
    /// Its `nro_reqtype`.
    const TYPE: u32;
}

impl RequestOption for NmreqOptRegion {
    const TYPE: u32 = FERROMAP_OPT_REGION;
}

impl RequestOption for NmreqOptExtmem {
    const TYPE: u32 = NETMAP_REQ_OPT_EXTMEM;
}

impl RequestOption for NmreqOptCsb {
    const TYPE: u32 = NETMAP_REQ_OPT_CSB;
}

impl RequestOption for NmreqOptOffsets {
    const TYPE: u32 = NETMAP_REQ_OPT_OFFSETS;
}

impl RequestOption for NmreqOptSyncKloopMode {
    const TYPE: u32 = NETMAP_REQ_OPT_SYNC_KLOOP_MODE;
}

/// The options of a request.
pub(super) struct Options {
    /// The first `count` are there.
    entries: KVec<Option<Entry>>,
    count: usize,
    /// The bodies of those that have one, in order.
    bodies: KVec<u8>,
}

impl Options {
    /// For calls that have none.
    pub(super) fn none() -> Self {
        Options {
            entries: KVec::new(),
            count: 0,
            bodies: KVec::new(),
        }
    }

    /// Fetches the options from address `list` on, behind a request body of `body` bytes. If they
    /// are refused, what was read of them is to be [written back](Self::write_back) all the same.
    pub(super) fn read(list: u64, body: usize) -> Fallible<(Self, Fallible)> {
        let mut options = Options::none();
        if list == 0 {
            return Ok((options, Ok(())));
        }
        // Not on the stack: all of it is some 6 KiB.
        options.entries = KVec::from_elem(None::<Entry>, MOST, GFP_KERNEL_ACCOUNT)?;
        let Options {
            entries, bodies, ..
        } = &mut options;
        let mut lack = Ok(());
        let walked = walk(
            list,
            body,
            entries,
            |addr| user::read(addr).ok(),
            |addr, len| match fetch(bodies, addr, len) {
                Err(e) if e == ENOMEM => {
                    lack = Err(e);
                    false
                }
                fetched => fetched.is_ok(),
            },
        );
        lack?;
        let (count, result) = match walked {
            Ok(count) => (count, Ok(())),
            Err((bad, count)) => (count, Err(bad.into())),
        };
        options.count = count;
        Ok((options, result))
    }

    /// The options, each with its body.
    fn each(&mut self) -> impl Iterator<Item = (&mut Entry, &mut [u8])> {
        let mut rest = &mut self.bodies[..];
        let entries = self.entries.iter_mut().take(self.count).flatten();
        entries.map(move |entry| {
            let (body, behind) = mem::take(&mut rest).split_at_mut(entry.body.unwrap_or(0));
            rest = behind;
            (entry, body)
        })
    }

    /// Has `honour` do what the option of that type says, if there is one. What it leaves there is
    /// what the option returns. If it refuses, the option's status says why.
    pub(super) fn take<T: RequestOption, R>(
        &mut self,
        honour: impl FnOnce(&mut T) -> Fallible<R>,
    ) -> Fallible<Option<R>> {
        const {
            let Some(Length::Fixed(len)) = length(T::TYPE) else {
                panic!("the list of known options has it with a length");
            };
            assert!(HEAD + len == size_of::<T>());
        }
        self.take_body(T::TYPE, |head, body| {
            let mut option = Bytes(T::zeroed());
            let (its_head, its_body) = option.as_bytes_mut().split_at_mut(HEAD);
            its_head.copy_from_slice(Bytes(*head).as_bytes());
            its_body.copy_from_slice(body);
            let honoured = honour(&mut option.0)?;
            body.copy_from_slice(&option.as_bytes()[HEAD..]);
            Ok(honoured)
        })
    }

    /// As [`take`](Self::take), by head and bytes: what options whose length the program chooses
    /// go by as well.
    pub(super) fn take_body<R>(
        &mut self,
        kind: u32,
        honour: impl FnOnce(&NmreqOption, &mut [u8]) -> Fallible<R>,
    ) -> Fallible<Option<R>> {
        let mut each = self.each();
        let Some((entry, body)) = each.find(|(entry, _)| entry.head.nro_reqtype == kind) else {
            return Ok(None);
        };
        let honoured = honour(&entry.head, body);
        entry.status = match &honoured {
            Ok(_) => Status::Zero,
            Err(refusal) => Status::Refused(number(refusal.errno)),
        };
        honoured.map(Some)
    }

    /// Refuses if there are options that nobody has honoured, for a request that wants them all to
    /// be. To be asked once everything that may honour one has been done.
    pub(super) fn all_honoured(&self) -> Fallible {
        let mut entries = self.entries.iter().take(self.count).flatten();
        if entries.any(|entry| entry.status == Status::Unsupported) {
            refuse!(
                EOPNOTSUPP,
                "an option is not known to this request: see their nro_status"
            );
        }
        Ok(())
    }

    /// Tells the program what became of each option, and, if the request has succeeded, what those
    /// that were honoured return.
    pub(super) fn write_back(&mut self, succeeded: bool) -> Result {
        let mut written = Ok(());
        for (entry, body) in self.each() {
            let head = NmreqOption {
                nro_status: entry.status.errno(),
                ..entry.head
            };
            written = written.and(user::write(entry.addr, &head));
            if entry.returns_body(succeeded) {
                let to = entry.addr.wrapping_add(HEAD as u64);
                written = written.and(user::write_bytes(to, body));
            }
        }
        written
    }
}

/// Fetches `len` bytes at `addr` behind those that are there.
fn fetch(bodies: &mut KVec<u8>, addr: u64, len: usize) -> Result {
    let before = bodies.len();
    bodies.resize(before + len, 0, GFP_KERNEL_ACCOUNT)?;
    user::read_bytes(addr, &mut bodies[before..])
}

impl Status {
    fn errno(self) -> u32 {
        match self {
            Status::Zero => 0,
            Status::Invalid => number(EINVAL),
            Status::Refused(errno) => errno,
            Status::Unsupported => number(EOPNOTSUPP),
        }
    }
}

/// An errno as programs read it.
fn number(errno: Error) -> u32 {
    errno.to_errno().unsigned_abs()
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Unreadable => Refusal::new(EFAULT, fmt!("an option cannot be read")),
            Bad::TypeZero => Refusal::new(EINVAL, fmt!("an option has type 0")),
            Bad::Twice(kind) => Refusal::new(EINVAL, fmt!("option {} is there twice", kind)),
            Bad::TooLarge(kind) => Refusal::new(EMSGSIZE, fmt!("option {} is too large", kind)),
            Bad::TooLong => Refusal::new(EMSGSIZE, fmt!("the list of options is too long")),
        }
    }
}
