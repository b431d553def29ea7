// SPDX-License-Identifier: MIT OR Apache-2.0

//! A kernel side inside the process, for tests where no module is loaded (feature `fake`).
//!
//! ```
//! use ferromap::{fake::Kernel, Port};
//!
//! let kernel = Kernel::new();
//! let mut a = Port::builder("vale0:a").open_fake(&kernel)?;
//! let mut b = Port::builder("vale0:b").open_fake(&kernel)?;
//! a.tx_rings()[0].send(b"a frame of more than 14 bytes")?;
//! a.sync()?;
//! b.sync()?;
//! let ring = &mut b.rx_rings()[0];
//! assert_eq!(ring.recv(64).slot(0).unwrap().bytes(), b"a frame of more than 14 bytes");
//! # Ok::<(), ferromap::Error>(())
//! ```
//!
//! It lays its memory out as the interface demands, checks rings as a kernel does, and carries
//! frames: from each port to all others of the same switch, and between the two ends of a pipe. Any
//! other name is an interface in emulated mode without a wire. It learns no addresses, copies
//! always, and knows offsets, but no host rings, monitors, null ports or memory of a program's. It
//! counts frames, and drops of two causes: `full` and `bad_length`. All its ports are in one
//! region; a second [`Kernel`] has another one. The region is on the heap, where valgrind and
//! AddressSanitizer watch it.

mod file;
mod port;
mod ring;

use crate::raw::region::Region;
use ferromap_abi::{
    consts::NETMAP_RESERVED_BUFS,
    layout::{Layout, PoolRequest},
    wire::{IfHeader, RingHeader},
};
use port::PortState;
use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
    },
};

/// Bytes of a page here.
const PAGE: u32 = 4096;
/// Most slots that a ring may have here.
const MAX_SLOTS: u32 = 1024;
/// Most rings in each direction of a port.
const MAX_RINGS: u16 = 4;
const BUF_SIZE: u32 = 2048;
/// The number that the region has for programs.
const MEM_ID: u16 = 1;

/// A kernel of one's own. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

struct Inner {
    region: Arc<Region>,
    layout: Layout,
    state: Mutex<State>,
    /// Somebody sent or released something.
    news: Condvar,
}

/// What the lock protects.
struct State {
    ports: HashMap<String, PortState>,
    free_ifs: Vec<u32>,
    free_rings: Vec<u32>,
    free_bufs: Vec<u32>,
    /// The same, by index.
    is_free: Vec<bool>,
}

/// Which of a port's rings are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Transmit rings.
    Tx,
    /// Receive rings.
    Rx,
}

impl Kernel {
    /// A kernel without ports.
    #[expect(
        clippy::new_without_default,
        reason = "32 MiB should not come by default"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let request = |size: usize, count| PoolRequest {
            size: size as u32,
            count,
        };
        let layout = Layout::new(
            PAGE,
            request(IfHeader::bytes(4 * usize::from(MAX_RINGS)), 32),
            request(RingHeader::bytes(MAX_SLOTS), 64),
            request(BUF_SIZE as usize, 16_384),
        )
        .expect("the sizes are constants, and small");
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let region = Region::heap(layout.bytes() as usize, id).expect("32 MiB of memory");
        let all = |count| (0..count).rev().collect();
        let bufs = NETMAP_RESERVED_BUFS..layout.bufs.count;
        Kernel(Arc::new(Inner {
            region: Arc::new(region),
            state: Mutex::new(State {
                ports: HashMap::new(),
                free_ifs: all(layout.ifs.count),
                free_rings: all(layout.rings.count),
                is_free: (0..bufs.end).map(|i| bufs.contains(&i)).collect(),
                free_bufs: bufs.rev().collect(),
            }),
            layout,
            news: Condvar::new(),
        }))
    }

    /// Buffers that are in no ring and in no list of extra buffers. When all ports are closed they
    /// are all free again, unless a program lost some.
    pub fn free_buffers(&self) -> usize {
        self.0.lock().free_bufs.len()
    }

    /// Does what a misbehaving process may do: writes `value` into the memory of a port's ring,
    /// `offset` bytes from its start. Nothing happens if there is no such ring.
    pub fn scribble(&self, port: &str, side: Side, ring: usize, offset: usize, value: u32) {
        let state = self.0.lock();
        let rings = state.ports.get(port).map(|p| p.rings(side));
        if let Some(ring) = rings.and_then(|rings| rings.get(ring)) {
            self.0.region.write_u32(ring.offset() + offset, value);
        }
    }

    /// An open file; one that is to be bound in memory of the program's never will be.
    pub(crate) fn file(&self, own_memory: bool) -> file::File {
        file::File::new(self.0.clone(), own_memory)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffer(&self, index: u32) -> Option<usize> {
        self.layout.bufs.object(index).map(|offset| offset as usize)
    }
}
