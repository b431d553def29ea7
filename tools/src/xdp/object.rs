// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs before they are on a device: those that are built in, and those of files.

use crate::{calls, elf, messages, programs::MARK};
use libbpf_rs::{
    libbpf_sys::bpf_map_create_opts, ErrorKind, MapCore, MapHandle, MapType, Object, ObjectBuilder,
    OpenObject, Program, ProgramAttachType, ProgramType,
};
use std::{
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

macro_rules! built_in {
    ($($name:literal),*) => {
        /// The objects that the tool brings along.
        const BUILT_IN: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf.o")))),*];
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

/// Loads what people call so: a built-in program, or FILE.o[:SECTION]. Errors say all that is to be said.
pub fn load(called: &str, verbose: bool) -> Result<Loaded, String> {
    let done = load_program(called);
    let said = messages::take();
    if verbose && done.is_err() {
        eprint!("{said}");
    }
    let why = match done {
        Ok(loaded) => return Ok(loaded),
        Err(why) => why,
    };
    Err(match (why, messages::of_verifier(&said)) {
        (Failure::Kernel(_), Some(log)) => format!(
            "{called}: the kernel's verifier refuses the program:\n    {}{}",
            messages::reason(log).join("\n    "),
            if verbose {
                ""
            } else {
                "\n  xdp load -v prints all that it says"
            }
        ),
        (Failure::Kernel(e), None) if e.kind() == ErrorKind::PermissionDenied => {
            format!("{called}: the kernel lets this user load no programs: be root, or have CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN")
        }
        (Failure::Kernel(e), None) => {
            let last = said.lines().next_back().unwrap_or_default();
            let last = last.trim_start_matches("libbpf: ");
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

fn load_program(called: &str) -> Result<Loaded, Failure> {
    let (mut object, section) = open(called)?;
    for mut program in object.progs_mut() {
        // libbpf wants the section to be xdp and nothing more; older loaders were content if it began so.
        let named = program.section().as_encoded_bytes().starts_with(b"xdp");
        if named && program.prog_type() == ProgramType::Unspec {
            program.set_prog_type(ProgramType::Xdp);
            program.set_attach_type(ProgramAttachType::Xdp);
        }
    }
    let found: Vec<Found> = object.progs().map(|p| Found::new(&p)).collect();
    let name = choose(&found, section)?.to_owned();
    for mut program in object.progs_mut() {
        let chosen = program.name() == name.as_str();
        program.set_autoload(chosen);
    }
    // The kernel empties such maps when the last program that opened them ends.
    if object
        .maps()
        .any(|map| map.map_type() == MapType::ProgArray)
    {
        let why = "it calls other programs (tail calls) through a map that lives only as long as its loader: load it with a loader that stays, or pins";
        return Err(Failure::Given(why.to_owned()));
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
fn open(called: &str) -> Result<(OpenObject, Option<&str>), Failure> {
    if let Some((_, bytes)) = BUILT_IN.iter().find(|(name, _)| *name == called) {
        return Ok((ObjectBuilder::default().open_memory(bytes)?, None));
    }
    let (path, section) = split(called);
    let bytes = fs::read(path).map_err(|e| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        format!(
            "neither a program that is built in ({}) nor a file that can be read: {e}",
            names.join(", ")
        )
    })?;
    elf::check(&bytes)?;
    let object = ObjectBuilder::default()
        .open_file(path)
        .map_err(|e| format!("the object file is damaged: {e:#}"))?;
    Ok((object, section))
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

/// A program of an object.
#[derive(Debug)]
struct Found {
    name: String,
    section: String,
    kind: ProgramType,
}

impl Found {
    fn new(program: &libbpf_rs::OpenProgram<'_>) -> Self {
        Found {
            name: program.name().to_string_lossy().into_owned(),
            section: program.section().to_string_lossy().into_owned(),
            kind: program.prog_type(),
        }
    }

    /// Programs for the entries of maps are of the same type.
    fn is_for_devices(&self) -> bool {
        let for_maps = ["/devmap", "/cpumap"]
            .iter()
            .any(|end| self.section.ends_with(end));
        self.kind == ProgramType::Xdp && !for_maps
    }
}

/// The name of the program that is meant.
fn choose<'f>(found: &'f [Found], section: Option<&str>) -> Result<&'f str, String> {
    let list = |programs: &[&Found]| {
        let names: Vec<String> = programs
            .iter()
            .map(|p| format!("{} (section {})", p.name, p.section))
            .collect();
        names.join(", ")
    };
    let all: Vec<&Found> = found.iter().collect();
    let xdp: Vec<&Found> = found.iter().filter(|p| p.is_for_devices()).collect();
    let Some(wanted) = section else {
        return match xdp[..] {
            [] if all.is_empty() => Err("it has no programs: one begins with SEC(\"xdp\")".into()),
            [] => Err(format!("it has no XDP section, only {}", list(&all))),
            [one] => Ok(&one.name),
            _ => Err(format!(
                "it has several XDP programs; say which one, as in FILE.o:{}: {}",
                xdp[0].name,
                list(&xdp)
            )),
        };
    };
    let named: Vec<&Found> = found
        .iter()
        .filter(|p| p.section == wanted || p.name == wanted)
        .collect();
    let fit: Vec<&Found> = named
        .iter()
        .copied()
        .filter(|p| p.is_for_devices())
        .collect();
    match (&fit[..], &named[..]) {
        ([one], _) => Ok(&one.name),
        ([], []) => Err(format!(
            "it has no section or program {wanted}; there are: {}",
            list(&all)
        )),
        ([], [other, ..]) => Err(format!(
            "{wanted} is no XDP program for devices: its type is {:?}, its section {}",
            other.kind, other.section
        )),
        (several, _) => Err(format!(
            "there are several programs in section {wanted}; say which one by its name: {}",
            list(several)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, section: &str, kind: ProgramType) -> Found {
        Found {
            name: name.into(),
            section: section.into(),
            kind,
        }
    }

    #[test]
    fn the_only_xdp_program_is_meant() {
        let xdp = ProgramType::Xdp;
        let one = [
            found("a", "xdp", xdp),
            found("b", "tc", ProgramType::SchedCls),
            found("c", "xdp/devmap", xdp),
        ];
        assert_eq!(choose(&one, None), Ok("a"));
        assert_eq!(choose(&one, Some("xdp")), Ok("a"));
        assert_eq!(choose(&one, Some("a")), Ok("a"));
        for (section, word) in [
            ("tc", "SchedCls"),
            ("nosuch", "a (section xdp)"),
            ("c", "for devices"),
        ] {
            let why = choose(&one, Some(section)).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn of_several_one_must_be_named() {
        let two = [
            found("a", "xdp", ProgramType::Xdp),
            found("b", "xdp", ProgramType::Xdp),
        ];
        assert!(choose(&two, None).unwrap_err().contains("say which one"));
        assert!(choose(&two, Some("xdp"))
            .unwrap_err()
            .contains("by its name"));
        assert_eq!(choose(&two, Some("b")), Ok("b"));
        assert!(choose(&[], None).unwrap_err().contains("no programs"));
        let other = [found("b", "tc", ProgramType::SchedCls)];
        assert!(choose(&other, None)
            .unwrap_err()
            .contains("only b (section tc)"));
    }

    #[test]
    fn the_section_is_behind_the_colon() {
        assert_eq!(split("a.o"), ("a.o", None));
        assert_eq!(split("./a.o:xdp/first"), ("./a.o", Some("xdp/first")));
    }

    #[test]
    fn what_is_built_in_is_for_this_machine() {
        for (name, bytes) in BUILT_IN {
            assert_eq!(elf::check(bytes), Ok(()), "{name}");
            let object = ObjectBuilder::default().open_memory(bytes).unwrap();
            let found: Vec<Found> = object.progs().map(|p| Found::new(&p)).collect();
            assert_eq!(choose(&found, None).as_ref(), Ok(name));
        }
    }
}
