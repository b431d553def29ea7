// SPDX-License-Identifier: MIT OR Apache-2.0

//! What another crate writes is read, what is written another crate reads.

use super::{Recording, Writer};
use pcap_file::{
    pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter},
    pcapng::{
        blocks::{
            enhanced_packet::EnhancedPacketBlock,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::SectionHeaderBlock,
            simple_packet::SimplePacketBlock,
        },
        PcapNgWriter,
    },
    DataLink, Endianness, TsResolution,
};
use std::{borrow::Cow, time::Duration};

const ENDS: [Endianness; 2] = [Endianness::Big, Endianness::Little];

/// Frames of odd and even lengths, some at the same time, and their times in microseconds.
fn frames() -> Vec<(u64, Vec<u8>)> {
    let times = [1_000_000_007, 1_000_000_007, 1_000_001_250, 4_000_000_000];
    let lens = [60, 1514, 61, 9000];
    let frames = times.into_iter().zip(lens).zip(1..);
    frames
        .map(|((time, len), byte)| (time, vec![byte; len]))
        .collect()
}

fn same(recording: &Recording, unit: u64) {
    let frames = frames();
    assert_eq!(recording.len(), frames.len());
    for (i, (time, frame)) in frames.iter().enumerate() {
        assert_eq!(recording.frame(i), frame);
        let since = (time - frames[0].0) * unit;
        assert_eq!(recording.time(i), Duration::from_nanos(since), "frame {i}");
    }
}

fn pcap(endianness: Endianness, ts_resolution: TsResolution, datalink: DataLink) -> Vec<u8> {
    let header = PcapHeader {
        endianness,
        ts_resolution,
        datalink,
        ..PcapHeader::default()
    };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for (time, frame) in frames() {
        let time = match ts_resolution {
            TsResolution::MicroSecond => Duration::from_micros(time),
            TsResolution::NanoSecond => Duration::from_nanos(time),
        };
        let packet = PcapPacket::new(time, frame.len() as u32, &frame);
        writer.write_packet(&packet).unwrap();
    }
    writer.into_writer()
}

#[test]
fn pcap_of_either_unit_and_byte_order() {
    for end in ENDS {
        let micros = pcap(end, TsResolution::MicroSecond, DataLink::ETHERNET);
        same(&Recording::parse(micros).unwrap(), 1000);
        let nanos = pcap(end, TsResolution::NanoSecond, DataLink::ETHERNET);
        same(&Recording::parse(nanos).unwrap(), 1);
    }
}

/// A section whose interface counts in units of `resolution`.
fn section(endianness: Endianness, resolution: Option<u8>) -> PcapNgWriter<Vec<u8>> {
    let section = SectionHeaderBlock {
        endianness,
        ..SectionHeaderBlock::default()
    };
    let mut writer = PcapNgWriter::with_section_header(Vec::new(), section).unwrap();
    let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
    let options = resolution.map(InterfaceDescriptionOption::IfTsResol);
    interface.options = options.into_iter().collect();
    writer.write_pcapng_block(interface).unwrap();
    writer
}

fn pcapng(endianness: Endianness, resolution: Option<u8>) -> Vec<u8> {
    let mut writer = section(endianness, resolution);
    for (time, frame) in frames() {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            // The crate writes this number as it is, in whatever units.
            timestamp: Duration::from_nanos(time),
            original_len: frame.len() as u32,
            data: Cow::Owned(frame),
            options: vec![],
        };
        writer.write_pcapng_block(block).unwrap();
    }
    writer.into_inner()
}

#[test]
fn pcapng_of_any_unit_and_byte_order() {
    for end in ENDS {
        // Microseconds, where nothing is said.
        same(&Recording::parse(pcapng(end, None)).unwrap(), 1000);
        same(&Recording::parse(pcapng(end, Some(9))).unwrap(), 1);
        same(&Recording::parse(pcapng(end, Some(3))).unwrap(), 1_000_000);
        // Powers of two: 512 units a second.
        let halves = Recording::parse(pcapng(end, Some(0x80 | 9))).unwrap();
        let since = frames()[3].0 - frames()[0].0;
        let nanos = u128::from(since) * 1_000_000_000 / 512;
        assert!(halves.time(3).as_nanos().abs_diff(nanos) < 3);
        assert_eq!(halves.frame(3), frames()[3].1);
    }
}

#[test]
fn sections_may_follow_each_other() {
    let mut both = pcapng(Endianness::Big, None);
    both.extend(pcapng(Endianness::Little, Some(9)));
    let both = Recording::parse(both).unwrap();
    assert_eq!(both.len(), 8);
    assert_eq!(both.frame(7), frames()[3].1);
    // The second one's times lie before the first one's: no frame waits for the past.
    assert_eq!(both.time(7), both.time(3));
}

