// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which port and ring a frame goes to: items 116 to 119, 127 and 128.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    item_116_two_ports_exchange_frames,
    item_116_frames_of_all_sizes_arrive_unchanged,
    item_117_unknown_destination_is_flooded,
    item_117_learned_destination_gets_its_frames_alone,
    item_117_order_holds_for_unicast_and_broadcast_mixed,
    item_118_broadcast_and_multicast_reach_everybody,
    item_118_group_addresses_are_never_learned,
    item_119_floods_come_on_ring_0,
    item_119_unicast_keeps_its_ring_number_modulo_rings,
    item_119_rings_that_nobody_binds_receive_nothing,
    item_127_frame_for_its_own_port_is_dropped,
    item_128_station_that_moves_takes_its_frames_along,
    item_128_gone_port_leaves_no_stations_behind,
];

fn item_116_two_ports_exchange_frames() -> Outcome {
    let (a, b) = pair("vale116")?;
    for round in 0..200 {
        let (first, second) = (round * 100, round * 100 + 50);
        a.send(&numbered(first..first + 50))?;
        b.send(&numbered(second..second + 30))?;
        same("at b", b.recv()?, numbered(first..first + 50))?;
        same("at a", a.recv()?, numbered(second..second + 30))?;
    }
    same("at a afterwards", got(&a)?, vec![])?;
    same("at b afterwards", got(&b)?, vec![])?;
    for (port, name, sent, received) in [
        (&a, "vale116:a", 10_000, 6_000),
        (&b, "vale116:b", 6_000, 10_000),
    ] {
        same("sent", counter(port, "tx0-frames")?, sent)?;
        same(
            "bytes sent",
            counter(port, "tx0-bytes")?,
            sent * SHORT as u64,
        )?;
        same("received", counter(port, "rx0-frames")?, received)?;
        same(
            "bytes received",
            counter(port, "rx0-bytes")?,
            received * SHORT as u64,
        )?;
        same("dropped", counter(port, "rx0-drop_full")?, 0)?;
        same(
            "received, by debugfs",
            debug_counter(name, "rx0", "frames")?,
            received,
        )?;
    }
    Ok(())
}

fn item_116_frames_of_all_sizes_arrive_unchanged() -> Outcome {
    let (a, b) = pair("vale116")?;
    // Every length up to 200, so that each way to copy is seen, then some around the larger ones.
    let lens = (14..200).chain([255, 256, 257, 1000, 1513, 1514, 1515, 2040, 2047, 2048]);
    for len in lens {
        let sent = vec![frame_of(len, BROADCAST, station(1), len as u32)];
        a.send(&sent)?;
        same(format!("a frame of {len} bytes"), b.recv()?, sent)?;
    }
    Ok(())
}

fn item_117_unknown_destination_is_flooded() -> Outcome {
    let [a, b, c, d] = ports("vale117", ["a", "b", "c", "d"])?;
    // An address of zeros is like any other that nobody has.
    for (number, to) in [(1, station(9)), (2, [0; 6]), (3, [0xfe; 6])] {
        a.send(&[frame(to, station(1), number)])?;
        for (name, port) in [("b", &b), ("c", &c), ("d", &d)] {
            same(format!("{number} at {name}"), got(port)?, vec![number])?;
        }
        same("at the sender", got(&a)?, vec![])?;
    }
    Ok(())
}

fn item_117_learned_destination_gets_its_frames_alone() -> Outcome {
    let [a, b, c, d] = ports("vale117", ["a", "b", "c", "d"])?;
    // Each makes itself known by what it sends, whoever that is for.
    for (station_number, port) in [(2, &b), (3, &c), (4, &d)] {
        port.send(&[frame(BROADCAST, station(station_number), 0)])?;
    }
    for port in [&a, &b, &c, &d] {
        port.recv()?;
    }
    let batch: Vec<_> = (0..60)
        .map(|n| frame(station(2 + (n % 3) as u8), station(1), n))
        .collect();
    a.send(&batch)?;
    for (rest, port) in [(0, &b), (1, &c), (2, &d)] {
        let want: Vec<u32> = (0..60).filter(|n| n % 3 == rest).collect();
        same(format!("at station {}", rest + 2), got(port)?, want)?;
    }
    same("at the sender", got(&a)?, vec![])?;
    // The sender was learned, too.
    b.send(&[frame(station(1), station(2), 70)])?;
    same("at a", got(&a)?, vec![70])?;
    same("at c", got(&c)?, vec![])
}

