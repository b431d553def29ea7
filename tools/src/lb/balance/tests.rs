// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use ferromap::{
    fake::{Kernel, Side},
    Port, SlotFlags,
};

/// `vale0:tx` sends to `vale0:in`, which is balanced over pipes with consumers.
struct Rig {
    kernel: Kernel,
    sender: Port,
    port: Port,
    balancer: Balancer,
    consumers: Vec<Vec<Port>>,
}

fn rig(groups: &[usize], slots: u32, buffers: u32) -> Rig {
    let kernel = Kernel::new();
    let open = |name: &str, slots, extra| {
        let wanted = Port::builder(name).slots(slots).extra_buffers(extra);
        wanted.open_fake(&kernel).unwrap()
    };
    let sender = open("vale0:tx", 256, 0);
    let mut port = open("vale0:in", 256, buffers);
    let extra = port.take_extra_buffers();
    let ends = |end: char, slots| -> Vec<Vec<Port>> {
        let group = |(g, &pipes): (usize, &usize)| {
            let one = |i| open(&format!("netmap:{}{end}{i}", ["a", "b"][g]), slots, 0);
            (0..pipes).map(one).collect()
        };
        groups.iter().enumerate().map(group).collect()
    };
    let pipe = |port: Port| Pipe::new(&port.spec().name.clone(), port).unwrap();
    let pipes = ends('{', slots).into_iter();
    let pipes = pipes.map(|group| group.into_iter().map(pipe).collect());
    let consumers = ends('}', slots);
    Rig {
        sender,
        port,
        balancer: Balancer::new(pipes.collect(), extra),
        consumers,
        kernel,
    }
}

/// A frame that belongs to flow `flow`, by its MAC addresses, one direction or the other.
fn frame(flow: u8, back: bool, number: u8) -> Vec<u8> {
    let (a, b) = ([2, 0, 0, 0, 0, flow], [2, 0, 0, 0, 1, flow]);
    let ends = if back { [a, b] } else { [b, a] };
    let mut frame = [&ends.concat()[..], &[0x88, 0xb5, number]].concat();
    frame.resize(60, 0);
    frame
}

impl Rig {
    fn send(&mut self, bytes: &[u8], slots: usize) {
        let mut room = self.sender.tx_rings()[0].reserve(slots);
        assert_eq!(room.len(), slots);
        for (i, part) in bytes.chunks(bytes.len().div_ceil(slots)).enumerate() {
            let mut slot = room.slot(i).unwrap();
            slot.fill(part);
            if i + 1 < slots {
                slot.set(part.len(), SlotFlags::MORE_FRAGMENTS);
            }
        }
        room.commit(slots);
        self.sender.sync().unwrap();
    }

    fn turn(&mut self) {
        self.port.sync().unwrap();
        self.balancer.turn(self.port.rx_rings(), 64).unwrap();
        self.port.sync().unwrap();
    }

    /// Flow and number of each frame that came, and its bytes, by pipe.
    fn receive(&mut self, group: usize) -> Vec<Vec<(u8, u8, usize)>> {
        let one = |port: &mut Port| {
            port.sync().unwrap();
            let mut seen = Vec::new();
            for packet in port.rx_rings()[0].recv(usize::MAX).packets() {
                let mut bytes = [0; 15];
                packet.copy_to(&mut bytes);
                seen.push((bytes[5], bytes[14], packet.len()));
            }
            port.sync().unwrap();
            seen
        };
        self.consumers[group].iter_mut().map(one).collect()
    }
}

