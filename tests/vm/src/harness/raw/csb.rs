// SPDX-License-Identifier: MIT OR Apache-2.0

//! CSB mode and kernel loops: the two arrays, a port that is used by them, and loops in threads.

use super::bound::Bound;
use super::device::Device;
use super::hostile::{Opt, OptionList};
use super::request::Reg;
use super::ring::Ring;
use crate::harness::check::*;
use crate::harness::traffic::wait_until;
use ferromap_abi::consts::*;
use ferromap_abi::cursor::{add, dist};
use ferromap_abi::options::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::mem::offset_of;
use std::sync::atomic::{fence, Ordering::SeqCst};
use std::thread::JoinHandle;

const PAGE: usize = 4096;
/// Where the second array is: there is room for as many rings as tests have.
const KTOA: usize = 2048;

/// A page with the two arrays.
pub struct Csb(*mut u8);

// SAFETY: the page is reachable from every thread, and all access is by raw pointers.
unsafe impl Send for Csb {}
// SAFETY: as above; nothing here keeps a reference into it.
unsafe impl Sync for Csb {}

impl Csb {
    pub fn new() -> Result<Self, Errno> {
        Csb::with(0, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
    }

    /// At an address that is free, where nothing else is near.
    pub fn at(address: usize) -> Result<Self, Errno> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        Csb::with(address, flags, -1)
    }

    /// A mapping of a file's first page.
    pub fn of_file(fd: i32) -> Result<Self, Errno> {
        Csb::with(0, libc::MAP_SHARED, fd)
    }

    fn with(address: usize, flags: i32, fd: i32) -> Result<Self, Errno> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let address = std::ptr::without_provenance_mut(address);
        // SAFETY: a new mapping touches no memory of ours: it replaces none.
        let base = unsafe { libc::mmap(address, PAGE, rights, flags, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Csb(base.cast()))
    }

    pub fn atok_address(&self) -> u64 {
        self.0 as u64
    }

    pub fn ktoa_address(&self) -> u64 {
        self.0 as u64 + KTOA as u64
    }

    /// The option that names it.
    pub fn option(&self) -> OptionList {
        csb_option(self.atok_address(), self.ktoa_address())
    }

    /// Nobody has the page any more, though the address stays in use.
    pub fn unmap(&self) -> Result<(), Errno> {
        self.protect(libc::PROT_NONE)
    }

    pub fn protect(&self, rights: i32) -> Result<(), Errno> {
        // SAFETY: the page is ours, and no reference into it exists.
        Errno::result(unsafe { libc::mprotect(self.0.cast(), PAGE, rights) }).map(drop)
    }

    /// Another page takes its place, full of zeros.
    pub fn remap(&self) -> Result<(), Errno> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the page is ours, and no reference into it exists.
        let base = unsafe { libc::mmap(self.0.cast(), PAGE, rights, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(())
    }

    fn word(&self, at: usize) -> *mut u32 {
        assert!(at + 4 <= PAGE);
        // SAFETY: inside the page.
        unsafe { self.0.add(at).cast() }
    }

    fn get(&self, at: usize) -> u32 {
        // SAFETY: inside the page and aligned; volatile, as the kernel may write it meanwhile.
        let value = unsafe { self.word(at).read_volatile() };
        fence(SeqCst);
        value
    }

    fn set(&self, at: usize, value: u32) {
        fence(SeqCst);
        // SAFETY: as in `get`.
        unsafe { self.word(at).write_volatile(value) };
        fence(SeqCst);
    }

    /// All of ring `i`'s words of the first array.
    pub fn atok(&self, i: usize) -> [u32; 16] {
        std::array::from_fn(|word| self.get(64 * i + 4 * word))
    }

    /// All of ring `i`'s words of the second array.
    pub fn ktoa(&self, i: usize) -> [u32; 16] {
        std::array::from_fn(|word| self.get(KTOA + 64 * i + 4 * word))
    }

    /// Fills both arrays.
    pub fn fill(&self, value: u32) {
        (0..PAGE).step_by(4).for_each(|at| self.set(at, value));
    }

    pub fn head(&self, i: usize) -> u32 {
        self.get(64 * i + offset_of!(NmCsbAtok, head))
    }

    /// `cur`, and then `head`.
    pub fn set_head(&self, i: usize, to: u32) {
        self.set(64 * i + offset_of!(NmCsbAtok, cur), to);
        self.set(64 * i + offset_of!(NmCsbAtok, head), to);
    }

    pub fn set_appl_need_kick(&self, i: usize, to: u32) {
        self.set(64 * i + offset_of!(NmCsbAtok, appl_need_kick), to);
    }

    pub fn hwcur(&self, i: usize) -> u32 {
        self.get(KTOA + 64 * i + offset_of!(NmCsbKtoa, hwcur))
    }

    pub fn hwtail(&self, i: usize) -> u32 {
        self.get(KTOA + 64 * i + offset_of!(NmCsbKtoa, hwtail))
    }

    pub fn kern_need_kick(&self, i: usize) -> u32 {
        self.get(KTOA + 64 * i + offset_of!(NmCsbKtoa, kern_need_kick))
    }
}

impl Drop for Csb {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which nobody keeps a reference.
        unsafe { libc::munmap(self.0.cast(), PAGE) };
    }
}

