// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames: between the stack behind a persistent port, programs that have its rings, and the other
//! ports of its switch.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::packets::{Make, DATAGRAMS};
use crate::harness::persistent::*;
use crate::harness::programs::{detach as detach_program, packets, Programs};
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::{ip, wait_for, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    persistent_alone_goes_nowhere,
    persistent_rings_are_a_port,
    persistent_the_stack_and_rings_of_others,
    persistent_two_stacks,
    persistent_floods_reach_stacks_and_rings,
    persistent_long_frames_are_chains,
    persistent_headers_are_for_rings_only,
    persistent_a_bad_header_goes_nowhere,
    persistent_the_stack_does_what_headers_ask_for,
    persistent_xdp_programs_see_what_the_stack_sends,
    persistent_tcp_between_stacks,
    persistent_tcp_through_rings,
    persistent_tcp_through_rings_with_headers
];

fn persistent_alone_goes_nowhere() -> Outcome {
    wire()?;
    made("p0")?;
    let stack = Stack::on("p0")?;
    let bound = vale("p0").bind()?;
    bound.send(&numbered(0..50))?;
    same("free again", bound.tx(0).space(), 63)?;
    same("counted", counter(&bound, "tx0-drop_nobody")?, 50)?;
    let _ = stack.send(&frame(BROADCAST, station(1), 1));
    same("nothing comes", got(&bound)?, vec![])?;
    same("nor up", stack.receive(QUIET)?.len(), 0)?;
    same("no link", has_link("p0")?, false)?;
    drop(bound);
    works("deleted", delif("p0"))
}

fn persistent_rings_are_a_port() -> Outcome {
    wire()?;
    made("p0")?;
    same("its number", attach("vale210:p0")?, 0)?;
    same("a link", has_link("p0")?, true)?;
    let [a] = ports("vale210", ["a"])?;
    for name in ["p0", "vale210:p0"] {
        let p = vale(name).bind()?;
        p.send(&numbered(0..3))?;
        same("from its rings", got(&a)?, vec![0, 1, 2])?;
        a.send(&numbered(5..8))?;
        same("into them", got(&p)?, vec![5, 6, 7])?;
        same("not its own", got(&p)?, vec![])?;
        fails(
            "no host rings",
            vale(name).mode(NR_REG_SW).try_bind(),
            Errno::EINVAL,
        )?;
    }
    let (one, other) = (vale("p0").bind()?, vale("vale210:p0").bind()?);
    a.send(&numbered(9..10))?;
    same("by either name", got(&one)?, vec![9])?;
    same(
        "it is one ring",
        one.rx(0).slot(0).buf_idx,
        other.rx(0).slot(0).buf_idx,
    )?;
    works("pulled out", detach("vale210:p0"))?;
    same("no link", has_link("p0")?, false)?;
    one.send(&numbered(0..3))?;
    same("then", got(&a)?, vec![])?;
    same("counted", counter(&one, "tx0-drop_nobody")?, 3)?;
    drop((one, other));
    works("deleted", delif("p0"))
}

