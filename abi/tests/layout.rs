// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions: sizes that programs know by heart, and pools that hold what was asked for.

use ferromap_abi::{
    consts::{VALE_MAX_EXTRA_BUFS, VALE_MAX_RINGS, VALE_MAX_SLOTS},
    layout::*,
    wire::{IfHeader, RingHeader},
};
use proptest::prelude::*;

/// A usual page.
const PAGE: u32 = 4096;
/// Pages of all processors that Linux has Rust for.
const PAGES: [u32; 3] = [PAGE, 16_384, 65_536];

fn request(size: u32, count: u32) -> PoolRequest {
    PoolRequest { size, count }
}

/// Lays out a pool by itself.
fn pool(size: u32, count: u32) -> Option<Pool> {
    let other = request(64, 64);
    Layout::new(PAGE, request(size, count), other, other).map(|layout| layout.ifs)
}

/// The smallest number of objects that fills whole pages, by trying; within 4 MiB.
fn cluster(page: u32, size: u32) -> Option<u32> {
    (1..=page)
        .find(|n| (u64::from(*n) * u64::from(size)) % u64::from(page) == 0)
        .filter(|n| u64::from(*n) * u64::from(size) <= u64::from(CLUSTER_MAX))
}

/// What a port's private region comes to with the default `priv_*` parameters.
fn private(needs: PortNeeds) -> Option<Layout> {
    let floor = [request(1024, 2), request(20480, 4), request(2048, 4098)];
    let [ifs, rings, bufs] = needs.pools(PAGE)?;
    let most = |a: PoolRequest, b: PoolRequest| request(a.size.max(b.size), a.count.max(b.count));
    let [ifs, rings, bufs] = [
        most(ifs, floor[0]),
        most(rings, floor[1]),
        most(bufs, floor[2]),
    ];
    let allowed = PRIV_IF_LIMITS.allow(ifs) && RING_LIMITS.allow(rings) && BUF_LIMITS.allow(bufs);
    allowed
        .then(|| Layout::new(PAGE, ifs, rings, bufs))
        .flatten()
}

fn vale(rings: u32, slots: u32, extra_bufs: u32) -> PortNeeds {
    PortNeeds {
        tx_rings: rings,
        rx_rings: rings,
        tx_slots: slots,
        rx_slots: slots,
        pipes: 2,
        extra_bufs,
    }
}

#[test]
fn the_global_region_has_the_size_that_netmap_gives_it() {
    let layout = Layout::new(
        PAGE,
        request(1024, 100),
        request(36864, 200),
        request(2048, 163_840),
    );
    let layout = layout.unwrap();
    let counts = [layout.ifs.count, layout.rings.count, layout.bufs.count];
    assert_eq!(counts, [100, 200, 163_840]);
    assert_eq!(layout.rings.offset, 102_400);
    assert_eq!(layout.bufs.offset, 102_400 + 7_372_800);
    assert_eq!(layout.bytes(), 343_019_520);
}

#[test]
fn there_is_a_netmap_if_for_each_ring_and_some_more() {
    for rings in [1, 2, 16] {
        let ifs = private(vale(rings, 1024, 0)).unwrap().ifs.count;
        assert!(ifs >= 2 * rings + 2 + 8, "{ifs} for {rings} rings");
    }
}

#[test]
fn a_default_vale_port_has_the_region_that_netmap_gives_it() {
    let layout = private(vale(1, 1024, 0)).unwrap();
    let counts = [layout.ifs.count, layout.rings.count, layout.bufs.count];
    assert_eq!(counts, [12, 20, 20_482]);
    assert_eq!(layout.bytes(), 42_369_024);
}

#[test]
fn every_vale_port_that_may_be_asked_for_has_a_region() {
    for slots in 1..=VALE_MAX_SLOTS {
        let layout = private(vale(1, slots, 0));
        let layout = layout.unwrap_or_else(|| panic!("no region for {slots} slots"));
        assert!(layout.rings.size as usize >= RingHeader::bytes(slots));
    }
    let largest = vale(VALE_MAX_RINGS.into(), VALE_MAX_SLOTS, VALE_MAX_EXTRA_BUFS);
    assert!(private(largest).is_some());
}

