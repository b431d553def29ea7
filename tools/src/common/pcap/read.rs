// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file of frames, in memory as a whole: who sends at millions of frames a second cannot wait for
//! a disk.

use super::{
    parse::{parse, Found},
    times::{settle, Odd},
};
use std::{fs, path::Path, time::Duration};

/// The frames of a file, in their order, with their times.
pub struct Recording {
    /// The file, or what [`with_room`](Self::with_room) made of it.
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    /// How many frames are shorter here than they were on the wire.
    cut: usize,
    pub(super) odd: Odd,
}

/// Where a frame is in the file.
#[derive(Clone, Copy)]
pub struct Frame {
    pub at: usize,
    pub len: usize,
    /// Nanoseconds since the first frame. Never less than those of the frame before.
    pub time: u64,
}

impl Recording {
    /// Reads a pcap or pcapng file of Ethernet frames. The error is a sentence for people.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| {
            format!(
                "{}: it cannot be read: {e}. Check name and rights",
                path.display()
            )
        })?;
        Self::parse(bytes).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// The same, and tells people of frames that are not whole, and, where times count, of those
    /// that are not kept.
    pub fn load(tool: &str, path: &Path, times_count: bool) -> Result<Self, String> {
        let recording = Self::read(path)?;
        if recording.cut() > 0 {
            crate::note!(
                "{tool}: {}: {} of {} frames were cut when they were recorded, and are sent as \
                 long as they are there; record whole ones with tcpdump -s 0",
                path.display(),
                recording.cut(),
                recording.len()
            );
        }
        let odd = recording.odd;
        if times_count && odd.frames > 0 {
            crate::note!(
                "{tool}: {}: by the times of {} of {} frames, the first of which is frame {}, a \
                 clock was wrong or was set: each follows the one before it at once",
                path.display(),
                odd.frames,
                recording.len(),
                odd.first
            );
        }
        Ok(recording)
    }

    /// A file that is in memory.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let Found {
            frames,
            cut,
            sections,
        } = parse(&bytes)?;
        if frames.is_empty() {
            return Err("it has no frames. Record some first: tcpdump -w FILE".into());
        }
        let stamps: Vec<Option<u64>> = frames.iter().map(|seen| seen.time).collect();
        let settled = settle(&stamps, &sections);
        let frames = frames.iter().zip(settled.times).map(|(seen, time)| Frame {
            at: seen.at,
            len: seen.len,
            time,
        });
        Ok(Recording {
            frames: frames.collect(),
            cut,
            odd: settled.odd,
            bytes,
        })
    }

    /// The same frames, each behind `room` zero bytes.
    pub fn with_room(self, room: usize) -> Self {
        if room == 0 {
            return self;
        }
        let mut bytes = Vec::with_capacity(self.total() + self.len() * room);
        let frames = self.frames.iter().map(|frame| {
            let at = bytes.len();
            bytes.resize(at + room, 0);
            bytes.extend_from_slice(&self.bytes[frame.at..frame.at + frame.len]);
            Frame {
                at,
                len: room + frame.len,
                time: frame.time,
            }
        });
        Recording {
            frames: frames.collect(),
            bytes,
            cut: self.cut,
            odd: self.odd,
        }
    }

    /// Frames. There is at least one.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// The `i`th frame. A recording has no end: after the last one comes the first.
    #[inline]
    pub fn frame(&self, i: usize) -> &[u8] {
        let frame = self.frames[i % self.frames.len()];
        &self.bytes[frame.at..frame.at + frame.len]
    }

    /// When the `i`th frame is due, from the first one on. The recording begins anew as long after
    /// its last frame as its frames are apart on average.
    pub fn time(&self, i: usize) -> Duration {
        let (round, i) = (i / self.frames.len(), i % self.frames.len());
        let lasts = self.lasts().as_nanos() as u64;
        let gap = lasts / (self.frames.len() as u64 - 1).max(1);
        let nanos = lasts.saturating_add(gap).saturating_mul(round as u64);
        Duration::from_nanos(nanos.saturating_add(self.frames[i].time))
    }

    /// From the first frame to the last.
    pub fn lasts(&self) -> Duration {
        Duration::from_nanos(self.frames.last().map_or(0, |frame| frame.time))
    }

    /// Bytes of all frames.
    pub fn total(&self) -> usize {
        self.frames.iter().map(|frame| frame.len).sum()
    }

    /// Number, counted from 1, and bytes of the longest frame.
    pub fn longest(&self) -> (usize, usize) {
        let lens = (1..).zip(self.frames.iter().map(|frame| frame.len));
        lens.max_by_key(|&(_, len)| len).unwrap_or_default()
    }

    /// Bytes of the shortest frame.
    pub fn shortest(&self) -> usize {
        self.frames.iter().map(|frame| frame.len).min().unwrap_or(0)
    }

    /// How many frames are shorter here than they were on the wire.
    pub fn cut(&self) -> usize {
        self.cut
    }
}
