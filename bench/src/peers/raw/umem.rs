// SPDX-License-Identifier: MIT OR Apache-2.0

//! The memory that an AF_XDP socket has its frames in.

use anyhow::{anyhow, bail, Context, Result};
use memmap2::{MmapOptions, MmapRaw};
use std::{ptr::NonNull, slice};
use xdpilone::{Umem, UmemConfig};

/// Bytes of a chunk, which holds one frame.
const CHUNK: usize = 2048;

/// Chunks for frames, known to the kernel.
pub struct Frames {
    // In this order: the memory goes last.
    umem: Umem,
    memory: MmapRaw,
}

impl Frames {
    /// `count` chunks, as many as the rings have slots. It is a power of two.
    pub fn new(count: u32) -> Result<Frames> {
        let memory: MmapRaw = MmapOptions::new()
            .len(count as usize * CHUNK)
            .populate()
            .map_anon()
            .context("no memory for frames")?
            .into();
        let area = NonNull::slice_from_raw_parts(
            NonNull::new(memory.as_mut_ptr()).context("frames are at no address")?,
            memory.len(),
        );
        let config = UmemConfig {
            fill_size: count,
            complete_size: count,
            frame_size: CHUNK as u32,
            headroom: 0,
            flags: 0,
        };
        // SAFETY: the mapping is page-aligned and stays where it is until after the Umem is gone.
        let umem = unsafe { Umem::new(config, area) }
            .map_err(|why| anyhow!("the kernel does not take memory for AF_XDP: {why}"))?;
        Ok(Frames { umem, memory })
    }

    pub fn umem(&self) -> &Umem {
        &self.umem
    }

    /// Writes `frame` to the start of every chunk; the socket is not in use yet.
    pub fn fill(&mut self, frame: &[u8]) -> Result<()> {
        if frame.len() > CHUNK {
            bail!("a chunk has no room for a frame of {} bytes", frame.len());
        }
        for start in (0..self.memory.len()).step_by(CHUNK) {
            // SAFETY: the chunk lies in the mapping, and nobody else holds a reference to it.
            unsafe {
                self.memory
                    .as_mut_ptr()
                    .add(start)
                    .copy_from_nonoverlapping(frame.as_ptr(), frame.len());
            }
        }
        Ok(())
    }

    /// The addresses of all chunks, as the kernel counts them.
    pub fn addresses(&self) -> impl Iterator<Item = u64> {
        (0..self.memory.len() as u64).step_by(CHUNK)
    }

    /// The frame at `address`, which the kernel has handed over.
    pub fn frame(&self, address: u64, bytes: u32) -> Result<&[u8]> {
        let (start, bytes) = (usize::try_from(address)?, bytes as usize);
        if start
            .checked_add(bytes)
            .is_none_or(|end| end > self.memory.len())
        {
            bail!("a frame lies outside of its memory");
        }
        // SAFETY: it lies in the mapping. The kernel does not write to a chunk until it gets it
        // back, for which the caller needs no reference any more.
        Ok(unsafe { slice::from_raw_parts(self.memory.as_ptr().add(start), bytes) })
    }
}
