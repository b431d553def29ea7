// SPDX-License-Identifier: GPL-2.0

//! What one open file holds: a port, a range of its rings, its netmap_if and its extra buffers.

use crate::{
    abi::{
        consts::{NI_PRIV_MEM, NR_DO_RX_POLL, NR_NO_TX_POLL},
        wire::{IfHeader, Plain},
    },
    kloop::{KernelLoop, Rings},
    live::{self, Counted},
    memory::{Mem, Needs, Region, Use},
    params,
    port::Port,
    refusal::{Fallible, Name},
    ring::{Held, RxRing, Selection, Synced, TxRing, WantedOffsets},
    sys::{
        file::Poll,
        task,
        user::{AddressSpace, Caller},
    },
    turn::Taken,
};
use kernel::{
    bindings::{POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM},
    mm::Mm,
    prelude::*,
    sync::Arc,
};

/// What a netmap_if counts for a port without host rings: a placeholder in each direction.
const LEAST_HOST_RINGS: u16 = 1;

/// A use of that region, with what `needs` says to be had of it: what a binding takes, and its
/// netmap_if. It is brought in while others have their turns, so that what is needed may be more
/// afterwards.
pub(crate) fn supply(
    turn: &Taken<'_>,
    region: &Arc<Region>,
    needs: impl Fn() -> Needs,
) -> Fallible<Use> {
    let memory = region.enter()?;
    let mut needed = needs();
    while !memory.has(&needed) {
        turn.aside(|| memory.supply(&needed))?;
        // As many extra buffers as there can be are there, or were: fewer are no error.
        needed = Needs {
            extra_bufs: 0,
            ..needs()
        };
    }
    Ok(memory)
}

/// A file's hold on a port. Dropping it gives everything back, in this order: the objects of the
/// file, its rings, the port.
pub(crate) struct Binding {
    objects: Objects,
    held: Held,
    port: KBox<dyn Port>,
    flags: u64,
    /// Whose memory the addresses in slots mean (`NS_INDIRECT`).
    process: Option<AddressSpace>,
    kloop: Pin<KBox<KernelLoop>>,
    _live: Counted,
}

impl Binding {
    /// Binds the selected rings of `port`, whose region's memory is `memory`, [supplied](supply).
    /// Fewer extra buffers than asked for are no error. Addresses in slots mean memory of
    /// `process`.
    pub(crate) fn new(
        mut port: KBox<dyn Port>,
        selection: Selection,
        offsets: Option<&WantedOffsets>,
        memory: &Use,
        flags: u64,
        extra_bufs: u32,
        process: Option<AddressSpace>,
    ) -> Fallible<Self> {
        let kloop = KernelLoop::new()?;
        port.prepare(&selection)?;
        port.furnish(memory)?;
        let held = port.rings().bind(selection, offsets, memory, &*port)?;
        let mut objects = Objects::new(&held, &*port, memory.clone())?;
        objects.take_extra_bufs(extra_bufs);
        let binding = Binding {
            objects,
            held,
            port,
            flags,
            process,
            kloop,
            _live: Counted::new(live::Kind::Binding),
        };
        binding.tell("bound");
        Ok(binding)
    }

    /// Gives its rings offsets where they were there without any: see [`Held::set_offsets`].
    pub(crate) fn set_offsets(&self, wanted: &WantedOffsets) {
        self.held.set_offsets(wanted, &*self.port);
    }

    /// Tells the kernel log what becomes of the binding, if somebody wants to know.
    fn tell(&self, what: &str) {
        if params::verbose.get() > 0 {
            let rings = self.held.selection();
            pr_info!(
                "{} {}: transmit rings {:?}, receive rings {:?}\n",
                Name(self.port.name()),
                what,
                rings.tx,
                rings.rx
            );
        }
    }

    pub(crate) fn port(&self) -> &dyn Port {
        &*self.port
    }

