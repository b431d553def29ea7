// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples of requests, the files that they are made on, and what is made wrong in them.

use crate::harness::check::*;
use crate::harness::persistent::delif;
use crate::harness::random::Random;
use crate::harness::raw::csb::*;
use crate::harness::raw::device::header;
use crate::harness::raw::request::{legacy, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::{write_parameter, Traces};
use crate::harness::why::why;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// The ends of each range and what lies beside them, by width; of addresses: none, bad ones, and
/// one of the kernel's.
const VALUES: [(usize, &[u64]); 3] = [
    (2, &[0, 1, 0x8000, 0xffff]),
    (4, &[0, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]),
    (
        8,
        &[0, 8, 0x7fff_ffff_f000, 0xffff_8880_0000_0000, u64::MAX],
    ),
];

/// Stands in a part for the address of another, which is known when a request is made.
const LINK: u64 = 0x7777_7777_7777_7777;

/// How many pairs of wrong fields are tried of a request.
const PAIRS: u32 = 40;

/// Part of a request, whose bytes are made wrong. There is room behind it for the largest that a
/// wrong number may make of it.
#[derive(Clone)]
struct Part {
    words: Vec<u64>,
    len: usize,
}

impl Part {
    fn of<T: Plain>(value: T) -> Self {
        let len = size_of::<T>();
        let mut words = vec![0u64; 1024];
        assert!(len <= 8 * words.len());
        // SAFETY: so many bytes of a plain value, into words that have room for them.
        unsafe { words.as_mut_ptr().cast::<T>().write(value) };
        Part { words, len }
    }

    /// The body of a request that has none.
    fn none() -> Self {
        Part {
            len: 0,
            ..Part::of(NmreqOption::default())
        }
    }

    fn is_none(&self) -> bool {
        self.len == 0
    }

    fn address(&mut self) -> u64 {
        self.words.as_mut_ptr() as u64
    }

    /// Every way in which one field of it, of 2, 4 or 8 bytes, holds another value.
    fn wrong(&self) -> Vec<(String, Part)> {
        let mut all = Vec::new();
        for (width, values) in VALUES.into_iter().filter(|(width, _)| *width <= self.len) {
            for at in (0..=self.len - width).step_by(width) {
                for &value in values {
                    let mut part = self.clone();
                    part.set(at, width, value);
                    if part.words != self.words {
                        all.push((format!("{value:#x} in {width} bytes at {at}"), part));
                    }
                }
            }
        }
        all
    }

    /// What is wrong in either of two: of a field that is in both, anything.
    fn and(&self, first: &Part, second: &Part) -> Part {
        let mut part = self.clone();
        for (i, word) in part.words.iter_mut().enumerate() {
            *word ^= first.words[i] ^ second.words[i];
        }
        part
    }

    fn set(&mut self, at: usize, width: usize, value: u64) {
        let shift = at % 8 * 8;
        let mask = (u64::MAX >> (64 - 8 * width)) << shift;
        let word = &mut self.words[at / 8];
        *word = (*word & !mask) | ((value << shift) & mask);
    }
}

/// A request that works, and what it works on.
pub struct Sample<'a> {
    what: &'static str,
    ioctl: u32,
    parts: Vec<Part>,
    /// The file that it is made on.
    file: fn() -> Outcome<File>,
    /// Brings back what it works on.
    again: Box<dyn Fn() -> Outcome + 'a>,
}

/// A file in the state that a request wants, with what that takes.
pub enum File {
    Fresh(Device),
    Bound(Bound),
    Csb(CsbPort),
}

impl File {
    fn device(&self) -> &Device {
        match self {
            File::Fresh(device) => device,
            File::Bound(bound) => &bound.device,
            File::Csb(port) => port.device(),
        }
    }

    /// The ioctl. What starts a loop would not return: once it runs, another thread says STOP.
    fn ioctl(&self, command: u32, argument: u64) -> Result<(), Errno> {
        /// For a loop that does not say that it runs.
        const LONG_ENOUGH: Duration = Duration::from_millis(5);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if let File::Csb(port) = self {
                port.forget_loop();
                scope.spawn(|| {
                    let start = Instant::now();
                    while !over.load(SeqCst) {
                        if port.has_seen_loop() || start.elapsed() > LONG_ENOUGH {
                            let _ = kloop_stop(port.device());
                        }
                        std::thread::sleep(Duration::from_micros(200));
                    }
                });
            }
            let result = self.device().ioctl(command, argument);
            over.store(true, SeqCst);
            result.map(drop)
        })
    }
}

fn fresh() -> Outcome<File> {
    Ok(File::Fresh(Device::open()?))
}

/// A file whose rings are nobody else's.
pub fn bound() -> Outcome<File> {
    let port = shared("vale940:a").flags(NR_EXCLUSIVE);
    Ok(File::Bound(port.bind()?))
}