fn item_117_order_holds_for_unicast_and_broadcast_mixed() -> Outcome {
    let port = |name: &str| vale(&format!("vale117:{name}")).slots(1024, 1024).bind();
    let (a, b, c) = (port("a")?, port("b")?, port("c")?);
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    c.send(&[frame(BROADCAST, station(3), 0)])?;
    for port in [&a, &b, &c] {
        port.recv()?;
    }
    let mut random = Random::new(117);
    for _ in 0..10 {
        let targets: Vec<_> = (0..1000)
            .map(|_| random.of(&[station(2), station(3), station(9), BROADCAST]))
            .collect();
        let batch: Vec<_> = (0..)
            .zip(&targets)
            .map(|(n, to)| frame(*to, station(1), n))
            .collect();
        a.send(&batch)?;
        for (other, port) in [(station(3), &b), (station(2), &c)] {
            let mine = (0..).zip(&targets).filter(|(_, to)| **to != other);
            let want: Vec<u32> = mine.map(|(n, _)| n).collect();
            same("numbers in order", got(port)?, want)?;
        }
    }
    Ok(())
}

fn item_118_broadcast_and_multicast_reach_everybody() -> Outcome {
    let [a, b, c] = ports("vale118", ["a", "b", "c"])?;
    let groups = [
        BROADCAST,
        [0x01, 0x00, 0x5e, 0, 0, 1],
        [0x33, 0x33, 0, 0, 0, 1],
        [0x01, 0x80, 0xc2, 0, 0, 0],
        [0x03, 0, 0, 0, 0, 0],
    ];
    for (number, to) in (0..).zip(groups) {
        a.send(&[frame(to, station(1), number)])?;
        same(format!("{to:x?} at b"), got(&b)?, vec![number])?;
        same(format!("{to:x?} at c"), got(&c)?, vec![number])?;
        same(format!("{to:x?} at a"), got(&a)?, vec![])?;
    }
    Ok(())
}

fn item_118_group_addresses_are_never_learned() -> Outcome {
    let [a, b, c] = ports("vale118", ["a", "b", "c"])?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    got(&a)?;
    got(&c)?;
    // Were they learned, these would have taken station 2's place in any table of a few thousand.
    let mut random = Random::new(118);
    for _ in 0..400 {
        let batch: Vec<_> = (0..60)
            .map(|_| {
                let r = random.next().to_le_bytes();
                let from = [r[0] | 1, r[1], r[2], r[3], r[4], r[5]];
                // For the sender's own station: nobody has to receive them.
                frame(station(1), from, 0)
            })
            .collect();
        a.send(&[frame(BROADCAST, station(1), 1)])?;
        a.send(&batch)?;
        b.recv()?;
        c.recv()?;
    }
    c.send(&[frame(station(2), station(3), 7)])?;
    same("at b", got(&b)?, vec![7])?;
    same("at a", got(&a)?, vec![])
}

fn item_119_floods_come_on_ring_0() -> Outcome {
    let port = |name: &str, tx, rx| {
        vale(&format!("vale119:{name}"))
            .rings(tx, rx)
            .slots(64, 64)
            .bind()
    };
    let (a, b, c) = (port("a", 4, 1)?, port("b", 1, 3)?, port("c", 1, 1)?);
    for k in 0..4 {
        let number = k + 10;
        a.send_on(
            k,
            &[
                frame(BROADCAST, station(1), number),
                frame(station(9), station(1), number),
            ],
        )?;
        same(
            format!("at b from ring {k}"),
            got(&b)?,
            vec![number, number],
        )?;
        same(
            format!("at c from ring {k}"),
            got(&c)?,
            vec![number, number],
        )?;
        for ring in 1..3 {
            same(format!("on ring {ring} of b"), b.recv_on(ring)?.len(), 0)?;
        }
    }
    Ok(())
}

fn item_119_unicast_keeps_its_ring_number_modulo_rings() -> Outcome {
    let port = |name: &str, tx, rx| {
        vale(&format!("vale119:{name}"))
            .rings(tx, rx)
            .slots(64, 64)
            .bind()
    };
    let (a, b) = (port("a", 16, 2)?, port("b", 1, 3)?);
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    for k in 0..16 {
        a.send_on(k, &[frame(station(2), station(1), k)])?;
        for ring in 0..3 {
            let want = if ring == k % 3 { vec![k] } else { vec![] };
            same(
                format!("on ring {ring} from ring {k}"),
                numbers(&b.recv_on(ring)?),
                want,
            )?;
        }
    }
    // Both ways at once on one ring: what is for all and what is for one keep their order.
    a.send_on(
        3,
        &[
            frame(station(2), station(1), 1),
            frame(BROADCAST, station(1), 2),
            frame(station(2), station(1), 3),
        ],
    )?;
    same("on ring 0", got(&b)?, vec![1, 2, 3])
}