    pub(crate) fn mem(&self) -> &Mem {
        self.objects.usage.mem()
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// The loop that may sync the rings.
    pub(crate) fn kloop(&self) -> &KernelLoop {
        &self.kloop
    }

    /// Where the netmap_if is, in bytes from the start of the region.
    pub(crate) fn offset(&self) -> u64 {
        self.mem()
            .layout()
            .ifs
            .object(self.objects.index)
            .unwrap_or(0)
    }

    /// Extra buffers that were to be had.
    pub(crate) fn extra_bufs(&self) -> u32 {
        self.objects.extra_bufs
    }

    /// `NIOCTXSYNC`: sends what the program released on its transmit rings.
    pub(crate) fn txsync(&self) -> Result {
        self.may_sync()?;
        if self.port.watched().is_some() {
            return Ok(());
        }
        for ring in self.held.tx() {
            self.sync_tx(ring);
            if !task::go_on() {
                break;
            }
        }
        Ok(())
    }

    /// `NIOCRXSYNC`: takes back what the program released on its receive rings, and shows it what
    /// arrived.
    pub(crate) fn rxsync(&self) -> Result {
        self.may_sync()?;
        for ring in self.held.rx() {
            // After a reset the sync goes on with the kernel's own indexes.
            if self.sync_rx(ring) == Synced::Bad {
                self.sync_rx(ring);
            }
        }
        Ok(())
    }

    /// `EBUSY` in CSB mode (item 98), where only the loop syncs; `EIO` once the interface has gone
    /// away (item 115).
    fn may_sync(&self) -> Result {
        if self.kloop.is_csb() {
            Err(EBUSY)
        } else if !self.port.is_there() {
            Err(EIO)
        } else {
            Ok(())
        }
    }

    /// The memory is about to be mapped for writing in that address space. The memory of a
    /// namespace's interfaces is for all its administrators, who have to trust each other.
    pub(crate) fn add_writer(&self, from: &Mm) {
        if !self.held.set().region().is_namespaces() {
            self.mem().writers().add(from);
        }
    }

    /// Syncs one of the transmit rings.
    fn sync_tx(&self, ring: &TxRing) -> Synced {
        ring.sync(self.caller())
    }

    /// Syncs one of the receive rings.
    fn sync_rx(&self, ring: &RxRing) -> Synced {
        let from_the_first = self.held.selection().tx.start == 0;
        ring.sync(if from_the_first { self.held.tx() } else { &[] })
    }

    /// `poll(2)`, which syncs (section 5 of the interface).
    pub(crate) fn poll<'a>(&'a self, poll: &Poll<'a>) -> u32 {
        for ring in self.held.rx() {
            poll.wait_on(ring.waiters());
        }
        for ring in self.held.tx() {
            poll.wait_on(ring.waiters());
        }
        let watched = self.port.watched();
        if self.may_sync().is_err() || watched.as_ref().is_some_and(|watched| watched.over) {
            return POLLERR;
        }
        let wanted = poll.wanted();
        let want_tx = wanted & (POLLOUT | POLLWRNORM);
        let want_rx = wanted & (POLLIN | POLLRDNORM);
        let mut events = 0;
        if watched.is_some() {
            // Nobody can send by a monitor (item 168).
            events |= if want_tx != 0 { POLLERR } else { 0 };
        } else if want_tx != 0 || self.flags & NR_NO_TX_POLL == 0 {
            events |= twice(want_tx, || self.poll_tx(want_tx));
        }
        if want_rx != 0 || self.flags & NR_DO_RX_POLL != 0 {
            events |= twice(want_rx, || self.poll_rx(want_rx));
        }
        events
    }

    /// Syncs transmit rings until one has room; the others only if they have something to send.
    fn poll_tx(&self, want: u32) -> u32 {
        let mut events = 0;
        for ring in self.held.tx() {
            let satisfied = want == 0 || events & want != 0;
            if satisfied && !ring.has_unsent() {
                continue;
            }
            if !task::go_on() {
                break;
            }
            match self.sync_tx(ring) {
                Synced::Ready => events |= want,
                Synced::Waiting => {}
                Synced::Bad => events |= POLLERR,
            }
        }
        events
    }

