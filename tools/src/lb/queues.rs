// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which extra buffers are free, and which hold frames that wait for room in a pipe. Buffers are
//! numbers here; what is in them is another's affair.

use std::collections::VecDeque;

/// A slot of a frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub buffer: usize,
    pub len: usize,
    /// The frame goes on in the next one.
    pub more: bool,
}

/// A queue for each pipe, and the buffers that are in none.
pub struct Queues {
    total: usize,
    free: Vec<usize>,
    queues: Vec<Queue>,
}

#[derive(Default)]
struct Queue {
    slots: VecDeque<Kept>,
    frames: usize,
    /// Most frames that it had.
    most: usize,
}

impl Queues {
    pub fn new(buffers: usize, pipes: usize) -> Self {
        Queues {
            total: buffers,
            free: (0..buffers).rev().collect(),
            queues: (0..pipes).map(|_| Queue::default()).collect(),
        }
    }

    pub fn is_empty(&self, pipe: usize) -> bool {
        self.queues[pipe].slots.is_empty()
    }

    /// Frames that wait for the pipe, and the most that ever did.
    pub fn waiting(&self, pipe: usize) -> (usize, usize) {
        (self.queues[pipe].frames, self.queues[pipe].most)
    }

    /// Sees to it that `slots` buffers are free. `dropped` hears of each frame that was thrown away
    /// for that: always the oldest of the longest queue. `false` if there are not so many at all.
    pub fn make_room(&mut self, slots: usize, mut dropped: impl FnMut(usize)) -> bool {
        if slots > self.total {
            return false;
        }
        while self.free.len() < slots {
            let longest = (0..self.queues.len()).max_by_key(|&i| self.queues[i].slots.len());
            let Some(pipe) = longest.filter(|&i| !self.is_empty(i)) else {
                return false;
            };
            self.pop(pipe, |_| {});
            dropped(pipe);
        }
        true
    }

    /// A free buffer, which is then to be pushed.
    pub fn take(&mut self) -> Option<usize> {
        self.free.pop()
    }

    /// The next slot for the pipe.
    pub fn push(&mut self, pipe: usize, kept: Kept) {
        let queue = &mut self.queues[pipe];
        queue.slots.push_back(kept);
        if !kept.more {
            queue.frames += 1;
            queue.most = queue.most.max(queue.frames);
        }
    }

    /// Slots of the pipe's oldest frame; 0 if none waits.
    pub fn next(&self, pipe: usize) -> usize {
        let slots = &self.queues[pipe].slots;
        slots
            .iter()
            .position(|kept| !kept.more)
            .map_or(0, |at| at + 1)
    }

    /// Takes the oldest frame out, slot by slot. Its buffers are free again then.
    pub fn pop(&mut self, pipe: usize, mut each: impl FnMut(Kept)) {
        let queue = &mut self.queues[pipe];
        while let Some(kept) = queue.slots.pop_front() {
            each(kept);
            self.free.push(kept.buffer);
            if !kept.more {
                queue.frames -= 1;
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of `slots` slots for the pipe; who lost a frame for it.
    fn keep(queues: &mut Queues, pipe: usize, slots: usize) -> Option<Vec<usize>> {
        let mut losers = Vec::new();
        if !queues.make_room(slots, |pipe| losers.push(pipe)) {
            return None;
        }
        for k in 0..slots {
            let buffer = queues.take().unwrap();
            queues.push(
                pipe,
                Kept {
                    buffer,
                    len: 60,
                    more: k + 1 < slots,
                },
            );
        }
        Some(losers)
    }

    fn pop(queues: &mut Queues, pipe: usize) -> Vec<usize> {
        let mut buffers = Vec::new();
        queues.pop(pipe, |kept| buffers.push(kept.buffer));
        buffers
    }

    #[test]
    fn frames_leave_in_the_order_in_which_they_came_and_whole() {
        let mut queues = Queues::new(6, 2);
        assert_eq!(queues.next(0), 0);
        for slots in [1, 3, 2] {
            assert_eq!(keep(&mut queues, 0, slots), Some(vec![]));
        }
        assert_eq!(queues.waiting(0), (3, 3));
        assert!(queues.is_empty(1) && !queues.is_empty(0));
        let mut seen = Vec::new();
        for slots in [1, 3, 2] {
            assert_eq!(queues.next(0), slots);
            seen.extend(pop(&mut queues, 0));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        assert_eq!((queues.waiting(0), queues.next(0)), ((0, 3), 0));
    }

    #[test]
    fn the_longest_queue_loses_its_oldest_frame() {
        let mut queues = Queues::new(4, 3);
        for pipe in [0, 1, 1, 1] {
            keep(&mut queues, pipe, 1);
        }
        // Also where that is the queue that the frame is for.
        assert_eq!(keep(&mut queues, 1, 1), Some(vec![1]));
        assert_eq!(keep(&mut queues, 2, 1), Some(vec![1]));
        assert_eq!(pop(&mut queues, 1), [3]);
        assert_eq!(pop(&mut queues, 0), [0]);
    }

    #[test]
    fn a_long_frame_costs_as_many_as_it_takes() {
        let mut queues = Queues::new(4, 2);
        keep(&mut queues, 0, 3);
        keep(&mut queues, 1, 1);
        assert_eq!(keep(&mut queues, 1, 2), Some(vec![0]));
        assert_eq!(
            keep(&mut queues, 0, 4).map(|mut lost| {
                lost.sort();
                lost
            }),
            Some(vec![1, 1])
        );
    }

    /// Nothing is thrown away for a frame that cannot be kept anyway.
    #[test]
    fn what_is_longer_than_all_buffers_finds_no_room() {
        let mut queues = Queues::new(2, 1);
        keep(&mut queues, 0, 2);
        assert_eq!(keep(&mut queues, 0, 3), None);
        assert_eq!(queues.waiting(0), (1, 1));
        assert_eq!(keep(&mut Queues::new(0, 1), 0, 1), None);
    }
}