#[test]
fn simple_blocks_have_no_times() {
    let mut writer = section(Endianness::Little, None);
    for (_, frame) in frames() {
        let block = SimplePacketBlock {
            original_len: frame.len() as u32,
            data: Cow::Owned(frame),
        };
        writer.write_pcapng_block(block).unwrap();
    }
    let recording = Recording::parse(writer.into_inner()).unwrap();
    assert_eq!(recording.frame(2), frames()[2].1);
    assert_eq!(recording.lasts(), Duration::ZERO);
}

#[test]
fn what_is_written_another_crate_reads() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).unwrap();
    for (time, frame) in frames() {
        writer.add(Duration::from_nanos(time), &frame).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    let mut reader = PcapReader::new(&file[..]).unwrap();
    assert_eq!(reader.header().ts_resolution, TsResolution::NanoSecond);
    assert_eq!(reader.header().datalink, DataLink::ETHERNET);
    for (time, frame) in frames() {
        let packet = reader.next_packet().unwrap().unwrap();
        assert_eq!(packet.timestamp, Duration::from_nanos(time));
        assert_eq!(packet.data, frame);
    }
    assert!(reader.next_packet().is_none());
    same(&Recording::parse(file).unwrap(), 1);
}

/// Whatever is missing at the end is missed.
#[test]
fn files_that_are_cut_off_are_refused() {
    let whole = [
        pcap(
            Endianness::Big,
            TsResolution::MicroSecond,
            DataLink::ETHERNET,
        ),
        pcapng(Endianness::Little, None),
    ];
    for file in whole {
        let mut ends = 0;
        for len in 0..file.len() {
            ends += usize::from(Recording::parse(file[..len].to_vec()).is_ok());
        }
        // Between two frames nobody sees that others followed.
        assert_eq!(ends, frames().len() - 1);
        let why = Recording::parse(file[..file.len() - 1].to_vec());
        let why = why.err().unwrap();
        assert!(why.contains("frame 4 is not whole"), "{why}");
        assert!(why.contains("editcap -r FILE NEW 1-3"), "{why}");
    }
}

#[test]
fn other_files_are_refused_with_what_to_do() {
    let cooked = pcap(
        Endianness::Little,
        TsResolution::MicroSecond,
        DataLink::LINUX_SLL,
    );
    let header = pcap(
        Endianness::Little,
        TsResolution::MicroSecond,
        DataLink::ETHERNET,
    )[..24]
        .to_vec();
    for (file, says) in [
        (vec![], "it is empty"),
        (header, "it has no frames"),
        (
            b"#!/bin/sh\necho this is no pcap\n".to_vec(),
            "neither pcap",
        ),
        (vec![0xd4, 0xc3], "neither pcap"),
        (vec![0xd4, 0xc3, 0xb2, 0xa1, 0], "within its first bytes"),
        (vec![0x1f, 0x8b, 8, 0], "gunzip"),
        (cooked, "link type 113"),
    ] {
        let why = Recording::parse(file).err().unwrap();
        assert!(why.contains(says), "{why}");
    }
}

#[test]
fn frames_without_an_interface_are_refused() {
    let file = pcapng(Endianness::Little, None);
    // Behind the section's header of 28 bytes: the interface is gone.
    let interface = u32::from_le_bytes(file[32..36].try_into().unwrap()) as usize;
    let orphans = [&file[..28], &file[28 + interface..]].concat();
    let why = Recording::parse(orphans).err().unwrap();
    assert!(why.contains("frame 1 came by interface 0"), "{why}");
}

#[test]
fn damage_never_panics() {
    for file in [
        pcap(
            Endianness::Big,
            TsResolution::NanoSecond,
            DataLink::ETHERNET,
        ),
        pcapng(Endianness::Big, Some(9)),
    ] {
        for at in 0..200 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut file = file.clone();
                file[at] = value;
                if let Ok(recording) = Recording::parse(file) {
                    recording.time(recording.len() * 3);
                    assert!(recording.frame(recording.len()).len() <= 10_000);
                }
            }
        }
    }
}

#[test]
fn a_recording_has_no_end() {
    let nanos = pcap(
        Endianness::Little,
        TsResolution::NanoSecond,
        DataLink::ETHERNET,
    );
    let recording = Recording::parse(nanos).unwrap();
    assert_eq!(recording.frame(5), recording.frame(1));
    // 3 gaps last 2999999993 ns.
    let round = Duration::from_nanos(2_999_999_993 + 999_999_997);
    assert_eq!(recording.time(4), round);
    assert_eq!(recording.time(9), 2 * round + recording.time(1));
}

#[test]
fn room_is_zero_and_in_front() {
    let nanos = pcap(
        Endianness::Little,
        TsResolution::NanoSecond,
        DataLink::ETHERNET,
    );
    let recording = Recording::parse(nanos).unwrap().with_room(12);
    for (i, (_, frame)) in frames().iter().enumerate() {
        assert_eq!(recording.frame(i)[..12], [0; 12]);
        assert_eq!(&recording.frame(i)[12..], frame);
    }
    assert_eq!(recording.longest(), (4, 9012));
    assert_eq!(recording.shortest(), 72);
}
