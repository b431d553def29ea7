// SPDX-License-Identifier: GPL-2.0

//! The options of a request, typed: a request takes those that it understands, and what they return
//! is written back.
//!
//! Each is fetched once, with its body, before it is the request's turn.

use super::option_list::{walk, Bad, Entry, Status, HEAD, MOST};
use crate::{
    abi::{
        ext::{NmreqOptRegion, FERROMAP_OPT_REGION},
        wire::{NmreqOption, Plain},
    },
    refusal::{refuse, Fallible, Refusal},
    sys::user,
};
use kernel::prelude::*;

/// An option that some request understands, with the head that all have.
pub(super) trait RequestOption: Plain {
    /// Its `nro_reqtype`.
    const TYPE: u32;
}

impl RequestOption for NmreqOptRegion {
    const TYPE: u32 = FERROMAP_OPT_REGION;
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

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take(self.count).flatten()
    }

    /// Has `honour` do what the option of that type says, if there is one. What it leaves there is
    /// what the option returns. If it refuses, the option's status says that it is why.
    pub(super) fn take<T: RequestOption, R>(
        &mut self,
        honour: impl FnOnce(&mut T) -> Fallible<R>,
    ) -> Fallible<Option<R>> {
        let mut at = 0;
        for entry in self.entries.iter_mut().take(self.count).flatten() {
            let len = entry.body.unwrap_or(0);
            let bytes = self.bodies.get_mut(at..at + len).unwrap_or(&mut []);
            at += len;
            if entry.head.nro_reqtype != T::TYPE {
                continue;
            }
            entry.status = Status::Invalid;
            let mut option = T::zeroed();
            let (head, body) = user::bytes_of(&mut option).split_at_mut(HEAD);
            if bytes.len() != body.len() {
                refuse!(EINVAL, "option {} has another size", T::TYPE);
            }
            head.copy_from_slice(user::bytes_of(&mut entry.head));
            body.copy_from_slice(bytes);
            let honoured = honour(&mut option)?;
            let body = &user::bytes_of(&mut option)[HEAD..];
            entry.status = if body == bytes {
                Status::Zero
            } else {
                bytes.copy_from_slice(body);
                Status::Returned
            };
            return Ok(Some(honoured));
        }
        Ok(None)
    }

    /// Whether there are options that nobody has honoured.
    pub(super) fn some_are_left(&self) -> bool {
        self.entries()
            .any(|entry| entry.status == Status::Unsupported)
    }

    /// Tells the program what became of each option, and what those that were honoured return.
    pub(super) fn write_back(&self) -> Result {
        let mut at = 0;
        let mut written = Ok(());
        for entry in self.entries() {
            let len = entry.body.unwrap_or(0);
            let body = self.bodies.get(at..at + len).unwrap_or(&[]);
            at += len;
            let head = NmreqOption {
                nro_status: entry.status.errno(),
                ..entry.head
            };
            written = written.and(user::write(entry.addr, &head));
            if entry.status == Status::Returned {
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
        let errno = match self {
            Status::Zero | Status::Returned => return 0,
            Status::Invalid => EINVAL,
            Status::Unsupported => EOPNOTSUPP,
        };
        errno.to_errno().unsigned_abs()
    }
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
