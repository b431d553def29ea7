// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the rings of the port into the pipes, and into the queues of those that are full.

use crate::{
    flow,
    pipe::{How, Pipe},
    queues::{Kept, Queues},
};
use common::frames::{Frame, MOST_SLOTS};
use ferromap::{ExtraBuffers, Result, RxBatch, RxRing};
use std::ops::Range;

/// What came from the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub frames: u64,
    pub bytes: u64,
}

pub struct Balancer {
    /// Group by group.
    pipes: Vec<Pipe>,
    /// Which of them belong to each group.
    groups: Vec<Range<usize>>,
    extra: ExtraBuffers,
    queues: Queues,
    received: Received,
}

impl Balancer {
    pub fn new(groups: Vec<Vec<Pipe>>, extra: ExtraBuffers) -> Self {
        let mut end = 0;
        let ranges = groups.iter().map(|group| {
            let begin = end;
            end += group.len();
            begin..end
        });
        let ranges = ranges.collect();
        let pipes: Vec<Pipe> = groups.into_iter().flatten().collect();
        Balancer {
            queues: Queues::new(extra.len(), pipes.len()),
            pipes,
            groups: ranges,
            extra,
            received: Received::default(),
        }
    }

    pub fn pipes(&self) -> &[Pipe] {
        &self.pipes
    }

    pub fn pipes_mut(&mut self) -> &mut [Pipe] {
        &mut self.pipes
    }

    pub fn received(&self) -> Received {
        self.received
    }

    /// Frames that wait for a pipe, and the most that ever did.
    pub fn waiting(&self, pipe: usize) -> (usize, usize) {
        self.queues.waiting(pipe)
    }

    /// Slots of the frame that waits first for a pipe; 0 if none waits.
    pub fn next(&self, pipe: usize) -> usize {
        self.queues.next(pipe)
    }

    /// One turn: what has waited first, then up to `batch` slots of each ring. What was put into
    /// pipes is handed over; what was taken from the rings is given back by their next sync.
    pub fn turn(&mut self, rings: &mut [RxRing], batch: usize) -> Result<()> {
        self.relieve()?;
        for ring in rings {
            let mut received = ring.recv(batch);
            let mut first = 0;
            while first < received.len() {
                let frame = Frame::at(&received, first);
                self.spread(&mut received, first, frame)?;
                first += frame.slots;
            }
        }
        self.pipes.iter_mut().try_for_each(Pipe::hand_over)
    }

    /// The last turn. What still waits is dropped, and counted.
    pub fn end(&mut self) -> Result<()> {
        let done = self.turn(&mut [], 0);
        for pipe in 0..self.pipes.len() {
            while !self.queues.is_empty(pipe) {
                self.queues.pop(pipe, |_| {});
                self.pipes[pipe].counts.dropped += 1;
            }
        }
        done
    }

    /// From the queues into the pipes, as far as there is room.
    fn relieve(&mut self) -> Result<()> {
        let mut frame = Vec::new();
        for (i, pipe) in self.pipes.iter_mut().enumerate() {
            while !self.queues.is_empty(i) && pipe.has_room(self.queues.next(i))? {
                frame.clear();
                self.queues.pop(i, |kept| frame.push(kept));
                pipe.put_kept(&frame, &mut self.extra)?;
            }
        }
        Ok(())
    }

    /// One frame, into a pipe of each group.
    fn spread(&mut self, received: &mut RxBatch<'_>, first: usize, frame: Frame) -> Result<()> {
        self.received.frames += 1;
        self.received.bytes += frame.bytes as u64;
        let Some(slot) = received.slot(first) else {
            return Ok(());
        };
        let hash = flow::hash(slot.bytes());
        // The first group gets the buffers, after the others had their copies.
        for group in (0..self.groups.len()).rev() {
            let pipes = self.groups[group].clone();
            let pipe = pipes.start + (hash % pipes.len() as u64) as usize;
            let how = if group == 0 { How::Swap } else { How::Copy };
            self.give(pipe, received, first, frame, how)?;
        }
        Ok(())
    }

    fn give(
        &mut self,
        i: usize,
        received: &mut RxBatch<'_>,
        first: usize,
        frame: Frame,
        how: How,
    ) -> Result<()> {
        let pipe = &mut self.pipes[i];
        if frame.slots > MOST_SLOTS || !pipe.takes(frame) {
            pipe.counts.dropped += 1;
            return Ok(());
        }
        // No frame overtakes those that wait.
        if self.queues.is_empty(i) && pipe.has_room(frame.slots)? {
            return pipe.put(received, first, frame, how);
        }
        let pipes = &mut self.pipes;
        let kept = self
            .queues
            .make_room(frame.slots, |loser| pipes[loser].counts.dropped += 1);
        if !kept {
            self.pipes[i].counts.dropped += 1;
            return Ok(());
        }
        for k in 0..frame.slots {
            let Some(buffer) = self.queues.take() else {
                break;
            };
            let len = self.keep(buffer, received, first + k, how)?;
            let more = k + 1 < frame.slots;
            self.queues.push(i, Kept { buffer, len, more });
        }
        Ok(())
    }

    /// Puts what is in a slot into an extra buffer; its bytes, of which there are none where one of
    /// them names no buffer.
    fn keep(
        &mut self,
        buffer: usize,
        received: &mut RxBatch<'_>,
        slot: usize,
        how: How,
    ) -> Result<usize> {
        let Some(mut packet) = received.slot_mut(slot) else {
            return Ok(0);
        };
        let len = packet.get().bytes().len();
        if how == How::Swap {
            let swapped = self.extra.swap_rx(buffer, &mut packet)?;
            return Ok(if swapped { len } else { 0 });
        }
        let to = self.extra.buffer_mut(buffer).unwrap_or_default();
        let len = len.min(to.len());
        to[..len].copy_from_slice(&packet.get().bytes()[..len]);
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
