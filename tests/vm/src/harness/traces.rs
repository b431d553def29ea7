// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a case may leave behind, and how that is noticed.

use crate::harness::check::{failure, Outcome};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

const MODULE: &str = "/sys/module/netmap";
const LIVE: &str = "/sys/kernel/debug/netmap/live";
const BLOCK_PAGES: &str = "block_pages";

/// Words in the kernel log that fail a case.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "WARNING",
    "UBSAN",
    "Oops",
    "refcount",
    "Call Trace",
    "unregister_netdevice: waiting",
    "INFO: task",
    "stall",
    "leak",
];

/// The kernel log, from some line on.
pub struct KernelLog(File);

impl KernelLog {
    pub fn open() -> std::io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .map(KernelLog)
    }

    /// Forgets what was said up to now.
    pub fn skip(&mut self) {
        let _ = self.0.seek(SeekFrom::End(0));
    }

    /// New lines that complain, each with the few lines that follow it.
    pub fn complaints(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut follow = 0;
        for line in self.lines() {
            if COMPLAINTS.iter().any(|word| line.contains(word)) {
                follow = 30;
            }
            if follow > 0 && found.len() < 60 {
                follow -= 1;
                found.push(format!("    {line}"));
            }
        }
        found
    }

    fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        // The kernel wants room for a whole record at a time.
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return lines,
                Ok(n) => {
                    let text = String::from_utf8_lossy(&record[..n]);
                    // "priority,number,time,flags;the message", then lines of details.
                    if let Some((_, message)) = text.split_once(';') {
                        lines.push(message.lines().next().unwrap_or_default().to_string());
                    }
                }
                // Records were lost: go on with the oldest that is left.
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return lines,
            }
        }
    }
}

/// Live objects by kind, as the module counts them. How much memory they take is another thing.
pub fn live() -> BTreeMap<String, u64> {
    let mut counts = counts();
    counts.remove(BLOCK_PAGES);
    counts
}

/// All that the module counts.
fn counts() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(LIVE).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, count) = line.trim().rsplit_once(char::is_whitespace)?;
            Some((name.trim().to_string(), count.parse().ok()?))
        })
        .collect()
}

/// Bytes of the kernel's memory that the module has for regions and frames: by vmalloc, where
/// mappings of it that are there once more do not count, or in one block, which it says itself.
pub fn allocated() -> std::io::Result<u64> {
    let text = fs::read_to_string("/proc/vmallocinfo")?;
    let ours = text.lines().filter(|line| line.contains(" [netmap] "));
    let pages = ours
        .filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("pages=")))
        .filter_map(|pages| pages.parse::<u64>().ok());
    let blocks = counts().get(BLOCK_PAGES).copied().unwrap_or(0);
    Ok((pages.sum::<u64>() + blocks) * 4096)
}

/// What /proc/meminfo says of something, in KiB or pages.
pub fn meminfo(what: &str) -> Outcome<i64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    value
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| failure(format!("no {what} in /proc/meminfo")))
}

/// Whether the module counts its objects at all; without it no case could be trusted.
pub fn counts_objects() -> bool {
    !live().is_empty()
}

/// References to the module; `None` when it is not loaded.
pub fn references() -> Option<i64> {
    let text = fs::read_to_string(format!("{MODULE}/refcnt")).ok()?;
    text.trim().parse().ok()
}

/// What there is of the module's objects at one moment.
pub struct Traces {
    references: Option<i64>,
    live: BTreeMap<String, u64>,
}

impl Traces {
    pub fn now() -> Self {
        Traces {
            references: references(),
            live: live(),
        }
    }

    /// Waits until all is as it was. What the kernel frees late (after a grace period, by a worker)
    /// gets a few seconds.
    pub fn wait_until_back(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let now = Traces::now();
            let Some(left) = self.difference(&now) else {
                return Ok(());
            };
            if start.elapsed() > Duration::from_secs(5) {
                return Err(left);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn difference(&self, now: &Traces) -> Option<String> {
        let mut words = Vec::new();
        if now.references != self.references {
            words.push(format!(
                "module references: before {:?}, after {:?}",
                self.references, now.references
            ));
        }
        let names: std::collections::BTreeSet<_> =
            self.live.keys().chain(now.live.keys()).collect();
        for name in names {
            let count = |of: &Traces| of.live.get(name).copied().unwrap_or(0);
            let (before, after) = (count(self), count(now));
            if before != after {
                words.push(format!("live {name}: before {before}, after {after}"));
            }
        }
        (!words.is_empty()).then(|| format!("left behind: {}", words.join("; ")))
    }
}

/// The module's parameters at one moment.
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub fn now() -> Self {
        let dir = fs::read_dir(format!("{MODULE}/parameters"));
        Parameters(
            dir.into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter_map(|name| Some((name.clone(), read_parameter(&name).ok()?)))
                .collect(),
        )
    }

    /// Writes back what has changed since. Those that cannot be written the kernel keeps itself.
    pub fn restore(&self) {
        for (name, value) in &self.0 {
            if read_parameter(name).is_ok_and(|now| now != *value) {
                let _ = write_parameter(name, value);
            }
        }
    }
}

/// The value of a module parameter, as text.
pub fn read_parameter(name: &str) -> std::io::Result<String> {
    let text = fs::read_to_string(format!("{MODULE}/parameters/{name}"))?;
    Ok(text.trim().to_string())
}

/// Makes region 1 small, for cases that have it made many times: it goes with its last user.
pub fn small_region_one() -> std::io::Result<()> {
    write_parameter("buf_num", "40960")
}

/// Sets a module parameter. Cases need not put it back: the harness does after each of them.
pub fn write_parameter(name: &str, value: &str) -> std::io::Result<()> {
    fs::write(format!("{MODULE}/parameters/{name}"), value)
}
