// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the pools of a memory region lie (section 3.1 of the interface).
//!
//! A region is one straight line: the pool of `netmap_if` structures, the pool of rings, the pool
//! of buffers. Object `i` of a pool is at `pool offset + i * object size`, with no gaps inside a
//! pool. Every pool starts on a page, whose size is the kernel's.

use super::wire::NmreqPoolsInfo;

/// Object sizes are rounded up to this many bytes, one cache line.
pub const OBJECT_ALIGN: u32 = 64;
/// Objects are counted in whole clusters of at most this many bytes.
pub const CLUSTER_MAX: u32 = 4 << 20;

/// How many objects of which size somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRequest {
    pub size: u32,
    pub count: u32,
}

/// Least and most that a [`PoolRequest`] may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    pub size: (u32, u32),
    pub count: (u32, u32),
}

/// Limits of the three pools, as section 3.7 lists them.
pub const IF_LIMITS: PoolLimits = PoolLimits {
    size: (56, 4096),
    count: (10, 10_000),
};
/// See [`IF_LIMITS`]. Private regions may hold fewer interfaces.
pub const PRIV_IF_LIMITS: PoolLimits = PoolLimits {
    size: (56, 4096),
    count: (1, 100),
};
/// See [`IF_LIMITS`].
pub const RING_LIMITS: PoolLimits = PoolLimits {
    size: (256, 131_072),
    count: (2, 1024),
};
/// See [`IF_LIMITS`].
pub const BUF_LIMITS: PoolLimits = PoolLimits {
    size: (64, 65_536),
    count: (4, 1_000_000),
};

impl PoolLimits {
    /// Whether the request keeps within these limits.
    pub const fn allow(&self, want: PoolRequest) -> bool {
        want.size >= self.size.0
            && want.size <= self.size.1
            && want.count >= self.count.0
            && want.count <= self.count.1
    }
}

/// A pool of a region: `count` objects of `size` bytes from `offset` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Bytes from the start of the region; a multiple of the page size.
    pub offset: u64,
    /// Bytes of an object; a multiple of [`OBJECT_ALIGN`].
    pub size: u32,
    /// Number of objects; whole clusters.
    pub count: u32,
}

impl Pool {
    /// Bytes of the pool; a multiple of the page size.
    pub const fn bytes(&self) -> u64 {
        self.size as u64 * self.count as u64
    }

    /// Offset of object `index` in the region, if there is such an object.
    #[inline]
    pub const fn object(&self, index: u32) -> Option<u64> {
        if index < self.count {
            self.offset.checked_add(index as u64 * self.size as u64)
        } else {
            None
        }
    }

    /// `want` rounded up to cache lines and whole clusters, at `offset`. A cluster is the smallest
    /// number of objects that fills whole pages; `None` if that would pass [`CLUSTER_MAX`] or the
    /// arithmetic overflows.
    const fn round_up(page: u32, want: PoolRequest, offset: u64) -> Option<Self> {
        let Some(size) = want.size.checked_next_multiple_of(OBJECT_ALIGN) else {
            return None;
        };
        if size == 0 {
            return None;
        }
        let cluster = page / gcd(page, size);
        match cluster.checked_mul(size) {
            Some(bytes) if bytes <= CLUSTER_MAX => {}
            _ => return None,
        }
        match want.count.checked_next_multiple_of(cluster) {
            Some(count) => Some(Pool {
                offset,
                size,
                count,
            }),
            None => None,
        }
    }
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// The three pools of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub ifs: Pool,
    pub rings: Pool,
    pub bufs: Pool,
}

impl Layout {
    /// Lays out a region that has room for the three requests, on pages of `page` bytes. `None` if
    /// a size cannot be had.
    pub const fn new(
        page: u32,
        ifs: PoolRequest,
        rings: PoolRequest,
        bufs: PoolRequest,
    ) -> Option<Self> {
        let Some(ifs) = Pool::round_up(page, ifs, 0) else {
            return None;
        };
        let Some(rings) = Pool::round_up(page, rings, ifs.bytes()) else {
            return None;
        };
        let Some(bufs) = Pool::round_up(page, bufs, rings.offset + rings.bytes()) else {
            return None;
        };
        Some(Layout { ifs, rings, bufs })
    }

