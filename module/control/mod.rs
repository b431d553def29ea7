// SPDX-License-Identifier: GPL-2.0

//! Requests in, decisions out.
//!
//! `NIOCCTRL` carries a header, a body and a chain of options; each is fetched once, the request works on
//! the private copies, and the copies are written back. One line per request in [`dispatch`] tells its
//! body and who serves it. [`legacy`] turns the old calls into the same requests. This is one of the three
//! borders where values are checked.

mod attach;
mod legacy;
mod names;
mod options;
mod register;
mod requests;
mod rights;
mod xdp;

pub(crate) use legacy::{legacy, Legacy};

use crate::{
    abi::{consts::*, ext::*, name, wire::*},
    device::OpenFile,
    memory::{Claimant, Region, RegionRef},
    refusal::{refuse, Answer},
    sys::{file::Asker, user},
    turn::Taken,
    world::World,
};
use kernel::{prelude::*, sync::Arc};
use options::{find, walk, Bad, Entry, Status, MOST};

/// What a request works with.
pub(super) struct Context<'a> {
    pub(super) file: &'a OpenFile,
    pub(super) asker: &'a Asker<'a>,
    pub(super) world: &'a Arc<World>,
    pub(super) turn: Taken<'a>,
    /// The region of the descriptor that the program named.
    pub(super) granted: Option<RegionRef>,
    /// `nr_name`, without padding; a port of a switch by the name that it has there.
    pub(super) name: &'a [u8],
    /// Somebody asked for options that nobody knows.
    pub(super) unknown_options: bool,
}

impl Context<'_> {
    /// The region that the request names, by a descriptor or by its id; none for id 0.
    pub(super) fn region(&self, claimant: &Claimant, id: u16) -> Answer<Option<RegionRef>> {
        match &self.granted {
            Some(granted) if id != 0 && id != granted.id() => refuse!(
                EINVAL,
                "nr_mem_id is {}, but the descriptor is bound in region {}: set nr_mem_id to 0",
                id,
                granted.id()
            ),
            Some(granted) => Ok(Some(granted.clone())),
            None if id == 0 => Ok(None),
            None => Ok(Some(self.world.places.regions.find(claimant, id)?)),
        }
    }

    /// Refuses who may not use that region: neither by who he is, nor by the descriptor that he named.
    pub(super) fn admit(&self, region: &Arc<Region>, claimant: &Claimant) -> Answer {
        match self.granted.as_deref() {
            Some(granted) if Arc::ptr_eq(granted, region) => Ok(()),
            _ => region.admit(claimant),
        }
    }
}

/// `NIOCCTRL`.
pub(crate) fn ctrl(file: &OpenFile, asker: &Asker<'_>, addr: u64) -> Result {
    let mut header = user::read::<NmreqHeader>(addr)?;
    let answer = check(&header).and_then(|()| dispatch(file, asker, &mut header));
    header.nr_reserved = 0;
    let written = user::write(addr, &header);
    answer.map_err(|refusal| file.remember(header.nr_reqtype, refusal))?;
    written
}

