// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a port may be called. The errors are for people.

use super::Parsed;
use ferromap_abi::{
    consts::{IFNAMSIZ, NETMAP_REQ_IFNAMSIZ},
    name::{is_vale, PortName, ValeName},
};

/// Refuses a name, as the kernel has it, that is too long, and names the limit.
pub(super) fn check_length(name: &str, is_interface: &dyn Fn(&str) -> bool) -> Parsed<()> {
    let fits = |part: &str, most: usize, what: &str| match part.len() {
        len if len > most => Err(format!(
            "{part} is too long: {what} has at most {most} characters, and this has {len}"
        )),
        _ => Ok(()),
    };
    // Alternative names may be longer.
    let interface_fits = |part: &str, what: &str| match part.len() {
        IFNAMSIZ.. if is_interface(part) => Ok(()),
        _ => fits(part, IFNAMSIZ - 1, what),
    };
    let base = name.split(['{', '}']).next().unwrap_or(name);
    match base.split_once(':') {
        Some((switch, port)) => {
            fits(switch, IFNAMSIZ - 1, "a switch")?;
            // The host stack of an attached interface has one more.
            let port = port.strip_suffix('^').unwrap_or(port);
            interface_fits(port, "a port of a switch")?;
        }
        None => interface_fits(base, "an interface")?,
    }
    fits(name, NETMAP_REQ_IFNAMSIZ - 1, "the name of a port")
}

/// Refuses a name, as the kernel has it, that no port can have.
pub(super) fn check(name: &str, is_interface: &dyn Fn(&str) -> bool) -> Parsed<()> {
    check_length(name, is_interface)?;
    if name.bytes().any(|b| b == 0 || b.is_ascii_whitespace()) {
        return Err("a port has no spaces in its name".into());
    }
    if name.matches(['{', '}']).count() > 1 {
        return Err("only one pipe suffix is allowed".into());
    }
    let base = match PortName::parse(name.as_bytes()) {
        PortName::Pipe { base, id, .. } => {
            if !id.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                return Err("a pipe is named by letters, digits and `_`".into());
            }
            base
        }
        PortName::BadPipe => {
            return Err("a pipe needs a port before and a name after the brace".into())
        }
        _ => name.as_bytes(),
    };
    if base.is_empty() || base.ends_with(b":") {
        return Err("the name of the port is missing".into());
    }
    let switch = base.split_inclusive(|&b| b == b':').next();
    if switch.is_some_and(|s| is_vale(s) && s.ends_with(b":") && ValeName::parse(s).is_none()) {
        return Err("a switch is called by letters, digits and `_`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::spec::PortSpec;

    #[test]
    fn what_is_too_long_is_called_so() {
        let long = "abcdefghijklmnop";
        for (name, limit) in [
            (format!("netmap:{long}"), "an interface has at most 15"),
            (format!("vale0:{long}"), "a port of a switch has at most 15"),
            (format!("vale{long}:a"), "a switch has at most 15"),
            (
                format!("netmap:eth0{{{}", long.repeat(4)),
                "the name of a port has at most 63",
            ),
        ] {
            let why = name.parse::<PortSpec>().unwrap_err().to_string();
            assert!(why.contains("is too long") && why.contains(limit), "{why}");
        }
        for full in [format!("netmap:{long}"), format!("vale0:{long}^")] {
            assert!(PortSpec::read(&full, |name| name == long).is_ok(), "{full}");
        }
        assert!(PortSpec::check_length(&format!("vale0:{long}")).is_err());
        assert!(PortSpec::check_length("vale0:").is_ok());
    }
}
