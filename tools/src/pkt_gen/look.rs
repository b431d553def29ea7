// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks into frames that came.

use crate::frame::PAYLOAD_MIN;

/// Where things are in a frame.
struct Places {
    /// Of the two IP addresses, and the bytes of one.
    addresses: (usize, usize),
    /// Of the two ports, where the frame is UDP or TCP.
    ports: Option<usize>,
    payload: usize,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn places(frame: &[u8]) -> Option<Places> {
    let word = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let mut kind = 12;
    // VLAN tags, of which there are two at most.
    while kind < 20 && matches!(word(kind)?, 0x8100 | 0x88a8 | 0x9100) {
        kind += 4;
    }
    let ip = kind + 2;
    let (addresses, protocol, transport) = match word(kind)? {
        0x0800 => {
            let words = usize::from(*frame.get(ip)? & 0xf);
            ((ip + 12, 4), *frame.get(ip + 9)?, ip + 4 * words)
        }
        0x86dd => ((ip + 8, 16), *frame.get(ip + 6)?, ip + 40),
        _ => return None,
    };
    let header = match protocol {
        UDP => 8,
        TCP => 4 * usize::from(*frame.get(transport + 12)? >> 4),
        _ => 0,
    };
    Some(Places {
        addresses,
        ports: (header > 0).then_some(transport),
        payload: transport + header,
    })
}

/// The sequence number and time stamp of a frame that another pkt-gen made.
pub fn marks(frame: &[u8]) -> Option<(u64, u64)> {
    let payload = frame.get(places(frame)?.payload..)?;
    let head: [u8; PAYLOAD_MIN] = payload.get(..PAYLOAD_MIN)?.try_into().ok()?;
    let both = u128::from_be_bytes(head);
    Some(((both >> 64) as u64, both as u64))
}

/// Turns a frame round: MAC addresses, IP addresses and ports change places. The checksums stay
/// right, since a sum does not care for the order.
pub fn turn_round(frame: &mut [u8]) {
    fn exchange(frame: &mut [u8], at: usize, len: usize) {
        if let Some(pair) = frame.get_mut(at..at + 2 * len) {
            let (a, b) = pair.split_at_mut(len);
            a.swap_with_slice(b);
        }
    }
    exchange(frame, 0, 6);
    if let Some(places) = places(frame) {
        exchange(frame, places.addresses.0, places.addresses.1);
        if let Some(ports) = places.ports {
            exchange(frame, ports, 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_has_no_marks_and_does_no_harm() {
        for byte in [0x08, 0x81, 0x88, 0xff] {
            for len in 0..80 {
                let mut rubbish = vec![byte; len];
                turn_round(&mut rubbish);
                assert_eq!(marks(&rubbish), None);
            }
        }
    }

    /// A checksum is over its type and code, which stood where a port would be.
    #[test]
    fn pings_keep_their_type() {
        let mut frame = [0; 60];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[23] = 1;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..38].copy_from_slice(&[8, 0, 0xf7, 0xff]);
        turn_round(&mut frame);
        assert_eq!(frame[26..38], [10, 0, 0, 2, 10, 0, 0, 1, 8, 0, 0xf7, 0xff]);
    }
}
