// SPDX-License-Identifier: GPL-2.0

//! Network interfaces of our own: what the stack sends through one comes to us, and what we give it
//! arrives there as if from a wire.
//!
//! They are made like other virtual interfaces: no queueing discipline and no lock in front of us,
//! all that is left for hardware to do is left to us, counters for each CPU. Their code is the
//! module's: who is behind one holds a reference to it, and is held by the interface until
//! that is freed.

use super::{bindings, Device, NetNs, Packet, Rtnl};
use crate::{
    abi::consts::{ETH_HLEN, IFNAMSIZ},
    sys::bottom_half::{self, Disabled},
};
use core::{marker::PhantomData, mem::MaybeUninit, ops::Deref, ptr::NonNull};
use kernel::{
    bindings::{sk_buff, GFP_ATOMIC},
    error::to_result,
    prelude::*,
    sync::Arc,
};

/// Who is behind an interface of ours.
pub(crate) trait Behind: Send + Sync + 'static {
    /// A frame that the stack sends by that queue; it has an Ethernet header, in one piece. False
    /// if it went nowhere.
    fn sent(&self, frame: Packet, queue: u16, pinned: &Disabled) -> bool;

    /// The interface goes away, whoever has asked for that, or could not be made: references to it
    /// must be dropped now. Nobody sends through it any more.
    fn gone(&self, rtnl: &Rtnl);
}

/// A reference to an interface of ours; what is said of [`Device`] holds.
pub(crate) struct OwnDevice(Device);

impl Deref for OwnDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

/// `name_assign_type` of a name that somebody chose (`uapi/linux/netdevice.h`).
const NET_NAME_USER: u8 = 3;

/// `reg_state` of an interface that is there (`linux/netdevice.h`).
const NETREG_REGISTERED: u32 = 1;

/// Bytes of the longest payload that may be configured.
const ETH_MAX_MTU: u32 = 0xffff;

/// Whether an interface may have that name. A pattern of a name (`eth%d`) is none.
pub(crate) fn is_legal(name: &[u8]) -> bool {
    let padded = padded(name).filter(|_| !name.contains(&b'%') && !name.contains(&0));
    // SAFETY: a NUL-terminated string, which is only read.
    padded.is_some_and(|name| unsafe { bindings::dev_valid_name(name.as_ptr().cast()) })
}

/// A name with a NUL behind it.
fn padded(name: &[u8]) -> Option<[u8; IFNAMSIZ]> {
    let mut padded = [0; IFNAMSIZ];
    if name.len() >= padded.len() {
        return None;
    }
    padded[..name.len()].copy_from_slice(name);
    Some(padded)
}

impl OwnDevice {
    /// Makes an interface with so many queues in each direction, transmit and receive; neither may
    /// be 0. It has no link at first. `EINVAL` if the name is not legal, `EEXIST` if it is taken.
    pub(crate) fn new<B: Behind>(
        net: &NetNs,
        name: &[u8],
        (tx, rx): (u16, u16),
        behind: &Arc<B>,
        _: &Rtnl,
    ) -> Result<Self> {
        if !is_legal(name) || tx == 0 || rx == 0 {
            return Err(EINVAL);
        }
        let name = padded(name).ok_or(EINVAL)?;
        // SAFETY: the name is NUL-terminated and shorter than its field; `setup` is for such
        // interfaces. May sleep here, as everywhere below: `rtnl` is a mutex.
        let dev = unsafe {
            bindings::alloc_netdev_mqs(
                size_of::<*const B>() as i32,
                name.as_ptr().cast(),
                NET_NAME_USER,
                Some(setup::<B>),
                tx.into(),
                rx.into(),
            )
        };
        let dev: NonNull<bindings::net_device> = NonNull::new(dev.cast()).ok_or(ENOMEM)?;
        let raw = dev.as_ptr();
        // SAFETY: it was made just now and is nobody else's before it is registered, for which
        // `rtnl` is held. Its private part has room for the pointer, which is there before anybody
        // can send. The namespace is alive: the request that makes the interface is made there, by
        // a process that is in it.
        let result = unsafe {
            private::<B>(raw).write(Arc::into_raw(behind.clone()));
            bindings::dev_net_set(raw, net.as_ptr());
            bindings::eth_hw_addr_random(raw);
            bindings::netif_carrier_off(raw);
            to_result(bindings::register_netdevice(raw.cast()))
        };
        if result.is_err() {
            // SAFETY: either it never was there, or it is on its way out again, and nobody is in
            // its code any more (`unregister_netdevice_many_notify` has waited): the reference is
            // ours to take back. In the second case it is freed when `rtnl` is let go of, for which
            // it does not call us, as it has no destructor yet.
            unsafe {
                drop(Arc::from_raw(private::<B>(raw).read()));
                bindings::free_netdev(raw.cast());
            }
        }
        result?;
        // SAFETY: the interface is there, and cannot go before `rtnl` is let go of. Had it these
        // from the start, the kernel would call the destructor for some failures above and not for
        // others (net/core/dev.c, `register_netdevice`). The reference is taken for the value.
        unsafe {
            (*raw).needs_free_netdev = true;
            (*raw).priv_destructor = Some(freed::<B>);
            bindings::dev_hold(raw.cast());
            Ok(OwnDevice(Device::from_raw(dev)))
        }
    }