fn item_119_rings_that_nobody_binds_receive_nothing() -> Outcome {
    let a = vale("vale119:a").rings(2, 1).slots(64, 64).bind()?;
    let b = vale("vale119:b").rings(2, 2).slots(64, 64).one(1).bind()?;
    b.tx(1).put(&frame(BROADCAST, station(2), 0));
    b.device.txsync()?;
    a.recv()?;
    // The flood wants ring 0 of b, and only ring 1 is bound.
    a.send_on(
        0,
        &[
            frame(BROADCAST, station(1), 1),
            frame(station(2), station(1), 2),
        ],
    )?;
    same("nobody", counter(&a, "tx0-drop_nobody")?, 2)?;
    a.send_on(1, &[frame(station(2), station(1), 3)])?;
    same("on ring 1", numbers(&b.recv_on(1)?), vec![3])?;
    // As soon as somebody does bind ring 0, it receives.
    let late = vale("vale119:b").one(0).bind()?;
    a.send_on(
        0,
        &[
            frame(BROADCAST, station(1), 4),
            frame(station(2), station(1), 5),
        ],
    )?;
    same("on ring 0", got(&late)?, vec![4, 5])
}

fn item_127_frame_for_its_own_port_is_dropped() -> Outcome {
    let [a, b, c] = ports("vale127", ["a", "b", "c"])?;
    a.send(&[
        frame(BROADCAST, station(1), 1),
        frame(BROADCAST, station(2), 2),
    ])?;
    b.recv()?;
    c.recv()?;
    // Two stations behind one port: they hear each other without the switch.
    a.send(&[
        frame(station(1), station(2), 3),
        frame(station(2), station(2), 4),
    ])?;
    for (name, port) in [("a", &a), ("b", &b), ("c", &c)] {
        same(format!("at {name}"), got(port)?, vec![])?;
    }
    same("counted", counter(&a, "tx0-drop_loop")?, 2)?;
    // In the batch that makes the station known, too.
    c.send(&[
        frame(BROADCAST, station(7), 5),
        frame(station(7), station(8), 6),
    ])?;
    same("at b", got(&b)?, vec![5])?;
    same("counted at c", counter(&c, "tx0-drop_loop")?, 1)
}

fn item_128_station_that_moves_takes_its_frames_along() -> Outcome {
    let [a, b, c, d] = ports("vale128", ["a", "b", "c", "d"])?;
    let at_home = |home: &Bound, number: u32| -> Outcome {
        // The same source address again and again: it must be learned each time.
        home.send(&[frame(BROADCAST, station(5), 0)])?;
        for port in [&a, &b, &c, &d] {
            port.recv()?;
        }
        a.send(&[frame(station(5), station(1), number)])?;
        for (name, port) in [("b", &b), ("c", &c), ("d", &d)] {
            let here = std::ptr::eq(port, home);
            let want = if here { vec![number] } else { vec![] };
            same(format!("{number} at {name}"), got(port)?, want)?;
        }
        Ok(())
    };
    for (number, home) in (0..).zip([&b, &c, &b, &d, &b, &c, &d, &d]) {
        at_home(home, number)?;
    }
    Ok(())
}

fn item_128_gone_port_leaves_no_stations_behind() -> Outcome {
    let [a, b, c] = ports("vale128", ["a", "b", "c"])?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    c.recv()?;
    drop(b);
    // Whoever gets the number of the port that has gone must not get its frames alone.
    let heir = vale("vale128:heir").slots(64, 64).bind()?;
    a.send(&[frame(station(2), station(1), 1)])?;
    same("at c", got(&c)?, vec![1])?;
    same("at the heir", got(&heir)?, vec![1])?;
    // Nobody left: the frame goes nowhere, and that is counted.
    drop((c, heir));
    a.send(&[frame(BROADCAST, station(1), 2)])?;
    same("counted", counter(&a, "tx0-drop_nobody")?, 1)?;
    same("rings", a.tx(0).space(), 63)?;
    // NS_NO_LEARN and a port override are ignored or honoured, but harm nobody.
    let d = vale("vale128:d").slots(64, 64).bind()?;
    a.tx(0)
        .put_flagged(&frame(BROADCAST, station(1), 3), NS_NO_LEARN | 0xff00);
    a.device.txsync()?;
    same("at d", got(&d)?, vec![3])
}
