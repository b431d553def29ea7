// SPDX-License-Identifier: GPL-2.0

//! Counters of a ring. They are written once a batch; reading them takes no lock.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds on behalf of the only thread that writes this counter: no locked instruction.
    pub(crate) fn add_alone(&self, n: u64) {
        if n != 0 {
            self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Adds while others may do so too.
    pub(crate) fn add(&self, n: u64) {
        if n != 0 {
            self.0.fetch_add(n, Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Declares why frames are dropped, and the names by which people read of it, in the same order.
macro_rules! reasons {
    ($(#[$doc:meta])* $what:ident { $($(#[$why:meta])* $reason:ident: $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $what { $($(#[$why])* $reason,)* }

        impl $what {
            const NAMES: &'static [&'static str] = &[$($name,)*];
        }
    };
}

reasons! {
    /// Why a frame that a program sent goes nowhere.
    TxDrop {
        /// Too short for an Ethernet header, longer than what the interface sends, or with a slot
        /// longer than a buffer.
        BadLength: "drop_bad_length",
        /// A slot named a buffer that does not exist.
        BadBuffer: "drop_bad_buffer",
        /// More than 64 slots in a chain, or as many as the ring has.
        BadChain: "drop_bad_chain",
        /// A virtio-net header that cannot be carried out.
        BadHeader: "drop_bad_header",
        /// `NS_INDIRECT` with an address that the process cannot read, or in a sync by another one.
        BadAddress: "drop_bad_address",
        /// An XDP program decided so.
        Xdp: "drop_xdp",
        /// For a station behind the port that it came from.
        Loop: "drop_loop",
        /// The interface was down, or had no link.
        Down: "drop_down",
        /// There was no memory for the kernel's copy. To wait might take for ever, as no driver
        /// tells when there is some again.
        NoMemory: "drop_no_memory",
        /// For a port without a bound ring.
        Nobody: "drop_nobody",
        /// Parameter `bridge_batch` is 0.
        Disabled: "drop_disabled",
    }
}

reasons! {
    /// Why a frame for a receive ring does not arrive there, or goes no further.
    RxDrop {
        /// The ring was full.
        Full: "drop_full",
        /// More slots than a frame can have.
        BadLength: "drop_bad_length",
        /// A chain that was to be forwarded, and was released in parts, or has too many slots.
        BadChain: "drop_bad_chain",
        /// To be forwarded, and there was no room where.
        NotForwarded: "drop_not_forwarded",
        /// The stack's frame could not be made whole, for want of memory or since its headers are
        /// wrong.
        BadFrame: "drop_bad_frame",
        /// The program had released a slot with a buffer that does not exist, or too small a one.
        BadBuffer: "drop_bad_buffer",
    }
}

reasons! {
    /// Why a frame that the host sent through an interface is in no ring.
    HostDrop {
        /// For a host ring that nobody binds.
        Nobody: "drop_nobody",
    }
}

/// What a program sent through a transmit ring. Only who syncs the ring writes here.
#[derive(Default)]
pub(crate) struct TxCounters {
    pub(crate) frames: Counter,
    pub(crate) bytes: Counter,
    drops: [Counter; TxDrop::NAMES.len()],
    /// `head` or `cur` made no sense and the ring was reset.
    pub(crate) resets: Counter,
}

/// What senders put into a receive ring.
#[derive(Default)]
pub(crate) struct RxCounters {
    pub(crate) frames: Counter,
    pub(crate) bytes: Counter,
    drops: [Counter; RxDrop::NAMES.len()],
    /// `head` or `cur` made no sense and the ring was reset.
    pub(crate) resets: Counter,
}

/// What the host sent through an interface, and no ring got.
#[derive(Default)]
pub(crate) struct HostCounters {
    drops: [Counter; HostDrop::NAMES.len()],
}

impl TxCounters {
    /// So many frames went nowhere.
    pub(crate) fn drop(&self, why: TxDrop, frames: u64) {
        self.drops[why as usize].add_alone(frames);
    }

    /// Each counter with its name.
    pub(crate) fn each(&self, line: impl FnMut(&str, u64)) {
        each(
            (&self.frames, &self.bytes, &self.resets),
            TxDrop::NAMES.iter().zip(&self.drops),
            line,
        );
    }
}

impl RxCounters {
    /// So many frames were lost. Several senders may count at once.
    pub(crate) fn drop(&self, why: RxDrop, frames: u64) {
        self.drops[why as usize].add(frames);
    }

    /// Each counter with its name.
    pub(crate) fn each(&self, line: impl FnMut(&str, u64)) {
        each(
            (&self.frames, &self.bytes, &self.resets),
            RxDrop::NAMES.iter().zip(&self.drops),
            line,
        );
    }
}

impl HostCounters {
    /// So many frames were lost. Several CPUs may count at once.
    pub(crate) fn drop(&self, why: HostDrop, frames: u64) {
        self.drops[why as usize].add(frames);
    }

    /// Each counter with its name.
    pub(crate) fn each(&self, mut line: impl FnMut(&str, u64)) {
        for (name, counter) in HostDrop::NAMES.iter().zip(&self.drops) {
            line(name, counter.get());
        }
    }
}

fn each<'c>(
    (frames, bytes, resets): (&Counter, &Counter, &Counter),
    drops: impl Iterator<Item = (&'c &'static str, &'c Counter)>,
    mut line: impl FnMut(&str, u64),
) {
    line("frames", frames.get());
    line("bytes", bytes.get());
    for (name, counter) in drops {
        line(name, counter.get());
    }
    line("resets", resets.get());
}
