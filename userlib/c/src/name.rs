// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a name asks for. The crate reads it, but for the options that come with memory or change
//! what a slot means: for these a program must be made.

use crate::failure::{Failure, Fallible};
use ferromap::{Control, PortSpec};
use ferromap_abi::wire::{NmreqHeader, NmreqPoolsInfo, NmreqRegister};
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// All that a name asks for.
pub(crate) struct Asked {
    pub(crate) spec: PortSpec,
    pub(crate) extmem: Option<Extmem>,
    pub(crate) offset: Option<Offset>,
}

/// `@extmem`: a file, and how many objects of which size.
pub(crate) struct Extmem {
    pub(crate) file: String,
    pub(crate) info: NmreqPoolsInfo,
}

/// `@offset`.
#[derive(Default)]
pub(crate) struct Offset {
    pub(crate) initial: u64,
    pub(crate) bits: u32,
}

/// An option that names may have, and whether the program wants it.
struct Known(&'static str, AtomicBool);

static OPTIONS: [Known; 4] = [
    Known("share", AtomicBool::new(true)),
    Known("conf", AtomicBool::new(true)),
    Known("extmem", AtomicBool::new(true)),
    // Frames then start elsewhere than programs are used to.
    Known("offset", AtomicBool::new(false)),
];

/// Says whether names may have that option from now on.
pub(crate) fn enable(option: &str, yes: bool) -> Fallible {
    match OPTIONS.iter().find(|known| known.0 == option) {
        Some(known) => {
            known.1.store(yes, Relaxed);
            Ok(())
        }
        None => Err(Failure::new(
            Errno::ENOENT,
            format!("`{option}` is none of share, conf, extmem and offset"),
        )),
    }
}

/// Reads `SUBSYSTEM:NAME`, and returns what is behind. Other than for people, a name must say of
/// which kind it is: programs try other means where it is not netmap's.
pub(crate) fn start(full: &str) -> Fallible<(PortSpec, &str)> {
    if PortSpec::full_name(full) != full {
        return Err(Failure::invalid(format!(
            "`{full}` is not a port name: it starts with neither `netmap:` nor the name of a \
             switch, as `vale0:` is"
        )));
    }
    Ok(PortSpec::split(full)?)
}

/// Reads all of a name.
pub(crate) fn read(full: &str) -> Fallible<Asked> {
    let named = |failure: Failure| Failure {
        words: format!("{full}: {}", failure.words),
        ..failure
    };
    let (mut spec, rest) = start(full)?;
    let mut rest = spec
        .read_suffix(rest)
        .map_err(|why| named(Failure::invalid(why)))?;
    let mut asked = Asked {
        spec,
        extmem: None,
        offset: None,
    };
    while let Some(option) = rest.strip_prefix('@') {
        let end = option.find('@').unwrap_or(option.len());
        asked.option(&option[..end]).map_err(named)?;
        rest = &option[end..];
    }
    if rest.is_empty() {
        Ok(asked)
    } else {
        Err(named(Failure::invalid(format!(
            "`{rest}` is not expected there"
        ))))
    }
}

impl Asked {
    fn option(&mut self, text: &str) -> Fallible {
        let name = &text[..text.find([':', '=']).unwrap_or(text.len())];
        match OPTIONS.iter().find(|known| known.0 == name) {
            Some(known) if !known.1.load(Relaxed) => Err(Failure::invalid(format!(
                "`@{name}` is for programs that enable it, and this one has not"
            ))),
            _ => match name {
                "extmem" => self.extmem(text),
                "offset" => self.offset(text),
                _ => self.spec.read_option(text).map_err(Failure::invalid),
            },
        }
    }

    fn extmem(&mut self, text: &str) -> Fallible {
        let mut file = None;
        let mut info = NmreqPoolsInfo::default();
        for (key, value) in pairs(text, "file")? {
            let field = match key.as_str() {
                "file" => {
                    file = Some(value.to_owned());
                    continue;
                }
                "if-num" => &mut info.nr_if_pool_objtotal,
                "if-size" => &mut info.nr_if_pool_objsize,
                "ring-num" => &mut info.nr_ring_pool_objtotal,
                "ring-size" => &mut info.nr_ring_pool_objsize,
                "buf-num" => &mut info.nr_buf_pool_objtotal,
                "buf-size" => &mut info.nr_buf_pool_objsize,
                _ => return Err(Failure::invalid(format!("`{key}` is no key of @extmem"))),
            };
            *field = number(value)?;
        }
        let file = file.ok_or_else(|| {
            Failure::invalid("`@extmem` wants a file, as in `@extmem=/dev/hugepages/a`")
        })?;
        self.extmem = Some(Extmem { file, info });
        Ok(())
    }

    fn offset(&mut self, text: &str) -> Fallible {
        let mut offset = Offset::default();
        for (key, value) in pairs(text, "initial")? {
            match key.as_str() {
                "initial" => offset.initial = number(value)?,
                "bits" => offset.bits = number(value)?,
                _ => return Err(Failure::invalid(format!("`{key}` is no key of @offset"))),
            }
        }
        self.offset = Some(offset);
        Ok(())
    }

    /// The request, for which the other port of `@share` is asked.
    pub(crate) fn register(&mut self) -> Fallible<NmreqRegister> {
        if let Some(other) = &self.spec.share {
            self.spec.mem_id = mem_id(other)?;
        }
        Ok(self.spec.register())
    }
}

/// `NAME=VALUE` is one of the key `default`, `NAME:KEY=VALUE,...` has several. In keys `_` is `-`.
fn pairs<'a>(text: &'a str, default: &str) -> Fallible<Vec<(String, &'a str)>> {
    let end = text.find([':', '=']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if let Some(value) = rest.strip_prefix('=') {
        return Ok(vec![(default.to_owned(), value)]);
    }
    let pair = |pair: &'a str| match pair.split_once('=') {
        Some((key, value)) => Ok((key.replace('_', "-"), value)),
        None => Err(Failure::invalid(format!(
            "`@{name}` wants keys with values, as in `@{name}:{default}=...`"
        ))),
    };
    rest.trim_start_matches(':').split(',').map(pair).collect()
}

