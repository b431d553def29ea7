// SPDX-License-Identifier: GPL-2.0

//! Frames on their way through the kernel (`sk_buff`).

use super::{bindings, Device};
use crate::{
    abi::consts::ETH_HLEN,
    sys::{
        bottom_half::Disabled,
        copy::{copy, Copier},
        span::Span,
    },
};
use core::ptr::NonNull;
use kernel::bindings::{sk_buff, GFP_ATOMIC};

/// As the kernel's `SKB_DATA_ALIGN`: whole cache lines, of the kernel that is built for.
pub(super) const fn aligned(bytes: u32) -> u32 {
    bytes.next_multiple_of(bindings::ferromap_sizes_FERROMAP_CACHE_LINE)
}

/// Up to this length memory comes from stores of this CPU: those for page fragments have more only
/// by chance.
const QUICK: u32 = kernel::page::PAGE_SIZE as u32;

/// Bytes of memory of a frame that has room for so many.
fn size_of_room(room: u32) -> u32 {
    aligned(room) + aligned(size_of::<bindings::skb_shared_info>() as u32)
}

/// Whether memory for a frame with so much room comes quickly.
pub(super) fn is_quick(room: u32) -> bool {
    size_of_room(room) <= QUICK
}

/// Bytes of the longest frame: what an IP packet can have, and an Ethernet header with two tags.
pub(crate) const LONGEST: u32 = u16::MAX as u32 + ETH_HLEN as u32 + 8;

/// Which way a frame was going when it was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From the wire to the stack.
    Wire,
    /// From the stack to the wire.
    Host,
}

/// A frame whose `sk_buff` is ours. It starts with its Ethernet header.
///
/// # Invariants
///
/// It is a whole `sk_buff`, and the only reference to it is ours, so that nobody else reads or
/// writes its fields. What it points to may be shared: a clone, which a packet tap has, say, has
/// the same bytes. Those are only read here, and whoever is to change them copies them before
/// (`skb_ensure_writable` and its kin).
pub(crate) struct Packet(NonNull<sk_buff>);

/// `skb->priority` of a frame that we gave to the stack, until it has passed our own hook. No
/// driver sets one, and the stack finds 0. The letters are FERO.
pub(super) const FROM_US: u32 = 0x4645_524f;

/// Kinds of VLAN tags (`linux/if_ether.h`).
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;

/// Bytes of a virtio-net header without the count of merged buffers.
pub(crate) const VIRTIO_NET_HDR: usize = size_of::<bindings::virtio_net_hdr>();

/// `skb->ip_summed` of a frame whose checksum is still to be filled in (`linux/skbuff.h`).
const CHECKSUM_PARTIAL: u8 = 3;

