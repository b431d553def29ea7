// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keeping what comes in a file.

use crate::worker::Job;
use common::{pcap::Writer, units::wall_clock};
use ferromap::RxBatch;
use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// A file that all threads write to.
pub struct Capture {
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    writer: Writer,
    frames: u64,
    bytes: u64,
    /// Why nothing more is written.
    failed: Option<io::Error>,
    scratch: Vec<u8>,
}

impl Capture {
    pub fn create(path: &Path) -> Result<Self, String> {
        Ok(Capture {
            path: path.to_owned(),
            kept: Mutex::new(Kept {
                writer: Writer::create(path)?,
                frames: 0,
                bytes: 0,
                failed: None,
                scratch: Vec::new(),
            }),
        })
    }

    /// Keeps all packets of a batch, without their virtio-net headers. They get one time, that at
    /// which they were taken from the ring. What cannot be written ends the job.
    pub fn keep(&self, job: &Job, batch: &RxBatch<'_>) {
        self.with(job, |kept| kept.add(batch, job.vnet));
    }

    /// Hands the file's frames over to the system, as long as nothing comes.
    pub fn pause(&self, job: &Job) {
        self.with(job, |kept| kept.writer.flush());
    }

    fn with(&self, job: &Job, work: impl FnOnce(&mut Kept) -> io::Result<()>) {
        let Ok(mut kept) = self.kept.lock() else {
            return;
        };
        if kept.failed.is_none() {
            if let Err(e) = work(&mut kept) {
                kept.failed = Some(e);
                job.stop();
            }
        }
    }

    /// Ends the file. Returns how many frames and bytes it has; the error is a sentence for people.
    pub fn end(self) -> Result<(u64, u64), String> {
        let path = self.path;
        let wrong = |e: &dyn Display| {
            format!(
                "{}: it could not be written to its end: {e}. Make room on its disk, or capture \
                 less with -n",
                path.display()
            )
        };
        let mut kept = self.kept.into_inner().map_err(|e| wrong(&e))?;
        match kept.failed {
            Some(e) => Err(wrong(&e)),
            None => kept.writer.flush().map_err(|e| wrong(&e)),
        }?;
        Ok((kept.frames, kept.bytes))
    }
}

impl Kept {
    fn add(&mut self, batch: &RxBatch<'_>, vnet: usize) -> io::Result<()> {
        let now = wall_clock();
        for packet in batch.packets() {
            let mut slots = packet.slots();
            let whole = match (slots.next(), slots.next()) {
                (Some(only), None) => only.bytes(),
                _ => {
                    self.scratch.resize(packet.len(), 0);
                    packet.copy_to(&mut self.scratch);
                    &self.scratch
                }
            };
            let frame = whole.get(vnet..).unwrap_or_default();
            self.writer.add(now, frame)?;
            self.frames += 1;
            self.bytes += frame.len() as u64;
        }
        Ok(())
    }
}
