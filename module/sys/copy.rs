// SPDX-License-Identifier: GPL-2.0

//! Copying bytes that others may be writing.

use super::{arch, bottom_half::Disabled, wide::Wide};

/// Who copies: it takes the wide registers with the first frame that is worth it.
pub(crate) struct Copier<'b>(State<'b>);

enum State<'b> {
    Narrow,
    Lent(&'b Disabled),
    Wide(Wide<'b>),
}

impl<'b> Copier<'b> {
    /// For one frame or a few: what the registers held need not be put away.
    pub(crate) fn narrow() -> Self {
        Copier(State::Narrow)
    }

    /// From that many frames on it surely pays: 5 ns a frame are gained (Zen 5, 256 to 1500 bytes),
    /// and putting the registers away and fetching them again is one XSAVE and one XRSTOR, 100 ns
    /// or so.
    const MANY: u32 = 48;

    /// For that many frames.
    pub(crate) fn new(frames: u32, lent: &'b Disabled) -> Self {
        Copier(if frames < Self::MANY {
            State::Narrow
        } else {
            State::Lent(lent)
        })
    }

    #[inline]
    fn wide(&mut self) -> Option<&mut Wide<'b>> {
        if let State::Lent(_) = self.0 {
            self.widen();
        }
        match &mut self.0 {
            State::Wide(wide) => Some(wide),
            _ => None,
        }
    }

    #[cold]
    fn widen(&mut self) {
        if let State::Lent(lent) = core::mem::replace(&mut self.0, State::Narrow) {
            if let Some(wide) = Wide::take(lent) {
                self.0 = State::Wide(wide);
            }
        }
    }
}

/// Copies bytes that others may be writing. A length between two powers of two is two blocks of
/// words that overlap.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing `len` bytes, for all but this copy's own
/// purposes of data races: the bytes may change during it. They may overlap.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize, by: &mut Copier<'_>) {
    // SAFETY: the caller vouches for `len` bytes, which are at least the four words of `ends`
    // there.
    unsafe {
        match len {
            // The shortest frames, which are the most at a given rate, have no call.
            32..=64 => ends::<4>(from, to, len),
            _ => copy_other(from, to, len, by),
        }
    }
}

/// Lengths that [`copy`] does not do itself.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing `len` bytes, as those of [`copy`].
#[inline(never)]
unsafe fn copy_other(from: *const u8, to: *mut u8, len: usize, by: &mut Copier<'_>) {
    // SAFETY: the caller vouches for `len` bytes, and each access is within them: every arm copies
    // no more than the least length that comes there.
    unsafe {
        if len > 64 {
            if let Some(wide) = by.wide() {
                return wide.copy(from, to, len);
            }
        }
        match len {
            0..8 => {
                for at in 0..len {
                    to.add(at).write_volatile(from.add(at).read_volatile());
                }
            }
            8..16 => ends::<1>(from, to, len),
            16..32 => ends::<2>(from, to, len),
            65..LONG => {
                let mut at = 0;
                while at < len - 64 {
                    words::<8>(from.add(at), to.add(at));
                    at += 64;
                }
                words::<8>(from.add(len - 64), to.add(len - 64));
            }
            _ => {
                // Read first: a read behind the string instruction may have to wait for its writes.
                let last = from.add(len - 8).cast::<u64>().read_unaligned();
                arch::copy_words(from, to, len / size_of::<u64>());
                to.add(len - 8).cast::<u64>().write_unaligned(last);
            }
        }
    }
}

/// From this length on, in bytes, what the processor has for copies ([`arch::copy_words`]) is
/// faster than a loop over words: with wide data paths of its own it makes up for its slow start
/// (measured on Zen 5: 12 against 9 ns for 256 bytes, 12 against 14 for 384, 33 against 52 for
/// 1500).
const LONG: usize = 384;

/// Copies the first and the last `N` words of `len` bytes.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing `len` bytes, as those of [`copy`], and
/// `len` must be at least `N` words.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for `len` bytes, within which both the first and the last `N`
    // words are.
    unsafe {
        words::<N>(from, to);
        let last = len - N * size_of::<u64>();
        words::<N>(from.add(last), to.add(last));
    }
}

/// # Safety
///
/// `from` must be valid for reading and `to` for writing `N` words.
#[inline(always)]
unsafe fn words<const N: usize>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller vouches for `N` words, which need not be aligned.
    unsafe {
        to.cast::<[u64; N]>()
            .write_unaligned(from.cast::<[u64; N]>().read_unaligned())
    }
}
