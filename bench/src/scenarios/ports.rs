// SPDX-License-Identifier: MIT OR Apache-2.0

//! What ports cost that are not used: time to open and close, memory, and CPU.

use crate::{
    child::{self, Child},
    clock::{ticks, Rate},
    peers::net,
    record::Record,
    suite::{Bench, Scenario},
};
use anyhow::{bail, Context, Result};
use ferromap::{Control, Port, SlotFlags};
use hdrhistogram::Histogram;
use std::{
    fs::read_to_string,
    time::{Duration, Instant},
};

/// How often a port is opened and closed.
const ROUNDS: usize = 100;
/// Ports whose memory is measured.
const PORTS: usize = 20;
/// Slots of ports that nobody uses, so that hundreds fit into memory.
const FEW_SLOTS: u32 = 64;
/// Ports that lie idle.
const IDLE_PORTS: usize = 200;
const IDLE_TIME: Duration = Duration::from_secs(2);
/// How often the kernel counts, a second, in what it shows of itself.
const USER_HZ: f64 = 100.0;

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("vale open and close", open_and_close),
        Scenario::new("veth close under traffic", close_under_traffic),
        Scenario::new("vale memory of a port", memory),
        Scenario::new("vale idle ports", idle),
    ]
}

/// Opens that many ports of the switch that all use; 0 slots: as many as ports have by default.
fn open(count: usize, slots: u32) -> Result<Vec<Port>> {
    (0..count)
        .map(|n| {
            Ok(Port::builder(&format!("vale0:idle{n}"))
                .slots(slots)
                .open()?)
        })
        .collect()
}

/// Opens that many ports which nobody will use.
pub fn open_idle(count: usize) -> Result<Vec<Port>> {
    open(count, FEW_SLOTS)
}

fn open_and_close(bench: &Bench) -> Result<Vec<Record>> {
    let mut times = [Times::new()?, Times::new()?, Times::new()?];
    for _ in 0..ROUNDS {
        let began = ticks();
        let control = Control::open()?;
        let opened = ticks();
        drop(control);
        let before = ticks();
        let port = Port::open("vale0:a")?;
        let there = ticks();
        drop(port);
        let gone = ticks();
        times[0].add(bench.rate, opened - began);
        times[1].add(bench.rate, there - before);
        times[2].add(bench.rate, gone - there);
    }
    let [device, open, close] = times;
    Ok(vec![
        device.record("open /dev/netmap"),
        open.record("open, register and map a port"),
        close.record("close a port"),
    ])
}

/// How long it takes to open and to close an interface to which another program sends as fast
/// as it can.
fn close_under_traffic(bench: &Bench) -> Result<Vec<Record>> {
    let _pair = net::Pair::napi()?;
    let mut sender = Child::start("sender".to_owned(), 1, "flood", &())?;
    sender.tell(&())?;
    let mut times = [Times::new()?, Times::new()?];
    for _ in 0..ROUNDS {
        let before = ticks();
        let mut port = Port::open("netmap:receiver")?;
        let there = ticks();
        let ring = port.rx_rings().first_mut().context("no ring")?;
        if ring.poll(Some(Duration::from_secs(5)))? == 0 {
            bail!("no frames come");
        }
        let began = ticks();
        drop(port);
        let gone = ticks();
        times[0].add(bench.rate, there - before);
        times[1].add(bench.rate, gone - began);
    }
    let [open, close] = times;
    Ok(vec![
        open.record("open an interface under traffic"),
        close.record("close an interface under traffic"),
    ])
}

/// The life of the other program.
pub fn flood() -> Result<()> {
    let () = child::task()?;
    let mut port = Port::builder("netmap:sender").tx_only(true).open()?;
    let () = child::ready()?;
    let ring = port.tx_rings().first_mut().context("no ring")?;
    loop {
        let mut batch = ring.reserve(usize::MAX);
        let len = batch.len();
        for i in 0..len {
            if let Some(mut slot) = batch.slot(i) {
                slot.set(60, SlotFlags::NONE);
            }
        }
        batch.commit(len);
        ring.poll(None)?;
    }
}

/// Times of one thing.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Result<Times> {
        Ok(Times(Histogram::new_with_bounds(1, 60_000_000_000, 3)?))
    }

    fn add(&mut self, rate: Rate, took: u64) {
        self.0.saturating_record(rate.ns(took as f64) as u64);
    }

    fn record(self, scenario: &str) -> Record {
        let us = |quantile| Some(self.0.value_at_quantile(quantile) as f64 / 1000.0);
        Record {
            p50_us: us(0.5),
            p99_us: us(0.99),
            ..Record::new("vale", scenario)
        }
    }
}

/// What the system has less of when many ports are open.
fn memory(_: &Bench) -> Result<Vec<Record>> {
    let before = available()?;
    let ports = open(PORTS, 0)?;
    let after = available()?;
    let info = ports.first().context("no port was opened")?.info();
    Ok(vec![Record {
        slots: Some(info.tx_slots.into()),
        bytes_per_port: Some(before.saturating_sub(after) / PORTS as u64),
        note: format!("its region has {:.2} MB", info.memory_size as f64 / 1e6),
        ..Record::new("vale", "memory of a port")
    }])
}

/// Bytes of memory that are to be had.
fn available() -> Result<u64> {
    let text = read_to_string("/proc/meminfo")?;
    let kib = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .split_whitespace()
                .next()
        })
        .context("/proc/meminfo has no MemAvailable")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// How busy the CPUs are while ports are open that nobody uses.
fn idle(_: &Bench) -> Result<Vec<Record>> {
    let without = busy_percent()?;
    let _ports = open_idle(IDLE_PORTS)?;
    let with = busy_percent()?;
    Ok(vec![Record {
        cpu_percent: Some(with),
        note: format!("{IDLE_PORTS} ports; without them {without:.1} %"),
        ..Record::new("vale", "idle ports")
    }])
}

fn busy_percent() -> Result<f64> {
    let (before, began) = (busy()?, Instant::now());
    std::thread::sleep(IDLE_TIME);
    let took = began.elapsed().as_secs_f64();
    Ok((busy()? - before) as f64 / USER_HZ / took * 100.0)
}

/// Time that all CPUs together were not idle, in units of 1 / [`USER_HZ`] seconds.
fn busy() -> Result<u64> {
    let text = read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let mut sum = 0;
    // user, nice, system, idle, iowait, irq, softirq, ...
    for (i, field) in line.split_whitespace().skip(1).enumerate() {
        if i != 3 && i != 4 {
            sum += field.parse::<u64>()?;
        }
    }
    Ok(sum)
}
