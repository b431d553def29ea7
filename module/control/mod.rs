// SPDX-License-Identifier: GPL-2.0

//! Requests in, decisions out.
//!
//! `NIOCCTRL` carries a header, a body and a list of options; each is fetched once, the request
//! works on the private copies, and the copies are written back ([`call`]). One line per request in
//! [`dispatch`] tells who serves it. [`legacy`] turns the old calls into the same requests. This is
//! one of the three borders where values are checked.
//!
//! - [`context`]: what a request works with; [`options`]: those that it understands, of the list
//!   that [`option_list`] reads.
//! - [`register`], [`attach`], [`persistent`], [`xdp`], [`kloop`], [`requests`]: the requests;
//!   [`offsets`], [`extmem`]: options of the first.
//! - [`rights`], [`region_rights`]: who may ask for what, and in which memory.
//! - [`names`]: what ports are called.

mod attach;
mod call;
mod context;
mod extmem;
mod kloop;
mod legacy;
mod names;
mod offsets;
mod option_list;
mod options;
mod persistent;
mod region_rights;
mod register;
mod requests;
mod rights;
mod xdp;

pub(crate) use legacy::{legacy, Legacy};

use crate::{
    abi::{consts::*, ext::*, wire::*},
    file::OpenFile,
    refusal::{refuse, Fallible},
    sys::{file::Asker, user},
};
use call::Call;
use kernel::prelude::*;

/// `NIOCCTRL`.
pub(crate) fn ctrl(file: &OpenFile, asker: &Asker<'_>, addr: u64) -> Result {
    let mut header = user::read::<NmreqHeader>(addr)?;
    let result = check(&header).and_then(|()| dispatch(file, asker, &mut header));
    header.nr_reserved = 0;
    let written = user::write(addr, &header);
    result.map_err(|refusal| file.remember(header.nr_reqtype, refusal))?;
    written
}

fn check(header: &NmreqHeader) -> Fallible {
    if !(NETMAP_MIN_API..=NETMAP_MAX_API).contains(&header.nr_version) {
        refuse!(
            EINVAL,
            "nr_version is {}, and only {} to {} are known",
            header.nr_version,
            NETMAP_MIN_API,
            NETMAP_MAX_API
        );
    }
    if header.nr_reserved != 0 {
        refuse!(EINVAL, "nr_reserved is not 0");
    }
    Ok(())
}

/// One line for each request: whether it is one at a time that makes or unmakes something
/// (`in_turn` or `at_once`), its body, and who serves it.
fn dispatch(file: &OpenFile, asker: &Asker<'_>, header: &mut NmreqHeader) -> Fallible {
    let call = Call {
        file,
        asker,
        header,
    };
    match call.header.nr_reqtype {
        NETMAP_REQ_REGISTER => call.in_turn(register::register),
        NETMAP_REQ_PORT_INFO_GET => call.in_turn(requests::port_info_get),
        NETMAP_REQ_POOLS_INFO_GET => call.in_turn(requests::pools_info_get),
        NETMAP_REQ_VALE_LIST => call.at_once(requests::vale_list),
        NETMAP_REQ_PORT_HDR_SET => call.in_turn(requests::port_hdr_set),
        NETMAP_REQ_PORT_HDR_GET => call.at_once(requests::port_hdr_get),
        NETMAP_REQ_VALE_ATTACH => call.in_turn(attach::attach),
        NETMAP_REQ_VALE_DETACH => call.in_turn(attach::detach),
        NETMAP_REQ_VALE_NEWIF => call.in_turn(persistent::newif),
        NETMAP_REQ_VALE_DELIF => call.bare_in_turn(persistent::delif),
        NETMAP_REQ_VALE_POLLING_ENABLE => call.in_turn(attach::polling_enable),
        NETMAP_REQ_VALE_POLLING_DISABLE => call.in_turn(attach::polling_disable),
        NETMAP_REQ_SYNC_KLOOP_START => call.at_once(kloop::start),
        NETMAP_REQ_SYNC_KLOOP_STOP => call.bare_at_once(kloop::stop),
        NETMAP_REQ_CSB_ENABLE => call.bare_at_once(kloop::csb_enable),
        FERROMAP_REQ_WHY => call.at_once(requests::why),
        FERROMAP_REQ_XDP_ATTACH => call.in_turn(xdp::attach),
        FERROMAP_REQ_XDP_DETACH => call.in_turn(xdp::detach),
        FERROMAP_REQ_XDP_QUERY => call.at_once(xdp::query),
        FERROMAP_REQ_PROBE => call.in_turn(register::probe),
        other => refuse!(EINVAL, "there is no request {}", other),
    }
}