pub fn in_csb_mode() -> Outcome<File> {
    Ok(File::Csb(CsbPort::bind(shared("vale940:a"))?))
}

/// Where a request's parts are: the header, the body, and the options.
const HEADER: usize = 0;
const BODY: usize = 1;
const OPTIONS: usize = 2;

impl<'a> Sample<'a> {
    pub fn new<B: Plain>(what: &'static str, reqtype: u16, name: &str, body: B) -> Self {
        let mut header = header(reqtype, name.as_bytes());
        header.nr_body = LINK;
        Sample {
            what,
            ioctl: NIOCCTRL,
            parts: vec![Part::of(header), Part::of(body)],
            file: fresh,
            again: Box::new(|| Ok(())),
        }
    }

    pub fn bare(what: &'static str, reqtype: u16, name: &str) -> Self {
        let mut sample = Sample::new(what, reqtype, name, NmreqOption::default());
        sample.parts[HEADER] = Part::of(header(reqtype, name.as_bytes()));
        sample.parts[BODY] = Part::none();
        sample
    }

    pub fn old(what: &'static str, ioctl: u32, request: Nmreq) -> Self {
        Sample {
            ioctl,
            parts: vec![Part::of(request)],
            ..Sample::bare(what, 0, "")
        }
    }

    pub fn on(self, file: fn() -> Outcome<File>) -> Self {
        Sample { file, ..self }
    }

    pub fn again(self, again: impl Fn() -> Outcome + 'a) -> Self {
        let again = Box::new(again);
        Sample { again, ..self }
    }

    pub fn option<O: Plain>(mut self, reqtype: u32, size: usize, mut option: O) -> Self {
        assert!(size_of::<O>() >= size_of::<NmreqOption>());
        let at = std::ptr::from_mut(&mut option).cast::<NmreqOption>();
        // SAFETY: every option begins with what all of them have in common.
        unsafe {
            (*at).nro_reqtype = reqtype;
            (*at).nro_size = size as u64;
        }
        let (before, link) = match self.parts.len() {
            OPTIONS => (HEADER, offset_of!(NmreqHeader, nr_options)),
            len => (len - 1, offset_of!(NmreqOption, nro_next)),
        };
        self.parts[before].set(link, 8, LINK);
        self.parts.push(Part::of(option));
        self
    }

    /// With these words behind its last option, which is longer by them.
    pub fn and(mut self, words: &[u64]) -> Self {
        if let Some(option) = self.parts.last_mut() {
            let end = option.len / 8;
            option.words[end..end + words.len()].copy_from_slice(words);
            option.len += 8 * words.len();
            option.set(offset_of!(NmreqOption, nro_size), 8, option.len as u64);
        }
        self
    }

    /// A command of an old program: `NIOCREGIF` on the name, with one argument.
    pub fn command(what: &'static str, name: &str, nr_cmd: u16, nr_arg1: u16) -> Self {
        let request = Nmreq {
            nr_cmd,
            nr_arg1,
            ..legacy(name)
        };
        Sample::old(what, NIOCREGIF, request)
    }

    /// Makes the request with these parts, on a file of its own. Whether it was done; where it
    /// was not, that it says why, and has changed nothing.
    fn attempt(&self, parts: &[Part]) -> Outcome<bool> {
        let file = (self.file)()?;
        let before = World::now()?;
        let mut parts = parts.to_vec();
        // What leads from one part to the next, unless that is what is wrong.
        let addresses: Vec<u64> = parts.iter_mut().map(Part::address).collect();
        let mut lead = |part: usize, at: usize, to: Option<&u64>| {
            let word = &mut parts[part].words[at / 8];
            if let (LINK, Some(to)) = (*word, to) {
                *word = *to;
            }
        };
        if self.ioctl == NIOCCTRL {
            let body = Some(&addresses[BODY]);
            lead(HEADER, offset_of!(NmreqHeader, nr_body), body);
            let first = addresses.get(OPTIONS);
            lead(HEADER, offset_of!(NmreqHeader, nr_options), first);
            for i in OPTIONS..addresses.len() {
                let next = addresses.get(i + 1);
                lead(i, offset_of!(NmreqOption, nro_next), next);
            }
        }
        let Err(errno) = file.ioctl(self.ioctl, addresses[0]) else {
            return Ok(true);
        };
        documented("it", Err::<(), _>(errno))?;
        let (told, text) = why(file.device())?;
        same(format!("the errno of {text:?}"), told, errno as u32)?;
        let readable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        that(
            format!("a reason, got {text:?}"),
            readable && text.len() > 5,
        )?;
        before.is_still()?;
        Ok(false)
    }

