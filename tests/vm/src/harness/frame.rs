// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that tests send: from station to station, with a number to know them by.

/// The address of everybody.
pub const BROADCAST: [u8; 6] = [0xff; 6];
/// Shortest Ethernet frame without its checksum.
pub const SHORT: usize = 60;

/// The address of station `n`.
pub fn station(n: u8) -> [u8; 6] {
    [0x02, 0xfe, 0x00, 0x00, 0x00, n]
}

/// A frame of `len` bytes: addresses, an experimental Ethernet type, `number`, and bytes that
/// depend on it.
pub fn frame_of(len: usize, to: [u8; 6], from: [u8; 6], number: u32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(len);
    frame.extend(to);
    frame.extend(from);
    frame.extend([0x88, 0xb5]);
    frame.extend(number.to_be_bytes());
    let start = frame.len();
    frame.extend((start..len.max(start)).map(|i| (i as u32).wrapping_add(number) as u8));
    frame.truncate(len);
    frame
}

/// A short frame.
pub fn frame(to: [u8; 6], from: [u8; 6], number: u32) -> Vec<u8> {
    frame_of(SHORT, to, from, number)
}

/// Short frames from station 1 to everybody, with these numbers.
pub fn numbered(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers.map(|n| frame(BROADCAST, station(1), n)).collect()
}

/// The number in a frame; what is too short to have one counts as `u32::MAX`.
pub fn number(frame: &[u8]) -> u32 {
    let bytes = frame.get(14..18).and_then(|b| b.try_into().ok());
    bytes.map_or(u32::MAX, u32::from_be_bytes)
}
