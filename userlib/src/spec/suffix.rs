// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is behind a port's name: which rings, flags, a region, options.

use super::{Config, Extmem, Offsets, Parsed, PortSpec, Rings};
use ferromap_abi::consts::*;

/// The highest ring number that a name may carry.
const MAX_RING: u16 = 4094;

/// All of them.
pub(super) fn all(text: &str, spec: &mut PortSpec) -> Parsed<()> {
    let mut rest = Cursor(text);
    all_but_options(&mut rest, spec)?;
    while rest.eat('@') {
        option(rest.until('@'), spec)?;
    }
    if rest.0.is_empty() {
        Ok(())
    } else {
        Err(format!("`{}` is not expected there", rest.0))
    }
}

/// Mode, flags and region.
pub(super) fn all_but_options(rest: &mut Cursor, spec: &mut PortSpec) -> Parsed<()> {
    spec.rings = mode(rest)?;
    if spec.is_null() && spec.rings != Rings::Nic {
        return Err("a null port has rings of its own, and all are bound".into());
    }
    if rest.eat('/') {
        spec.flags = flags(rest.until('@'))?;
    }
    if rest.0.starts_with('@') && rest.0[1..].starts_with(|c: char| c.is_ascii_digit()) {
        rest.eat('@');
        option(rest.until('@'), spec)?;
    }
    Ok(())
}

/// What is left to read.
pub(super) struct Cursor<'a>(pub(super) &'a str);

impl<'a> Cursor<'a> {
    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, c: char) -> &'a str {
        let (head, rest) = self.0.split_at(self.0.find(c).unwrap_or(self.0.len()));
        self.0 = rest;
        head
    }

    fn digits(&mut self) -> &'a str {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        let (head, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        head
    }
}

/// Which rings.
fn mode(rest: &mut Cursor) -> Parsed<Rings> {
    Ok(if rest.eat('*') {
        Rings::NicAndHost
    } else if rest.eat('^') {
        match rest.digits() {
            "" => Rings::Host,
            n => Rings::OneHost(ring_number(n)?),
        }
    } else if rest.eat('-') {
        Rings::OneNic(ring_number(rest.digits())?)
    } else {
        Rings::Nic
    })
}

fn ring_number(digits: &str) -> Parsed<u16> {
    match digits.parse() {
        Ok(n) if n <= MAX_RING => Ok(n),
        _ => Err(format!(
            "a ring number from 0 to {MAX_RING} is expected, as in `-0`"
        )),
    }
}

fn flags(letters: &str) -> Parsed<u64> {
    if letters.is_empty() {
        return Err("`/` wants at least one of x, z, t, r, R, T after it".into());
    }
    letters.chars().try_fold(0, |flags, letter| {
        Ok(flags
            | match letter {
                'x' => NR_EXCLUSIVE,
                'z' => NR_ZCOPY_MON,
                't' => NR_MONITOR_TX,
                'r' => NR_MONITOR_RX,
                'R' => NR_RX_RINGS_ONLY,
                'T' => NR_TX_RINGS_ONLY,
                _ => return Err(format!("`/{letter}` is none of /x /z /t /r /R /T")),
            })
    })
}

/// One option, or the number of a region, without its `@`.
pub(super) fn option(text: &str, spec: &mut PortSpec) -> Parsed<()> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return match text.parse() {
            Ok(id) if id > 0 => {
                spec.mem_id = id;
                Ok(())
            }
            _ => Err(format!("`@{text}` is not a memory region: 1 to 65535")),
        };
    }
    let end = text.find([':', '=']).unwrap_or(text.len());
    let (name, value) = text.split_at(end);
    match (name, value) {
        ("share", _) => {
            // The default key may be left out; the port's own name contains a colon.
            let port = value
                .strip_prefix('=')
                .or_else(|| value.strip_prefix(":port="))
                .filter(|port| !port.is_empty())
                .ok_or("`@share` wants a port, as in `@share=netmap:eth0`")?;
            spec.share = Some(port.to_owned());
            Ok(())
        }
        ("conf", _) => {
            let pairs = value
                .strip_prefix(':')
                .ok_or("`@conf` wants keys, as in `@conf:slots=512`")?;
            pairs
                .split(',')
                .try_for_each(|pair| conf(pair, &mut spec.config))
        }
        ("extmem", _) => {
            spec.extmem = Some(extmem(value)?);
            Ok(())
        }
        ("offset", _) => {
            spec.offsets = Some(offsets(value)?);
            Ok(())
        }
        _ => Err(format!(
            "`@{name}` is none of @share, @conf, @offset, @extmem"
        )),
    }
}

