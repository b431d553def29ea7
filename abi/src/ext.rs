// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests and flags that netmap does not have.
//!
//! Their numbers start at 0x1000, so that an old program never asks for one by accident. To each
//! such request netmap returns `EINVAL`, so that a new program can tell where it runs.

use super::wire::{plain, NmreqOption};

/// The first number of an extension.
pub const FERROMAP_REQ_FIRST: u16 = 0x1000;
/// Why the last failed request on this open file failed, in words. Body: [`NmreqWhy`]. The name in
/// the header is ignored. Succeeds with `errno` 0 and an empty text when no request has failed yet.
pub const FERROMAP_REQ_WHY: u16 = 0x1000;

/// Runs an XDP program on every frame that enters a switch from a port. Name: a port
/// (`vale0:a`) or a whole switch (`vale0:`); a port's own program is run in place of its
/// switch's. Body: [`NmreqXdp`].
///
/// The program works on the kernel's private copy of the frame, before the switch looks at it.
/// `XDP_PASS` leaves it to the switch; `XDP_TX` sends it back to the port that it came from;
/// `XDP_REDIRECT` after `bpf_redirect(port, 0)` sends it to the port with that number (as VALE_LIST
/// has it), whatever the switch has learned; `XDP_DROP`, `XDP_ABORTED` and anything else drop it.
/// In the program's context, `ingress_ifindex` is the number of the port that the frame came from,
/// and `rx_queue_index` that of the transmit ring.
///
/// `EPERM` without `CAP_NET_ADMIN`; `EINVAL` for an fd that is no XDP program, or one for a certain
/// device; `ENXIO` for a port or switch that is not there, `EBUSY` where a program is already,
/// `EEXIST` where it is another than expected.
pub const FERROMAP_REQ_XDP_ATTACH: u16 = 0x1001;
/// Takes a program off again; its frames go to the switch from then on. Name and body as in
/// [`FERROMAP_REQ_XDP_ATTACH`]. When it returns, the program is not running any more, and its last
/// counts are in the body. `ENOENT` if there is none. A program also goes with its port.
pub const FERROMAP_REQ_XDP_DETACH: u16 = 0x1002;
/// Which program there is, and what it decided so far. Name and body as in
/// [`FERROMAP_REQ_XDP_ATTACH`]; without a program `prog_id` comes back as 0.
pub const FERROMAP_REQ_XDP_QUERY: u16 = 0x1003;

/// What `NETMAP_REQ_REGISTER` with this name and body would return: whether the port can be
/// opened, its interface be had, and its rings be bound. Nothing is bound, so that no frame goes
/// another way. That there is memory enough is not tried. Body: `NmreqRegister`, which comes back
/// as it was.
pub const FERROMAP_REQ_PROBE: u16 = 0x1004;

/// Flag of [`FERROMAP_REQ_XDP_ATTACH`]: take the place of the program that is there, if there is
/// one. No frame passes between the two without a program, and none is lost.
pub const FERROMAP_XDP_REPLACE: u32 = 1;

/// Option of REGISTER, PORT_INFO_GET, POOLS_INFO_GET and VALE_ATTACH: the memory region is that of
/// an open file, given by its descriptor. Body: [`NmreqOptRegion`]. netmap returns `EOPNOTSUPP`.
///
/// A region's number opens it only to the user who had it made, in the network namespace where it
/// was made; number 1, which interfaces share, to those with `CAP_NET_ADMIN` there (anybody else
/// has a number 1 of his own). A descriptor that is bound in a region opens it to whoever has it,
/// across users and namespaces: pass one to whom you trust with the memory.
///
/// `nr_mem_id` must be 0 or the region's number. A port that is there already keeps its region; if
/// that is the descriptor's, it can be bound. `EBADF` for a descriptor that is not open, `EINVAL`
/// for one of something else, `ENXIO` for one that is not bound.
pub const FERROMAP_OPT_REGION: u32 = 0x1000;

/// Actions of XDP, by number: `XDP_ABORTED`, `XDP_DROP`, `XDP_PASS`, `XDP_TX`,
/// `XDP_REDIRECT` (linux/bpf.h).
pub const XDP_ACTIONS: usize = 5;

/// Flag of a ring (`netmap_ring.flags`), set by the program on a transmit ring of a switch port:
/// frames may be handed over instead of copied.
///
/// Where the receiver's ring lies in the same region, its free slot and the sent one then exchange
/// their buffers, and both get `NS_BUF_CHANGED`: the sender finds another buffer in the slot, with
/// any content. So each buffer must be in one slot only. Frames that are flooded, that have several
/// slots or `NS_INDIRECT`, or that share a sync with such or with dropped ones, are copied as ever.
pub const FERROMAP_NR_SWAP: u32 = 0x1000;

/// Flag of a binding (`netmap_if.ni_flags`), set by the kernel: the port is a network interface in
/// emulated mode. Its own driver is below, and each frame is copied on its way.
pub const FERROMAP_NI_EMULATED: u32 = 0x1_0000;

/// What is behind a port, in `pad1` of what VALE_LIST returns (netmap leaves it as
/// it was): programs.
pub const FERROMAP_VALE_VIRTUAL: u16 = 1;
/// As [`FERROMAP_VALE_VIRTUAL`]: an attached interface.
pub const FERROMAP_VALE_INTERFACE: u16 = 2;
/// As [`FERROMAP_VALE_VIRTUAL`]: the host stack of one.
pub const FERROMAP_VALE_HOST: u16 = 3;
/// A persistent port: programs, and the stack behind its interface.
pub const FERROMAP_VALE_PERSISTENT: u16 = 4;

/// Room for the text of [`NmreqWhy`], in bytes.
pub const WHY_TEXT: usize = 244;

/// Body of [`FERROMAP_REQ_WHY`]. All of it is returned.
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

/// [`FERROMAP_OPT_REGION`] as a program puts it into a list of options.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptRegion {
    pub nro_opt: NmreqOption,
    /// Descriptor of a bound `/dev/netmap`.
    pub fd: i32,
    /// Must be 0.
    pub pad: u32,
}

/// Frames and bytes. The bytes are counted as the program left the frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpCount {
    pub packets: u64,
    pub bytes: u64,
}

/// Body of [`FERROMAP_REQ_XDP_ATTACH`], [`FERROMAP_REQ_XDP_DETACH`] and [`FERROMAP_REQ_XDP_QUERY`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqXdp {
    /// ATTACH: file descriptor of a loaded program of type XDP. Else ignored.
    pub fd: i32,
    /// ATTACH: 0 or [`FERROMAP_XDP_REPLACE`]. Else must be 0.
    pub flags: u32,
    /// Id of the program that must be there (ATTACH with REPLACE, DETACH); 0 for any.
    /// QUERY ignores it.
    pub expected: u32,
    /// Returned: id of the program that is there (QUERY), or was before (ATTACH, DETACH); 0 for
    /// none.
    pub prog_id: u32,
    /// Returned: what that program decided since it was attached, by action. Actions that XDP does
    /// not know are `XDP_ABORTED`.
    pub actions: [XdpCount; XDP_ACTIONS],
}

#[allow(unsafe_code)]
mod layout {
    use super::*;
    plain!(NmreqWhy, 256, align 4; reqtype @ 0, errno @ 4, len @ 8, text @ 12);
    plain!(NmreqOptRegion, 32, align 8; nro_opt @ 0, fd @ 24, pad @ 28);
    plain!(XdpCount, 16, align 8; packets @ 0, bytes @ 8);
    plain!(NmreqXdp, 96, align 8; fd @ 0, flags @ 4, expected @ 8, prog_id @ 12, actions @ 16);
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
