// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a file of frames.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

/// What tells the format: pcap with nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
/// Bytes of a frame that are kept: as many as tcpdump keeps.
const SNAPLEN: usize = 262_144;
const ETHERNET: u32 = 1;
/// Bytes that are collected for one write.
const BUFFER: usize = 1 << 20;

/// A pcap file with nanoseconds, which grows. It is whole after each [`flush`](Self::flush).
pub struct Writer<W: Write = File> {
    to: BufWriter<W>,
}

impl Writer {
    /// Makes the file, or empties one that is there. The error is a sentence for people.
    pub fn create(path: &Path) -> Result<Self, String> {
        let made = File::create(path).and_then(Writer::new);
        made.map_err(|e| {
            format!(
                "{}: it cannot be written: {e}. Check its directory, and your rights there",
                path.display()
            )
        })
    }
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(to: W) -> io::Result<Self> {
        let mut to = BufWriter::with_capacity(BUFFER, to);
        to.write_all(&MAGIC.to_ne_bytes())?;
        for part in VERSION {
            to.write_all(&part.to_ne_bytes())?;
        }
        // Two words that nobody uses.
        to.write_all(&[0; 8])?;
        for word in [SNAPLEN as u32, ETHERNET] {
            to.write_all(&word.to_ne_bytes())?;
        }
        to.flush()?;
        Ok(Writer { to })
    }

    /// Adds a frame that came at `time` since 1970.
    pub fn add(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let kept = &frame[..frame.len().min(SNAPLEN)];
        let words = [
            time.as_secs() as u32,
            time.subsec_nanos(),
            kept.len() as u32,
            frame.len() as u32,
        ];
        for word in words {
            self.to.write_all(&word.to_ne_bytes())?;
        }
        self.to.write_all(kept)
    }

    /// Hands all frames over to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
