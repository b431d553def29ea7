// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs before they are on a device: those that are built in, and those of files.

use crate::{
    calls,
    choice::{choose, Found},
    elf, messages,
    programs::MARK,
};
use libbpf_rs::{
    libbpf_sys::bpf_map_create_opts, ErrorKind, MapCore, MapHandle, MapType, Object, ObjectBuilder,
    OpenObject, Program, ProgramAttachType, ProgramType,
};
use std::{
    fs::{self, File, FileType},
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
};

macro_rules! built_in {
    ($($name:literal),*) => {
        /// The objects that the tool brings along: each by itself, and as it is where somebody else
        /// counts.
        const BUILT_IN: &[(&str, &[u8], &[u8])] = &[$((
            $name,
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf.o")),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-counted.bpf.o")),
        )),*];
    };
}
built_in!("drop", "pass", "count", "reflect", "filter");

/// A program in the kernel, which goes away with this unless it is put on a device.
pub struct Loaded {
    object: Object,
    fd: OwnedFd,
    pub name: String,
    pub id: u32,
}

impl Loaded {
    pub fn map(&self, name: &str) -> Option<impl MapCore + '_> {
        self.object.maps().find(|map| map.name() == name)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Who counts what a program decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// The program itself, if it is a built-in one.
    Itself,
    /// Wherever it is put.
    Elsewhere,
}

/// Loads what people call so: a built-in program, or FILE.o[:SECTION]. Errors say all that is to be
/// said, beside the verifier's lines, which are told here.
pub fn load(called: &str, counting: Counting, verbose: bool) -> Result<Loaded, String> {
    let done = load_program(called, counting);
    let said = messages::take();
    if verbose && done.is_err() {
        common::out::lines(&said);
    }
    let why = match done {
        Ok(loaded) => return Ok(loaded),
        Err(why) => why,
    };
    Err(match (why, messages::of_verifier(&said)) {
        (Failure::Kernel(_), Some(log)) => {
            for line in messages::reason(log) {
                common::note!("    {line}");
            }
            let more = if verbose {
                ""
            } else {
                ". xdp load -v prints all that it says"
            };
            format!("{called}: the kernel's verifier refuses the program, as it says above{more}")
        }
        (Failure::Kernel(_), None) if said.contains("is not on BPF FS") => format!(
            "{called}: it has a map that is pinned by its name, and /sys/fs/bpf, where that \
             belongs, is not a BPF file system here. Inside `ip netns exec` it is hidden: nsenter \
             --net=/run/netns/NAME xdp load ... keeps it. Elsewhere it may not be mounted: mount \
             -t bpf bpf /sys/fs/bpf"
        ),
        (Failure::Kernel(e), None) if e.kind() == ErrorKind::PermissionDenied => {
            format!(
                "{called}: the kernel lets this user load no programs: be root, or have \
                CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
            )
        }
        (Failure::Kernel(e), None) => {
            let last = messages::last(&said);
            format!(
                "{called}: it cannot be loaded: {e:#}{}{last}",
                if last.is_empty() { "" } else { "; " }
            )
        }
        (Failure::Given(why), _) => format!("{called}: {why}"),
    })
}

enum Failure {
    /// Something is wrong with what was given.
    Given(String),
    /// libbpf, or the kernel, did not take it.
    Kernel(libbpf_rs::Error),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Given(why)
    }
}

impl From<libbpf_rs::Error> for Failure {
    fn from(e: libbpf_rs::Error) -> Self {
        Failure::Kernel(e)
    }
}

fn load_program(called: &str, counting: Counting) -> Result<Loaded, Failure> {
    let (mut object, section) = open(called, counting)?;
    for mut program in object.progs_mut() {
        // libbpf wants the section to be xdp and nothing more; older loaders were content if it
        // began so.
        let named = program.section().as_encoded_bytes().starts_with(b"xdp");
        if named && program.prog_type() == ProgramType::Unspec {
            program.set_prog_type(ProgramType::Xdp);
            program.set_attach_type(ProgramAttachType::Xdp);
        }
    }
    let found: Vec<Found> = object.progs().map(|p| Found::new(&p)).collect();
    let name = choose(&found, section)?.to_owned();
    // The kernel empties such maps when the last program that opened them ends, unless they are
    // pinned.
    let (pinned, lost): (Vec<_>, Vec<_>) = object
        .maps()
        .filter(|map| map.map_type() == MapType::ProgArray)
        .partition(calls::is_pinned_by_name);
    if !lost.is_empty() {
        let why = "it calls other programs (tail calls) through a map that lives only as long as \
            its loader: pin it by its name (LIBBPF_PIN_BY_NAME), or load it with a loader that \
            stays";
        return Err(Failure::Given(why.to_owned()));
    }
    // What is called may be in the object as well.
    let called = !pinned.is_empty();
    for mut program in object.progs_mut() {
        let chosen = program.name() == name.as_str();
        program.set_autoload(chosen || called && program.prog_type() == ProgramType::Xdp);
    }
    let object = object.load()?;
    let chosen = object.progs().find(|p| p.name() == name.as_str());
    let chosen = chosen.ok_or_else(|| "the program has gone".to_owned())?;
    let fd = chosen.as_fd().try_clone_to_owned();
    let fd = fd.map_err(|e| e.to_string())?;
    mark(fd.as_fd())?;
    let id = Program::id_from_fd(fd.as_fd())?;
    Ok(Loaded {
        object,
        fd,
        name,
        id,
    })
}