#[test]
fn ring_objects_of_the_default_size_hold_2288_slots() {
    assert!(RingHeader::bytes(2288) <= 36_864);
    assert!(RingHeader::bytes(2289) > 36_864);
    assert_eq!(IfHeader::bytes(4), 88);
}

#[test]
fn counts_are_rounded_up_to_whole_clusters() {
    // (size, count, size as laid out, count as laid out)
    let table = [
        (64, 0, 64, 0),
        (64, 1, 64, 64),
        (64, 64, 64, 64),
        (64, 65, 64, 128),
        (1, 1, 64, 64),
        (65, 1, 128, 32),
        (1024, 2, 1024, 4),
        (1500, 3, 1536, 8),
        (2048, 4097, 2048, 4098),
        (4096, 3, 4096, 3),
        (4097, 1, 4160, 64),
        (8192, 5, 8192, 5),
        // The largest cluster that 4 MiB hold is one of 64 objects of 64 KiB less a line.
        (65_472, 1, 65_472, 64),
        (131_072, 1, 131_072, 1),
        (CLUSTER_MAX, 1, CLUSTER_MAX, 1),
    ];
    for (size, count, got_size, got_count) in table {
        let got = pool(size, count).unwrap_or_else(|| panic!("{count} of {size}"));
        assert_eq!(
            (got.size, got.count),
            (got_size, got_count),
            "{count} of {size}"
        );
    }
}

#[test]
fn sizes_without_a_cluster_are_refused() {
    let table = [
        (0, 1),
        (65_600, 1),
        (CLUSTER_MAX + 1, 1),
        (u32::MAX, 1),
        (u32::MAX - 63, 1),
        (64, u32::MAX),
    ];
    for (size, count) in table {
        assert_eq!(pool(size, count), None, "{count} of {size}");
    }
}

#[test]
fn limits_include_their_ends() {
    let all = [IF_LIMITS, PRIV_IF_LIMITS, RING_LIMITS, BUF_LIMITS];
    for PoolLimits { size, count } in all {
        let limits = PoolLimits { size, count };
        for (s, c) in [
            (size.0, count.0),
            (size.0, count.1),
            (size.1, count.0),
            (size.1, count.1),
        ] {
            assert!(limits.allow(request(s, c)), "{limits:?}: {c} of {s}");
        }
        for (s, c) in [
            (size.0 - 1, count.0),
            (size.1 + 1, count.0),
            (size.0, count.0 - 1),
            (size.0, count.1 + 1),
            (u32::MAX, u32::MAX),
            (0, 0),
        ] {
            assert!(!limits.allow(request(s, c)), "{limits:?}: {c} of {s}");
        }
    }
}

#[test]
fn everything_within_the_limits_adds_up_to_less_than_a_user_address() {
    let largest = Layout::new(
        PAGE,
        request(IF_LIMITS.size.1, IF_LIMITS.count.1),
        request(RING_LIMITS.size.1, RING_LIMITS.count.1),
        request(BUF_LIMITS.size.1, BUF_LIMITS.count.1),
    );
    assert!(largest.unwrap().bytes() < 1 << 47);
}

#[test]
fn needs_that_do_not_fit_are_refused() {
    let needs = vale(1, 1024, 0);
    let table = [
        PortNeeds {
            tx_rings: u32::MAX,
            ..needs
        },
        PortNeeds {
            rx_rings: u32::MAX,
            ..needs
        },
        PortNeeds {
            tx_slots: u32::MAX,
            ..needs
        },
        PortNeeds {
            rx_slots: u32::MAX,
            ..needs
        },
        PortNeeds {
            pipes: u32::MAX,
            ..needs
        },
        PortNeeds {
            pipes: u32::MAX / 4,
            ..needs
        },
        PortNeeds {
            extra_bufs: u32::MAX,
            ..needs
        },
    ];
    for needs in table {
        assert_eq!(needs.pools(PAGE), None, "{needs:?}");
    }
}

fn sensible() -> impl Strategy<Value = PoolRequest> {
    (1..=131_072u32, 0..=1_000_000u32).prop_map(|(size, count)| request(size, count))
}

