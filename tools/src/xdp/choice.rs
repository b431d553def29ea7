// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which program of an object file is meant.

use libbpf_rs::{OpenProgram, ProgramType};

/// A program of an object.
#[derive(Debug)]
pub struct Found {
    name: String,
    section: String,
    kind: ProgramType,
}

impl Found {
    pub fn new(program: &OpenProgram<'_>) -> Self {
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
pub fn choose<'f>(found: &'f [Found], section: Option<&str>) -> Result<&'f str, String> {
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
}
