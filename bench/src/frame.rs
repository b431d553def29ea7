// SPDX-License-Identifier: MIT OR Apache-2.0

//! The frames of the measurements: addresses, a type for experiments, and bytes that count up.

/// Bytes of an Ethernet header.
const HEADER: usize = 14;

/// Everybody.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// The address of receiver number `n`.
pub fn receiver(n: usize) -> [u8; 6] {
    [2, 0, 0, 0, 1, n as u8]
}

/// The address of sender number `n`.
pub fn sender(n: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0, n as u8]
}

/// A frame of `bytes`, at least 14.
pub fn frame(to: [u8; 6], from: [u8; 6], bytes: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..bytes.max(HEADER)).map(|i| i as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..HEADER].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// Whether `part` looks like the start of one of these frames.
pub fn is_sound(part: &[u8]) -> bool {
    part.get(12..HEADER) == Some(&[0x88, 0xb5])
        && part[HEADER..]
            .iter()
            .zip(HEADER..)
            .all(|(&byte, i)| byte == i as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let mut frame = frame(receiver(0), sender(1), 300);
        assert!(is_sound(&frame) && is_sound(&frame[..60]));
        assert!(!is_sound(&frame[..10]));
        frame[200] ^= 1;
        assert!(!is_sound(&frame));
    }
}