fn number<N: std::str::FromStr>(text: &str) -> Fallible<N> {
    text.parse()
        .map_err(|_| Failure::invalid(format!("`{text}` is no number that fits")))
}

/// The number of a port's region.
pub(crate) fn mem_id(port: &str) -> Fallible<u16> {
    Ok(Control::open()?.port_info(port)?.mem_id)
}

/// Puts the name that the kernel gets into a request.
pub(crate) fn put(spec: &PortSpec, hdr: &mut NmreqHeader) {
    let name = spec.kernel_name().as_bytes();
    // It is shorter: the crate has read it.
    let len = name.len().min(hdr.nr_name.len() - 1);
    hdr.nr_name.fill(0);
    hdr.nr_name[..len].copy_from_slice(&name[..len]);
}

/// The name in a request, for people.
pub(crate) fn of(hdr: &NmreqHeader) -> String {
    String::from_utf8_lossy(ferromap_abi::name::trim(&hdr.nr_name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromap::Rings;

    fn words(full: &str) -> String {
        match read(full) {
            Ok(_) => panic!("{full} is read"),
            Err(failure) => {
                assert_eq!(failure.errno, Errno::EINVAL, "{full}");
                failure.words
            }
        }
    }

    #[test]
    fn the_crate_reads_names_and_this_their_options() {
        let mut asked = read("vale0:a-2/x@5@conf:tx_slots=64@extmem:file=/f,buf_num=9,if-size=8")
            .unwrap_or_else(|f| panic!("{}", f.words));
        assert_eq!(asked.spec.rings, Rings::OneNic(2));
        let reg = asked.register().unwrap_or_else(|f| panic!("{}", f.words));
        assert_eq!((reg.nr_mem_id, reg.nr_tx_slots, reg.nr_ringid), (5, 64, 2));
        let extmem = asked.extmem.unwrap();
        let info = extmem.info;
        assert_eq!(extmem.file, "/f");
        assert_eq!((info.nr_buf_pool_objtotal, info.nr_if_pool_objsize), (9, 8));
        assert!(asked.offset.is_none());
    }

    #[test]
    fn a_name_says_of_which_kind_it_is() {
        for full in ["eth0", "", "a-0", "eth0@conf:slots=1"] {
            assert!(
                words(full).contains("starts with neither `netmap:`"),
                "{full}"
            );
        }
        assert!(words("bridge:a").contains("`bridge:` is none of"));
    }

    #[test]
    fn options_are_refused_with_a_reason() {
        for (full, why) in [
            ("vale0:a@extmem", "wants keys"),
            ("vale0:a@extmem:if-num=1", "wants a file"),
            ("vale0:a@extmem:file=/f,if-num=x", "`x` is no number"),
            ("vale0:a@extmem:file=/f,odd=1", "`odd` is no key of @extmem"),
            ("vale0:a@odd=1", "`@odd` is none of"),
            ("vale0:a@conf:slots=1x", "`1x` is not a number"),
            ("vale0:a/x-1", "`/-` is none of"),
        ] {
            let words = words(full);
            assert!(words.contains(why), "{full}: {words}");
        }
    }

    /// One test, for what is enabled is so for the whole process.
    #[test]
    fn offsets_are_for_programs_that_want_them() {
        assert!(words("vale0:a@offset=32").contains("for programs that enable it"));
        assert!(enable("offset", true).is_ok());
        let asked = read("vale0:a@offset=32").unwrap_or_else(|f| panic!("{}", f.words));
        let offset = asked.offset.unwrap();
        assert_eq!((offset.initial, offset.bits), (32, 0));
        let asked = read("vale0:a@offset:bits=7,initial=64");
        let offset = asked
            .unwrap_or_else(|f| panic!("{}", f.words))
            .offset
            .unwrap();
        assert_eq!((offset.initial, offset.bits), (64, 7));
        assert!(words("vale0:a@offset:bits=7,max=64").contains("`max` is no key of @offset"));
        assert!(enable("offset", false).is_ok());
        assert!(enable("odd", true).is_err_and(|f| f.errno == Errno::ENOENT));
    }
}
