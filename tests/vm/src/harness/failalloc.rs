// SPDX-License-Identifier: MIT OR Apache-2.0

//! failalloc.ko, which lets allocations of the module fail that this process causes. Loaded as long
//! as a [`FailAlloc`] lives.

use crate::harness::check::{fail, failure, Outcome};
use crate::harness::module;
use nix::errno::Errno;
use nix::kmod::{delete_module, DeleteModuleFlags};
use std::fs;

const PARAMETERS: &str = "/sys/module/failalloc/parameters";

/// What was asked to find no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Nothing,
    /// An ordinary allocation, or a larger table.
    Object,
    /// The memory of a region.
    Region,
    /// That of a frame on its way to a driver or to the stack.
    Frame,
}

/// How many allocations fail, from a given one on.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// Just that one: there is memory again at once.
    One,
    /// All of them.
    Rest,
}

pub struct FailAlloc(());

impl FailAlloc {
    /// Loads it for this process, of which one thread at a time may allocate, and the module where
    /// it is now.
    pub fn load() -> Outcome<Self> {
        // The size is that of text and data, so other modules' text may lie in the range; but only
        // what this process causes counts, and of it nothing else allocates by these functions.
        let (start, size) = place_of_the_module()?;
        FailAlloc::load_for(std::process::id(), start, start + size)
    }

    /// The same for all processes, and for threads of the kernel's that carry frames.
    pub fn load_for_everybody() -> Outcome<Self> {
        let (start, end) = text_of_the_module()?;
        FailAlloc::load_for(0, start, end)
    }

    fn load_for(pid: u32, start: u64, end: u64) -> Outcome<Self> {
        // One that an earlier case could not unload, as it was killed.
        let _ = unload();
        // A probe that the kernel has optimised cannot let anything fail.
        fs::write("/proc/sys/debug/kprobes-optimization", "0")?;
        module::load_beside("failalloc", &format!("pid={pid} start={start} end={end}"))
            .map_err(|e| failure(format!("loading failalloc.ko: {e}")))?;
        Ok(FailAlloc(()))
    }

    /// Has blocks of pages there, which otherwise never are, and are not counted.
    pub fn let_blocks_through(&self) -> Outcome {
        write("blocks", 1)
    }

    /// From now on the `nth` allocation fails, or all from that one on. Counts anew.
    pub fn arm(&self, nth: u32, span: Span) -> Outcome {
        write("nth", 0)?;
        write("failed", 0)?;
        write(
            "span",
            match span {
                Span::One => 1,
                Span::Rest => i32::MAX as u32,
            },
        )?;
        write("count", 0)?;
        write("nth", nth)
    }

    /// From now on allocations are only counted, from 0.
    pub fn count(&self) -> Outcome {
        self.arm(0, Span::One)
    }

    /// Lets nothing fail any more. Returns how many allocations there were, and what failed first.
    pub fn disarm(&self) -> Outcome<(u32, Failed)> {
        let count = read("count")?;
        write("nth", 0)?;
        let failed = match read("failed")? {
            0 => Failed::Nothing,
            3 => Failed::Region,
            4 => Failed::Frame,
            _ => Failed::Object,
        };
        Ok((count, failed))
    }
}

impl Drop for FailAlloc {
    fn drop(&mut self) {
        let _ = unload();
    }
}

/// Where the module is, and its size.
fn place_of_the_module() -> Outcome<(u64, u64)> {
    let modules = fs::read_to_string("/proc/modules")?;
    let netmap = modules.lines().find_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let start = words.get(5)?.strip_prefix("0x")?;
        let place = (
            u64::from_str_radix(start, 16).ok()?,
            words[1].parse::<u64>().ok()?,
        );
        (words[0] == "netmap").then_some(place)
    });
    netmap.ok_or_else(|| failure("the module is not in /proc/modules"))
}

/// Where its text is, by its symbols: that lies in whole pages, with nobody else's in them.
fn text_of_the_module() -> Outcome<(u64, u64)> {
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    let ours = symbols.lines().filter(|line| line.ends_with("[netmap]"));
    let text = ours.filter_map(|line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let is_text = words[1].eq_ignore_ascii_case("t");
        is_text.then(|| u64::from_str_radix(words[0], 16).ok())?
    });
    let text: Vec<_> = text.collect();
    match (text.iter().min(), text.iter().max()) {
        (Some(&first), Some(&last)) if first > 0 => Ok((first, (last | 4095) + 1)),
        _ => fail("no text of the module in /proc/kallsyms"),
    }
}

fn unload() -> Result<(), Errno> {
    delete_module(c"failalloc", DeleteModuleFlags::O_NONBLOCK)
}

fn read(name: &str) -> Outcome<u32> {
    let text = fs::read_to_string(format!("{PARAMETERS}/{name}"))?;
    text.trim().parse().map_err(|_| failure(text))
}

fn write(name: &str, value: u32) -> Outcome {
    Ok(fs::write(
        format!("{PARAMETERS}/{name}"),
        value.to_string(),
    )?)
}