    /// Another reference.
    pub(crate) fn again(&self) -> Self {
        OwnDevice(self.0.again())
    }

    /// Has the interface go away, if it is not about to. Who is behind it is told meanwhile. The
    /// kernel waits for all references when `rtnl` is let go of.
    pub(crate) fn remove(self, _: &Rtnl) {
        // SAFETY: our reference keeps the interface, and `rtnl` is held, under which it comes and
        // goes. Once it is not registered any more somebody else is removing it.
        unsafe {
            let state = (&raw const (*self.as_ptr()).reg_state).read_volatile();
            if u32::from(state) == NETREG_REGISTERED {
                bindings::unregister_netdevice_queue(self.as_ptr(), core::ptr::null_mut());
            }
        }
    }

    /// Says whether there is something at the other end.
    pub(crate) fn set_link(&self, link: bool, _: &Rtnl) {
        // SAFETY: our reference keeps the interface.
        unsafe {
            if link {
                bindings::netif_carrier_on(self.as_ptr());
            } else {
                bindings::netif_carrier_off(self.as_ptr());
            }
        }
    }

    /// Gives the stack a frame that arrives at the interface. It is whole, or whatever else the
    /// stack takes for whole: one that is still to be segmented, with a checksum that is
    /// still to be filled in, is as it left another stack. False if the stack does not take it: the
    /// interface is down, the frame too long for it, or too much is waiting already.
    pub(crate) fn receive(&self, frame: Packet, _: &Disabled) -> bool {
        let (dev, len, skb) = (self.as_ptr(), frame.len(), frame.into_raw());
        // SAFETY: the frame is ours alone and is given away; it starts with its Ethernet header in
        // one piece, and names the interface that it comes from, which its sender keeps. Bottom
        // halves are off (`Disabled`), which is what the last two ask for. What is refused is freed
        // and counted by who refuses (`____dev_forward_skb`, `enqueue_to_backlog`).
        unsafe {
            let taken = bindings::__dev_forward_skb(dev, skb) == 0
                && bindings::__netif_rx(skb) == NET_RX_SUCCESS;
            if taken {
                bindings::dev_dstats_rx_add(dev, len);
            }
            taken
        }
    }

    /// Counts a frame that was for the stack and for which there is no memory, as what it does not
    /// take is counted.
    pub(crate) fn missed(&self, _: &Disabled) {
        // SAFETY: our reference keeps the interface, and with it its counters for each CPU. Bottom
        // halves are off (`Disabled`), so that it stays on one, and nobody else adds there.
        unsafe { bindings::dev_dstats_rx_dropped(self.as_ptr()) };
    }
}

/// `linux/netdevice.h`.
const NET_RX_SUCCESS: c_int = 0;

/// Where an interface of ours has who is behind it, as from [`Arc::into_raw`].
///
/// # Safety
///
/// It must be an interface that [`OwnDevice::new`] made, of the same `B`.
unsafe fn private<B>(dev: *mut bindings::net_device) -> *mut *const B {
    // SAFETY: the interface is there; this is an address in it, behind which the kernel has left
    // room for a pointer, aligned to cache lines (linux/netdevice.h).
    unsafe { (&raw mut (*dev).priv_).cast() }
}

/// # Safety
///
/// As for [`private`], and the interface must not have been freed while what is returned is used.
unsafe fn behind<'b, B: Behind>(dev: *mut bindings::net_device) -> &'b B {
    // SAFETY: written before the interface was registered, and taken back when it is freed.
    unsafe { &*private::<B>(dev).read() }
}

/// What the kernel calls, by who is behind.
struct Ops<B>(PhantomData<B>);

