// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the frames in a file: pcap with micro- or nanoseconds in both byte orders, and pcapng.

use super::sections;
use pcap_parser::{
    nom, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
    Linktype, PcapError,
};

/// What is in a file.
#[derive(Default)]
pub struct Found {
    pub frames: Vec<Seen>,
    pub cut: usize,
    /// How many frames are before each section.
    pub sections: Vec<usize>,
}

/// Where a frame is in the file, and when it was recorded.
#[derive(Clone, Copy)]
pub struct Seen {
    pub at: usize,
    pub len: usize,
    /// Nanoseconds, as the file has them.
    pub time: Option<u64>,
}

/// The error is the rest of a sentence about the file.
pub fn parse(bytes: &[u8]) -> Result<Found, String> {
    if bytes.is_empty() {
        return Err("it is empty. Record some frames first: tcpdump -w FILE".into());
    }
    if sections::begins(bytes) {
        return sections::parse(bytes);
    }
    match parse_pcap_header(bytes) {
        Ok((rest, header)) => {
            let kind = Kind::of(header.network);
            only_ethernet(kind.linktype)?;
            let unit = if header.is_nanosecond_precision() {
                1
            } else {
                1000
            };
            let parse = match (header.is_modified_format(), header.is_bigendian()) {
                (true, _) => parse_pcap_frame_modified,
                (false, true) => parse_pcap_frame_be,
                (false, false) => parse_pcap_frame,
            };
            let (mut found, mut rest) = (Found::default(), rest);
            while !rest.is_empty() {
                let (after, block) = parse(rest).map_err(|e| found.broken(&e))?;
                let time =
                    u64::from(block.ts_sec) * 1_000_000_000 + u64::from(block.ts_usec) * unit;
                found.add(bytes, block.data, block.origlen, kind.fcs, Some(time));
                rest = after;
            }
            Ok(found)
        }
        Err(nom::Err::Incomplete(_)) if bytes.len() >= 4 => Err(
            "it ends within its first bytes: what wrote it was stopped, or it was not copied whole"
                .into(),
        ),
        Err(_) => Err(no_pcap(bytes)),
    }
}

fn no_pcap(bytes: &[u8]) -> String {
    let unpack = |by| format!("it is compressed. Unpack it first: {by} FILE");
    match bytes {
        [0x1f, 0x8b, ..] => unpack("gunzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unpack("unzstd"),
        [0xfd, b'7', b'z', ..] => unpack("unxz"),
        _ => {
            "it is neither pcap nor pcapng. tcpdump -w FILE records such files, and editcap turns \
              others into them"
                .into()
        }
    }
}

/// What the last word of pcap's header says.
struct Kind {
    linktype: Linktype,
    /// Bytes of checksum at the end of each frame.
    fcs: usize,
}

impl Kind {
    fn of(word: Linktype) -> Self {
        const FCS_IS_TOLD: u32 = 1 << 26;
        // The six highest bits are about the checksum, whose length is in units of two bytes.
        let word = word.0 as u32;
        let fcs = if word & FCS_IS_TOLD != 0 {
            (word >> 28) as usize * 2
        } else {
            0
        };
        Kind {
            linktype: Linktype((word & (FCS_IS_TOLD - 1)) as i32),
            fcs,
        }
    }
}

pub fn only_ethernet(of: Linktype) -> Result<(), String> {
    if of == Linktype::ETHERNET {
        return Ok(());
    }
    Err(format!(
        "its frames are not Ethernet but of link type {} ({of}): they cannot be sent as they are. \
         Record on an Ethernet interface, not on `any`",
        of.0
    ))
}

impl Found {
    /// Adds a frame that had `on_wire` bytes, the last `fcs` of which are its checksum: whoever
    /// sends the frame makes a checksum of its own.
    pub fn add(&mut self, file: &[u8], data: &[u8], on_wire: u32, fcs: usize, time: Option<u64>) {
        let mut whole = on_wire as usize;
        let mut len = data.len();
        if fcs > 0 {
            whole = whole.max(len).saturating_sub(fcs);
            len = len.min(whole);
        }
        self.frames.push(Seen {
            at: data.as_ptr() as usize - file.as_ptr() as usize,
            len,
            time,
        });
        self.cut += usize::from(len < whole);
    }

    pub fn broken(&self, e: &nom::Err<PcapError<&[u8]>>) -> String {
        let whole = self.frames.len();
        let cure = match whole {
            0 => "Record it anew".into(),
            n => format!("The {n} before it are whole: editcap -r FILE NEW 1-{n}"),
        };
        let what = match e {
            nom::Err::Incomplete(_) => {
                "it ends within it: what wrote it was stopped, or it was not copied whole"
            }
            _ => "the file is damaged there",
        };
        format!("frame {} is not whole; {what}. {cure}", whole + 1)
    }
}
