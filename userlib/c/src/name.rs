// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a name asks for. The crate reads it; here is which options a program wants in it.

use crate::failure::{Failure, Fallible};
use ferromap::{Control, PortSpec};
use ferromap_abi::wire::{NmreqHeader, NmreqRegister};
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
pub(crate) fn read(full: &str) -> Fallible<PortSpec> {
    let named = |words| Failure::invalid(format!("{full}: {words}"));
    let (mut spec, rest) = start(full)?;
    let mut rest = spec.read_suffix(rest).map_err(named)?;
    while let Some(option) = rest.strip_prefix('@') {
        let end = option.find('@').unwrap_or(option.len());
        read_option(&mut spec, &option[..end]).map_err(named)?;
        rest = &option[end..];
    }
    if rest.is_empty() {
        Ok(spec)
    } else {
        Err(named(format!("`{rest}` is not expected there")))
    }
}

fn read_option(spec: &mut PortSpec, text: &str) -> Result<(), String> {
    let name = &text[..text.find([':', '=']).unwrap_or(text.len())];
    match OPTIONS.iter().find(|known| known.0 == name) {
        Some(known) if !known.1.load(Relaxed) => Err(format!(
            "`@{name}` is for programs that enable it, and this one has not"
        )),
        _ => spec.read_option(text),
    }
}

/// The request of a name, for which the other port of `@share` is asked.
pub(crate) fn register(spec: &mut PortSpec) -> Fallible<NmreqRegister> {
    if let Some(other) = &spec.share {
        spec.mem_id = mem_id(other)?;
    }
    Ok(spec.register())
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
        let mut spec = read("vale0:a-2/x@5@conf:tx_slots=64@extmem:file=/f,buf_num=9,if-size=8")
            .unwrap_or_else(|f| panic!("{}", f.words));
        assert_eq!(spec.rings, Rings::OneNic(2));
        let reg = register(&mut spec).unwrap_or_else(|f| panic!("{}", f.words));
        assert_eq!((reg.nr_mem_id, reg.nr_tx_slots, reg.nr_ringid), (5, 64, 2));
        let extmem = spec.extmem.unwrap();
        let info = ferromap_abi::wire::NmreqPoolsInfo::from(&extmem.pools);
        assert_eq!(extmem.file, "/f");
        assert_eq!((info.nr_buf_pool_objtotal, info.nr_if_pool_objsize), (9, 8));
        assert!(spec.offsets.is_none());
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
        let spec = read("vale0:a@offset=32").unwrap_or_else(|f| panic!("{}", f.words));
        assert_eq!(spec.offsets.map(|o| (o.initial, o.bits)), Some((32, 0)));
        assert!(words("vale0:a@offset:bits=7,max=64").contains("`max` is no key of @offset"));
        assert!(enable("offset", false).is_ok());
        assert!(enable("odd", true).is_err_and(|f| f.errno == Errno::ENOENT));
    }
}