#[test]
fn flows_stay_on_a_pipe_in_order_and_both_ways() {
    let mut rig = rig(&[4], 64, 0);
    for number in 0..4 {
        for flow in 0..32 {
            rig.send(&frame(flow, number % 2 == 1, number), 1);
        }
        rig.turn();
    }
    let pipes = rig.receive(0);
    assert_eq!(pipes.iter().map(Vec::len).sum::<usize>(), 128);
    assert!(pipes.iter().all(|pipe| !pipe.is_empty()));
    for flow in 0..32 {
        let of = |pipe: &Vec<(u8, u8, usize)>| -> Vec<u8> {
            pipe.iter().filter(|f| f.0 == flow).map(|f| f.1).collect()
        };
        let mut seen: Vec<Vec<u8>> = pipes.iter().map(of).collect();
        seen.retain(|numbers| !numbers.is_empty());
        assert_eq!(seen, [[0, 1, 2, 3]], "flow {flow}");
    }
    let counts = rig.balancer.pipes().iter().map(|pipe| pipe.counts);
    assert_eq!(
        counts
            .map(|c| (c.frames, c.bytes))
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        (128, 128 * 60)
    );
    assert_eq!(
        rig.balancer.received(),
        Received {
            frames: 128,
            bytes: 128 * 60
        }
    );
}

#[test]
fn each_group_gets_all_frames() {
    let mut rig = rig(&[2, 1], 64, 0);
    for flow in 0..20 {
        rig.send(&frame(flow, false, 7), 1);
    }
    rig.turn();
    let first = rig.receive(0);
    let second = rig.receive(1);
    assert_eq!(first.iter().map(Vec::len).sum::<usize>(), 20);
    assert_eq!(
        second[0],
        (0..20).map(|flow| (flow, 7, 60)).collect::<Vec<_>>()
    );
    // What a consumer writes into a frame another one does not see.
    rig.send(&frame(1, false, 9), 1);
    rig.turn();
    for port in &mut rig.consumers[0] {
        port.sync().unwrap();
        let mut batch = port.rx_rings()[0].recv(1);
        if let Some(mut slot) = batch.slot_mut(0) {
            slot.buffer_mut().fill(0xff);
        }
    }
    assert_eq!(rig.receive(1)[0], [(1, 9, 60)]);
}

#[test]
fn frames_of_several_slots_stay_whole() {
    let mut rig = rig(&[1], 8, 0);
    let long = [frame(1, false, 3), vec![5; 3000]].concat();
    rig.send(&long, 3);
    rig.send(&frame(1, false, 4), 1);
    rig.turn();
    assert_eq!(rig.receive(0)[0], [(1, 3, 3060), (1, 4, 60)]);
    // Longer than the pipe's ring.
    rig.send(&long, 8);
    rig.turn();
    assert_eq!(rig.balancer.pipes()[0].counts.dropped, 1);
    assert_eq!(rig.receive(0)[0], []);
}

#[test]
fn what_came_is_sent_or_counted_as_dropped() {
    let mut rig = rig(&[3, 2], 8, 4);
    for number in 0..50 {
        rig.send(&frame(number, false, number), 1);
    }
    rig.turn();
    rig.balancer.end().unwrap();
    let counts: Vec<_> = rig
        .balancer
        .pipes()
        .iter()
        .map(|pipe| pipe.counts)
        .collect();
    let sum = |of: &[crate::pipe::Counts]| of.iter().map(|c| c.frames + c.dropped).sum::<u64>();
    assert_eq!((sum(&counts[..3]), sum(&counts[3..])), (50, 50));
}

/// A slot of the port that names no buffer, which only a misbehaving peer brings about.
#[test]
fn a_slot_without_a_buffer_sends_nothing() {
    let mut rig = rig(&[1, 1], 64, 0);
    rig.send(&frame(1, false, 1), 1);
    rig.turn();
    rig.send(&frame(1, false, 2), 1);
    rig.kernel.scribble("vale0:in", Side::Rx, 0, 256 + 16, 0);
    rig.send(&frame(1, false, 3), 1);
    rig.turn();
    for group in [0, 1] {
        assert_eq!(rig.receive(group)[0], [(1, 1, 60), (1, 3, 60)]);
    }
}