/// The object, and the section in it that was asked for.
fn open(called: &str, counting: Counting) -> Result<(OpenObject, Option<&str>), Failure> {
    if let Some((_, alone, counted)) = BUILT_IN.iter().find(|(name, ..)| *name == called) {
        let bytes = match counting {
            Counting::Itself => alone,
            Counting::Elsewhere => counted,
        };
        return Ok((ObjectBuilder::default().open_memory(bytes)?, None));
    }
    let (path, section) = split(called);
    elf::check(&read(path)?)?;
    let object = ObjectBuilder::default()
        .open_file(path)
        .map_err(|e| unreadable(&messages::take(), &e))?;
    Ok((object, section))
}

/// Bytes of the largest file that is read. Objects have some thousands.
const MOST: u64 = 64 << 20;

/// A device or a pipe may have no end, and a large file takes all memory.
fn read(path: &str) -> Result<Vec<u8>, String> {
    let unknown = |e: io::Error| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
        format!(
            "neither a program that is built in ({}) nor a file that can be read: {e}",
            names.join(", ")
        )
    };
    let kind = fs::metadata(path).map_err(unknown)?.file_type();
    if !kind.is_file() {
        return Err(format!(
            "it is {}: give the object file that clang -target bpf -O2 -g -c makes",
            name_of(kind)
        ));
    }
    let mut bytes = Vec::new();
    // Not all files in /proc and /sys tell how long they are.
    File::open(path)
        .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
        .map_err(unknown)?;
    if bytes.len() as u64 > MOST {
        return Err(format!(
            "it has more than {} MiB, as no BPF object has: give the object file that clang \
             -target bpf -O2 -g -c makes",
            MOST >> 20
        ));
    }
    Ok(bytes)
}

/// What is no regular file.
fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Why libbpf does not take an object that it was to open.
fn unreadable(said: &str, e: &libbpf_rs::Error) -> String {
    if said.contains("legacy map definitions") {
        return "it defines its maps as programs did before libbpf 1.0, in SEC(\"maps\"), which is \
            not supported any more: define them in SEC(\".maps\"), with BTF (clang -g)".to_owned();
    }
    if said.contains("BTF is required") {
        return "it lacks BTF, which describes its maps: compile it with clang -g".to_owned();
    }
    match messages::last(said) {
        "" => format!("the object file is damaged: {e:#}"),
        why if why.starts_with("elf: ") => format!("the object file is damaged: {why}"),
        why => format!("libbpf does not take it: {why}"),
    }
}

/// The section is behind the last colon, unless that belongs to the file's name.
fn split(called: &str) -> (&str, Option<&str>) {
    match called.rsplit_once(':') {
        Some((path, section)) if !Path::new(called).exists() => (path, Some(section)),
        _ => (called, None),
    }
}

/// By this everybody can tell that it was us. The map lives as long as the program.
fn mark(program: BorrowedFd<'_>) -> Result<(), Failure> {
    let options = bpf_map_create_opts {
        sz: size_of::<bpf_map_create_opts>() as u64,
        ..bpf_map_create_opts::default()
    };
    let map = MapHandle::create(MapType::Array, Some(MARK), 4, 4, 1, &options)?;
    calls::bind(program, map.as_fd())
        .map_err(|e| Failure::Given(format!("it cannot be marked as loaded by xdp: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_behind_the_colon() {
        assert_eq!(split("a.o"), ("a.o", None));
        assert_eq!(split("./a.o:xdp/first"), ("./a.o", Some("xdp/first")));
    }

    /// /dev/zero was read until no memory was left.
    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let large = std::env::temp_dir().join(format!("ferromap-large-{}", std::process::id()));
        let large = large.to_str().unwrap();
        File::create(large).unwrap().set_len(MOST + 1).unwrap();
        for (path, words) in [
            ("/dev/zero", "it is a device: give"),
            ("/", "it is a directory: give"),
            (large, "more than 64 MiB"),
            ("/nosuch.o", "nor a file that can be read: No such file"),
        ] {
            let why = read(path).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        File::create(large).unwrap().set_len(MOST).unwrap();
        assert_eq!(read(large).map(|bytes| bytes.len() as u64), Ok(MOST));
        fs::remove_file(large).unwrap();
    }

    #[test]
    fn what_libbpf_says_decides_what_is_wrong() {
        let e = libbpf_rs::Error::from_raw_os_error(95);
        for (said, words) in [
            (
                "libbpf: elf: legacy map definitions in 'maps' section are not supported by \
                    libbpf v1.0+\n",
                "SEC(\".maps\")",
            ),
            (
                "libbpf: BTF is required, but is missing or corrupted.\n",
                "clang -g",
            ),
            (
                "libbpf: elf: failed to get section names\n",
                "damaged: elf: failed",
            ),
            (
                "libbpf: map 'a': unsupported\n",
                "does not take it: map 'a': unsupported",
            ),
            ("", "damaged"),
        ] {
            let why = unreadable(said, &e);
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_is_built_in_is_for_this_machine() {
        for (name, alone, counted) in BUILT_IN {
            for bytes in [alone, counted] {
                assert_eq!(elf::check(bytes), Ok(()), "{name}");
                let object = ObjectBuilder::default().open_memory(bytes).unwrap();
                let found: Vec<Found> = object.progs().map(|p| Found::new(&p)).collect();
                assert_eq!(choose(&found, None).as_ref(), Ok(name));
            }
        }
    }
}
