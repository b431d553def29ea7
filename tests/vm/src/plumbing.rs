// SPDX-License-Identifier: MIT OR Apache-2.0

//! The control device and its ioctls: items 1 to 13.

use crate::check::*;
use crate::harness::Case;
use crate::raw::device::{address, header};
use crate::raw::*;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::os::unix::fs::MetadataExt;

pub const CASES: &[Case] = crate::cases![item_001_device_opens_many_times_for_root_only,];

fn item_001_device_opens_many_times_for_root_only() -> Outcome {
    let meta = std::fs::metadata("/dev/netmap")?;
    same("mode of the node", meta.mode(), libc::S_IFCHR | 0o600)?;
    same("owner and group", (meta.uid(), meta.gid()), (0, 0))?;
    let all: Vec<_> = (0..200).map(|_| Device::open()).collect::<Result<_, _>>()?;
    same("open devices", all.len(), 200)
}
