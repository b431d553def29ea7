// SPDX-License-Identifier: GPL-2.0

//! The module's parameters, with netmap's names and defaults (section 3.7 of the interface).
//!
//! Writing one never fails; its range is checked when a region is next set up.

crate::sys::param::params! {
    if_size = 1024, WRITABLE, "Bytes of a netmap_if in the global region";
    if_num = 100, WRITABLE, "Number of netmap_ifs in the global region";
    ring_size = 36864, WRITABLE, "Bytes of a ring in the global region";
    ring_num = 200, WRITABLE, "Number of rings in the global region";
    buf_size = 2048, WRITABLE, "Bytes of a packet buffer in the global region";
    buf_num = 163840, WRITABLE, "Number of packet buffers in the global region";

    if_curr_size = 0, READABLE, "Bytes of a netmap_if in the global region, as it is";
    if_curr_num = 0, READABLE, "Number of netmap_ifs in the global region, as it is";
    ring_curr_size = 0, READABLE, "Bytes of a ring in the global region, as it is";
    ring_curr_num = 0, READABLE, "Number of rings in the global region, as it is";
    buf_curr_size = 0, READABLE, "Bytes of a packet buffer in the global region, as it is";
    buf_curr_num = 0, READABLE, "Number of packet buffers in the global region, as it is";

    priv_if_size = 1024, WRITABLE, "Least bytes of a netmap_if in a private region";
    priv_if_num = 2, WRITABLE, "Least number of netmap_ifs in a private region";
    priv_ring_size = 20480, WRITABLE, "Least bytes of a ring in a private region";
    priv_ring_num = 4, WRITABLE, "Least number of rings in a private region";
    priv_buf_size = 2048, WRITABLE, "Least bytes of a packet buffer in a private region";
    priv_buf_num = 4098, WRITABLE, "Least number of packet buffers in a private region";

    admin_only = 1, WRITABLE, "1: interfaces, attaching and polling need CAP_NET_ADMIN; 0: whoever \
        may open /dev/netmap for writing may have them, as in netmap";
    admode = 0, WRITABLE, "Interfaces: 0 and 2 emulated mode, 1 native mode only, which none has \
        yet";
    generic_ringsize = 1024, WRITABLE, "Interfaces: slots of a ring";
    generic_mit = 100000, WRITABLE, "Ignored; readers of an interface are woken once for all \
        frames that came together";
    generic_rings = 1, WRITABLE, "Ignored; interfaces have as many rings as queues";
    generic_hwcsum = 0, WRITABLE, "Ignored; checksums are filled in both ways";
    generic_txqdisc = 1, WRITABLE, "Ignored; queueing disciplines are left alone";
    txsync_retry = 2, WRITABLE, "Ignored; what an attached interface has no room for waits in its \
        port's rings";
    fwd = 0, WRITABLE, "Interfaces: 1: every ring forwards what it receives, as with NR_FORWARD \
        and NS_FORWARD";
    no_timestamp = 0, WRITABLE, "1: receive syncs leave the timestamp alone unless the ring asks \
        for it";
    bridge_batch = 1024, WRITABLE, "VALE: slots forwarded at a time, at most 1024; 0: frames are \
        dropped";
    max_bridges = 8, READABLE, "VALE: switches in a network namespace";
    verbose = 0, WRITABLE, "1: tell the kernel log what is bound and let go of";
    no_pendintr = 1, WRITABLE, "Ignored; every receive sync looks for new frames";
    ptnet_vnet_hdr = 1, WRITABLE, "Ignored; there is no driver for guests";
    default_pipes = 0, WRITABLE, "Ignored; for scripts that set it";
}
