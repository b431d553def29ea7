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
    // The second one's times lie before the first one's: it begins where that ends.
    assert_eq!(both.time(4), both.time(3));
    assert_eq!(
        both.time(7) - both.time(3),
        Duration::from_nanos(2_999_999_993)
    );
}

/// The copy was glued to its last frame: one was there that had the time of the file's last.
#[test]
fn a_section_may_be_there_twice() {
    for times in [None, Some(9)] {
        let once = pcapng(Endianness::Little, times);
        let twice = Recording::parse([once.clone(), once.clone()].concat()).unwrap();
        let once = Recording::parse(once).unwrap();
        assert_eq!(twice.lasts(), once.lasts() * 2);
        for i in 0..4 {
            assert_eq!(twice.time(i), once.time(i));
            assert_eq!(twice.time(4 + i), once.lasts() + once.time(i));
        }
        assert_eq!((twice.odd.frames, twice.odd.first), (1, 5));
    }
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

/// The first of them were 53 years before the others.
#[test]
fn who_has_no_time_follows_the_one_before() {
    let mut writer = section(Endianness::Big, None);
    for (i, (time, frame)) in (0..).zip(frames()) {
        let (original_len, data) = (frame.len() as u32, Cow::Owned(frame));
        let written = if i % 2 == 0 {
            writer.write_pcapng_block(SimplePacketBlock { original_len, data })
        } else {
            writer.write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                timestamp: Duration::from_nanos(1_700_000_000_000_000 + time),
                original_len,
                data,
                options: vec![],
            })
        };
        written.unwrap();
    }
    let recording = Recording::parse(writer.into_inner()).unwrap();
    let since = Duration::from_micros(frames()[3].0 - frames()[1].0);
    let times = [0, 1, 2, 3].map(|i| recording.time(i));
    assert_eq!(
        times,
        [Duration::ZERO, Duration::ZERO, Duration::ZERO, since]
    );
}

/// A block of a section, in either byte order.
fn block(end: Endianness, kind: u32, words: &[u32], rest: &[u8]) -> Vec<u8> {
    let order = |word: u32| match end {
        Endianness::Big => word.to_be_bytes(),
        Endianness::Little => word.to_le_bytes(),
    };
    let len = (12 + words.len() * 4 + rest.len().next_multiple_of(4)) as u32;
    let mut block = [order(kind), order(len)].concat();
    words.iter().for_each(|word| block.extend(order(*word)));
    block.extend(rest);
    block.resize(len as usize - 4, 0);
    block.extend(order(len));
    block
}

/// They were left out without a word.
#[test]
fn blocks_of_before_2009_are_read() {
    for end in ENDS {
        let mut file = section(end, Some(9)).into_inner();
        for (time, frame) in frames() {
            // Interface 0, and in the other half how many were dropped: none, or unknown.
            let first = match end {
                Endianness::Big => 0xffff,
                Endianness::Little => 0xffff_0000,
            };
            let (high, low) = ((time >> 32) as u32, time as u32);
            let len = frame.len() as u32;
            file.extend(block(end, 2, &[first, high, low, len, len], &frame));
        }
        same(&Recording::parse(file.clone()).unwrap(), 1);
        let orphans = [&file[..28], &file[file.len() - 9032..]].concat();
        let why = Recording::parse(orphans).err().unwrap();
        assert!(why.contains("frame 1 came by interface 0"), "{why}");
        // A frame that is longer than its block.
        file.extend(block(end, 2, &[0, 0, 0, 61, 61], &[0; 60]));
        let why = Recording::parse(file).err().unwrap();
        assert!(why.contains("frame 5 is not whole"), "{why}");
    }
}

/// Files whose header tells of checksums were refused, as of a link type of 603979777.
#[test]
fn checksums_are_left_out() {
    let kind = |word: u32| {
        let mut file = pcap(
            Endianness::Little,
            TsResolution::MicroSecond,
            DataLink::ETHERNET,
        );
        file[20..24].copy_from_slice(&word.to_le_bytes());
        Recording::parse(file)
    };
    // With 4 bytes of them, with none, and without a word about them: length and reserved bit.
    for (word, fcs) in [(0x2400_0001, 4), (0x0400_0001, 0), (0x2800_0001, 0)] {
        let recording = kind(word).unwrap();
        for (i, (_, frame)) in frames().iter().enumerate() {
            assert_eq!(recording.frame(i), &frame[fcs..], "{word:x}");
        }
        assert_eq!(recording.cut(), 0);
    }
    assert!(kind(0x2400_0071).err().unwrap().contains("link type 113"));
}

#[test]
fn checksums_are_left_out_by_interface_and_by_frame() {
    for end in ENDS {
        for fcs_len in [4, 32, 0] {
            let section = section(end, None).into_inner();
            // The section's header alone, and an interface that tells.
            let option = match end {
                Endianness::Big => [0, 13, 0, 1, fcs_len, 0, 0, 0],
                Endianness::Little => [13, 0, 1, 0, fcs_len, 0, 0, 0],
            };
            let linktype = match end {
                Endianness::Big => 1 << 16,
                Endianness::Little => 1,
            };
            let mut file = section[..28].to_vec();
            file.extend(block(end, 1, &[linktype, 0], &option));
            let data: Vec<u8> = (0..64).collect();
            let packet = |len: u32, rest: &[u8]| block(end, 6, &[0, 0, 0, len, 64], rest);
            file.extend(packet(64, &data));
            // Cut within the checksum, and before it.
            file.extend(packet(62, &data[..62]));
            file.extend(packet(40, &data[..40]));
            // A simple one; and those that tell of 2 bytes themselves, of either kind.
            file.extend(block(end, 3, &[64], &data));
            let mut told = data.clone();
            told.extend(match end {
                Endianness::Big => [0, 2, 0, 4, 0, 0, 0, 0x40],
                Endianness::Little => [2, 0, 4, 0, 0x40, 0, 0, 0],
            });
            file.extend(packet(64, &told));
            file.extend(block(end, 2, &[0, 0, 0, 64, 64], &told));
            let recording = Recording::parse(file).unwrap();
            let lens: Vec<usize> = (0..6).map(|i| recording.frame(i).len()).collect();
            let (expected, cut) = match fcs_len {
                0 => ([64, 62, 40, 64, 62, 62], 2),
                _ => ([60, 60, 40, 60, 62, 62], 1),
            };
            assert_eq!((&lens[..], recording.cut()), (&expected[..], cut));
            assert_eq!(recording.frame(2), &data[..40]);
        }
    }
}

/// An hour later, by a word that was read in the wrong byte order.
#[test]
fn interfaces_may_have_an_offset() {
    for end in ENDS {
        let mut writer = section(end, None);
        let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
        interface.options = vec![InterfaceDescriptionOption::IfTsOffset(3600)];
        writer.write_pcapng_block(interface).unwrap();
        for interface_id in [0, 1] {
            let block = EnhancedPacketBlock {
                interface_id,
                timestamp: Duration::from_nanos(7),
                original_len: 60,
                data: Cow::Owned(vec![0; 60]),
                options: vec![],
            };
            writer.write_pcapng_block(block).unwrap();
        }
        let recording = Recording::parse(writer.into_inner()).unwrap();
        assert_eq!(recording.lasts(), Duration::from_secs(3600));
    }
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
