// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rules of the built-in program `filter`, as people write them and as its maps hold them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a frame may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The source address begins so.
    Prefix4(Ipv4Addr, u8),
    Prefix6(Ipv6Addr, u8),
    /// A destination port of TCP or UDP.
    Port(u8, u16),
    EtherType(u16),
}

impl Rule {
    /// The maps of the program `filter`, see tools/bpf/filter.c.
    pub const MAPS: [&'static str; 4] = ["prefixes4", "prefixes6", "ports", "ethertypes"];

    /// The map that holds it.
    pub fn map(self) -> &'static str {
        let [prefixes4, prefixes6, ports, ethertypes] = Self::MAPS;
        match self {
            Rule::Prefix4(..) => prefixes4,
            Rule::Prefix6(..) => prefixes6,
            Rule::Port(..) => ports,
            Rule::EtherType(_) => ethertypes,
        }
    }

    pub fn key(self) -> Vec<u8> {
        let prefix = |length: u8, address: &[u8]| {
            let length = u32::from(length).to_ne_bytes();
            [&length, address].concat()
        };
        match self {
            Rule::Prefix4(address, length) => prefix(length, &address.octets()),
            Rule::Prefix6(address, length) => prefix(length, &address.octets()),
            Rule::Port(protocol, number) => {
                let [high, low] = number.to_be_bytes();
                vec![protocol, 0, high, low]
            }
            Rule::EtherType(number) => number.to_be_bytes().to_vec(),
        }
    }

    /// The rule behind a key of one of the maps; they differ in length.
    pub fn of_key(map: &str, key: &[u8]) -> Option<Self> {
        let length = || {
            let length = u32::from_ne_bytes(key.get(..4)?.try_into().ok()?);
            u8::try_from(length).ok()
        };
        match Self::MAPS.iter().position(|name| *name == map)? {
            0 => {
                let address: [u8; 4] = key.get(4..)?.try_into().ok()?;
                Some(Rule::Prefix4(address.into(), length()?))
            }
            1 => {
                let address: [u8; 16] = key.get(4..)?.try_into().ok()?;
                Some(Rule::Prefix6(address.into(), length()?))
            }
            2 => match *key {
                [protocol, _, high, low] => {
                    Some(Rule::Port(protocol, u16::from_be_bytes([high, low])))
                }
                _ => None,
            },
            _ => Some(Rule::EtherType(u16::from_be_bytes(key.try_into().ok()?))),
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(number) = text.strip_prefix("0x") {
            return ether_type(number);
        }
        if let Some((protocol, number)) = text.split_once(':') {
            let protocol = match protocol {
                "tcp" => Some(TCP),
                "udp" => Some(UDP),
                _ => None,
            };
            if let Some(protocol) = protocol {
                let number = number.parse().ok().filter(|n| *n != 0);
                return number
                    .map(|number| Rule::Port(protocol, number))
                    .ok_or_else(|| "a port is a number from 1 to 65535".into());
            }
        }
        prefix(text)
    }
}

fn ether_type(number: &str) -> Result<Rule, String> {
    match u16::from_str_radix(number, 16) {
        // What is less is a length.
        Ok(number) if number >= 0x600 => Ok(Rule::EtherType(number)),
        _ => Err("an EtherType is from 0x600 to 0xffff".into()),
    }
}

fn prefix(text: &str) -> Result<Rule, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| {
        "a rule is a source prefix (10.0.0.0/8, 2001:db8::/32), a destination port (tcp:22, \
            udp:53) or an EtherType (0x86dd)"
            .to_owned()
    })?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| *n <= most)
            .ok_or_else(|| format!("the prefix may have at most {most} bits"))?,
    };
    let whole = match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Rule::Prefix4((u32::from(a) & mask).into(), length)
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Rule::Prefix6((u128::from(a) & mask).into(), length)
        }
    };
    let given = match address {
        IpAddr::V4(a) => Rule::Prefix4(a, length),
        IpAddr::V6(a) => Rule::Prefix6(a, length),
    };
    if whole != given {
        return Err(format!(
            "there are bits behind the prefix; did you mean {whole}?"
        ));
    }
    Ok(whole)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Prefix4(address, length) => write!(f, "{address}/{length}"),
            Rule::Prefix6(address, length) => write!(f, "{address}/{length}"),
            Rule::Port(TCP, number) => write!(f, "tcp:{number}"),
            Rule::Port(UDP, number) => write!(f, "udp:{number}"),
            Rule::Port(protocol, number) => write!(f, "{protocol}:{number}"),
            Rule::EtherType(number) => write!(f, "0x{number:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn rules_are_read_and_written() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
            ("tcp:22", "tcp:22"),
            ("udp:65535", "udp:65535"),
            ("0x86dd", "0x86dd"),
            ("0x806", "0x0806"),
        ] {
            assert_eq!(rule(text).to_string(), written);
        }
    }

    #[test]
    fn keys_are_as_the_program_has_them() {
        let length = 8u32.to_ne_bytes();
        assert_eq!(
            rule("10.0.0.0/8").key(),
            [&length[..], &[10, 0, 0, 0]].concat()
        );
        assert_eq!(rule("udp:53").key(), [17, 0, 0, 53]);
        assert_eq!(rule("0x86dd").key(), [0x86, 0xdd]);
        for text in ["10.0.0.0/8", "2001:db8::/32", "tcp:22", "0x0806"] {
            let rule = rule(text);
            assert_eq!(Rule::of_key(rule.map(), &rule.key()), Some(rule));
            assert_eq!(Rule::of_key(rule.map(), &[1]), None);
        }
    }

    #[test]
    fn wrong_rules_are_refused() {
        for (text, word) in [
            ("10.0.0.1/8", "did you mean 10.0.0.0/8"),
            ("2001:db8::1/32", "did you mean 2001:db8::/32"),
            ("10.0.0.0/33", "at most 32"),
            ("::/129", "at most 128"),
            ("tcp:0", "65535"),
            ("tcp:x", "65535"),
            ("sctp:1", "a rule is"),
            ("0x5ff", "0x600"),
            ("0x10000", "0x600"),
            ("", "a rule is"),
        ] {
            let why = text.parse::<Rule>().unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
