// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the options' values are read as.

use std::str::FromStr;

/// Slots and rings that a port is to have; 0 is for what it has by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSizes {
    pub tx_slots: u32,
    pub rx_slots: u32,
    pub tx_rings: u16,
    pub rx_rings: u16,
}

impl FromStr for RingSizes {
    type Err = String;

    /// `TX_SLOTS[,RX_SLOTS[,TX_RINGS[,RX_RINGS]]]`. Who names one direction means both.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<u32> = text
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| {
                format!("`{text}` is not one to four numbers, like 1024 or 1024,1024,2,2")
            })?;
        let rings = |n: u32| {
            u16::try_from(n).map_err(|_| format!("{n} rings cannot be had: no port has so many"))
        };
        let (slots, count) = match numbers[..] {
            [tx] => ((tx, tx), (0, 0)),
            [tx, rx] => ((tx, rx), (0, 0)),
            [tx, rx, tx_rings] => ((tx, rx), (tx_rings, tx_rings)),
            [tx, rx, tx_rings, rx_rings] => ((tx, rx), (tx_rings, rx_rings)),
            _ => {
                return Err(format!(
                    "{} numbers are too many: slots of transmit and of receive rings, and how many \
                     rings of each",
                    numbers.len()
                ))
            }
        };
        Ok(RingSizes {
            tx_slots: slots.0,
            rx_slots: slots.1,
            tx_rings: rings(count.0)?,
            rx_rings: rings(count.1)?,
        })
    }
}

/// How many times as fast.
pub fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1e-6..=1e6).contains(&factor) => Ok(factor),
        _ => Err(format!(
            "`{text}` is not a factor, like 1, 2 or 0.5; without --speed frames go as fast as they \
             can"
        )),
    }
}

pub fn vnet(text: &str) -> Result<u32, String> {
    match text {
        "0" => Ok(0),
        "10" => Ok(10),
        "12" => Ok(12),
        _ => Err("a virtio-net header has 0, 10 or 12 bytes".into()),
    }
}

pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("`{text}` is not a MAC address, like 02:00:00:00:00:01");
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts
            .next()
            .filter(|p| (1..=2).contains(&p.len()))
            .ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
    }
    parts.next().is_none().then_some(mac).ok_or_else(wrong)
}
