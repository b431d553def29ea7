// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a request was refused, in words.

use super::check::*;
use super::raw::{Device, Reg};
use ferromap_abi::ext::{NmreqWhy, FERROMAP_REQ_WHY};
use ferromap_abi::wire::Plain;
use nix::errno::Errno;

/// The errno and the sentence of the last request that was refused on this device.
pub fn why(device: &Device) -> Result<(u32, String), Errno> {
    let mut body = NmreqWhy::zeroed();
    device.request(FERROMAP_REQ_WHY, "", &mut body)?;
    Ok((body.errno, body.text().to_string()))
}

/// The sentence has all of these words.
#[track_caller]
pub fn says(device: &Device, errno: Errno, words: &[&str]) -> Outcome {
    let (told, text) = why(device)?;
    same(format!("errno of {text:?}"), told, errno as u32)?;
    match words.iter().find(|word| !text.contains(**word)) {
        Some(word) => fail(format!("expected {word:?} in {text:?}")),
        None => Ok(()),
    }
}

/// That a REGISTER is refused with this errno, and with a reason that has all these words.
#[track_caller]
pub fn refused(mut request: Reg, errno: Errno, words: &[&str]) -> Outcome {
    let device = Device::open()?;
    let name = String::from_utf8_lossy(&request.name).into_owned();
    fails(
        format!("REGISTER of {name:?}"),
        request.send(&device),
        errno,
    )?;
    says(&device, errno, words)
}
