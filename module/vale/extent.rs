// SPDX-License-Identifier: GPL-2.0

//! How much of a simple frame is copied for an XDP program to look at: all of it, or its start
//! where the program sees no more. Like [`Origin`] it is a parameter, and nobody asks for every
//! frame.

use super::origin::{HalfStaged, Origin, Whole};
use crate::{memory::Bufs, sys::copy::Copier};

/// Starts are copied in pieces of so many bytes: two addresses and what follows, as the switch
/// reads them.
const PIECE: u32 = 16;

/// What is copied of frames, to which buffers of the workspace.
pub(super) trait Extent: Copy {
    /// Where the frames lie then.
    type Origin<'o>: Origin;

    /// How many bytes of a frame of `len`.
    fn of(self, len: u32) -> u32;

    /// The first buffer for frames from number `next` of the burst on, when `used` buffers are in
    /// use.
    fn unit(self, used: u32, next: usize) -> u32;

    /// The buffer that a frame is in, which was sent in buffer `sent`, and copied to buffer `unit`.
    fn home(self, sent: u32, unit: u32) -> u32;

    /// What was copied of a frame to buffer `unit` goes with it: it is number `number` of the burst
    /// now.
    fn renumber(self, staged: Bufs<'_>, unit: u32, number: usize);

    /// Where frames lie that were sent in buffers `sent`.
    fn origin<'o>(self, staged: Bufs<'o>, sent: Bufs<'o>) -> Self::Origin<'o>;
}

/// All of it.
#[derive(Clone, Copy)]
pub(super) struct All;

impl Extent for All {
    type Origin<'o> = Whole<'o>;

    #[inline(always)]
    fn of(self, len: u32) -> u32 {
        len
    }

    fn unit(self, used: u32, _: usize) -> u32 {
        used
    }

    #[inline(always)]
    fn home(self, _: u32, unit: u32) -> u32 {
        unit
    }

    #[inline(always)]
    fn renumber(self, _: Bufs<'_>, _: u32, _: usize) {}

    fn origin<'o>(self, staged: Bufs<'o>, _: Bufs<'o>) -> Whole<'o> {
        Whole {
            bufs: staged,
            caller: None,
        }
    }
}

/// So many bytes at its start, in the buffer of its number; the rest stays where it was sent.
#[derive(Clone, Copy)]
pub(super) struct Start(u32);

impl Start {
    /// `None` where it does not pay, for frames of `mean` bytes or so and a program that sees so
    /// far.
    pub(super) fn of(sees: u32, mean: u32) -> Option<Self> {
        let len = sees.max(1).checked_next_multiple_of(PIECE)?;
        // It pays where four times as much is left alone (measured on Zen 5).
        (mean / 4 > len.max(4 * PIECE)).then_some(Start(len))
    }
}

impl Extent for Start {
    type Origin<'o> = HalfStaged<'o>;

    #[inline(always)]
    fn of(self, len: u32) -> u32 {
        len.min(self.0)
    }

    fn unit(self, _: u32, next: usize) -> u32 {
        next as u32
    }

    #[inline(always)]
    fn home(self, sent: u32, _: u32) -> u32 {
        sent
    }

    #[inline(always)]
    fn renumber(self, staged: Bufs<'_>, unit: u32, number: usize) {
        let both = staged.known(unit).zip(staged.known(number as u32));
        if let Some((from, to)) = both.filter(|_| unit != number as u32) {
            from.copy_start_to(&to, self.0, &mut Copier::narrow());
        }
    }

    fn origin<'o>(self, staged: Bufs<'o>, sent: Bufs<'o>) -> HalfStaged<'o> {
        HalfStaged {
            starts: staged,
            len: self.0,
            rest: sent,
        }
    }
}