fn persistent_the_stack_and_rings_of_others() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale211:p0"))?;
    let [a] = ports("vale211", ["a"])?;
    let stack = Stack::on("p0")?;
    for n in 0..20 {
        stack.send(&frame(station(2), station(1), n))?;
        same(
            "into rings",
            wait_for(&a, 1)?,
            vec![frame(station(2), station(1), n)],
        )?;
        a.send(&[frame(station(1), station(2), 100 + n)])?;
        same(
            "to the stack",
            stack.receive(QUIET)?,
            vec![frame(station(1), station(2), 100 + n)],
        )?;
    }
    same("sent", told("p0", "stats64 tx packets")?, "20")?;
    same("bytes", told("p0", "stats64 tx bytes")?, "1200")?;
    same("received", told("p0", "stats64 rx packets")?, "20")?;
    // Whoever binds the receive rings has what comes, and the stack may still send.
    let mine = vale("p0").flags(NR_RX_RINGS_ONLY).bind()?;
    a.send(&[frame(station(1), station(2), 7)])?;
    same("into its rings", got(&mine)?, vec![7])?;
    stack.send(&frame(station(2), station(1), 8))?;
    same("from the stack", numbers(&wait_for(&a, 1)?), vec![8])?;
    same("nothing up", stack.receive(QUIET)?.len(), 0)?;
    drop(mine);
    a.send(&numbered(9..10))?;
    same("afterwards", numbers(&stack.receive(QUIET)?), vec![9])?;
    // A burst, in order.
    a.send(&numbered(0..63))?;
    same(
        "all",
        numbers(&stack.receive(QUIET)?),
        (0..63).collect::<Vec<_>>(),
    )?;
    // Its own address is behind the port itself.
    a.send(&[frame(BROADCAST, station(1), 1)])?;
    stack.receive(QUIET)?;
    drop(a);
    works("pulled out", detach("vale211:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_two_stacks() -> Outcome {
    wire()?;
    made("p0")?;
    made("p1")?;
    works("plugged in", attach("vale212:p0"))?;
    works("plugged in", attach("vale212:p1"))?;
    let (one, other) = (Stack::on("p0")?, Stack::on("p1")?);
    for (n, len) in [60, 14, 1514, 61, 999].into_iter().enumerate() {
        let there = frame_of(len, station(2), station(1), n as u32);
        one.send(&there)?;
        same("there", other.receive(QUIET)?, vec![there])?;
        let back = frame_of(len, station(1), station(2), n as u32);
        other.send(&back)?;
        same("back", one.receive(QUIET)?, vec![back])?;
    }
    // To itself.
    let loops = frame(station(1), station(1), 1);
    let _ = one.send(&loops);
    same("nowhere", other.receive(QUIET)?.len(), 0)?;
    same("counted", told("p0", "stats64 tx dropped")?, "1")?;
    for name in ["p0", "p1"] {
        works("pulled out", detach(&format!("vale212:{name}")))?;
        works("deleted", delif(name))?;
    }
    Ok(())
}

fn persistent_floods_reach_stacks_and_rings() -> Outcome {
    wire()?;
    let names = ["p0", "p1", "p2"];
    for name in names {
        made(name)?;
        works("plugged in", attach(&format!("vale213:{name}")))?;
    }
    let [a, b] = ports("vale213", ["a", "b"])?;
    let stacks = [Stack::on("p0")?, Stack::on("p1")?, Stack::on("p2")?];
    stacks[0].send(&frame(BROADCAST, station(1), 5))?;
    for stack in &stacks[1..] {
        same("at a stack", numbers(&stack.receive(QUIET)?), vec![5])?;
    }
    for bound in [&a, &b] {
        same("in a ring", numbers(&wait_for(bound, 1)?), vec![5])?;
    }
    same("not at its own", stacks[0].receive(QUIET)?.len(), 0)?;
    a.send(&numbered(6..9))?;
    for stack in &stacks {
        same("at a stack", numbers(&stack.receive(QUIET)?), vec![6, 7, 8])?;
    }
    same("in a ring", got(&b)?, vec![6, 7, 8])?;
    for name in names {
        works("pulled out", detach(&format!("vale213:{name}")))?;
        works("deleted", delif(name))?;
    }
    Ok(())
}

fn persistent_long_frames_are_chains() -> Outcome {
    wire()?;
    made("p0")?;
    ip("link set p0 mtu 9000")?;
    works("plugged in", attach("vale214:p0"))?;
    let [a] = ports("vale214", ["a"])?;
    let stack = Stack::on("p0")?;
    let long = frame_of(9014, BROADCAST, station(1), 1);
    stack.send(&long)?;
    wait_until("it has come", || {
        a.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
    })?;
    let slots = a.recv_slots()?;
    let flags: Vec<u16> = slots.iter().map(|(flags, _)| *flags).collect();
    same("flags", flags, vec![0x0520, 0x0520, 0x0520, 0x0520, 0x0500])?;
    let whole: Vec<u8> = slots.into_iter().flat_map(|(_, bytes)| bytes).collect();
    same("bytes", whole == long, true)?;
    works("pulled out", detach("vale214:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_headers_are_for_rings_only() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale215:p0"))?;
    let a = vale("vale215:a")
        .slots(64, 64)
        .flags(NR_ACCEPT_VNET_HDR)
        .bind()?;
    let stack = Stack::on("p0")?;
    for len in [10, 12, 0] {
        set_vnet_hdr("vale215:a", len)?;
        stack.send(&frame(station(2), station(1), 1))?;
        let mut want = vec![0; len as usize];
        want.extend(frame(station(2), station(1), 1));
        same("in the ring", wait_for(&a, 1)?, vec![want])?;
        let mut out = vec![0; len as usize];
        out.extend(frame(station(1), station(2), 2));
        a.send(&[out])?;
        same(
            "at the stack",
            stack.receive(QUIET)?,
            vec![frame(station(1), station(2), 2)],
        )?;
    }
    // One of its own is for who has its rings.
    set_vnet_hdr("vale215:p0", 12)?;
    same(
        "by either name",
        crate::harness::raw::request::vnet_hdr("p0")?,
        12,
    )?;
    stack.send(&frame(station(2), station(1), 3))?;
    same("in the ring", numbers(&wait_for(&a, 1)?), vec![3])?;
    fails("without saying so", vale("p0").try_bind(), Errno::EIO)?;
    let p = vale("p0").flags(NR_ACCEPT_VNET_HDR).bind()?;
    a.send(&[frame(station(1), station(2), 4)])?;
    let mut want = vec![0; 12];
    want.extend(frame(station(1), station(2), 4));
    same("in its ring", p.recv()?, vec![want])?;
    drop(p);
    works("pulled out", detach("vale215:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_a_bad_header_goes_nowhere() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale216:p0"))?;
    let a = vale("vale216:a")
        .slots(64, 64)
        .flags(NR_ACCEPT_VNET_HDR)
        .bind()?;
    set_vnet_hdr("vale216:a", 10)?;
    let stack = Stack::on("p0")?;
    let headers: [[u8; 10]; 5] = [
        // A kind of segments that is none; TCP without a size; a checksum behind the end; one at
        // the end of 64 KiB; headers longer than the frame.
        [0, 77, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 14, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 60, 0, 2, 0],
        [1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        [1, 1, 0xff, 0xff, 9, 0, 34, 0, 16, 0],
    ];
    for header in headers {
        let mut bytes = header.to_vec();
        bytes.extend(frame(BROADCAST, station(1), 1));
        a.send(&[bytes])?;
        same(format!("{header:?}"), stack.receive(QUIET)?.len(), 0)?;
    }
    same("counted", counter(&a, "tx0-drop_bad_header")?, 5)?;
    works("pulled out", detach("vale216:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_the_stack_does_what_headers_ask_for() -> Outcome {
    wire()?;
    made("p0")?;
    ip("link set p0 address 02:fe:00:00:00:02")?;
    ip("address add 10.9.0.2/24 dev p0")?;
    works("plugged in", attach("vale208:p0"))?;
    let a = vale("vale208:a")
        .slots(64, 64)
        .flags(NR_ACCEPT_VNET_HDR)
        .bind()?;
    set_vnet_hdr("vale208:a", 10)?;
    let socket = UdpSocket::bind("10.9.0.2:22136")?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let make = Make::default();
    let receive = || {
        let mut buffer = [0; 4096];
        socket
            .recv(&mut buffer)
            .map(|len| buffer[..len].to_vec())
            .ok()
    };
    let payload: Vec<u8> = (0..1800u32).map(|i| i as u8).collect();
    let send = |header: [u8; 10], payload: &[u8]| -> Outcome {
        let mut frame = make.frame(station(2), station(1), payload);
        // Its checksum is still to be computed.
        frame[make.headers() - 2] ^= 0xff;
        a.send(&[[&header[..], &frame].concat()])?;
        Ok(())
    };
    send([0; 10], &payload[..600])?;
    same("a wrong checksum", receive(), None)?;
    send(make.asks(0, 0), &payload[..600])?;
    same("a checksum", receive(), Some(payload[..600].to_vec()))?;
    send(make.asks(DATAGRAMS, 600), &payload)?;
    for part in payload.chunks(600) {
        same("a segment", receive(), Some(part.to_vec()))?;
    }
    same("no more", receive(), None)?;
    works("pulled out", detach("vale208:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_xdp_programs_see_what_the_stack_sends() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale217:p0"))?;
    let [a] = ports("vale217", ["a"])?;
    let stack = Stack::on("p0")?;
    let programs = Programs::load()?;
    let sends = |n| stack.send(&frame(station(2), station(1), n));
    for (place, n) in [("vale217:p0", 0), ("vale217:", 10)] {
        programs.attach(place, "drop")?;
        sends(n)?;
        same("dropped", a.recv()?.len(), 0)?;
        programs.replace(place, "pass")?;
        sends(n + 1)?;
        same("passed", numbers(&wait_for(&a, 1)?), vec![n + 1])?;
        programs.replace(place, "tx")?;
        sends(n + 2)?;
        same("sent back", numbers(&stack.receive(QUIET)?), vec![n + 2])?;
        let counts = packets(&works("detached", detach_program(place))?);
        same("its decisions", counts[3], 1)?;
        sends(n + 3)?;
        same("then", numbers(&wait_for(&a, 1)?), vec![n + 3])?;
    }
    works("pulled out", detach("vale217:p0"))?;
    works("deleted", delif("p0"))
}

/// Two stacks with a cable between them that `join` makes, from `p0` here to `p1` there.
fn tcp_over(plugs: [&str; 2], mut carry: impl FnMut() -> Outcome) -> Outcome {
    const BYTES: usize = 3_000_000;
    for (name, plug) in ["p0", "p1"].into_iter().zip(plugs) {
        made(name)?;
        works("plugged in", attach(plug))?;
    }
    let there = Elsewhere::new()?;
    ip(&format!("link set p1 netns {}", there.id()))?;
    ip("address add 192.0.2.1/24 dev p0")?;
    there.ip("address add 192.0.2.2/24 dev p1")?;
    there.ip("link set p1 up")?;
    let bytes: Vec<u8> = (0..BYTES).map(|i| (i / 251 + i) as u8).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let there = &there;
        let far = scope.spawn(move || -> Outcome<(Vec<u8>, TcpStream)> {
            there.enter()?;
            let (mut stream, _) = TcpListener::bind("192.0.2.2:7000")?.accept()?;
            let mut got = vec![0; BYTES];
            stream.read_exact(&mut got)?;
            stream.write_all(&got)?;
            Ok((got, stream))
        });
        let near = scope.spawn(|| -> Outcome<bool> {
            let start = Instant::now();
            let mut stream = loop {
                match TcpStream::connect("192.0.2.2:7000") {
                    Ok(stream) => break stream,
                    Err(e) if start.elapsed() > PATIENCE => return Err(e.into()),
                    Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            };
            let mut sender = stream.try_clone()?;
            let back = std::thread::scope(|scope| -> Outcome<Vec<u8>> {
                let sent = scope.spawn(|| sender.write_all(&bytes));
                let mut back = vec![0; BYTES];
                stream.read_exact(&mut back)?;
                sent.join().expect("a thread that does not panic")?;
                Ok(back)
            });
            over.store(true, Relaxed);
            Ok(back? == bytes)
        });
        while !over.load(Relaxed) && !near.is_finished() {
            carry()?;
        }
        let far = far.join().expect("a thread that does not panic")?;
        that("there", far.0 == bytes)?;
        that(
            "and back",
            near.join().expect("a thread that does not panic")?,
        )
    })?;
    for plug in plugs {
        works("pulled out", detach(plug))?;
    }
    there.ip("link del p1")?;
    works("deleted", delif("p0"))
}

fn persistent_tcp_between_stacks() -> Outcome {
    wire()?;
    tcp_over(["vale218:p0", "vale218:p1"], || {
        std::thread::sleep(Duration::from_millis(10));
        Ok(())
    })
}

/// What the stacks leave to hardware is done for the rings, and the other stack gets frames.
fn persistent_tcp_through_rings() -> Outcome {
    wire()?;
    let (a, b) = (vale("vale219:a").bind()?, vale("vale229:b").bind()?);
    tcp_over(["vale219:p0", "vale229:p1"], || carry(&a, &b))?;
    same("chains", counter(&a, "rx0-drop_bad_length")?, 0)
}

/// The same with headers on the rings.
fn persistent_tcp_through_rings_with_headers() -> Outcome {
    wire()?;
    let open = |name| vale(name).flags(NR_ACCEPT_VNET_HDR).bind();
    let (a, b) = (open("vale219:a")?, open("vale229:b")?);
    set_vnet_hdr("vale219:a", 12)?;
    set_vnet_hdr("vale229:b", 12)?;
    tcp_over(["vale219:p0", "vale229:p1"], || carry(&a, &b))
}

/// Carries what there is from each of these to the other.
fn carry(a: &Bound, b: &Bound) -> Outcome {
    for (from, to) in [(a, b), (b, a)] {
        from.poll(PollFlags::POLLIN, 1)?;
        let mut frames = Vec::new();
        let mut whole: Vec<u8> = Vec::new();
        for (slot, bytes) in from.rx(0).take() {
            whole.extend(bytes);
            if slot.flags & NS_MOREFRAG == 0 {
                frames.push(std::mem::take(&mut whole));
            }
        }
        for few in frames.chunks(200) {
            to.send(few)?;
        }
    }
    Ok(())
}
