// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening the node, requests that only ask, and memory that is touched.

use super::each::*;
use crate::harness::check::*;
use crate::harness::failalloc::Failed;
use crate::harness::raw::*;
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::unistd::pipe;
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_open,
    hostile_memory_fails_in_port_info,
    hostile_memory_fails_in_pools_info,
    hostile_memory_fails_in_port_header,
    hostile_memory_fails_in_touch,
    hostile_memory_fails_in_refused_request,
];

fn hostile_memory_fails_in_open() -> Outcome {
    each_failure(|| Ok(()), |()| Device::open(), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_port_info() -> Outcome {
    let ask = |name: &'static str| {
        move |device: &Device| {
            let mut body = NmreqPortInfoGet::default();
            device.request(NETMAP_REQ_PORT_INFO_GET, name, &mut body)
        }
    };
    each_failure(new_device, ask("vale965:new"), refused)?;
    each_failure(new_device, ask("vale960:a"), refused)?;
    each_failure(new_device, ask(""), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_pools_info() -> Outcome {
    let ask = |name: &'static str| {
        move |device: &Device| {
            let mut body = NmreqPoolsInfo::default();
            device.request(NETMAP_REQ_POOLS_INFO_GET, name, &mut body)
        }
    };
    each_failure(new_device, ask("vale966:new"), refused)?;
    each_failure(new_device, ask("vale960:a"), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_port_header() -> Outcome {
    let ask = |reqtype: u16| {
        move |device: &Device| {
            let mut body = NmreqPortHdr::default();
            device.request(reqtype, "vale960:a", &mut body)
        }
    };
    each_failure(new_device, ask(NETMAP_REQ_PORT_HDR_SET), refused)?;
    each_failure(new_device, ask(NETMAP_REQ_PORT_HDR_GET), refused)?;
    Ok(())
}

/// A page of the mapping that is not there, by a system call: what is a bus error for the program
/// itself is an errno there.
fn hostile_memory_fails_in_touch() -> Outcome {
    let (_from, to) = pipe()?;
    let prepare = || -> Outcome<Bound> { Ok(vale("vale966:a").slots(64, 64).bind()?) };
    let touch = |port: &Bound| {
        let last = port.map.at(port.reg.nr_memsize - 1);
        // SAFETY: a byte of a mapping that stays.
        let written = unsafe { libc::write(to.as_raw_fd(), last.cast(), 1) };
        Errno::result(written).map(drop)
    };
    let count = each_failure(prepare, touch, |span, failed, result| match result {
        Err(Errno::EFAULT) if failed != Failed::Nothing => Ok(()),
        result => refused(span, failed, result),
    })?;
    // Memory, a line over all that there is, and notes of both.
    that(format!("some allocations, got {count}"), count > 4)
}

fn hostile_memory_fails_in_refused_request() -> Outcome {
    // What is refused anyway is refused for its own reason, or for lack of memory; the sentence may
    // be missing, but never is it one of another time.
    each_failure(
        new_device,
        |device| {
            let refused = bind(device, vale("nosuchport")).err();
            let (errno, text) = why(device)?;
            Ok((refused, errno, text))
        },
        |_, failed, result| {
            let Ok((refused, errno, text)) = result else {
                // Asking why needs memory, too.
                differs("what failed", failed, Failed::Nothing)?;
                let result = result.as_ref().map(drop).map_err(|e| *e);
                return fails("FERROMAP_REQ_WHY", result, Errno::ENOMEM);
            };
            same(
                "errno of the sentence",
                Some(*errno),
                refused.map(|e| e as u32),
            )?;
            match refused {
                Some(Errno::ENXIO) if failed == Failed::Nothing => {
                    that(format!("a name in {text:?}"), text.contains("nosuchport"))
                }
                Some(Errno::ENXIO) => same("the sentence", text.as_str(), ""),
                Some(Errno::ENOMEM) if failed != Failed::Nothing => {
                    that(format!("memory in {text:?}"), text.contains("memory"))
                }
                other => fail(format!("refused with {other:?}, {failed:?} failing")),
            }
        },
    )?;
    Ok(())
}