proptest! {
    #[test]
    fn pools_follow_each_other_in_whole_pages(
        page in prop::sample::select(&PAGES), a in sensible(), b in sensible(), c in sensible()
    ) {
        let aligned = |want: PoolRequest| want.size.next_multiple_of(OBJECT_ALIGN);
        let clusters = [a, b, c].map(|want| cluster(page, aligned(want)));
        let Some(layout) = Layout::new(page, a, b, c) else {
            prop_assert!(clusters.contains(&None));
            return Ok(());
        };
        let mut end = 0;
        for ((pool, want), cluster) in
            [layout.ifs, layout.rings, layout.bufs].into_iter().zip([a, b, c]).zip(clusters)
        {
            let cluster = cluster.unwrap();
            prop_assert_eq!(pool.offset, end);
            prop_assert_eq!(pool.size, want.size.next_multiple_of(OBJECT_ALIGN));
            prop_assert_eq!(pool.count, want.count.next_multiple_of(cluster));
            prop_assert_eq!(pool.bytes() % u64::from(page), 0);
            end += pool.bytes();
        }
        prop_assert_eq!(layout.bytes(), end);
    }

    #[test]
    fn objects_lie_inside_their_pool_and_nowhere_else(want in sensible(), index: u32) {
        let other = request(2048, 8);
        let Some(layout) = Layout::new(PAGE, other, want, other) else { return Ok(()) };
        let pool = layout.rings;
        for index in [0, 1, index % pool.count.max(1), index, pool.count] {
            match pool.object(index) {
                Some(at) => {
                    prop_assert!(index < pool.count);
                    prop_assert_eq!(at, pool.offset + u64::from(index) * u64::from(pool.size));
                    prop_assert!(at + u64::from(pool.size) <= layout.bufs.offset);
                    prop_assert_eq!(at as i64 + layout.buf_ofs(at), layout.bufs.offset as i64);
                }
                None => prop_assert!(index >= pool.count),
            }
        }
    }

    #[test]
    fn nothing_panics_whatever_is_asked_for(
        page: u32, sizes: [u32; 3], counts: [u32; 3], at: u64, index: u32
    ) {
        let [a, b, c] = [0, 1, 2].map(|i| request(sizes[i], counts[i]));
        for page in PAGES.into_iter().chain([page]) {
            let Some(layout) = Layout::new(page, a, b, c) else { continue };
            let _ = (layout.bytes(), layout.buf_ofs(at));
        }
        let _ = Pool { offset: at, size: sizes[0], count: counts[0] }.object(index);
    }

    #[test]
    fn needs_never_panic_and_pools_cover_them(
        page in prop::sample::select(&PAGES), rings: [u32; 2], slots: [u32; 2], pipes: u32,
        extra_bufs: u32,
        shift in prop::array::uniform6(0..32u32)
    ) {
        // Shifted, so that small numbers are as frequent as large ones.
        let needs = PortNeeds {
            tx_rings: rings[0] >> shift[0],
            rx_rings: rings[1] >> shift[1],
            tx_slots: slots[0] >> shift[2],
            rx_slots: slots[1] >> shift[3],
            pipes: pipes >> shift[4],
            extra_bufs: extra_bufs >> shift[5],
        };
        let wide = |n: u32| u128::from(n);
        let (tx, rx) = (wide(needs.tx_rings) + 1, wide(needs.rx_rings) + 1);
        let piped = 4 * wide(needs.pipes);
        let (txd, rxd) = (wide(needs.tx_slots), wide(needs.rx_slots));
        let bufs = (piped + rx) * rxd + (piped + tx) * txd + 2 + wide(needs.extra_bufs);
        let ring = 256 + 16 * txd.max(rxd);
        // As many netmap_ifs as there may be, and each has room for all rings.
        let ifs = (piped + tx + rx).min(wide(PRIV_IF_LIMITS.count.1));
        let counts = [ifs, tx + rx + 2 * piped, bufs];
        let room = 56 + 8 * (tx + rx);
        let fits = |n: u128| n <= wide(u32::MAX);
        let pages = ring.next_multiple_of(wide(page));
        match needs.pools(page) {
            Some(pools) => {
                prop_assert_eq!(pools.map(|pool| wide(pool.count)), counts);
                prop_assert_eq!(pools.map(|pool| wide(pool.size)), [room, pages, 0]);
            }
            None => {
                let sums = [pages, room, piped + tx + rx];
                prop_assert!(!counts.into_iter().chain(sums).all(fits));
            }
        }
    }
}
