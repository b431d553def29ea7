// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the machine tells of itself: its files, what `ip` and `ethtool` say, and what the module
//! does.
//!
//! Everything is read below one directory, so that tests can make machines up.

use common::links;
use ferromap::{Control, Error};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

pub struct Facts {
    root: PathBuf,
    run: fn(&Path, &[&str]) -> Answer,
    probe: fn(&Path, &str) -> Option<Result<(), Refusal>>,
}

/// What came of running a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Said(String),
    /// It ran and failed: most drivers cannot tell everything.
    Failed,
    NotInstalled,
}

/// Why the module would not open an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In the module's words.
    pub why: String,
    pub cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody can open an interface of that kind.
    Kind,
    /// Its frames are longer than a buffer.
    Mtu,
    /// Mostly somebody else who has it.
    Other,
}

/// What the module says of an interface whose kind is the cause. An errno does not tell: others
/// have the same.
const OF_ITS_KIND: [&str; 3] = [
    " is of kind ",
    " does not carry Ethernet frames",
    " go to whoever opens its /dev/tap",
];
const OF_ITS_MTU: &str = " do not fit: its MTU is ";

impl Refusal {
    fn new(why: String) -> Self {
        let cause = if OF_ITS_KIND.iter().any(|words| why.contains(words)) {
            Cause::Kind
        } else if why.contains(OF_ITS_MTU) {
            Cause::Mtu
        } else {
            Cause::Other
        };
        Refusal { why, cause }
    }
}

impl Facts {
    /// Of the machine that we run on.
    pub fn here() -> Self {
        Facts {
            root: "/".into(),
            run,
            probe,
        }
    }

    /// Paths are given without the slash at their beginning.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.path(path))
    }

    /// The only line of a file.
    pub fn line(&self, path: &str) -> Option<String> {
        self.read(path).ok().map(|text| text.trim().to_owned())
    }

    pub fn number(&self, path: &str) -> Option<u64> {
        self.line(path)?.parse().ok()
    }

    pub fn is_there(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The last name in what a symbolic link says.
    pub fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The names in a directory, in order.
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(path))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Runs a program that tells something.
    pub fn ask(&self, words: &[&str]) -> Answer {
        (self.run)(&self.root, words)
    }

    /// Whether a program could open the interface now, and if not, why not. `None` if the module
    /// cannot be asked.
    pub fn probe(&self, interface: &str) -> Option<Result<(), Refusal>> {
        (self.probe)(&self.root, interface)
    }

    /// A file of an interface.
    pub fn of(&self, interface: &str, file: &str) -> Option<String> {
        self.line(&format!("sys/class/net/{interface}/{file}"))
    }

    pub fn has_interface(&self, name: &str) -> bool {
        !name.is_empty()
            && !name.contains('/')
            && !name.starts_with('.')
            && self.is_there(&format!("sys/class/net/{name}/ifindex"))
    }

    /// The interface's own name, under which there are files of it, if it has that name or this is
    /// an alternative one.
    pub fn own_name(&self, name: &str) -> Option<String> {
        if self.has_interface(name) {
            return Some(name.to_owned());
        }
        let Answer::Said(answer) = self.ask(&links::command(name)) else {
            return None;
        };
        let (_, shown) = links::parse(&answer)?;
        let own = match shown.rsplit_once('@') {
            Some((own, _)) if !self.has_interface(shown) => own,
            _ => shown,
        };
        self.has_interface(own).then(|| own.to_owned())
    }

    /// What the module calls a port: alternative names of interfaces are replaced.
    pub fn port_name(&self, name: &str) -> String {
        let (switch, port) = name.split_at(name.find(':').map_or(0, |colon| colon + 1));
        let host = port.strip_suffix('^').map(|base| (base, "^"));
        let mut parts = [Some((port, "")), host].into_iter().flatten();
        let known = parts.find_map(|(base, rest)| Some((self.own_name(base)?, rest)));
        known.map_or_else(
            || name.to_owned(),
            |(own, rest)| format!("{switch}{own}{rest}"),
        )
    }

    pub fn module_is_loaded(&self) -> bool {
        self.is_there("sys/module/netmap")
    }

    /// A parameter of the module.
    pub fn parameter(&self, name: &str) -> Option<u64> {
        self.number(&format!("sys/module/netmap/parameters/{name}"))
    }
}