fn check(header: &NmreqHeader) -> Answer {
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

/// One line for each request: its body, and who serves it.
fn dispatch(file: &OpenFile, asker: &Asker<'_>, header: &mut NmreqHeader) -> Answer {
    let call = Call {
        file,
        asker,
        header,
    };
    match call.header.nr_reqtype {
        NETMAP_REQ_REGISTER => call.with(register::register),
        NETMAP_REQ_PORT_INFO_GET => call.with(requests::port_info_get),
        NETMAP_REQ_POOLS_INFO_GET => call.with(requests::pools_info_get),
        NETMAP_REQ_VALE_LIST => call.with_name(requests::vale_list),
        NETMAP_REQ_PORT_HDR_SET => call.with(requests::port_hdr_set),
        NETMAP_REQ_PORT_HDR_GET => call.with(requests::port_hdr_get),
        NETMAP_REQ_VALE_ATTACH => call.with(attach::attach),
        NETMAP_REQ_VALE_DETACH => call.with(attach::detach),
        NETMAP_REQ_VALE_NEWIF => call.with::<NmreqValeNewif>(later),
        NETMAP_REQ_VALE_DELIF => call.bare(later_bare),
        NETMAP_REQ_VALE_POLLING_ENABLE => call.with(attach::polling_enable),
        NETMAP_REQ_VALE_POLLING_DISABLE => call.with(attach::polling_disable),
        NETMAP_REQ_SYNC_KLOOP_START => call.with::<NmreqSyncKloopStart>(later),
        NETMAP_REQ_SYNC_KLOOP_STOP => call.bare(later_bare),
        NETMAP_REQ_CSB_ENABLE => call.bare(later_bare),
        FERROMAP_REQ_WHY => call.with::<NmreqWhy>(requests::why),
        FERROMAP_REQ_XDP_ATTACH => call.with(xdp::attach),
        FERROMAP_REQ_XDP_DETACH => call.with(xdp::detach),
        FERROMAP_REQ_XDP_QUERY => call.with(xdp::query),
        FERROMAP_REQ_PROBE => call.with(register::probe),
        other => refuse!(EINVAL, "there is no request {}", other),
    }
}

fn later<T>(_: &Context<'_>, _: &mut T) -> Answer {
    refuse!(EOPNOTSUPP, "this request is not there yet")
}

fn later_bare(_: &Context<'_>) -> Answer {
    refuse!(EOPNOTSUPP, "this request is not there yet")
}

/// A request on its way from the program and back.
struct Call<'a> {
    file: &'a OpenFile,
    asker: &'a Asker<'a>,
    header: &'a mut NmreqHeader,
}

