// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which rings of a port a REGISTER request selects (section 7.3 of the interface).

use super::consts::*;
use core::ops::Range;

/// Numbers of rings of a port, in each direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    pub tx: Range<u16>,
    pub rx: Range<u16>,
}

/// Why no rings can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unselectable {
    /// The mode is none that binds rings of a port.
    Mode,
    /// The mode is about host rings, and the port has none.
    NoHostRings,
    /// Neither direction has a NIC ring of that number.
    NicRing,
    /// Neither direction has a host ring of that number.
    HostRing,
}

/// The rings that `mode`, `ringid` and `flags` of a request select of a port with these NIC rings
/// and these host rings. The numbers of the host rings follow those of the NIC rings.
///
/// A processor may run ahead of its comparisons: whoever indexes with a stranger's `ringid` has to
/// confine what comes out.
pub fn select(
    nic: &Ranges,
    host: &Ranges,
    mode: u32,
    ringid: u16,
    flags: u64,
) -> Result<Ranges, Unselectable> {
    let (no_tx, no_rx) = (flags & NR_RX_RINGS_ONLY != 0, flags & NR_TX_RINGS_ONLY != 0);
    if no_tx && no_rx {
        // Nothing is left to select; the mode does not matter.
        return Ok(Ranges::default());
    }
    let all = match mode {
        NR_REG_ALL_NIC | NR_REG_NULL => nic.clone(),
        NR_REG_ONE_NIC => one(nic, ringid).ok_or(Unselectable::NicRing)?,
        NR_REG_SW | NR_REG_NIC_SW | NR_REG_ONE_SW if host.rx.is_empty() => {
            return Err(Unselectable::NoHostRings)
        }
        NR_REG_SW => host.clone(),
        NR_REG_NIC_SW => Ranges {
            tx: nic.tx.start..host.tx.end,
            rx: nic.rx.start..host.rx.end,
        },
        NR_REG_ONE_SW => one(host, ringid).ok_or(Unselectable::HostRing)?,
        _ => return Err(Unselectable::Mode),
    };
    Ok(Ranges {
        tx: if no_tx { 0..0 } else { all.tx },
        rx: if no_rx { 0..0 } else { all.rx },
    })
}

/// The pair of that number among these rings. Where only one direction has so many, it is the first
/// of the other.
fn one(of: &Ranges, ringid: u16) -> Option<Ranges> {
    let has = |rings: &Range<u16>| usize::from(ringid) < rings.len();
    if !has(&of.tx) && !has(&of.rx) {
        return None;
    }
    let pick = |rings: &Range<u16>| {
        let at = rings.start + if has(rings) { ringid } else { 0 };
        at..at.saturating_add(1).min(rings.end)
    };
    Some(Ranges {
        tx: pick(&of.tx),
        rx: pick(&of.rx),
    })
}
