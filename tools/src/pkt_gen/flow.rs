// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses and ports: how they are written (`10.0.0.1:80-10.0.0.9:90`) and how a sender walks
//! them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The port that frames carry where none was given.
const DEFAULT_PORT: u16 = 1234;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
}

/// A range of addresses and ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: Endpoint,
    pub last: Endpoint,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.first.ip)?;
        if self.last.ip != self.first.ip {
            write!(f, "-{}", self.last.ip)?;
        }
        Ok(())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// `IP`, `IP:PORT`, `[IPv6]:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
            return Ok(Endpoint {
                ip,
                port: DEFAULT_PORT,
            });
        }
        match text.parse::<SocketAddr>() {
            Ok(addr) => Ok(Endpoint {
                ip: addr.ip(),
                port: addr.port(),
            }),
            Err(_) => Err(format!(
                "`{text}` is not an address, like 10.0.0.1, 10.0.0.1:80 or [fd00::1]:80"
            )),
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last): (Endpoint, Endpoint) = (first.parse()?, last.parse()?);
        if first.ip.is_ipv4() != last.ip.is_ipv4() {
            return Err("both ends of a range are of the same kind, IPv4 or IPv6".into());
        }
        if number(first.ip) > number(last.ip) || first.port > last.port {
            return Err("a range goes from the lower to the higher address and port".into());
        }
        Ok(Range { first, last })
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl Range {
    /// A single address.
    pub fn one(ip: IpAddr) -> Self {
        let end = Endpoint {
            ip,
            port: DEFAULT_PORT,
        };
        Range {
            first: end,
            last: end,
        }
    }

    pub fn is_single(&self) -> bool {
        self.first == self.last
    }

    /// What random ends are picked of: the range; or, where it is but one end, all ports and the
    /// addresses of its /16 or /64. Others would be multicast.
    pub fn for_random(self) -> Self {
        if !self.is_single() {
            return self;
        }
        let (first, last) = match self.first.ip {
            IpAddr::V4(ip) => {
                let net = ip.to_bits() & 0xffff_0000;
                let of = |bits| IpAddr::from(Ipv4Addr::from_bits(bits));
                (of(net), of(net | 0xffff))
            }
            IpAddr::V6(ip) => {
                let net = (ip.to_bits() >> 64) << 64;
                let of = |bits| IpAddr::from(Ipv6Addr::from_bits(bits));
                (of(net), of(net | u128::from(u64::MAX)))
            }
        };
        Range {
            first: Endpoint { ip: first, port: 0 },
            last: Endpoint {
                ip: last,
                port: u16::MAX,
            },
        }
    }

    /// Any end within.
    fn pick(&self, random: &mut Random) -> Endpoint {
        let (low, high) = (self.first, self.last);
        let port = random.within(low.port.into(), high.port.into()) as u16;
        let number = random.within(number(low.ip), number(high.ip));
        let ip = match low.ip {
            IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
        };
        Endpoint { ip, port }
    }

    /// The end after `at`: the next port; past the last port, the next address.
    fn after(&self, at: Endpoint) -> Endpoint {
        if at.port < self.last.port {
            return Endpoint {
                ip: at.ip,
                port: at.port + 1,
            };
        }
        let ip = if number(at.ip) >= number(self.last.ip) {
            self.first.ip
        } else {
            match at.ip {
                IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() + 1).into(),
                IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() + 1).into(),
            }
        };
        Endpoint {
            ip,
            port: self.first.port,
        }
    }
}

/// Walks a range, or picks of it at random.
pub struct Walk {
    range: Range,
    next: Endpoint,
    random: Option<Random>,
}

impl Walk {
    pub fn new(range: Range, random: Option<Random>) -> Self {
        Walk {
            range,
            next: range.first,
            random,
        }
    }

    pub fn step(&mut self) -> Endpoint {
        let now = self.next;
        self.next = match &mut self.random {
            None => self.range.after(now),
            Some(random) => self.range.pick(random),
        };
        now
    }
}

/// Small and fast random numbers (splitmix64): frames need variety, not secrecy.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: u128, high: u128) -> u128 {
        let both = (u128::from(self.word()) << 64) | u128::from(self.word());
        match (high - low).checked_add(1) {
            Some(count) => low + both % count,
            None => both,
        }
    }

    /// The same of lengths.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.word() % (high - low + 1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_walked_port_by_port_then_address_by_address() {
        let range: Range = "10.0.0.255:7-10.0.1.0:8".parse().unwrap();
        let mut walk = Walk::new(range, None);
        let seen: Vec<String> = (0..5)
            .map(|_| walk.step())
            .map(|e| format!("{}:{}", e.ip, e.port))
            .collect();
        assert_eq!(
            seen,
            [
                "10.0.0.255:7",
                "10.0.0.255:8",
                "10.0.1.0:7",
                "10.0.1.0:8",
                "10.0.0.255:7"
            ]
        );
    }

    /// They were taken from all of the /16, whatever the range.
    #[test]
    fn random_ends_are_of_the_range() {
        let range: Range = "10.0.0.254:7-10.0.1.1:8".parse().unwrap();
        let mut walk = Walk::new(range, Some(Random::new(1)));
        let seen: std::collections::HashSet<_> = (0..200)
            .map(|_| walk.step())
            .map(|e| (e.ip, e.port))
            .collect();
        assert_eq!(seen.len(), 8);
        assert!(seen
            .iter()
            .all(|(ip, port)| number(range.first.ip) <= number(*ip)
                && number(*ip) <= number(range.last.ip)
                && (7..=8).contains(port)));
    }

    #[test]
    fn one_end_stands_for_its_neighbours() {
        for (text, first, last) in [
            ("10.1.2.3", "10.1.0.0:0", "10.1.255.255:65535"),
            ("fd00::5", "[fd00::]:0", "[fd00::ffff:ffff:ffff:ffff]:65535"),
        ] {
            let range = text.parse::<Range>().unwrap().for_random();
            assert_eq!(range.first, first.parse().unwrap());
            assert_eq!(range.last, last.parse().unwrap());
        }
        let all: Range = "[::]:0-[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
            .parse()
            .unwrap();
        all.pick(&mut Random::new(3));
    }

    #[test]
    fn addresses_are_read_with_and_without_ports() {
        for good in [
            "10.0.0.1",
            "10.0.0.1:80",
            "fd00::1",
            "[fd00::1]:80",
            "1.2.3.4-1.2.3.9:2000",
        ] {
            assert!(good.parse::<Range>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0",
            "10.0.0.1:70000",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-fd00::1",
            "a",
        ] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