fn run(_: &Path, words: &[&str]) -> Answer {
    // What ethtool says depends on the language.
    let ran = Command::new(words[0])
        .args(&words[1..])
        .env("LC_ALL", "C")
        .output();
    match ran {
        Ok(out) if out.status.success() => {
            Answer::Said(String::from_utf8_lossy(&out.stdout).into_owned())
        }
        Ok(_) => Answer::Failed,
        Err(_) => Answer::NotInstalled,
    }
}

fn probe(_: &Path, interface: &str) -> Option<Result<(), Refusal>> {
    let control = Control::open().ok()?;
    let answer = control.probe(&format!("netmap:{interface}"));
    Some(answer.map_err(|e| {
        Refusal::new(match e {
            Error::Busy(r) | Error::Request(r) => {
                let why = r.why.unwrap_or_else(|| r.errno.desc().to_owned());
                format!("{why} ({:?})", r.errno)
            }
            other => other.to_string(),
        })
    }))
}

#[cfg(test)]
pub mod made_up {
    //! Machines for tests.

    use super::*;
    use std::{
        os::unix::fs::symlink,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
    };

    /// A directory with a machine in it, which goes with this.
    pub struct Machine(pub Facts);

    static NEXT: AtomicU32 = AtomicU32::new(0);

    impl Machine {
        /// Each file with what it says.
        pub fn with(files: &[(&str, &str)]) -> Self {
            let name = format!(
                "ferromap-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Relaxed)
            );
            let root = std::env::temp_dir().join(name);
            fs::create_dir_all(&root).unwrap();
            let machine = Machine(Facts {
                root,
                run: as_written,
                probe: as_decided,
            });
            for (path, text) in files {
                machine.write(path, text);
            }
            machine
        }

        pub fn write(&self, path: &str, text: &str) {
            let path = self.0.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        pub fn link(&self, path: &str, target: &str) {
            let path = self.0.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }

        /// What the module returns to whoever opens an interface: nothing, or a refusal.
        pub fn decide(&self, interface: &str, refusal: &str) {
            self.write(&format!("probes/{interface}"), refusal);
        }

        /// What a program says, as in `ethtool -k eth0`.
        pub fn answer(&self, line: &str, text: &str) {
            self.write(&format!("programs/{line}"), text);
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    fn as_decided(root: &Path, interface: &str) -> Option<Result<(), Refusal>> {
        let refusal = fs::read_to_string(root.join("probes").join(interface)).ok()?;
        Some(if refusal.is_empty() {
            Ok(())
        } else {
            Err(Refusal::new(refusal))
        })
    }

    fn as_written(root: &Path, words: &[&str]) -> Answer {
        if root.join("programs/none").exists() {
            return Answer::NotInstalled;
        }
        match fs::read_to_string(root.join("programs").join(words.join(" "))) {
            Ok(text) => Answer::Said(text),
            Err(_) => Answer::Failed,
        }
    }

    /// The words by which a cause is known are the module's own.
    #[test]
    fn the_module_says_so() {
        let module = [
            include_str!("../../../module/nic/nics.rs"),
            include_str!("../../../module/nic/emulated/running.rs"),
        ]
        .concat();
        // Long sentences go over several lines.
        let module: Vec<&str> = module.split("\\\n").map(str::trim_start).collect();
        let module = module.concat();
        for words in OF_ITS_KIND.iter().chain([&OF_ITS_MTU]) {
            assert!(module.contains(words), "{words}");
        }
    }

    #[test]
    fn facts_are_read_below_their_root() {
        let machine = Machine::with(&[
            ("sys/class/net/eth0/mtu", "1500\n"),
            ("sys/class/net/eth0/ifindex", "2\n"),
        ]);
        machine.link("sys/class/net/eth0/master", "../br0");
        let facts = &machine.0;
        assert_eq!(facts.of("eth0", "mtu").as_deref(), Some("1500"));
        assert_eq!(
            facts.link("sys/class/net/eth0/master").as_deref(),
            Some("br0")
        );
        assert!(facts.has_interface("eth0") && !facts.has_interface("../net/eth0"));
        assert!(!facts.module_is_loaded());
        assert_eq!(facts.ask(&["ethtool", "-k", "eth0"]), Answer::Failed);
    }
}