impl Packet {
    /// Takes over a frame.
    ///
    /// # Safety
    ///
    /// The caller must have the only reference to `skb` and give it up, and the frame must start
    /// with its Ethernet header.
    pub(super) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: as the caller promises.
        Packet(skb)
    }

    /// Gives the frame away.
    pub(super) fn into_raw(self) -> *mut sk_buff {
        let skb = self.0.as_ptr();
        core::mem::forget(self);
        skb
    }

    pub(super) fn as_ptr(&self) -> *mut sk_buff {
        self.0.as_ptr()
    }

    /// A frame for `device` with these bytes, to leave on queue `queue`. `None` if there is no
    /// memory, or if that is no Ethernet frame.
    ///
    /// Unless it is long, both its parts come from stores of this CPU, which is what drivers do for
    /// frames that they receive: two trips to the allocator would cost as much as all the rest of
    /// sending.
    pub(crate) fn copy_of(
        device: &Device,
        queue: u16,
        bytes: Span<'_>,
        pinned: &Disabled,
    ) -> Option<Self> {
        let len = bytes.len();
        if !is_quick(device.headroom().checked_add(len)?) {
            return Self::long_copy_of(device, queue, bytes, pinned);
        }
        let (packet, to) = Self::for_device(device, len, pinned)?;
        // SAFETY: there is room for `len` bytes, and a span has as many as it says. The frame was
        // made just now and is nobody else's; then its bytes are there.
        unsafe {
            copy(bytes.start(), to, len as usize, &mut Copier::narrow());
            packet.to_leave_on(queue);
        }
        Some(packet)
    }

    /// A frame for `device` with `len` bytes that `fill` brings, to leave on queue `queue`. `None`
    /// if there is no memory, if that is no Ethernet frame, or if `fill` says that it could not.
    pub(crate) fn filled(
        device: &Device,
        queue: u16,
        len: u32,
        pinned: &Disabled,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Self> {
        let (packet, to) = Self::for_device(device, len, pinned)?;
        // SAFETY: the frame was made just now and is nobody else's, nor are its bytes, of which
        // there are so many. They are numbers, whatever was there before.
        let bytes = unsafe { core::slice::from_raw_parts_mut(to, len as usize) };
        if !fill(bytes) {
            return None;
        }
        // SAFETY: it was begun above, and its bytes are there.
        unsafe { packet.to_leave_on(queue) };
        Some(packet)
    }

    /// A frame for `device`, and where its `len` bytes are to be written, whatever is there now.
    /// `None` if there is no memory, or if that is no Ethernet frame.
    fn for_device(device: &Device, len: u32, pinned: &Disabled) -> Option<(Self, *mut u8)> {
        if (len as usize) < ETH_HLEN {
            return None;
        }
        let headroom = device.headroom();
        let packet = Self::empty(headroom.checked_add(len)?, pinned)?;
        // SAFETY: it was made just now, with so much room; the header is within `len`, by the check
        // above.
        Some(unsafe { packet.begun_for(device, headroom, len) })
    }

    /// Makes an empty frame one for `device`, and gives it its first `len` bytes, behind so many
    /// that are left to drivers. Returns where they are to be written, whatever is there now.
    ///
    /// # Safety
    ///
    /// It must be nobody else's, and have room for all that; `len` must be no less than an Ethernet
    /// header.
    #[inline(always)]
    pub(super) unsafe fn begun_for(
        self,
        device: &Device,
        headroom: u32,
        len: u32,
    ) -> (Self, *mut u8) {
        let skb = self.as_ptr();
        // SAFETY: the caller vouches for the frame, its room and the header.
        unsafe {
            (*skb)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = device.as_ptr().cast();
            bindings::skb_reserve(skb, headroom as i32);
            let to: *mut u8 = bindings::skb_put(skb, len).cast();
            bindings::skb_reset_mac_header(skb);
            bindings::skb_set_network_header(skb, ETH_HLEN as i32);
            (self, to)
        }
    }

    /// It is to leave on queue `queue`.
    ///
    /// # Safety
    ///
    /// It must have been made just now, by [`begun_for`](Self::begun_for), and have its bytes.
    #[inline(always)]
    pub(super) unsafe fn to_leave_on(&self, queue: u16) {
        let skb = self.as_ptr();
        // SAFETY: by the invariant nobody else has the `sk_buff`. The caller vouches for the
        // header, which is in one piece then.
        unsafe {
            let headers = (*skb).__bindgen_anon_4.headers.as_mut();
            let kind = (*skb).data.add(ETH_HLEN - 2);
            headers.protocol = kind.cast::<u16>().read_unaligned();
            (*skb).queue_mapping = queue;
        }
    }

    /// Leaves to the receiver what a virtio-net header asks for, whose numbers are little-endian.
    /// False if it makes no sense for this frame.
    pub(crate) fn ask(&mut self, header: &[u8; VIRTIO_NET_HDR]) -> bool {
        // SAFETY: by the invariant the frame is ours alone. The header has as many bytes as the
        // kernel's type, which is made of numbers that may lie anywhere, as it is copied first.
        // What it says is checked against the frame, as it is where other programs say it (tun,
        // packet sockets).
        unsafe {
            let header = header
                .as_ptr()
                .cast::<bindings::virtio_net_hdr>()
                .read_unaligned();
            bindings::virtio_net_hdr_to_skb(self.as_ptr(), &raw const header, true) == 0
        }
    }

    /// The first bytes of the frame; zeros behind its end.
    pub(crate) fn head(&self) -> [u8; 16] {
        let mut head = [0; 16];
        let len = self.len().min(head.len() as u32);
        // SAFETY: by the invariant the frame is there and has so many bytes, for which there is
        // room.
        unsafe {
            bindings::skb_copy_bits(self.as_ptr(), 0, head.as_mut_ptr().cast(), len as i32);
        }
        head
    }

    /// A frame without bytes, and with room for that many.
    fn empty(room: u32, _: &Disabled) -> Option<Self> {
        if !is_quick(room) {
            let how = kernel::bindings::GFP_ATOMIC | kernel::bindings::__GFP_NOWARN;
            // SAFETY: does not sleep, by the first flag. It returns null or a frame of our own.
            let skb = unsafe { bindings::__alloc_skb(room, how, 0, bindings::NUMA_NO_NODE) };
            // INVARIANT: a new frame's only reference is who made it.
            return NonNull::new(skb).map(Packet);
        }
        // SAFETY: bottom halves are off (`Disabled`), as both want it. The memory is the frame's
        // from then on; it is freed here if there is no frame.
        // INVARIANT: a new frame's only reference is who made it.
        unsafe {
            let size = size_of_room(room);
            let data = bindings::__napi_alloc_frag_align(size, u32::MAX);
            if data.is_null() {
                return None;
            }
            let skb = NonNull::new(bindings::napi_build_skb(data, size));
            if skb.is_none() {
                bindings::page_frag_free(data);
            }
            skb.map(Packet)
        }
    }

    /// The frame has been read, and is not needed any more.
    pub(super) fn consumed(self, _: &Disabled) {
        // SAFETY: our reference is given up. Bottom halves are off (`Disabled`), which is what a
        // budget other than 0 says.
        unsafe { bindings::napi_consume_skb(self.into_raw(), 1) };
    }

    /// Gives the frame to the stack, as if it had arrived on `device`. It is through the stack, or
    /// queued there, when this returns.
    pub(crate) fn up(self, device: &Device, _: &Disabled) {
        let skb = self.into_raw();
        // SAFETY: by the invariant nobody else uses the frame, which starts with its Ethernet
        // header; our reference is given up. The interface is alive while there is a `Device`.
        unsafe {
            let headers = (*skb).__bindgen_anon_4.headers.as_mut();
            headers.priority = FROM_US;
            headers.protocol = bindings::eth_type_trans(skb, device.as_ptr().cast());
            bindings::netif_receive_skb(skb);
        }
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields.
        unsafe { (*self.as_ptr()).len }
    }

    /// Copies bytes from `at` on of the frame, as many as `to` has. False, and those undefined, if
    /// the frame has not as many.
    pub(crate) fn copy_to(&self, at: u32, to: Span<'_>) -> bool {
        let len = to.len();
        if at.saturating_add(len) > self.len() {
            return false;
        }
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields.
        let (data, head) = unsafe {
            let skb = self.as_ptr();
            ((*skb).data, (*skb).len - (*skb).data_len)
        };
        // Most frames are in one piece.
        if at + len <= head {
            // SAFETY: so many bytes are at `data`, in front of those in other pages, by the check,
            // and in the span, by its invariant. Whoever shares the frame's bytes may be writing
            // to them, and programs to the span: `copy` copes with both.
            unsafe {
                copy(
                    data.add(at as usize).cast(),
                    to.start(),
                    len as usize,
                    &mut Copier::narrow(),
                )
            };
            return true;
        }
        // SAFETY: the frame has so many bytes, by the check above, and the span, by its invariant.
        // Programs may write to the span meanwhile, which is their loss.
        unsafe {
            bindings::skb_copy_bits(self.as_ptr(), at as i32, to.start().cast(), len as i32) == 0
        }
    }

    /// Does what was left for the hardware to do, and calls `each` with what it is then: whole
    /// Ethernet frames with their VLAN tags and checksums. False if that was not to be done, and
    /// the frame is lost, or a part of it.
    pub(crate) fn complete(self, from: Side, mut each: impl FnMut(Packet)) -> bool {
        let Some(packet) = self.with_vlan_tag() else {
            return false;
        };
        let skb = packet.as_ptr();
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields.
        if !unsafe { bindings::skb_is_gso(skb) } {
            return packet.with_checksum().map(each).is_some();
        }
        // SAFETY: by the invariant the frame is ours alone and starts with its Ethernet header. It
        // returns a list of new frames, null if nothing needed to be done, or an error.
        let list = unsafe { bindings::__skb_gso_segment(skb, 0, from == Side::Host) };
        if kernel::error::from_err_ptr(list).is_err() {
            return false;
        }
        let Some(first) = NonNull::new(list) else {
            return packet.with_checksum().map(each).is_some();
        };
        drop(packet);
        let (mut next, mut whole) = (Some(first), true);
        while let Some(skb) = next {
            // SAFETY: a frame of the list, which nobody else has; it is taken off.
            // INVARIANT: segments are new frames, each with its header in front and the list's
            // reference only, which is the packet's from here on.
            let packet = unsafe {
                let link = &raw mut (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next;
                next = NonNull::new(link.read());
                link.write(core::ptr::null_mut());
                Packet(skb)
            };
            // Whatever we ask for, the segments of a tunnel lack their outer checksum where the
            // interface says that it could fill it in (net/ipv4/udp_offload.c,
            // `__skb_udp_tunnel_segment`; gre_offload.c likewise).
            match packet.with_checksum() {
                Some(packet) => each(packet),
                None => whole = false,
            }
        }
        whole
    }

    /// Takes the outer VLAN tag out of the frame for the driver to put in, where it can, as the
    /// stack does. An interface may measure what it lets pass without that tag (veth:
    /// `is_skb_forwardable`).
    pub(super) fn lift_vlan_tag(&mut self) {
        let skb = self.as_ptr();
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields.
        let protocol = unsafe { (*skb).__bindgen_anon_4.headers.as_ref().protocol };
        if protocol != ETH_P_8021Q.to_be() && protocol != ETH_P_8021AD.to_be() {
            return;
        }
        let mut tag = 0;
        // SAFETY: by the invariant the frame is ours alone and starts with its Ethernet header; it
        // names the interface that it is made for, which is alive (`begun_for`). Who takes the tag
        // off first sees to it that it is there, whole, and in memory that nobody shares
        // (`__skb_vlan_pop`: `skb_ensure_writable`).
        unsafe {
            if bindings::vlan_hw_offload_capable(bindings::netif_skb_features(skb), protocol)
                && bindings::__skb_vlan_pop(skb, &raw mut tag) == 0
            {
                bindings::__vlan_hwaccel_put_tag(skb, protocol, tag);
            }
        }
    }

    /// Another frame with the same bytes, which both only read.
    pub(crate) fn share(&self) -> Option<Self> {
        // SAFETY: by the invariant the `sk_buff` is there and ours; does not sleep, by the flag.
        // INVARIANT: a clone is a `sk_buff` of its own, whose only reference is who made it. It
        // shares the bytes, and has no destructor.
        NonNull::new(unsafe { bindings::skb_clone(self.as_ptr(), GFP_ATOMIC) }).map(Packet)
    }

    /// Shows the frame to packet taps, as one that was sent through `device`.
    pub(super) fn show_sent(self, device: &Device, _: &Disabled) {
        // SAFETY: by the invariant the frame is ours alone, and its header is at its start, as taps
        // want it; they get clones, and nothing is kept of it. The interface is alive while there
        // is a `Device`.
        unsafe { bindings::dev_queue_xmit_nit(self.as_ptr(), device.as_ptr()) };
    }

    /// With the VLAN tag that the stack or the hardware took off.
    fn with_vlan_tag(self) -> Option<Self> {
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields. A
        // zero here means that there is no tag; any bytes are a number.
        let tag = unsafe {
            let headers = (*self.as_ptr()).__bindgen_anon_4.headers.as_ref();
            headers.__bindgen_anon_2.vlan_all
        };
        if tag == 0 {
            return Some(self);
        }
        // SAFETY: our reference is given up; it comes back, or null, and then the frame is gone.
        // INVARIANT: it comes back as it was, with the tag behind its addresses.
        let skb = unsafe { bindings::__vlan_hwaccel_push_inside(self.into_raw()) };
        NonNull::new(skb).map(Packet)
    }

    /// With its checksum filled in.
    fn with_checksum(self) -> Option<Self> {
        // SAFETY: by the invariant the `sk_buff` is there, and nobody else writes its fields.
        let missing = unsafe {
            let headers = (*self.as_ptr()).__bindgen_anon_4.headers.as_ref();
            headers.ip_summed() == CHECKSUM_PARTIAL
        };
        // SAFETY: by the invariant the `sk_buff` is ours alone; bytes that it shares with others
        // are copied before they are changed (net/core/dev.c, `skb_checksum_help`).
        if missing && unsafe { bindings::skb_csum_hwoffload_help(self.as_ptr(), 0) } != 0 {
            return None;
        }
        Some(self)
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: by the invariant the reference is ours. It is given up once: what gives it to
        // others forgets the packet (`into_raw`).
        unsafe { bindings::consume_skb(self.as_ptr()) };
    }
}
