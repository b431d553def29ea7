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

/// What a program sent through a transmit ring, and why frames of it went nowhere.
#[derive(Default)]
pub(crate) struct TxCounters {
    pub(crate) frames: Counter,
    pub(crate) bytes: Counter,
    /// Too short for an Ethernet header, or longer than a buffer.
    pub(crate) bad_length: Counter,
    /// A slot named a buffer that does not exist.
    pub(crate) bad_buffer: Counter,
    /// More than 64 slots in a chain, or a chain where frames have one slot.
    pub(crate) bad_chain: Counter,
    /// A virtio-net header that cannot be carried out.
    pub(crate) bad_header: Counter,
    /// `NS_INDIRECT` with an address that the process cannot read, or in a sync by another process.
    pub(crate) bad_address: Counter,
    /// An XDP program decided so.
    pub(crate) xdp: Counter,
    /// For a station behind the port that it came from.
    pub(crate) loops: Counter,
    /// The interface was down, or had no link.
    pub(crate) down: Counter,
    /// There was no memory for the kernel's copy.
    pub(crate) no_memory: Counter,
    /// For a port without a bound ring.
    pub(crate) nobody: Counter,
    /// Parameter `bridge_batch` is 0.
    pub(crate) disabled: Counter,
    /// `head` or `cur` made no sense and the ring was reset.
    pub(crate) resets: Counter,
}

/// What senders put into a receive ring.
#[derive(Default)]
pub(crate) struct RxCounters {
    pub(crate) frames: Counter,
    pub(crate) bytes: Counter,
    /// The ring was full.
    pub(crate) full: Counter,
    /// Too long for a buffer, on a ring where frames have one slot.
    pub(crate) bad_length: Counter,
    /// A chain that was to be forwarded to where frames have one slot.
    pub(crate) bad_chain: Counter,
    /// To be forwarded, and there was no room where.
    pub(crate) not_forwarded: Counter,
    /// The stack's frame could not be made a whole one, for want of memory or because its headers are wrong.
    pub(crate) bad_frame: Counter,
    /// The program had released a slot with a buffer that does not exist, or too small a one.
    pub(crate) bad_buffer: Counter,
    /// `head` or `cur` made no sense and the ring was reset.
    pub(crate) resets: Counter,
}

impl TxCounters {
    /// Each counter with its name.
    pub(crate) fn each(&self, mut line: impl FnMut(&str, u64)) {
        line("frames", self.frames.get());
        line("bytes", self.bytes.get());
        line("drop_bad_length", self.bad_length.get());
        line("drop_bad_buffer", self.bad_buffer.get());
        line("drop_bad_chain", self.bad_chain.get());
        line("drop_bad_header", self.bad_header.get());
        line("drop_bad_address", self.bad_address.get());
        line("drop_xdp", self.xdp.get());
        line("drop_loop", self.loops.get());
        line("drop_down", self.down.get());
        line("drop_no_memory", self.no_memory.get());
        line("drop_nobody", self.nobody.get());
        line("drop_disabled", self.disabled.get());
        line("resets", self.resets.get());
    }
}

impl RxCounters {
    /// Each counter with its name.
    pub(crate) fn each(&self, mut line: impl FnMut(&str, u64)) {
        line("frames", self.frames.get());
        line("bytes", self.bytes.get());
        line("drop_full", self.full.get());
        line("drop_bad_length", self.bad_length.get());
        line("drop_bad_chain", self.bad_chain.get());
        line("drop_not_forwarded", self.not_forwarded.get());
        line("drop_bad_frame", self.bad_frame.get());
        line("drop_bad_buffer", self.bad_buffer.get());
        line("resets", self.resets.get());
    }
}