/// The option that says where the arrays are.
pub fn csb_option(atok: u64, ktoa: u64) -> OptionList {
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_CSB]);
    options.option(0).body[..2].copy_from_slice(&[atok, ktoa]);
    options
}

/// The option that says by which eventfds the rings' news go: `(ioeventfd, irqfd)` of each.
pub fn eventfds_option(fds: &[(i32, i32)]) -> OptionList {
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS]);
    let Opt { head, body } = options.option(0);
    head.nro_size = (24 + 8 * fds.len()) as u64;
    for (word, &fds) in body.iter_mut().zip(fds) {
        *word = eventfds_word(fds);
    }
    options
}

/// What stands in it of one ring, as it lies in memory.
pub fn eventfds_word((io, irq): (i32, i32)) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&io.to_ne_bytes());
    bytes[4..].copy_from_slice(&irq.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// The same, and in that mode.
pub fn direct_option(fds: &[(i32, i32)], mode: u32) -> OptionList {
    let mut eventfds = eventfds_option(fds);
    let mut options = OptionList::of(&[
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
    ]);
    let (size, body) = {
        let option = eventfds.option(0);
        (option.head.nro_size, option.body)
    };
    options.option(0).head.nro_size = size;
    options.option(0).body = body;
    options.option(1).body[0] = u64::from(mode);
    options
}

/// SYNC_KLOOP_START; returns when the loop has ended.
pub fn kloop_start(device: &Device, sleep_us: u32, options: u64) -> Result<(), Errno> {
    let mut body = NmreqSyncKloopStart { sleep_us, pad1: 0 };
    device.request_with(NETMAP_REQ_SYNC_KLOOP_START, "", &mut body, options)
}

/// A request without a body.
pub fn bare(device: &Device, request: u16, options: u64) -> Result<(), Errno> {
    let mut header = super::device::header(request, b"");
    header.nr_options = options;
    device.ctrl(&mut header)
}

/// SYNC_KLOOP_STOP.
pub fn kloop_stop(device: &Device) -> Result<(), Errno> {
    bare(device, NETMAP_REQ_SYNC_KLOOP_STOP, 0)
}

/// CSB_ENABLE with these options.
pub fn csb_enable(device: &Device, options: &mut OptionList) -> Result<(), Errno> {
    bare(device, NETMAP_REQ_CSB_ENABLE, options.first())
}

/// A port in CSB mode.
pub struct CsbPort {
    pub bound: Bound,
    pub csb: Csb,
    tx: Vec<Ring>,
    rx: Vec<Ring>,
}

impl CsbPort {
    /// Binds the rings exclusively, in CSB mode.
    pub fn bind(request: Reg) -> Result<Self, Errno> {
        let csb = Csb::new()?;
        let mut option = csb.option();
        let request = request.flags(NR_EXCLUSIVE).options(option.first());
        Ok(CsbPort::of(request.bind()?, csb))
    }

    pub fn of(bound: Bound, csb: Csb) -> Self {
        let rings = |rings: Vec<(u32, Ring)>| rings.into_iter().map(|(_, ring)| ring).collect();
        CsbPort {
            tx: rings(bound.tx_rings()),
            rx: rings(bound.rx_rings()),
            bound,
            csb,
        }
    }

    pub fn device(&self) -> &Device {
        &self.bound.device
    }

    /// The entry of receive ring `i`.
    pub fn rx_entry(&self, i: usize) -> usize {
        self.tx.len() + i
    }

    /// Puts as many frames into transmit ring `i` as there is room for, and returns how many.
    pub fn put(&self, i: usize, frames: &[Vec<u8>]) -> usize {
        let ring = &self.tx[i];
        let (tail, mut head) = (self.csb.hwtail(i), self.csb.head(i));
        let mut put = 0;
        for frame in frames {
            if head == tail {
                break;
            }
            ring.fill(head, frame, 0);
            head = add(head, 1, ring.n());
            put += 1;
        }
        self.csb.set_head(i, head);
        put
    }

    /// Takes the frames that are in receive ring `i`, and gives the slots back.
    pub fn take(&self, i: usize) -> Vec<Vec<u8>> {
        self.take_some(i, u32::MAX)
    }

    /// The same, and no more than so many.
    pub fn take_some(&self, i: usize, most: u32) -> Vec<Vec<u8>> {
        let (ring, entry) = (&self.rx[i], self.rx_entry(i));
        let (tail, head) = (self.csb.hwtail(entry), self.csb.head(entry));
        let count = dist(head, tail, ring.n()).min(most);
        let frames = (0..count).map(|by| ring.payload(add(head, by, ring.n())));
        let frames = frames.collect();
        self.csb.set_head(entry, add(head, count, ring.n()));
        frames
    }

    /// Starts the loop in a thread, without options.
    pub fn run(&self, sleep_us: u32) -> Result<Loop, Errno> {
        self.run_with(sleep_us, None)
    }

    /// The same with options.
    pub fn run_with(&self, sleep_us: u32, options: Option<OptionList>) -> Result<Loop, Errno> {
        self.forget_loop();
        Loop::start(self.device(), sleep_us, options)
    }

    /// As if no loop had ever run.
    pub fn forget_loop(&self) {
        self.csb
            .set(KTOA + offset_of!(NmCsbKtoa, kern_need_kick), NOT_YET);
    }

    /// Whether one has run since then.
    pub fn has_seen_loop(&self) -> bool {
        self.csb.kern_need_kick(0) != NOT_YET
    }

    /// Waits until the loop runs.
    #[track_caller]
    pub fn wait_for_loop(&self) -> Outcome {
        wait_until("the loop runs", || self.has_seen_loop())
    }
}

/// No loop has said yet whether it wants to be kicked.
const NOT_YET: u32 = 7;

/// A loop that runs in a thread, or has ended.
pub struct Loop {
    device: Device,
    thread: JoinHandle<Result<(), Errno>>,
}

impl Loop {
    pub fn start(
        device: &Device,
        sleep_us: u32,
        options: Option<OptionList>,
    ) -> Result<Self, Errno> {
        let inside = device.dup()?;
        let thread = std::thread::spawn(move || {
            let mut options = options;
            let first = options.as_mut().map_or(0, OptionList::first);
            kloop_start(&inside, sleep_us, first)
        });
        Ok(Loop {
            device: device.dup()?,
            thread,
        })
    }

    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// What START returned.
    pub fn end(self) -> Result<(), Errno> {
        self.thread.join().unwrap_or(Err(Errno::EDEADLK))
    }

    /// Stops it: both calls succeed, and the loop has ended when STOP returns.
    #[track_caller]
    pub fn stop(self) -> Outcome {
        works("SYNC_KLOOP_STOP", kloop_stop(&self.device))?;
        works("SYNC_KLOOP_START", self.end())
    }
}
