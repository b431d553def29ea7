// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests on the fake send.

use ferromap::Port;

/// A frame that tells its number and its length.
pub fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = number.to_be_bytes().repeat(len.div_ceil(4));
    frame.truncate(len);
    frame
}

pub fn send(port: &mut Port, bytes: &[u8]) {
    assert!(port.tx_rings()[0].send(bytes).unwrap());
    port.sync().unwrap();
}
