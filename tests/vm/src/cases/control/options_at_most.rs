// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists of options as long as they may be, and longer by the least that there is.

use crate::harness::check::*;
use crate::harness::raw::csb::bare;
use crate::harness::raw::hostile::*;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![options_as_long_as_they_may_be];

const UNKNOWN: u32 = NETMAP_REQ_OPT_MAX;

/// So many options that nobody knows behind a request; then the same with one that all know.
fn options_as_long_as_they_may_be() -> Outcome {
    let port = shared("vale950:a").bind()?;
    let info = |first| {
        let mut body = NmreqPortInfoGet::default();
        let asked = NETMAP_REQ_PORT_INFO_GET;
        Device::open()?.request_with(asked, "vale950:a", &mut body, first)
    };
    let probe = |first| {
        let mut body = shared("").body;
        Device::open()?.request_with(FERROMAP_REQ_PROBE, "vale950:b", &mut body, first)
    };
    let list = |first| {
        let mut body = NmreqValeList::default();
        let asked = NETMAP_REQ_VALE_LIST;
        Device::open()?.request_with(asked, "vale950:a", &mut body, first)
    };
    // The one that has no body at all; no loop runs, so there is none to be stopped.
    let stop = |first| bare(&port.device, NETMAP_REQ_SYNC_KLOOP_STOP, first);
    type Ask<'a> = &'a dyn Fn(u64) -> Result<(), Errno>;
    let requests: [(&str, usize, Ask<'_>); 4] = [
        ("PORT_INFO_GET", size_of::<NmreqPortInfoGet>(), &info),
        ("PROBE", size_of::<NmreqRegister>(), &probe),
        ("VALE_LIST", size_of::<NmreqValeList>(), &list),
        ("KLOOP_STOP", 0, &stop),
    ];
    for (name, body, ask) in requests {
        let most = (OPTIONS_KEPT_MOST - body) / OPTION_KEPT;
        let judge = |what: &str, came, fits| match fits {
            false => fails(what, came, Errno::EMSGSIZE),
            // It says of a list that it does not understand all of it.
            true if name == "PROBE" => fails(what, came, Errno::EOPNOTSUPP),
            true => works(what, came),
        };
        let unsupported = Errno::EOPNOTSUPP as u32;
        for (count, status) in [(most, unsupported), (most + 1, UNTOUCHED)] {
            let what = format!("{name} with {count} options");
            let mut options = OptionList::of(&vec![UNKNOWN; count]);
            judge(&what, ask(options.first()), count == most)?;
            same(&what, options.statuses(), vec![status; count])?;
        }
        // The body of the last one takes what is left, to the byte, where there is more than what
        // is kept.
        for before in [0, 1, 2, 50, 100] {
            let kept = OPTIONS_KEPT_MOST - body - OPTION_KEPT * (before + 1);
            let sent = OPTIONS_SENT_MOST - body - OPTION_HEAD * (before + 1);
            let left = kept.min(sent);
            for (len, fits) in [(left, true), (left + 1, false)] {
                let what = format!("{name} with {before} options and one of {len} bytes");
                let mut room = vec![0u64; 1024];
                room[1] = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS.into();
                room[2] = (OPTION_HEAD + len) as u64;
                let last = room.as_mut_ptr() as u64;
                let mut options = OptionList::of(&vec![UNKNOWN; before.max(1)]);
                options.link(before.max(1) - 1, last);
                let first = if before == 0 { last } else { options.first() };
                judge(&what, ask(first), fits)?;
            }
        }
    }
    works("NIOCTXSYNC", port.device.txsync())
}
