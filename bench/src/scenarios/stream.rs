// SPDX-License-Identifier: MIT OR Apache-2.0

//! A TCP stream from one network namespace to another: over a veth pair, as it is, and with the
//! sender's interface in netmap mode, where `bridge` passes frames between it and its host rings;
//! and over two persistent ports of a switch.

use crate::{
    child::{self, Child, PATIENCE},
    clock::{ticks, Rate},
    cpu::spawn_on,
    peers::net,
    record::{Record, Spread},
    suite::Scenario,
};
use anyhow::{bail, Context, Result};
use ferromap::{Attach, Control, Persistent};
use nix::sched::{unshare, CloneFlags};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

const SENDER: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 1);
const RECEIVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 93, 0, 2), 5001);

/// From the first byte on until it counts: the stream has found its window by that.
const WARM_UP: Duration = Duration::from_millis(500);
/// How often it is measured, and for how long, with the same connection.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_millis(400);

/// All of them: what a wire would carry, frame by frame, and with the offloads that only a
/// virtual wire has.
pub fn scenarios() -> Vec<Scenario> {
    [(false, "without offloads"), (true, "with offloads")]
        .into_iter()
        .map(|(offloads, how)| {
            let scenario = format!("TCP over veth, {how}");
            Scenario::new(scenario.clone(), move |bench| {
                let plain = measure(bench.rate, offloads, Way::Veth)?;
                let bridged = measure(bench.rate, offloads, Way::Bridged)?;
                let persistent = measure(bench.rate, offloads, Way::Persistent)?;
                let record = |system: &str, rates: Spread, note: String| Record {
                    gbit_s: Some(rates.median),
                    note,
                    ..Record::new(system, &scenario)
                };
                let part = |of: Spread| format!("{:.2} of that", of.median / plain.median);
                Ok(vec![
                    record("Linux alone", plain, String::new()),
                    record("bridge, host rings", bridged, part(bridged)),
                    record("persistent ports", persistent, part(persistent)),
                ])
            })
        })
        .collect()
}

/// What the stream goes over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Veth,
    /// The same, with the tool `bridge` before it.
    Bridged,
    /// Two persistent ports of a switch.
    Persistent,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Task {
    /// In a namespace of its own.
    Sink,
    Source,
}

/// When bytes count, in ticks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Schedule {
    start: u64,
    window: u64,
}

impl Schedule {
    fn end(&self) -> u64 {
        self.start + self.window * WINDOWS as u64
    }
}

/// Gbit/s of payload, a value for each window.
fn measure(rate: Rate, offloads: bool, way: Way) -> Result<Spread> {
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("no network namespace to measure in; this needs root")?;
            stream(rate, offloads, way)
        });
        measured
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn stream(rate: Rate, offloads: bool, way: Way) -> Result<Spread> {
    match way {
        Way::Veth | Way::Bridged => drop(net::veth()?),
        Way::Persistent => persistent()?,
    }
    let mut sink = Child::start("sink".to_owned(), 1, "stream", &Task::Sink)?;
    if !offloads {
        for end in ["sender", "receiver"] {
            net::run(
                "ethtool",
                &format!("-K {end} tso off gso off gro off tx off"),
            )?;
        }
    }
    net::ip(&format!("link set receiver netns {}", sink.pid()))?;
    net::ip(&format!("addr add {SENDER}/24 dev sender"))?;
    let schedule = |start| Schedule {
        start,
        window: rate.ticks(WINDOW),
    };
    // Its socket is open when it has said so.
    sink.tell(&())?;
    let () = sink.receive(PATIENCE)?;
    let bridge = (way == Way::Bridged).then(Bridge::start);
    let _bridge = bridge.transpose()?;
    let mut source = Child::start("source".to_owned(), 0, "stream", &Task::Source)?;
    let schedule = schedule(ticks() + rate.ticks(WARM_UP));
    sink.tell(&schedule)?;
    source.tell(&schedule)?;
    let patience = WARM_UP + WINDOW * WINDOWS as u32 + PATIENCE;
    let bytes: Vec<u64> = sink.receive(patience)?;
    let () = source.receive(patience)?;
    if bytes.contains(&0) {
        bail!("the stream stood still: {bytes:?} bytes");
    }
    let gbit = |bytes: u64| bytes as f64 * 8.0 / WINDOW.as_secs_f64() / 1e9;
    Spread::of(bytes.into_iter().map(gbit)).context("nothing was measured")
}

/// Persistent ports in the place of a veth pair. They go with their namespaces.
fn persistent() -> Result<()> {
    let control = Control::open()?;
    for end in ["sender", "receiver"] {
        control.create_interface(end, Persistent::default())?;
        control.attach(&format!("vale0:{end}"), Attach::default())?;
        net::ip(&format!("link set {end} up"))?;
    }
    Ok(())
}

/// The tool, between the sender's interface and its host rings. It is ended when this is dropped.
struct Bridge(std::process::Child);

impl Bridge {
    fn start() -> Result<Bridge> {
        let tool = std::env::current_exe()?.with_file_name("bridge");
        let mut command = Command::new(tool);
        command
            .args(["-i", "netmap:sender", "-i", "netmap:sender^", "-w", "0"])
            .stdout(Stdio::piped());
        let mut bridge = Bridge(spawn_on(0, &mut command)?);
        let out = bridge.0.stdout.take().context("no pipe from bridge")?;
        // It says something as soon as both ports are open, and goes on saying so.
        let mut lines = BufReader::new(out).lines();
        lines.next().context("bridge ended")??;
        std::thread::spawn(move || lines.for_each(drop));
        Ok(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The life of either end.
pub fn worker() -> Result<()> {
    match child::task()? {
        Task::Sink => sink(),
        Task::Source => source(),
    }
}

fn sink() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let () = child::ready()?;
    net::ip(&format!("addr add {}/24 dev receiver", RECEIVER.ip()))?;
    net::ip("link set receiver up")?;
    let listener = TcpListener::bind(RECEIVER)?;
    let schedule: Schedule = child::ready()?;
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 256 * 1024];
    let mut windows = vec![0u64; WINDOWS];
    loop {
        let len = stream.read(&mut buffer)?;
        let now = ticks();
        if len == 0 || now >= schedule.end() {
            break;
        }
        let at = now.checked_sub(schedule.start).map(|t| t / schedule.window);
        if let Some(window) = at.and_then(|at| windows.get_mut(at as usize)) {
            *window += len as u64;
        }
    }
    child::say(&windows)
}

fn source() -> Result<()> {
    let schedule: Schedule = child::ready()?;
    let mut stream = TcpStream::connect_timeout(&RECEIVER.into(), PATIENCE)?;
    let buffer = vec![7; 256 * 1024];
    while ticks() < schedule.end() {
        // The sink hangs up when it has seen enough.
        if stream.write_all(&buffer).is_err() {
            break;
        }
    }
    child::say(&())
}