impl<B: Behind> Ops<B> {
    const DEVICE: &'static bindings::net_device_ops = &{
        // SAFETY: all are functions that may be null, or pointers that may.
        let mut ops: bindings::net_device_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.ndo_start_xmit = Some(xmit::<B>);
        ops.ndo_uninit = Some(uninit::<B>);
        ops.ndo_set_mac_address = Some(bindings::eth_mac_addr);
        ops.ndo_validate_addr = Some(bindings::eth_validate_addr);
        ops
    };

    /// It can be deleted as other virtual interfaces are (`ip link del`), and goes with its
    /// namespace, since it has these; it cannot be made that way, since they are not registered.
    const LINK: &'static bindings::rtnl_link_ops = &{
        // SAFETY: all zeros are a value of each of its fields: numbers, pointers that may be null,
        // and a list and a lock that are used where they are registered only.
        let mut ops: bindings::rtnl_link_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.kind = c"netmap".to_bytes_with_nul().as_ptr();
        ops.dellink = Some(bindings::unregister_netdevice_queue);
        ops
    };
}

/// # Safety
///
/// Called by `alloc_netdev_mqs` only, with what it has just made.
unsafe extern "C" fn setup<B: Behind>(dev: *mut bindings::net_device) {
    // SAFETY: the interface is nobody else's yet.
    unsafe {
        bindings::ether_setup(dev.cast());
        let fast = &mut (*dev).__bindgen_anon_1.__bindgen_anon_1;
        let mut flags = fast.priv_flags() as u32;
        // Frames are ours alone; netpoll would come with interrupts off.
        flags &= !bindings::netdev_priv_flags_IFF_TX_SKB_SHARING;
        flags |= bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE
            | bindings::netdev_priv_flags_IFF_NO_QUEUE
            | bindings::netdev_priv_flags_IFF_DISABLE_NETPOLL;
        fast.set_priv_flags(flags as c_ulong);
        fast.set_lltx(1);
        (*dev).netdev_ops = Ops::<B>::DEVICE;
        (*dev).rtnl_link_ops = Ops::<B>::LINK;
        let features = bindings::ferromap_features_FERROMAP_OWN_FEATURES as u64;
        let tags = bindings::ferromap_features_FERROMAP_VLAN_TAGS as u64;
        (*dev).features |= features;
        (*dev).hw_features |= features;
        (*dev).hw_enc_features |= features;
        (*dev).vlan_features |= features & !tags;
        (*dev).max_mtu = ETH_MAX_MTU;
        (*dev).set_pcpu_stat_type(bindings::netdev_stat_type_NETDEV_PCPU_STAT_DSTATS);
    }
}

/// # Safety
///
/// Called by the kernel only, for an interface of ours.
unsafe extern "C" fn xmit<B: Behind>(
    skb: *mut sk_buff,
    dev: *mut bindings::net_device,
) -> bindings::netdev_tx_t {
    // The stack calls us with bottom halves off (docs/locks.md): this costs next to nothing.
    let pinned = bottom_half::disable();
    // SAFETY: the frame is given to us, with the only reference where nobody shares it, or else we
    // get a clone with one of its own. What starts a frame that is sent is its Ethernet header; it
    // is in one piece from then on, or the frame is no use. The interface is there as long as it
    // sends.
    unsafe {
        let skb = NonNull::new(bindings::skb_share_check(skb, GFP_ATOMIC));
        let packet = skb.map(|skb| (Packet::from_raw(skb), skb.as_ptr()));
        let header = ETH_HLEN as u32;
        match packet.filter(|(_, skb)| bindings::pskb_may_pull(*skb, header)) {
            Some((packet, skb)) => {
                let (len, queue) = (packet.len(), (*skb).queue_mapping);
                bindings::skb_tx_timestamp(skb);
                if behind::<B>(dev).sent(packet, queue, &pinned) {
                    bindings::dev_dstats_tx_add(dev, len);
                } else {
                    bindings::dev_dstats_tx_dropped(dev);
                }
            }
            None => bindings::dev_dstats_tx_dropped(dev),
        }
    }
    bindings::netdev_tx_NETDEV_TX_OK
}

/// # Safety
///
/// Called by the kernel only, for an interface of ours, under rtnl.
unsafe extern "C" fn uninit<B: Behind>(dev: *mut bindings::net_device) {
    // SAFETY: the kernel holds rtnl (net/core/dev.c, `unregister_netdevice_many_notify` and
    // `register_netdevice` assert it), and frees the interface later.
    unsafe { behind::<B>(dev).gone(&Rtnl::held()) };
}

/// # Safety
///
/// Called by the kernel only, for an interface of ours, once, before it is freed.
unsafe extern "C" fn freed<B: Behind>(dev: *mut bindings::net_device) {
    // SAFETY: the reference was put there by `new`. Nobody is in our code for this interface any
    // more: all references to it are gone (`netdev_run_todo`), and it was closed long before.
    drop(unsafe { Arc::from_raw(private::<B>(dev).read()) });
}