    /// Syncs every receive ring.
    fn poll_rx(&self, want: u32) -> u32 {
        self.held
            .rx()
            .iter()
            .fold(0, |events, ring| match self.sync_rx(ring) {
                Synced::Ready => events | want,
                Synced::Waiting => events,
                Synced::Bad => events | POLLERR,
            })
    }
}

impl Rings for Binding {
    fn held(&self) -> &Held {
        &self.held
    }

    /// It is, if it is the one that bound the file. Descriptors are inherited and handed on, and
    /// who polls one has not asked for his own memory to be sent.
    fn caller(&self) -> Option<Caller<'_>> {
        self.process.as_ref()?.enter(self.mem().writers())
    }

    /// Of a monitor, whether there is still something to see.
    fn is_there(&self) -> bool {
        self.port.is_there() && !self.port.watched().is_some_and(|watched| watched.over)
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        self.tell("let go of");
    }
}

/// Polls once more if nobody got what was wanted: news may have come during the first time.
fn twice(want: u32, poll: impl Fn() -> u32) -> u32 {
    let events = poll();
    if want != 0 && events & want == 0 {
        events | poll()
    } else {
        events
    }
}

/// The objects of a region that belong to a file alone: its netmap_if and its extra buffers.
struct Objects {
    usage: Use,
    index: u32,
    /// Entries of `ring_ofs`.
    entries: usize,
    extra_bufs: u32,
}

impl Objects {
    /// Makes the netmap_if for a binding of these rings.
    fn new(held: &Held, port: &dyn Port, usage: Use) -> Fallible<Self> {
        let shape = held.set().shape();
        let host_tx = shape.host_tx_rings.max(LEAST_HOST_RINGS);
        let host_rx = shape.host_rx_rings.max(LEAST_HOST_RINGS);
        let tx = usize::from(shape.tx_rings) + usize::from(host_tx);
        let entries = tx + usize::from(shape.rx_rings) + usize::from(host_rx);
        let (index, view) = usage.take_if(entries)?;
        let memory = if usage.region().is_private() {
            NI_PRIV_MEM
        } else {
            0
        };
        view.init(
            port.name(),
            IfHeader {
                ni_flags: memory | port.flags(),
                ni_tx_rings: shape.tx_rings.into(),
                ni_rx_rings: shape.rx_rings.into(),
                ni_host_tx_rings: host_tx.into(),
                ni_host_rx_rings: host_rx.into(),
                ..IfHeader::zeroed()
            },
        );
        let start = usage.mem().layout().ifs.object(index).unwrap_or(0);
        let ofs = |ring: u64| ring.wrapping_sub(start) as i64;
        let selection = held.selection();
        for (i, ring) in (usize::from(selection.tx.start)..).zip(held.tx()) {
            view.set_ring_ofs(i, ofs(ring.mem.offset()));
        }
        for (i, ring) in (tx + usize::from(selection.rx.start)..).zip(held.rx()) {
            view.set_ring_ofs(i, ofs(ring.mem.offset()));
        }
        Ok(Objects {
            usage,
            index,
            entries,
            extra_bufs: 0,
        })
    }

    /// Takes up to `want` buffers and links them: each starts with the index of the next, 0 ends.
    fn take_extra_bufs(&mut self, want: u32) {
        let mem: Arc<Mem> = self.usage.mem().clone();
        let Some(view) = mem.interface(self.index, self.entries) else {
            return;
        };
        let mut head = 0;
        while self.extra_bufs < want {
            let Some(index) = self.usage.take_buf() else {
                break;
            };
            if let Some(buf) = mem.bufs().own(index) {
                buf.set_link(head);
            }
            head = index;
            self.extra_bufs += 1;
        }
        view.set_bufs_head(head);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let mem = self.usage.mem();
        // The program may have left any list: it ends where an index cannot be given back, and
        // each step gives one back, so it does end.
        if let Some(view) = mem.interface(self.index, self.entries) {
            let mut index = view.bufs_head();
            while let Some(buf) = mem.bufs().own(index) {
                let next = buf.link();
                if !self.usage.give_buf(index) {
                    break;
                }
                index = next;
            }
        }
        self.usage.give_if(self.index);
    }
}
