// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use common::pcap::Writer;

/// Frames of these lengths, so many milliseconds after the first each.
fn recording(frames: &[(u64, usize)]) -> Recording {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).unwrap();
    for (millis, len) in frames {
        writer
            .add(Duration::from_millis(*millis), &vec![0; *len])
            .unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    Recording::parse(file).unwrap()
}

/// A link that does nothing.
const PLAIN: Nature = Nature {
    bandwidth: Bandwidth::Real(1.0),
    delay: Delay::Const(Duration::ZERO),
    loss: Loss::Packets(0.0),
    reorder: false,
};

/// What arrives, and how many do not.
fn run(mut link: Link<'_>) -> (Vec<Arrival>, usize) {
    let all = std::iter::from_fn(|| link.next());
    let (lost, arrived): (Vec<_>, Vec<_>) = all.partition(|arrival| arrival.lost);
    (arrived, lost.len())
}

fn all(recording: &Recording, nature: Nature, count: usize) -> (Vec<Arrival>, usize) {
    run(Link::new(recording, nature, count, 7, 0))
}

fn micros(arrivals: &[Arrival]) -> Vec<u128> {
    arrivals
        .iter()
        .map(|arrival| arrival.at.as_micros())
        .collect()
}

#[test]
fn without_more_frames_come_as_recorded_over_and_over() {
    let file = recording(&[(0, 60), (10, 60), (40, 60)]);
    let (arrivals, lost) = all(&file, PLAIN, 5);
    assert_eq!(micros(&arrivals), [0, 10_000, 40_000, 60_000, 70_000]);
    assert_eq!(
        arrivals.iter().map(|a| a.frame).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(lost, 0);
    let fast = Nature {
        bandwidth: Bandwidth::Real(4.0),
        ..PLAIN
    };
    assert_eq!(micros(&all(&file, fast, 3).0), [0, 2500, 10_000]);
    let free = Nature {
        bandwidth: Bandwidth::Free,
        ..PLAIN
    };
    assert_eq!(micros(&all(&file, free, 4).0), [0; 4]);
}

#[test]
fn a_rate_counts_bits_and_not_the_times_of_the_file() {
    let file = recording(&[(0, 125), (500, 250), (1000, 125)]);
    let rate = |framing| Nature {
        bandwidth: Bandwidth::Rate {
            bits: 1_000_000,
            framing,
        },
        ..PLAIN
    };
    assert_eq!(micros(&all(&file, rate(false), 3).0), [1000, 3000, 4000]);
    assert_eq!(micros(&all(&file, rate(true), 3).0), [1192, 3384, 4576]);
    // A third of a microsecond a frame does not add up.
    let thirds = Nature {
        bandwidth: Bandwidth::Rate {
            bits: 3_000_000_000,
            framing: false,
        },
        ..PLAIN
    };
    let (arrivals, _) = all(&recording(&[(0, 125)]), thirds, 3_000_000);
    assert_eq!(arrivals.last().unwrap().at, Duration::from_secs(1));
}

#[test]
fn delays_are_as_they_are_said_to_be() {
    let file = recording(&[(0, 60)]);
    let ms = Duration::from_millis;
    let of = |delay| {
        let nature = Nature {
            bandwidth: Bandwidth::Free,
            delay,
            reorder: true,
            ..PLAIN
        };
        let mut link = Link::new(&file, nature, 0, 3, 0);
        (0..20_000)
            .map(|_| link.delay().as_secs_f64() * 1e3)
            .collect::<Vec<f64>>()
    };
    let mean = |delays: &[f64]| delays.iter().sum::<f64>() / delays.len() as f64;
    let uniform = of(Delay::Uniform(ms(2), ms(6)));
    assert!(uniform.iter().all(|d| (2.0..=6.0).contains(d)));
    assert!((mean(&uniform) - 4.0).abs() < 0.05, "{}", mean(&uniform));
    let exp = of(Delay::Exponential(ms(2), ms(5)));
    assert!(exp.iter().all(|d| *d >= 2.0) && exp.iter().any(|d| *d > 12.0));
    assert!((mean(&exp) - 5.0).abs() < 0.1, "{}", mean(&exp));
    let normal = of(Delay::Normal(ms(50), ms(10)));
    let mean_of = mean(&normal);
    let variance = mean(
        &normal
            .iter()
            .map(|d| (d - mean_of).powi(2))
            .collect::<Vec<_>>(),
    );
    assert!((mean_of - 50.0).abs() < 0.3 && (variance.sqrt() - 10.0).abs() < 0.3);
    assert!(of(Delay::Normal(ms(0), ms(1))).iter().all(|d| *d >= 0.0));
    assert!(of(Delay::Const(ms(9))).iter().all(|d| *d == 9.0));
}

#[test]
fn frames_overtake_each_other_only_if_asked_to() {
    let file = recording(&[(0, 60), (1, 60)]);
    let ms = Duration::from_millis;
    let nature = |reorder| Nature {
        delay: Delay::Uniform(ms(0), ms(50)),
        reorder,
        ..PLAIN
    };
    let (kept, _) = all(&file, nature(false), 1000);
    assert!(kept
        .windows(2)
        .all(|two| two[0].frame < two[1].frame && two[0].at <= two[1].at));
    let (mixed, _) = all(&file, nature(true), 1000);
    assert!(mixed.windows(2).all(|two| two[0].at <= two[1].at));
    assert!(mixed.windows(2).any(|two| two[0].frame > two[1].frame));
    // Each arrives once, and after its own delay, not that of another.
    let mut numbers: Vec<_> = mixed.iter().map(|a| a.frame).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    for arrival in &mixed {
        let way = arrival.at - file.time(arrival.frame);
        assert!(way <= ms(50), "{way:?}");
    }
}

#[test]
fn the_same_seed_loses_the_same_and_no_more_than_due() {
    let file = recording(&[(0, 125)]);
    let nature = Nature {
        loss: Loss::Packets(0.1),
        ..PLAIN
    };
    let frames = |nature, seed, number| {
        let (arrived, lost) = run(Link::new(&file, nature, 10_000, seed, number));
        assert_eq!(arrived.len() + lost, 10_000);
        arrived.iter().map(|a| a.frame).collect::<Vec<_>>()
    };
    let one = frames(nature, 1, 0);
    assert_eq!(frames(nature, 1, 0), one);
    // A link the other way has luck of its own, as has another seed.
    assert_ne!(frames(nature, 1, 1), one);
    assert_ne!(frames(nature, 2, 0), one);
    assert!((8_800..=9_200).contains(&one.len()), "{}", one.len());
    // A delay does not change what is lost.
    let mut delayed = nature;
    delayed.delay = Delay::Uniform(Duration::ZERO, Duration::from_millis(1));
    assert_eq!(frames(delayed, 1, 0), one);
}

#[test]
fn all_or_nothing_is_lost_where_that_is_said() {
    let file = recording(&[(0, 1000)]);
    let lost = |loss| all(&file, Nature { loss, ..PLAIN }, 2000).1;
    assert_eq!(
        (lost(Loss::Packets(0.0)), lost(Loss::Packets(1.0))),
        (0, 2000)
    );
    assert_eq!((lost(Loss::Bits(0.0)), lost(Loss::Bits(1.0))), (0, 2000));
    // 8000 bits, each lost once in 8000: a frame gets through in 1 of e.
    let some = lost(Loss::Bits(1.0 / 8000.0)) as f64 / 2000.0;
    assert!((some - 0.632).abs() < 0.03, "{some}");
    let few = lost(Loss::Bits(1e-7)) as f64 / 2000.0;
    assert!(few < 0.005, "{few}");
}
