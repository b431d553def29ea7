// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rings that a packet socket shares with the kernel, in the layout of TPACKET_V3.
//!
//! Who owns a frame or a block is told by its status word. It is read before anything else there is
//! touched (acquire) and written after everything else (release).

use super::socket::{bind_packet, set_option};
use anyhow::{bail, Context, Result};
use libc::{tpacket3_hdr, tpacket_block_desc, tpacket_hdr_v1, tpacket_req3, SOL_PACKET};
use memmap2::{MmapOptions, MmapRaw};
use nix::{
    errno::Errno,
    sys::socket::{send, socket, AddressFamily, MsgFlags, SockFlag, SockType},
};
use std::{
    ffi::c_int,
    mem::offset_of,
    os::fd::{AsRawFd, OwnedFd},
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

/// Bytes of a slot of the sender's ring, header and frame.
const SLOT: usize = 2048;
/// Slots of the sender's ring.
const SLOTS: usize = 4096;
/// Where the frame begins in a slot.
const DATA: usize = libc::TPACKET3_HDRLEN - size_of::<libc::sockaddr_ll>();
/// Bytes of a block of the receiver's ring.
const BLOCK: usize = 256 * 1024;
/// Blocks of the receiver's ring.
const BLOCKS: usize = 32;
/// Milliseconds until a block is handed over though it is not full.
const RETIRE: u32 = 10;

/// A packet socket with one ring.
struct Shared {
    socket: OwnedFd,
    memory: MmapRaw,
}

impl Shared {
    fn open(interface: &str, ethertype: u16, ring: c_int, request: tpacket_req3) -> Result<Shared> {
        // Without a protocol it receives nothing before it is bound.
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .context("no packet socket; this needs root")?;
        let fd = socket.as_raw_fd();
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set_option(fd, SOL_PACKET, libc::PACKET_VERSION, version)?;
        if ring == libc::PACKET_TX_RING {
            set_option(fd, SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1 as c_int)?;
        }
        set_option(fd, SOL_PACKET, ring, request)?;
        let memory = MmapOptions::new()
            .len(request.tp_block_size as usize * request.tp_block_nr as usize)
            .populate()
            .map_raw(fd)
            .context("the ring cannot be mapped")?;
        bind_packet(fd, interface, ethertype)?;
        Ok(Shared { socket, memory })
    }

    /// The status word at `offset`.
    fn status(&self, offset: usize) -> &AtomicU32 {
        assert!(offset % 4 == 0 && offset + 4 <= self.memory.len());
        // SAFETY: it lies in the mapping, which starts on a page and lives as long as self; the
        // kernel accesses it as one word too.
        unsafe { AtomicU32::from_ptr(self.memory.as_mut_ptr().add(offset).cast()) }
    }
}

/// Sends from a ring whose slots all hold the same frame.
pub struct TxRing {
    shared: Shared,
    next: usize,
}

impl TxRing {
    pub fn open(interface: &str, frame: &[u8]) -> Result<TxRing> {
        if frame.len() > SLOT - DATA {
            bail!("a slot has no room for a frame of {} bytes", frame.len());
        }
        let request = tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: (SLOTS * SLOT / BLOCK) as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: SLOTS as u32,
            tp_retire_blk_tov: 0,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let shared = Shared::open(interface, 0, libc::PACKET_TX_RING, request)?;
        for slot in 0..SLOTS {
            // SAFETY: the slot lies in the mapping, which is of whole slots; the kernel does not
            // touch it before its status asks to send it. The header is aligned as the slot is.
            unsafe {
                let slot = shared.memory.as_mut_ptr().add(slot * SLOT);
                let header = slot.cast::<tpacket3_hdr>();
                (&raw mut (*header).tp_len).write(frame.len() as u32);
                (&raw mut (*header).tp_snaplen).write(frame.len() as u32);
                slot.add(DATA)
                    .copy_from_nonoverlapping(frame.as_ptr(), frame.len());
            }
        }
        Ok(TxRing { shared, next: 0 })
    }

    /// Hands over up to `most` frames and returns how many there was room for.
    pub fn queue(&mut self, most: usize) -> Result<usize> {
        for queued in 0..most.min(SLOTS) {
            let at = self.next * SLOT + offset_of!(tpacket3_hdr, tp_status);
            let status = self.shared.status(at);
            match status.load(Ordering::Acquire) {
                libc::TP_STATUS_AVAILABLE => {}
                libc::TP_STATUS_WRONG_FORMAT => bail!("the kernel does not send such a frame"),
                _ => return Ok(queued),
            }
            status.store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
            self.next = (self.next + 1) % SLOTS;
        }
        Ok(most.min(SLOTS))
    }

    /// Makes the kernel send what was handed over. What it has no memory for now stays queued.
    pub fn send(&self) -> Result<()> {
        match send(self.shared.socket.as_raw_fd(), &[], MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(why) => Err(why).context("the ring is not sent"),
        }
    }
}

/// Receives into blocks of frames.
pub struct RxRing {
    shared: Shared,
    next: usize,
}

impl RxRing {
    pub fn open(interface: &str, ethertype: u16) -> Result<RxRing> {
        let request = tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: BLOCKS as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: (BLOCKS * BLOCK / SLOT) as u32,
            tp_retire_blk_tov: RETIRE,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let shared = Shared::open(interface, ethertype, libc::PACKET_RX_RING, request)?;
        Ok(RxRing { shared, next: 0 })
    }

    /// Shows the frames of the next block, if there is one, to `see`: what was captured of each,
    /// and how long it was.
    pub fn take(&mut self, mut see: impl FnMut(&[u8], usize)) -> Result<()> {
        let start = self.next * BLOCK;
        let status =
            start + offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, block_status);
        let status = self.shared.status(status);
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return Ok(());
        }
        // SAFETY: the block lies in the mapping, which is of whole blocks. The kernel has handed it
        // over and does not write to it until the status says so again, after the last use of this.
        let block = unsafe { slice::from_raw_parts(self.shared.memory.as_ptr().add(start), BLOCK) };
        // SAFETY: a block begins on a page and with its description, of which any bytes are valid.
        let header = unsafe { (*block.as_ptr().cast::<tpacket_block_desc>()).hdr.bh1 };
        let mut at = header.offset_to_first_pkt as usize;
        for _ in 0..header.num_pkts {
            if at % align_of::<tpacket3_hdr>() != 0 || at + size_of::<tpacket3_hdr>() > BLOCK {
                bail!("a frame is not where its block says");
            }
            // SAFETY: it is aligned and within the block, and any bytes are a valid header.
            let frame = unsafe { &*block.as_ptr().add(at).cast::<tpacket3_hdr>() };
            let data = at + usize::from(frame.tp_mac);
            let part = block
                .get(data..data + frame.tp_snaplen as usize)
                .context("a frame is not where its header says")?;
            see(part, frame.tp_len as usize);
            at += frame.tp_next_offset as usize;
        }
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        Ok(())
    }
}
