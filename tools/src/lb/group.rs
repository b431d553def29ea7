// SPDX-License-Identifier: MIT OR Apache-2.0

//! Groups of pipes, as `-p` names them.

use common::ports;
use ferromap::{PortSpec, Rings};
use std::str::FromStr;

/// Pipes that a port bears (section 8.6 of the interface).
const MOST_PIPES: usize = 64;

/// `[NAME:]N[@conf:...]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the pipes stand on, if it is not the port.
    name: Option<String>,
    pipes: usize,
    /// From the `@` on.
    options: String,
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, options) = text.split_at(text.find('@').unwrap_or(text.len()));
        let (name, number) = match head.rsplit_once(':') {
            Some((name, number)) => (Some(name.to_owned()), number),
            None => (None, head),
        };
        let pipes = number.parse().ok().filter(|n| (1..=1024).contains(n));
        match pipes {
            Some(pipes) if name.as_deref() != Some("") => Ok(Group {
                name,
                pipes,
                options: options.to_owned(),
            }),
            _ => Err(format!(
                "`{text}` is not a group of pipes: how many there are, as in 4, perhaps with the \
                 name of what they stand on before it, as in probe:4, and sizes behind it, as in \
                 4@conf:slots=256"
            )),
        }
    }
}

/// The name of the master's end of each pipe, group by group, where `port` is what is balanced.
/// Groups of the same name go on counting. The error is for people.
pub fn names(groups: &[Group], port: &PortSpec) -> Result<Vec<Vec<String>>, String> {
    let own = if port.is_vale() {
        port.name.clone()
    } else {
        format!("netmap:{}", port.name)
    };
    let mut named: Vec<(String, usize)> = Vec::new();
    let mut all = Vec::new();
    for group in groups {
        let base = match &group.name {
            Some(name) => ports::full_name(name),
            None if own.contains(['{', '}']) => {
                return Err(format!(
                    "-p {}: the port is a pipe itself, and a name has one pipe suffix: give \
                     them a name, as in -p probe:{}",
                    group.pipes, group.pipes
                ))
            }
            None => own.clone(),
        };
        let at = match named.iter().position(|(name, _)| *name == base) {
            Some(at) => at,
            None => {
                named.push((base.clone(), 0));
                named.len() - 1
            }
        };
        let first = named[at].1;
        named[at].1 += group.pipes;
        if named[at].1 > MOST_PIPES {
            return Err(format!(
                "-p {}: a port bears {MOST_PIPES} pipes, and this makes {} on {base}: give the \
                 others a name, as in -p more:{}",
                group.pipes,
                named[at].1,
                named[at].1 - MOST_PIPES
            ));
        }
        let name = |i: usize| format!("{base}{{{i}{}", group.options);
        let names: Vec<String> = (first..first + group.pipes).map(name).collect();
        for name in &names {
            check(name)?;
        }
        all.push(names);
    }
    Ok(all)
}

fn check(name: &str) -> Result<(), String> {
    let spec = ports::spec(name).map_err(|e| e.to_string())?;
    if spec.names_region() {
        return Err(format!(
            "{name}: the pipes lie in the memory region of the port, where frames change places \
             without a copy: name none for them"
        ));
    }
    let size = |n: u16| n > 1;
    if size(spec.config.tx_rings) || size(spec.config.rx_rings) || spec.rings != Rings::Nic {
        return Err(format!("{name}: each pipe has one ring: give more pipes"));
    }
    Ok(())
}

/// The consumer's end of the pipe whose master's end is called so.
pub fn far_end(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    name.replace('{', "}")
}

/// What the consumer opens to have that end, where `port` is what is balanced. Memory of a file is
/// not found by its number: who opens a port there names the file.
pub fn to_open(name: &str, port: &str) -> String {
    let mut options = port.split('@').skip(1);
    let memory = options.find(|option| option.starts_with("extmem"));
    let memory = memory.map(|option| format!("@{option}"));
    far_end(name) + &memory.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(groups: &[&str], port: &str) -> Result<Vec<Vec<String>>, String> {
        let groups: Result<Vec<Group>, String> = groups.iter().map(|text| text.parse()).collect();
        names(&groups?, &port.parse().unwrap())
    }

    #[test]
    fn pipes_stand_on_the_port_or_on_a_name() {
        let all = named(&["2", "probe:1", "vale1:x:1@conf:slots=64"], "vale0:in").unwrap();
        assert_eq!(
            all,
            [
                &["vale0:in{0".to_owned(), "vale0:in{1".to_owned()][..],
                &["netmap:probe{0".to_owned()],
                &["vale1:x{0@conf:slots=64".to_owned()],
            ]
        );
        assert_eq!(named(&["1"], "eth0-1/R").unwrap(), [["netmap:eth0{0"]]);
        assert_eq!(named(&["a:1"], "vale0:x}1").unwrap(), [["netmap:a{0"]]);
        assert_eq!(
            to_open("vale1:x{0@conf:slots=64", "vale0:in@1"),
            "vale1:x}0"
        );
        let port = "vale0:in@offset=64@extmem:file=/dev/shm/f,buf-num=9@conf:slots=64";
        assert_eq!(
            to_open("vale0:in{0", port),
            "vale0:in}0@extmem:file=/dev/shm/f,buf-num=9"
        );
    }

    #[test]
    fn groups_of_one_name_go_on_counting() {
        let all = named(&["2", "a:1", "1", "netmap:a:1"], "eth0")
            .unwrap()
            .concat();
        let names = ["eth0{0", "eth0{1", "a{0", "eth0{2", "a{1"];
        assert_eq!(all, names.map(|name| format!("netmap:{name}")));
    }

    #[test]
    fn wrong_groups_are_refused_with_a_reason() {
        for (text, why) in [
            ("", "not a group of pipes"),
            ("0", "not a group of pipes"),
            (":4", "not a group of pipes"),
            ("a:", "not a group of pipes"),
            ("a", "not a group of pipes"),
            ("99999", "not a group of pipes"),
            ("65", "give the others a name, as in -p more:1"),
            ("4@7", "region of the port"),
            ("4@share=vale0:a", "region of the port"),
            ("4@conf:rings=2", "each pipe has one ring"),
            ("4@conf:nonsense=2", "no key"),
            ("a{1:4", "only one pipe suffix"),
        ] {
            let error = named(&[text], "vale0:in").unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(named(&["4"], "vale0:x}1")
            .unwrap_err()
            .contains("give them a name"));
    }
}
