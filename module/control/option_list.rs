// SPDX-License-Identifier: GPL-2.0

//! The list of options behind a request (section 7.2 of the interface).
//!
//! The list lies in the program's memory: it may be unreadable, endless, or change while it is
//! read. It is walked once, within a budget, and what was read then is what counts. Pure: reading
//! and writing the program's memory is up to the caller.

use crate::abi::{
    consts::{
        NETMAP_REQ_MAXSIZE, NETMAP_REQ_OPT_CSB, NETMAP_REQ_OPT_EXTMEM, NETMAP_REQ_OPT_OFFSETS,
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
    },
    ext::{NmreqOptRegion, FERROMAP_OPT_REGION},
    wire::NmreqOption,
};

/// Bytes of an option's head, and of what the interface counts to be kept of each option: its
/// address as well.
pub(crate) const HEAD: usize = size_of::<NmreqOption>();
const KEPT: usize = HEAD + size_of::<u64>();
/// Bytes of the request's body and all options as they are kept, at most.
const KEPT_MAX: usize = 4144;
/// So there are never more options than this. It ends a list that bites its tail.
pub(crate) const MOST: usize = KEPT_MAX / KEPT;

/// Why a list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The program's memory could not be read.
    Unreadable,
    /// An option of type 0.
    TypeZero,
    /// The same type twice.
    Twice(u32),
    /// An option larger than a request may be.
    TooLarge(u32),
    /// Too many options, or all together too large. It also ends a list that bites its tail.
    TooLong,
}

/// What to do about an option that was read: set its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It was honoured; or a refused list was read up to here.
    Zero,
    /// The list is refused for it.
    Invalid,
    /// The request is refused for it, with this errno.
    Refused(u32),
    /// Nobody honoured it.
    Unsupported,
}

/// An option as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it lies in the program's memory.
    pub(crate) addr: u64,
    pub(crate) head: NmreqOption,
    pub(crate) status: Status,
    /// Of a known type: bytes behind the head.
    pub(crate) body: Option<usize>,
}

impl Entry {
    /// Whether the program gets the body back, too.
    pub(crate) fn returns_body(&self, succeeded: bool) -> bool {
        succeeded && self.status == Status::Zero && self.body.is_some()
    }
}

/// How many bytes an option has behind its head.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Fixed(usize),
    /// As its `nro_size` says, which counts the head.
    AsSized,
}

/// The types of options that are known, each with its length. `None` for an unknown type.
pub(crate) const fn length(kind: u32) -> Option<Length> {
    Some(match kind {
        NETMAP_REQ_OPT_EXTMEM => Length::Fixed(72),
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS => Length::AsSized,
        NETMAP_REQ_OPT_CSB => Length::Fixed(16),
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE => Length::Fixed(8),
        NETMAP_REQ_OPT_OFFSETS => Length::Fixed(32),
        FERROMAP_OPT_REGION => Length::Fixed(size_of::<NmreqOptRegion>() - HEAD),
        _ => return None,
    })
}

impl Length {
    fn of_body(self, head: &NmreqOption) -> usize {
        match self {
            Length::Fixed(len) => len,
            Length::AsSized => {
                usize::try_from(head.nro_size).map_or(usize::MAX, |size| size.saturating_sub(HEAD))
            }
        }
    }
}

/// Bytes that are left for further options: as the program sends them, and as they are kept.
struct Budget {
    sent: usize,
    kept: usize,
}

impl Budget {
    /// Whether there are so many left.
    fn spend(&mut self, sent: usize, kept: usize) -> bool {
        let (Some(sent), Some(kept)) = (self.sent.checked_sub(sent), self.kept.checked_sub(kept))
        else {
            return false;
        };
        *self = Budget { sent, kept };
        true
    }
}

/// Walks the list that starts at `addr`, behind a request body of `body` bytes.
///
/// `read` fetches a head, `fetch` a body, of which it is told address and length; false if that
/// cannot be read. Returns how many options there are. On success every entry is unsupported until
/// somebody honours it. On failure `entries` has what was read, with the statuses to write back;
/// for [`Bad::TooLong`] nothing is written back.
pub(crate) fn walk(
    mut addr: u64,
    body: usize,
    entries: &mut [Option<Entry>],
    mut read: impl FnMut(u64) -> Option<NmreqOption>,
    mut fetch: impl FnMut(u64, usize) -> bool,
) -> Result<usize, (Bad, usize)> {
    let mut budget = Budget {
        sent: NETMAP_REQ_MAXSIZE.saturating_sub(body),
        kept: KEPT_MAX.saturating_sub(body),
    };
    let mut count = 0;
    while addr != 0 {
        if !budget.spend(HEAD, KEPT) || count >= entries.len() {
            return Err((Bad::TooLong, 0));
        }
        let Some(head) = read(addr) else {
            return Err((Bad::Unreadable, count));
        };
        let kind = head.nro_reqtype;
        let status = if kind == 0 {
            Status::Invalid
        } else {
            Status::Zero
        };
        entries[count] = Some(Entry {
            addr,
            head,
            status,
            body: None,
        });
        count += 1;
        if kind == 0 {
            return Err((Bad::TypeZero, count));
        }
        if let Some(length) = length(kind) {
            let same = |entry: &Entry| entry.head.nro_reqtype == kind;
            if entries.iter().take(count - 1).flatten().any(same) {
                for entry in entries.iter_mut().flatten().filter(|entry| same(entry)) {
                    entry.status = Status::Invalid;
                }
                return Err((Bad::Twice(kind), count));
            }
            let size = length.of_body(&head);
            if head.nro_size > NETMAP_REQ_MAXSIZE as u64 || !budget.spend(size, size) {
                return Err((Bad::TooLarge(kind), count));
            }
            if size > 0 && !fetch(addr.wrapping_add(HEAD as u64), size) {
                return Err((Bad::Unreadable, count));
            }
            if let Some(entry) = &mut entries[count - 1] {
                entry.body = Some(size);
            }
        }
        addr = head.nro_next;
    }
    for entry in entries.iter_mut().flatten() {
        entry.status = Status::Unsupported;
    }
    Ok(count)
}