impl Call<'_> {
    /// A request with a body, which is written back if the request succeeds.
    fn with<T: Plain>(self, serve: impl FnOnce(&Context<'_>, &mut T) -> Answer) -> Answer {
        self.with_name(|context, body, _| serve(context, body))
    }

    /// As [`with`](Self::with), for a request that also answers a name.
    fn with_name<T: Plain>(
        self,
        serve: impl FnOnce(&Context<'_>, &mut T, &mut [u8; NETMAP_REQ_IFNAMSIZ]) -> Answer,
    ) -> Answer {
        let addr = self.header.nr_body;
        if addr == 0 {
            refuse!(EINVAL, "request {} needs a body", self.header.nr_reqtype);
        }
        let mut body = user::read::<T>(addr)?;
        let mut name = self.header.nr_name;
        self.serve(size_of::<T>(), |context| {
            serve(context, &mut body, &mut name)
        })?;
        self.header.nr_name = name;
        Ok(user::write(addr, &body)?)
    }

    /// A request without a body.
    fn bare(self, serve: impl FnOnce(&Context<'_>) -> Answer) -> Answer {
        if self.header.nr_body != 0 {
            refuse!(EINVAL, "request {} has no body", self.header.nr_reqtype);
        }
        self.serve(0, serve)
    }

    /// Reads the options, runs the request when it is its turn, and writes the options' statuses back.
    fn serve(&self, body: usize, serve: impl FnOnce(&Context<'_>) -> Answer) -> Answer {
        // Not on the stack: all of it is some 6 KiB.
        let mut entries = KVec::from_elem(None::<Entry>, MOST, GFP_KERNEL_ACCOUNT)?;
        let walked = walk(
            self.header.nr_options,
            body,
            &mut entries,
            |addr| user::read(addr).ok(),
            readable,
        );
        let (count, answer) = match walked {
            Ok(count) => (count, self.honour(&mut entries, serve)),
            Err((bad, count)) => (count, Err(bad.into())),
        };
        let mut written = Ok(());
        for entry in entries.iter().take(count).flatten() {
            let head = NmreqOption {
                nro_status: entry.status.errno(),
                ..entry.head
            };
            written = written.and(user::write(entry.addr, &head));
        }
        answer?;
        Ok(written?)
    }
}

impl Call<'_> {
    /// Runs the request with what the options give it, when it is its turn.
    fn honour(
        &self,
        entries: &mut [Option<Entry>],
        serve: impl FnOnce(&Context<'_>) -> Answer,
    ) -> Answer {
        let granted = match find(entries, FERROMAP_OPT_REGION) {
            Some(option) if takes_region(self.header.nr_reqtype) => {
                option.status = Status::Invalid;
                let granted = self.granted(option.addr)?;
                option.status = Status::Zero;
                Some(granted)
            }
            _ => None,
        };
        let unknown = |entry: &Entry| entry.status == Status::Unsupported;
        let world = self.file.world();
        let turn = world.turn.take();
        let name = names::known(name::trim(&self.header.nr_name), world)?;
        let context = Context {
            file: self.file,
            asker: self.asker,
            world,
            turn,
            granted,
            name: name.as_bytes(),
            unknown_options: entries.iter().flatten().any(unknown),
        };
        serve(&context)
    }

    /// The region of the file whose descriptor is in the option at `addr`.
    fn granted(&self, addr: u64) -> Answer<RegionRef> {
        let option = user::read::<NmreqOptRegion>(addr)?;
        if option.pad != 0 {
            refuse!(EINVAL, "pad of the option is not 0");
        }
        // A negative number is too large for a descriptor.
        let region = self.file.with_other(option.fd as u32, |file| {
            let binding = file.binding()?;
            Some(binding.held().set().region().clone())
        });
        match region {
            Ok(Some(Some(region))) => Ok(region),
            Ok(Some(None)) => refuse!(
                ENXIO,
                "descriptor {} is not bound to a port, so it is in no memory region",
                option.fd
            ),
            Ok(None) => refuse!(
                EINVAL,
                "descriptor {} is not an open /dev/netmap",
                option.fd
            ),
            Err(errno) => refuse!(errno, "descriptor {} is not open", option.fd),
        }
    }
}

/// Whether the request honours an option that names a region: those with an `nr_mem_id`, and what takes a right to one.
fn takes_region(reqtype: u16) -> bool {
    matches!(
        reqtype,
        NETMAP_REQ_REGISTER
            | NETMAP_REQ_PORT_INFO_GET
            | NETMAP_REQ_POOLS_INFO_GET
            | NETMAP_REQ_VALE_ATTACH
            | NETMAP_REQ_PORT_HDR_SET
    )
}

/// Whether the program can read `len` bytes there; their values do not matter yet.
fn readable(addr: u64, len: usize) -> bool {
    let mut chunk = [0; 128];
    (0..len).step_by(chunk.len()).all(|at| {
        let take = chunk.len().min(len - at);
        user::read_bytes(addr.wrapping_add(at as u64), &mut chunk[..take]).is_ok()
    })
}

impl Status {
    fn errno(self) -> u32 {
        let errno = match self {
            Status::Zero => return 0,
            Status::Invalid => EINVAL,
            Status::Unsupported => EOPNOTSUPP,
        };
        errno.to_errno().unsigned_abs()
    }
}

impl From<Bad> for crate::refusal::Refusal {
    fn from(bad: Bad) -> Self {
        let refuse = || -> Answer {
            match bad {
                Bad::Unreadable => refuse!(EFAULT, "an option cannot be read"),
                Bad::TypeZero => refuse!(EINVAL, "an option has type 0"),
                Bad::Twice(kind) => refuse!(EINVAL, "option {} is there twice", kind),
                Bad::TooLarge(kind) => refuse!(EMSGSIZE, "option {} is too large", kind),
                Bad::TooLong => refuse!(EMSGSIZE, "the chain of options is too long"),
            }
        };
        match refuse() {
            Err(refusal) => refusal,
            Ok(()) => EINVAL.into(),
        }
    }
}
