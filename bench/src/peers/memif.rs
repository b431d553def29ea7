// SPDX-License-Identifier: MIT OR Apache-2.0

//! DPDK's memif between two processes, which copies each frame on both sides of their shared
//! memory: one dpdk-testpmd, from Debian, sends with its loop for that, and another one
//! receives. Rates are read over DPDK's telemetry. Lengths are without the check sum of
//! Ethernet, as everywhere here.

use super::{telemetry::Telemetry, Flow, Job, Peer};
use anyhow::{bail, Context, Result};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a process may take to start and to find the other one, and to come to an end.
const PATIENCE: Duration = Duration::from_secs(10);
/// From the first frame on until it counts.
const WARM_UP: Duration = Duration::from_millis(300);
/// The largest batch that is used. Larger ones were no faster with short frames, and with 1500
/// bytes two times slower: what is under way does not stay in the cache.
const BURST: usize = 64;
/// The rings have two to the power of this slots: 2048. Both larger and smaller ones were slower.
const RING_LOG2: u32 = 11;
/// Buffers of each process.
const BUFFERS: &str = "8192";
/// Memory of each process.
const MEGABYTES: &str = "256";

/// DPDK memif.
pub struct Memif;

impl Peer for Memif {
    fn name(&self) -> &'static str {
        "DPDK memif"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        let home = Home::new()?;
        let receiver = TestPmd::start(&home, Role::Receiver, job)?;
        let sender = TestPmd::start(&home, Role::Sender, job)?;
        let patience = Instant::now() + PATIENCE;
        while receiver.telemetry.stats()?.ipackets == 0 {
            if Instant::now() > patience {
                bail!("nothing arrived within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(WARM_UP);

        let look = || -> Result<_> {
            let received = receiver.telemetry.stats()?;
            Ok((Instant::now(), received, sender.telemetry.stats()?))
        };
        let (began, received, sent) = look()?;
        std::thread::sleep(job.time);
        let (ended, received_then, sent_then) = look()?;
        let frames = received_then.ipackets - received.ipackets;
        if frames == 0 {
            bail!("nothing arrived any more");
        }
        // The two counters change one after the other: the last burst may be in one of them only.
        let bytes = (received_then.ibytes - received.ibytes) as f64 / frames as f64;
        if (bytes / job.bytes as f64 - 1.0).abs() > 0.02 {
            bail!("frames of {} bytes arrived with {bytes:.1}", job.bytes);
        }
        Ok(Flow {
            sent: sent_then.opackets - sent.opackets,
            received: frames,
            seconds: (ended - began).as_secs_f64(),
        })
    }
}

/// A directory for sockets and logs, removed when this is dropped.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Home> {
        let path = std::env::temp_dir().join(format!("ferromap-memif-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("no directory {}", path.display()))?;
        Ok(Home(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It lies where temporary files may stay.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Copy)]
enum Role {
    /// Listens for the other, on CPU 1.
    Receiver,
    /// Joins it and makes frames, on CPU 0.
    Sender,
}

/// A running dpdk-testpmd. It is ended when this is dropped.
struct TestPmd {
    process: Child,
    telemetry: Telemetry,
}

impl TestPmd {
    fn start(home: &Home, role: Role, job: &Job) -> Result<TestPmd> {
        let (name, link, forward, lcores) = match role {
            // The first logical core only waits, beside the other's second, which never does.
            Role::Receiver => ("receiver", "server", "rxonly", "0@0,1@1"),
            Role::Sender => ("sender", "client", "txonly", "0@1,1@0"),
        };
        let home = &home.0;
        let socket = home.join("memif");
        let log = home.join(name);
        let output = File::create(&log).with_context(|| format!("no log {}", log.display()))?;
        let mut process = Command::new("dpdk-testpmd")
            .env("RUNTIME_DIRECTORY", home)
            .args(["--lcores", lcores, "--file-prefix", name])
            .args(["--log-level", "*:error"])
            // Huge pages would have to be taken from this machine; memif's own memory is not
            // on them either.
            .args(["--no-huge", "-m", MEGABYTES, "--no-pci", "--vdev"])
            .arg(format!(
                "net_memif0,role={link},socket={},socket-abstract=no,rsize={RING_LOG2},bsize=2048",
                socket.display()
            ))
            .args(["--", "--no-lsc-interrupt", "--disable-link-check"])
            .args(["--total-num-mbufs", BUFFERS])
            .arg(format!("--forward-mode={forward}"))
            .arg(format!("--txpkts={}", job.bytes))
            .arg(format!("--burst={}", job.batch.min(BURST)))
            // It runs until its standard input ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .context("dpdk-testpmd does not start; Debian has it in dpdk-dev")?;
        let socket = home.join("dpdk").join(name).join("dpdk_telemetry.v2");
        match wait_for(&mut process, &socket).and_then(|()| Telemetry::open(&socket)) {
            Ok(telemetry) => Ok(TestPmd { process, telemetry }),
            Err(why) => {
                end(&mut process);
                let said = fs::read_to_string(&log).unwrap_or_default();
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(why.context(format!("the {name}, dpdk-testpmd, said: {said}")))
            }
        }
    }
}

impl Drop for TestPmd {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Ends a process and waits until it is gone.
fn end(process: &mut Child) {
    // Where it has ended already, there is nothing to end.
    let _ = process.kill();
    let _ = process.wait();
}

/// Waits until the process has made its socket.
fn wait_for(process: &mut Child, socket: &Path) -> Result<()> {
    let patience = Instant::now() + PATIENCE;
    while !socket.exists() {
        if let Some(status) = process.try_wait()? {
            bail!("it ended with {status}");
        }
        if Instant::now() > patience {
            bail!("it made no {} within {PATIENCE:?}", socket.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
