// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel reads in `nr_name` (section 6.1 of the interface).
//!
//! The suffixes that people type (`netmap:`, `-2`, `/R`, `@3`) never get here: user libraries turn
//! them into fields of the request.

use super::consts::IFNAMSIZ;

/// What every switch name starts with.
pub const VALE_PREFIX: &[u8] = b"vale";

/// What kind of port a name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortName<'a> {
    /// A port of a switch.
    Vale(ValeName<'a>),
    /// Starts with `vale` but does not follow the rules of [`ValeName`].
    BadVale,
    /// One end of a pipe; both parts are there, though the base may still turn out wrong.
    Pipe {
        base: &'a [u8],
        id: &'a [u8],
        master: bool,
    },
    /// A pipe whose base or id is empty.
    BadPipe,
    /// A network interface, by name.
    Interface(&'a [u8]),
    /// No name at all.
    Empty,
}

/// `valeSWITCH:PORT`. The switch part keeps its `vale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValeName<'a> {
    /// 4 to 15 letters, digits and `_`, starting with `vale`.
    pub switch: &'a [u8],
    /// Up to 15 characters, and a `^` behind them for the host stack of an attached interface.
    pub port: &'a [u8],
}

/// The bytes of a NUL-padded name, without the padding. The last byte counts as NUL whatever it is.
pub fn trim(raw: &[u8]) -> &[u8] {
    let most = raw.len().saturating_sub(1);
    let len = raw[..most].iter().position(|&b| b == 0).unwrap_or(most);
    &raw[..len]
}

/// Whether the name is meant for the switch, well-formed or not.
pub fn is_vale(name: &[u8]) -> bool {
    name.starts_with(VALE_PREFIX)
}

impl<'a> ValeName<'a> {
    /// The switch, and what is behind the colon, whether or not a port can be called that; `None`
    /// if there is no colon, or no switch is called that.
    pub fn split(name: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let colon = name.iter().position(|&b| b == b':')?;
        let (switch, port) = (&name[..colon], &name[colon + 1..]);
        let legal = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let is_switch = is_vale(switch) && switch.len() < IFNAMSIZ && switch.iter().all(legal);
        is_switch.then_some((switch, port))
    }

    /// Reads `valeSWITCH:PORT`; `None` if a part is missing, too long, or has characters it
    /// may not have.
    pub fn parse(name: &'a [u8]) -> Option<Self> {
        let (switch, port) = Self::split(name)?;
        let fits = port.strip_suffix(b"^").unwrap_or(port).len() < IFNAMSIZ;
        fits.then_some(ValeName { switch, port })
    }
}

impl<'a> PortName<'a> {
    /// Decides what `name` (already trimmed) asks for. The last `{` marks a pipe's master end; only
    /// without one does the last `}` mark a slave.
    pub fn parse(name: &'a [u8]) -> Self {
        for (mark, master) in [(b'{', true), (b'}', false)] {
            if let Some(at) = name.iter().rposition(|&b| b == mark) {
                let (base, id) = (&name[..at], &name[at + 1..]);
                return if base.is_empty() || id.is_empty() {
                    PortName::BadPipe
                } else {
                    PortName::Pipe { base, id, master }
                };
            }
        }
        if is_vale(name) {
            return ValeName::parse(name).map_or(PortName::BadVale, PortName::Vale);
        }
        if name.is_empty() {
            PortName::Empty
        } else {
            PortName::Interface(name)
        }
    }
}
