// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests and flags that netmap does not have.
//!
//! Their numbers start at 0x1000, so that an old program never asks for one by accident. To each such request
//! netmap answers `EINVAL`, so that a new program can tell where it runs.

use super::wire::plain;

/// The first number of an extension.
pub const FERROMAP_REQ_FIRST: u16 = 0x1000;
/// Why the last failed request on this open file failed, in words. Body: [`NmreqWhy`]. The name in the
/// header is ignored. Succeeds with `errno` 0 and an empty text when no request has failed yet.
pub const FERROMAP_REQ_WHY: u16 = 0x1000;

/// Flag of a ring (`netmap_ring.flags`), set by the program on a transmit ring of a switch port: frames may be
/// handed over instead of copied.
///
/// Where the receiver's ring lies in the same region, its free slot and the sent one then exchange their
/// buffers, and both get `NS_BUF_CHANGED`: the sender finds another buffer in the slot, with any content. So
/// each buffer must be in one slot only. Frames that are flooded, that have several slots or
/// `NS_INDIRECT`, or that share a sync with such or with dropped ones, are copied as ever.
pub const FERROMAP_NR_SWAP: u32 = 0x1000;

/// Flag of a binding (`netmap_if.ni_flags`), set by the kernel: the port is a network interface in emulated mode.
/// Its own driver is below, and each frame is copied on its way.
pub const FERROMAP_NI_EMULATED: u32 = 0x1_0000;

/// Room for the text of [`NmreqWhy`], in bytes.
pub const WHY_TEXT: usize = 244;

/// Body of [`FERROMAP_REQ_WHY`]. All of it is the kernel's answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct NmreqWhy {
    /// The request that failed: `nr_reqtype`, legacy calls included under what they translate to.
    pub reqtype: u32,
    /// The errno that it failed with, positive; 0 when nothing has failed yet.
    pub errno: u32,
    /// Bytes of `text` in use.
    pub len: u32,
    /// One sentence, UTF-8, without a closing NUL.
    pub text: [u8; WHY_TEXT],
}

#[allow(unsafe_code)]
mod layout {
    use super::*;
    plain!(NmreqWhy, 256, align 4; reqtype @ 0, errno @ 4, len @ 8, text @ 12);
}

impl NmreqWhy {
    /// The sentence, as far as it is valid UTF-8.
    pub fn text(&self) -> &str {
        let bytes = &self.text[..(self.len as usize).min(WHY_TEXT)];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => core::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or(""),
        }
    }
}
