// SPDX-License-Identifier: GPL-2.0

//! What somebody is going to take of a region.

use core::ops::Add;

/// How many objects of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) ifs: u32,
    pub(crate) rings: u32,
    pub(crate) bufs: u32,
    /// Beside those: fewer will do.
    pub(crate) extra_bufs: u32,
}

impl Add for Needs {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Needs {
            ifs: self.ifs.saturating_add(other.ifs),
            rings: self.rings.saturating_add(other.rings),
            bufs: self.bufs.saturating_add(other.bufs),
            extra_bufs: self.extra_bufs.saturating_add(other.extra_bufs),
        }
    }
}
