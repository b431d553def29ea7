// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a frame is made of, from the Ethernet header to the transport's.

use etherparse::{
    DoubleVlanHeader, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, SingleVlanHeader, TcpHeader,
    VlanHeader, VlanId, VlanPcp,
};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

const TTL: u8 = 64;

/// The headers of a frame.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// VLAN tags, the outer one first; at most two.
    pub tags: Vec<Tag>,
    pub v6: bool,
    /// TCP with these flags, and not UDP.
    pub tcp: Option<TcpFlags>,
}

impl Layers {
    /// Bytes of the Ethernet header and the tags.
    pub fn ethernet(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    pub fn ip(&self) -> usize {
        if self.v6 {
            40
        } else {
            20
        }
    }

    pub fn transport(&self) -> usize {
        if self.tcp.is_some() {
            20
        } else {
            8
        }
    }

    /// Bytes of all headers.
    pub fn headers(&self) -> usize {
        self.ethernet() + self.ip() + self.transport()
    }

    /// Its number in the IP header.
    pub fn protocol(&self) -> u8 {
        if self.tcp.is_some() {
            IpNumber::TCP.0
        } else {
            IpNumber::UDP.0
        }
    }

    pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr) -> IpHeaders {
        let header = Ipv4Header {
            time_to_live: TTL,
            dont_fragment: true,
            source: src.octets(),
            destination: dst.octets(),
            ..Ipv4Header::default()
        };
        IpHeaders::Ipv4(header, Default::default())
    }

    pub fn ipv6(src: Ipv6Addr, dst: Ipv6Addr) -> IpHeaders {
        let header = Ipv6Header {
            hop_limit: TTL,
            source: src.octets(),
            destination: dst.octets(),
            ..Ipv6Header::default()
        };
        IpHeaders::Ipv6(header, Default::default())
    }

    /// The tags, if there are any.
    pub fn vlan(&self) -> Option<VlanHeader> {
        match self.tags[..] {
            [] => None,
            [tag] => Some(VlanHeader::Single(tag.header())),
            [outer, inner, ..] => Some(VlanHeader::Double(DoubleVlanHeader {
                outer: outer.header(),
                inner: inner.header(),
            })),
        }
    }
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub id: u16,
    pub priority: u8,
}

impl Tag {
    fn header(self) -> SingleVlanHeader {
        SingleVlanHeader {
            // Both were checked when they were read.
            pcp: VlanPcp::try_new(self.priority).unwrap_or(VlanPcp::ZERO),
            vlan_id: VlanId::try_new(self.id).unwrap_or_default(),
            ..SingleVlanHeader::default()
        }
    }
}

impl FromStr for Tag {
    type Err = String;

    /// `ID` or `ID:PRIORITY`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (id, priority) = text.split_once(':').unwrap_or((text, "0"));
        let id = id.parse().ok().filter(|id| *id <= VlanId::MAX_U16);
        let priority = priority.parse().ok().filter(|p| *p <= VlanPcp::MAX_U8);
        match (id, priority) {
            (Some(id), Some(priority)) => Ok(Tag { id, priority }),
            _ => Err(format!(
                "`{text}` is not a VLAN tag: an ID of 0 to 4095, as in 100, with a priority of 0 \
                 to 7, as in 100:5"
            )),
        }
    }
}

/// The flags of TCP headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags {
    fin: bool,
    syn: bool,
    rst: bool,
    psh: bool,
    ack: bool,
    urg: bool,
}

impl TcpFlags {
    pub fn header(self, src: u16, dst: u16) -> TcpHeader {
        TcpHeader {
            fin: self.fin,
            syn: self.syn,
            rst: self.rst,
            psh: self.psh,
            ack: self.ack,
            urg: self.urg,
            acknowledgment_number: self.ack.into(),
            ..TcpHeader::new(src, dst, 1, u16::MAX)
        }
    }
}

impl FromStr for TcpFlags {
    type Err = String;

    /// Letters of FSRPAU, in any order.
    fn from_str(text: &str) -> Result<Self, String> {
        let has = |letter| text.to_ascii_uppercase().contains(letter);
        if let Some(other) = text.chars().find(|c| !"FSRPAUfsrpau".contains(*c)) {
            return Err(format!(
                "`{other}` is not a TCP flag: F, S, R, P, A and U are, for FIN, SYN, RST, PSH, ACK \
                 and URG, as in SA"
            ));
        }
        Ok(TcpFlags {
            fin: has('F'),
            syn: has('S'),
            rst: has('R'),
            psh: has('P'),
            ack: has('A'),
            urg: has('U'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_an_id_and_perhaps_a_priority() {
        assert_eq!("5:7".parse(), Ok(Tag { id: 5, priority: 7 }));
        assert_eq!(
            "4095".parse(),
            Ok(Tag {
                id: 4095,
                priority: 0
            })
        );
        for bad in ["", "4096", "-1", "1:8", "1:", "a", "1:2:3"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_are_letters() {
        let header = "sA".parse::<TcpFlags>().unwrap().header(1, 2);
        assert!(header.syn && header.ack && !header.fin && !header.rst);
        assert!("SX".parse::<TcpFlags>().is_err());
    }
}