    /// The same with as many buffers as find room in `bytes` bytes. `None` if there are not as many
    /// as were asked for.
    pub const fn filling(mut self, page: u32, bytes: u64) -> Option<Self> {
        let Some(room) = bytes.checked_sub(self.bufs.offset) else {
            return None;
        };
        let cluster = page / gcd(page, self.bufs.size);
        let clusters = room / (cluster as u64 * self.bufs.size as u64);
        let most = u32::MAX / cluster;
        let clusters = if clusters < most as u64 {
            clusters as u32
        } else {
            most
        };
        if clusters * cluster < self.bufs.count {
            return None;
        }
        self.bufs.count = clusters * cluster;
        Some(self)
    }

    /// Bytes of the region, what programs map; a multiple of the page size.
    pub const fn bytes(&self) -> u64 {
        self.bufs.offset + self.bufs.bytes()
    }

    /// Tells where the pools are, and what they have, as `POOLS_INFO_GET` and
    /// `NETMAP_REQ_OPT_EXTMEM` return it. The rest of `info` stays as it is.
    pub fn tell(&self, info: &mut NmreqPoolsInfo) {
        info.nr_if_pool_offset = self.ifs.offset;
        info.nr_if_pool_objtotal = self.ifs.count;
        info.nr_if_pool_objsize = self.ifs.size;
        info.nr_ring_pool_offset = self.rings.offset;
        info.nr_ring_pool_objtotal = self.rings.count;
        info.nr_ring_pool_objsize = self.rings.size;
        info.nr_buf_pool_offset = self.bufs.offset;
        info.nr_buf_pool_objtotal = self.bufs.count;
        info.nr_buf_pool_objsize = self.bufs.size;
    }

    /// `netmap_ring.buf_ofs` of the ring at `ring_offset`: the way to buffer 0.
    pub const fn buf_ofs(&self, ring_offset: u64) -> i64 {
        self.bufs.offset.wrapping_sub(ring_offset) as i64
    }
}

/// What a port needs of a private region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortNeeds {
    /// NIC rings; the placeholder host ring of each direction is counted here, not by the caller.
    pub tx_rings: u32,
    pub rx_rings: u32,
    pub tx_slots: u32,
    pub rx_slots: u32,
    /// Pipes that may be built on the port.
    pub pipes: u32,
    pub extra_bufs: u32,
}

impl PortNeeds {
    /// The least that the three pools must have, as section 3.7 sizes private regions, but with as
    /// many netmap_ifs as there can be threads with a ring in one direction each. The `priv_*`
    /// parameters may ask for more. Pages have `page` bytes. `None` where a sum does not fit 32
    /// bits.
    pub fn pools(&self, page: u32) -> Option<[PoolRequest; 3]> {
        let (tx, rx) = (self.tx_rings.checked_add(1)?, self.rx_rings.checked_add(1)?);
        let slots = self.tx_slots.max(self.rx_slots);
        let piped = self.pipes.checked_mul(4)?;
        let rx_bufs = piped.checked_add(rx)?.checked_mul(self.rx_slots)?;
        let tx_bufs = piped.checked_add(tx)?.checked_mul(self.tx_slots)?;
        // In whole pages: above 64 KiB (4080 slots) not every size has a cluster, and below it this
        // wastes less than the cluster would.
        let ring = u32::try_from(super::wire::RingHeader::bytes(slots)).ok()?;
        let rings = usize::try_from(tx.checked_add(rx)?).ok()?;
        Some([
            PoolRequest {
                size: u32::try_from(super::wire::IfHeader::bytes(rings)).ok()?,
                // One for each ring, placeholders included: their two are for those who
                // bind several rings. But no more than there may be.
                count: piped
                    .checked_add(tx)?
                    .checked_add(rx)?
                    .min(PRIV_IF_LIMITS.count.1),
            },
            PoolRequest {
                size: ring.checked_next_multiple_of(page)?,
                count: tx.checked_add(rx)?.checked_add(piped.checked_mul(2)?)?,
            },
            PoolRequest {
                size: 0,
                count: rx_bufs
                    .checked_add(tx_bufs)?
                    .checked_add(super::consts::NETMAP_RESERVED_BUFS)?
                    .checked_add(self.extra_bufs)?,
            },
        ])
    }
}