fn conf(pair: &str, config: &mut Config) -> Parsed<()> {
    let (key, value) = pair
        .split_once('=')
        .ok_or_else(|| format!("`{pair}` lacks a value, as in `slots=512`"))?;
    let number = |max: u32| match value.parse() {
        Ok(n) if n <= max => Ok(n),
        _ => Err(format!("`{value}` is not a number of at most {max}")),
    };
    let slots = || number(u32::MAX);
    let rings = || number(u16::MAX.into()).map(|n| n as u16);
    match key.replace('_', "-").as_str() {
        "slots" => (config.tx_slots, config.rx_slots) = (slots()?, slots()?),
        "tx-slots" => config.tx_slots = slots()?,
        "rx-slots" => config.rx_slots = slots()?,
        "rings" => (config.tx_rings, config.rx_rings) = (rings()?, rings()?),
        "tx-rings" => config.tx_rings = rings()?,
        "rx-rings" => config.rx_rings = rings()?,
        "host-rings" => (config.host_tx_rings, config.host_rx_rings) = (rings()?, rings()?),
        "host-tx-rings" => config.host_tx_rings = rings()?,
        "host-rx-rings" => config.host_rx_rings = rings()?,
        _ => return Err(format!("`{key}` is no key of @conf")),
    }
    Ok(())
}

/// What is behind `@extmem`.
fn extmem(behind: &str) -> Parsed<Extmem> {
    let mut asked = Extmem::default();
    let pools = &mut asked.pools;
    for (key, value) in pairs("extmem", behind, "file")? {
        let field = match key.as_str() {
            "file" => {
                value.clone_into(&mut asked.file);
                continue;
            }
            "if-num" => &mut pools.interfaces,
            "if-size" => &mut pools.interface_size,
            "ring-num" => &mut pools.rings,
            "ring-size" => &mut pools.ring_size,
            "buf-num" => &mut pools.buffers,
            "buf-size" => &mut pools.buffer_size,
            _ => return Err(format!("`{key}` is no key of @extmem")),
        };
        *field = number(value)?;
    }
    if asked.file.is_empty() {
        return Err("`@extmem` wants a file, as in `@extmem=/dev/hugepages/a`".into());
    }
    Ok(asked)
}

/// What is behind `@offset`.
fn offsets(behind: &str) -> Parsed<Offsets> {
    let mut offsets = Offsets::default();
    for (key, value) in pairs("offset", behind, "initial")? {
        match key.as_str() {
            "initial" => offsets.initial = number(value)?,
            "bits" => offsets.bits = number(value)?,
            _ => return Err(format!("`{key}` is no key of @offset")),
        }
    }
    Ok(offsets.up_to(offsets.initial))
}

/// `NAME=VALUE` is one of the key `default`, `NAME:KEY=VALUE,...` has several. In keys `_` is `-`.
fn pairs<'a>(name: &str, behind: &'a str, default: &str) -> Parsed<Vec<(String, &'a str)>> {
    if let Some(value) = behind.strip_prefix('=') {
        return Ok(vec![(default.to_owned(), value)]);
    }
    let pair = |pair: &'a str| match pair.split_once('=') {
        Some((key, value)) => Ok((key.replace('_', "-"), value)),
        None => Err(format!(
            "`@{name}` wants keys with values, as in `@{name}:{default}=...`"
        )),
    };
    behind
        .trim_start_matches(':')
        .split(',')
        .map(pair)
        .collect()
}

fn number<N: std::str::FromStr>(text: &str) -> Parsed<N> {
    text.parse()
        .map_err(|_| format!("`{text}` is no number that fits"))
}