    /// Tries it with every field wrong, one at a time, and with some pairs; but for names, of which
    /// `hostile_names_of_every_kind` has all kinds.
    pub fn try_all(&self) -> Outcome {
        let name = match self.ioctl {
            NIOCCTRL => offset_of!(NmreqHeader, nr_name)..offset_of!(NmreqHeader, nr_options),
            _ => 0..offset_of!(Nmreq, nr_version),
        };
        (self.again)()?;
        let links = links()?;
        let attempt = |what: &str, parts: &[Part]| -> Outcome<bool> {
            let came = self.attempt(parts);
            let blame = |f: Failure| failure(format!("{}, {what}: {f}", self.what));
            let came = came.map_err(blame)?;
            if came {
                // Whatever was made with another name goes.
                for made in self::links()?.difference(&links) {
                    works(format!("deleting {made}"), delif(made))?;
                }
                (self.again)()?;
            }
            Ok(came)
        };
        let works = attempt("nothing wrong", &self.parts)?;
        that(format!("{} works", self.what), works)?;
        let words = name.start / 8..name.end / 8;
        let (mut all, mut done, mut refused) = (Vec::new(), 0, 0);
        let mut count = |came: bool| *if came { &mut done } else { &mut refused } += 1;
        for (i, part) in self.parts.iter().enumerate() {
            for (what, wrong) in part.wrong() {
                if i == HEADER && wrong.words[words.clone()] != part.words[words.clone()] {
                    continue;
                }
                let mut parts = self.parts.clone();
                parts[i] = wrong.clone();
                let what = format!("part {i} with {what}");
                count(attempt(&what, &parts)?);
                all.push((what, i, wrong));
            }
        }
        let mut random = Random::new(all.len() as u64);
        for _ in 0..PAIRS {
            let [first, second] = [0; 2].map(|_| &all[random.below(all.len() as u64) as usize]);
            let mut parts = self.parts.clone();
            parts[first.1] = first.2.clone();
            parts[second.1] = self.parts[second.1].and(&parts[second.1], &second.2);
            if parts[second.1].words == self.parts[second.1].words && first.1 == second.1 {
                // The same one twice makes none.
                continue;
            }
            count(attempt(&format!("{} and {}", first.0, second.0), &parts)?);
        }
        crate::say!("    {}: {done} done, {refused} refused", self.what);
        // Every field of a header has to be right.
        let header_alone = self.ioctl == NIOCCTRL && self.parts[BODY..].iter().all(Part::is_none);
        let both = refused > 5 && (done > 0 || header_alone);
        that(format!("{}: both", self.what), both)
    }
}

/// It works, or there is nothing to be done, as one of these says.
pub fn unless<T>(what: &str, result: Result<T, Errno>, already: &[Errno]) -> Outcome {
    match result {
        Err(errno) if already.contains(&errno) => Ok(()),
        _ => works(what, result.map(drop)),
    }
}

/// All regions are: some requests make one that others would not.
pub fn small_regions() -> Outcome {
    write_parameter("buf_num", "8192")?;
    write_parameter("priv_buf_num", "64")?;
    Ok(())
}

fn links() -> Outcome<BTreeSet<String>> {
    let names = fs::read_dir("/sys/class/net")?.filter_map(Result::ok);
    Ok(names
        .map(|entry| entry.file_name().to_string_lossy().into())
        .collect())
}

/// The threads that carry frames of an interface, if there is one, by number and name. Others take
/// their place where polling begins or ends.
fn threads() -> Outcome<BTreeSet<String>> {
    /// It has ended, and is on its way out (`PF_EXITING`, linux/sched.h).
    const EXITING: u32 = 4;
    let mut threads = BTreeSet::new();
    if !fs::exists("/sys/class/net/fm0")? {
        return Ok(threads);
    }
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        // "pid (name) state" and numbers: the seventh word behind the name is its flags. Who ends
        // meanwhile has none.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((thread, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let flags = rest.split_whitespace().nth(6);
        let flags = flags
            .and_then(|flags| flags.parse().ok())
            .unwrap_or(EXITING);
        if thread.contains("(netmap/") && flags & EXITING == 0 {
            threads.insert(thread.to_owned());
        }
    }
    Ok(threads)
}

/// What there is: ports on switches, interfaces, what carries frames between them, and the module's
/// objects.
struct World {
    ports: Vec<(String, u16, u32)>,
    links: BTreeSet<String>,
    threads: BTreeSet<String>,
    traces: Traces,
}

impl World {
    fn now() -> Outcome<Self> {
        Ok(World {
            ports: vale_list()?,
            links: links()?,
            threads: threads()?,
            traces: Traces::now(),
        })
    }

    fn is_still(&self) -> Outcome {
        same("ports", vale_list()?, self.ports.clone())?;
        same("interfaces", links()?, self.links.clone())?;
        same("threads", threads()?, self.threads.clone())?;
        self.traces.wait_until_back().map_err(failure)
    }
}
