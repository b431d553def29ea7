// SPDX-License-Identifier: MIT OR Apache-2.0

//! The selection of rings against the table of section 7.3 of the interface.

use ferromap_abi::{
    consts::*,
    select::{select, Ranges, Unselectable},
};
use proptest::prelude::*;
use std::ops::Range;

fn ranges(tx: Range<u16>, rx: Range<u16>) -> Ranges {
    Ranges { tx, rx }
}

/// Three transmit and two receive rings, and of the host one and two.
fn port() -> (Ranges, Ranges) {
    (ranges(0..3, 0..2), ranges(3..4, 2..4))
}

fn of_port(mode: u32, ringid: u16, flags: u64) -> Result<Ranges, Unselectable> {
    let (nic, host) = port();
    select(&nic, &host, mode, ringid, flags)
}

/// The same of a port of a switch, which has no host rings.
fn of_switch_port(mode: u32, ringid: u16) -> Result<Ranges, Unselectable> {
    select(&ranges(0..3, 0..2), &ranges(3..3, 2..2), mode, ringid, 0)
}

#[test]
fn modes_for_many_rings_take_all_of_their_kind() {
    for (mode, selected) in [
        (NR_REG_ALL_NIC, ranges(0..3, 0..2)),
        (NR_REG_NULL, ranges(0..3, 0..2)),
        (NR_REG_SW, ranges(3..4, 2..4)),
        (NR_REG_NIC_SW, ranges(0..4, 0..4)),
    ] {
        // The number of a ring does not matter to them.
        for ringid in [0, 1, 9, u16::MAX] {
            let got = of_port(mode, ringid, 0);
            assert_eq!(got, Ok(selected.clone()), "mode {mode}");
        }
    }
}

#[test]
fn one_nic_takes_the_pair_or_the_first_where_there_are_not_so_many() {
    for (ringid, selected) in [
        (0, Ok(ranges(0..1, 0..1))),
        (1, Ok(ranges(1..2, 1..2))),
        (2, Ok(ranges(2..3, 0..1))),
        (3, Err(Unselectable::NicRing)),
        (u16::MAX, Err(Unselectable::NicRing)),
    ] {
        assert_eq!(of_port(NR_REG_ONE_NIC, ringid, 0), selected, "{ringid}");
        let of_switch = of_switch_port(NR_REG_ONE_NIC, ringid);
        assert_eq!(of_switch, selected, "{ringid}");
    }
}

#[test]
fn one_host_pair_is_counted_among_the_host_rings() {
    for (ringid, selected) in [
        (0, Ok(ranges(3..4, 2..3))),
        (1, Ok(ranges(3..4, 3..4))),
        (2, Err(Unselectable::HostRing)),
        (u16::MAX, Err(Unselectable::HostRing)),
    ] {
        assert_eq!(of_port(NR_REG_ONE_SW, ringid, 0), selected, "{ringid}");
    }
}

#[test]
fn a_direction_without_rings_gives_none() {
    let one = |nic: Ranges, ringid| {
        let host = ranges(nic.tx.end..nic.tx.end, nic.rx.end..nic.rx.end);
        select(&nic, &host, NR_REG_ONE_NIC, ringid, 0)
    };
    assert_eq!(one(ranges(0..2, 0..0), 1), Ok(ranges(1..2, 0..0)));
    assert_eq!(one(ranges(0..0, 0..2), 1), Ok(ranges(0..0, 1..2)));
    assert_eq!(one(ranges(0..0, 0..0), 0), Err(Unselectable::NicRing));
}

#[test]
fn host_modes_want_host_rings() {
    for mode in [NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_SW] {
        assert_eq!(
            of_switch_port(mode, 0),
            Err(Unselectable::NoHostRings),
            "{mode}"
        );
    }
}

#[test]
fn other_modes_bind_nothing() {
    let pipes = [NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE];
    for mode in pipes.into_iter().chain([NR_REG_DEFAULT, 9, u32::MAX]) {
        assert_eq!(of_port(mode, 0, 0), Err(Unselectable::Mode), "{mode}");
        assert_eq!(of_switch_port(mode, 0), Err(Unselectable::Mode), "{mode}");
    }
}

#[test]
fn flags_drop_one_direction_or_both() {
    let modes = [
        NR_REG_ALL_NIC,
        NR_REG_SW,
        NR_REG_NIC_SW,
        NR_REG_ONE_NIC,
        NR_REG_NULL,
        NR_REG_ONE_SW,
    ];
    for mode in modes {
        let both = of_port(mode, 0, 0).unwrap();
        let tx_only = of_port(mode, 0, NR_TX_RINGS_ONLY);
        assert_eq!(tx_only, Ok(ranges(both.tx.clone(), 0..0)), "mode {mode}");
        let rx_only = of_port(mode, 0, NR_RX_RINGS_ONLY);
        assert_eq!(rx_only, Ok(ranges(0..0, both.rx)), "mode {mode}");
    }
    // What is dropped counts all the same: the transmit ring is there.
    let rx_only = of_port(NR_REG_ONE_NIC, 2, NR_RX_RINGS_ONLY);
    assert_eq!(rx_only, Ok(ranges(0..0, 0..1)));
    assert_eq!(
        of_port(NR_REG_ONE_NIC, 3, NR_RX_RINGS_ONLY),
        Err(Unselectable::NicRing)
    );
    // Nothing is left, whatever the mode is.
    for mode in modes
        .into_iter()
        .chain([NR_REG_DEFAULT, NR_REG_PIPE_MASTER, 9])
    {
        let nothing = of_port(mode, 9, NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY);
        assert_eq!(nothing, Ok(ranges(0..0, 0..0)), "mode {mode}");
    }
}

#[test]
fn other_flags_do_not_matter() {
    let others = !(NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY);
    for mode in 0..10 {
        assert_eq!(of_port(mode, 1, others), of_port(mode, 1, 0), "mode {mode}");
    }
}

proptest! {
    /// A caller may index with what it gets.
    #[test]
    fn whatever_is_selected_exists(
        tx: u16,
        rx: u16,
        host_tx in 0..9u16,
        host_rx in 0..9u16,
        mode in 0..10u32,
        ringid: u16,
        flags: u64,
    ) {
        let nic = ranges(0..tx, 0..rx);
        let host = ranges(tx..tx.saturating_add(host_tx), rx..rx.saturating_add(host_rx));
        if let Ok(got) = select(&nic, &host, mode, ringid, flags) {
            prop_assert!(got.tx.start <= got.tx.end && got.tx.end <= host.tx.end);
            prop_assert!(got.rx.start <= got.rx.end && got.rx.end <= host.rx.end);
        }
    }
}
