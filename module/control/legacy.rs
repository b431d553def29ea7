// SPDX-License-Identifier: GPL-2.0

//! `NIOCREGIF` and `NIOCGINFO`, turned into today's requests (sections 7.15 and 7.16 of the
//! interface).

use super::{attach, context::Context, options::Options, register, requests};
use crate::{
    abi::{consts::*, name, wire::*},
    file::OpenFile,
    refusal::{refuse, Fallible},
    sys::{file::Asker, user},
    turn::Taken,
};
use kernel::{fmt::Write, prelude::*, str::Formatter};

/// Which of the two calls it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// `NIOCREGIF`
    Bind,
    /// `NIOCGINFO`
    Info,
}

/// Serves a legacy call. The argument is written back changed if it succeeds, as it came otherwise.
pub(crate) fn legacy(file: &OpenFile, asker: &Asker<'_>, which: Legacy, addr: u64) -> Result {
    let asked = user::read::<Nmreq>(addr)?;
    let mut req = asked;
    let mut reqtype = 0;
    match serve(file, asker, which, &mut req, &mut reqtype) {
        Ok(()) => user::write(addr, &req),
        Err(refusal) => {
            let written = user::write(addr, &asked);
            let errno = file.remember(reqtype, refusal);
            written.and(Err(errno))
        }
    }
}

fn serve(
    file: &OpenFile,
    asker: &Asker<'_>,
    which: Legacy,
    req: &mut Nmreq,
    reqtype: &mut u16,
) -> Fallible {
    if req.nr_version < NETMAP_API.into() {
        refuse!(
            EINVAL,
            "nr_version is {}, and only {} and later are known",
            req.nr_version,
            NETMAP_API
        );
    }
    let mut full = LongName::new(name::trim(&req.nr_name));
    let command = match (which, req.nr_cmd) {
        (Legacy::Bind, 0) => Command::Register,
        (Legacy::Bind, NETMAP_BDG_VNET_HDR) => Command::HdrSet,
        (Legacy::Bind, NETMAP_VNET_HDR_GET) => Command::HdrGet,
        (Legacy::Bind, NETMAP_BDG_ATTACH) => Command::Attach,
        (Legacy::Bind, NETMAP_BDG_DETACH) => Command::Detach,
        (Legacy::Bind, NETMAP_BDG_POLLING_ON) => Command::PollingOn,
        (Legacy::Bind, NETMAP_BDG_POLLING_OFF) => Command::PollingOff,
        (Legacy::Bind, cmd) => Command::Later(later_request(cmd)?),
        (Legacy::Info, NETMAP_BDG_LIST) => Command::List,
        (Legacy::Info, _) => Command::Info,
    };
    *reqtype = command.reqtype();
    if let Command::Register = command {
        full.add_pipe(req);
    }
    let context = &mut Context::new(file, asker, full.as_bytes(), Options::none());
    let world = context.world;
    match command {
        // As in the list of requests of today: these take no turn.
        Command::List | Command::HdrGet | Command::Later(_) => {
            context.look_up_name()?;
            look(context, &command, req)
        }
        _ => {
            let turn = world.turn.take();
            context.look_up_name()?;
            change(context, &turn, &command, req)
        }
    }
}

/// What only looks.
fn look(context: &mut Context<'_>, command: &Command, req: &mut Nmreq) -> Fallible {
    match command {
        Command::List => list(context, req),
        Command::HdrGet => {
            let mut hdr = NmreqPortHdr::default();
            requests::port_hdr_get(context, &mut hdr)?;
            req.nr_arg1 = hdr.nr_hdr_len as u16;
            Ok(())
        }
        _ => requests::later(),
    }
}

/// What makes or unmakes something.
fn change(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    command: &Command,
    req: &mut Nmreq,
) -> Fallible {
    match command {
        Command::Register => bind(context, turn, req),
        Command::Info => info(context, turn, req),
        Command::HdrSet => {
            let mut hdr = NmreqPortHdr {
                nr_hdr_len: req.nr_arg1.into(),
                ..NmreqPortHdr::default()
            };
            requests::port_hdr_set(context, turn, &mut hdr)
        }
        Command::Attach => {
            let mut body = NmreqValeAttach::default();
            body.reg.nr_mem_id = req.nr_arg2;
            body.reg.nr_mode = if req.nr_arg1 & NETMAP_BDG_HOST != 0 {
                NR_REG_NIC_SW
            } else {
                NR_REG_ALL_NIC
            };
            attach::attach(context, turn, &mut body)
        }
        Command::Detach => attach::detach(context, turn, &mut NmreqValeDetach::default()),
        Command::PollingOn => attach::polling_enable(context, turn, &mut polling(req)),
        Command::PollingOff => attach::polling_disable(context, turn, &mut polling(req)),
        Command::List | Command::HdrGet | Command::Later(_) => requests::later(),
    }
}

/// What a legacy call turns into.
enum Command {
    Register,
    Info,
    List,
    HdrSet,
    HdrGet,
    Attach,
    Detach,
    PollingOn,
    PollingOff,
    /// A request that is not there yet.
    Later(u16),
}

impl Command {
    fn reqtype(&self) -> u16 {
        match self {
            Command::Register => NETMAP_REQ_REGISTER,
            Command::Info => NETMAP_REQ_PORT_INFO_GET,
            Command::List => NETMAP_REQ_VALE_LIST,
            Command::HdrSet => NETMAP_REQ_PORT_HDR_SET,
            Command::HdrGet => NETMAP_REQ_PORT_HDR_GET,
            Command::Attach => NETMAP_REQ_VALE_ATTACH,
            Command::Detach => NETMAP_REQ_VALE_DETACH,
            Command::PollingOn => NETMAP_REQ_VALE_POLLING_ENABLE,
            Command::PollingOff => NETMAP_REQ_VALE_POLLING_DISABLE,
            Command::Later(reqtype) => *reqtype,
        }
    }
}

fn later_request(cmd: u16) -> Fallible<u16> {
    Ok(match cmd {
        NETMAP_BDG_NEWIF => NETMAP_REQ_VALE_NEWIF,
        NETMAP_BDG_DELIF => NETMAP_REQ_VALE_DELIF,
        NETMAP_PT_HOST_CREATE | NETMAP_PT_HOST_DELETE => {
            refuse!(EOPNOTSUPP, "passthrough host ports are no more")
        }
        cmd => refuse!(EINVAL, "there is no nr_cmd {}", cmd),
    })
}

/// A legacy call to begin or to end polling.
fn polling(req: &Nmreq) -> NmreqValePolling {
    NmreqValePolling {
        nr_mode: match req.nr_flags & NR_REG_MASK {
            NR_REG_ALL_NIC => NETMAP_POLLING_MODE_SINGLE_CPU,
            NR_REG_ONE_NIC => NETMAP_POLLING_MODE_MULTI_CPU,
            // There is no such mode.
            _ => 0,
        },
        nr_first_cpu_id: (req.nr_ringid & NETMAP_RING_MASK).into(),
        nr_num_polling_cpus: req.nr_arg1.into(),
        ..NmreqValePolling::default()
    }
}

/// A legacy name, with the suffix that its mode stands for.
struct LongName {
    bytes: [u8; NETMAP_REQ_IFNAMSIZ],
    len: usize,
}

impl LongName {
    fn new(name: &[u8]) -> Self {
        let mut long = LongName {
            bytes: [0; NETMAP_REQ_IFNAMSIZ],
            len: name.len(),
        };
        long.bytes[..name.len()].copy_from_slice(name);
        long
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The pipe modes name an end: `{N` or `}N` with the ring number.
    fn add_pipe(&mut self, req: &Nmreq) {
        let mark = match req.nr_flags & NR_REG_MASK {
            NR_REG_PIPE_MASTER => '{',
            NR_REG_PIPE_SLAVE => '}',
            _ => return,
        };
        let mut end = Formatter::new(&mut self.bytes[self.len..]);
        // 15 characters, the mark and 4 digits: there is room.
        let _ = write!(end, "{}{}", mark, req.nr_ringid & NETMAP_RING_MASK);
        self.len += end.bytes_written();
    }
}

fn bind(context: &mut Context<'_>, turn: &Taken<'_>, req: &mut Nmreq) -> Fallible {
    let asked_mode = req.nr_flags & NR_REG_MASK;
    let pipe = matches!(asked_mode, NR_REG_PIPE_MASTER | NR_REG_PIPE_SLAVE);
    let mode = match asked_mode {
        _ if pipe => NR_REG_ALL_NIC,
        NR_REG_DEFAULT if req.nr_ringid & NETMAP_SW_RING != 0 => NR_REG_SW,
        NR_REG_DEFAULT if req.nr_ringid & NETMAP_HW_RING != 0 => NR_REG_ONE_NIC,
        NR_REG_DEFAULT => NR_REG_ALL_NIC,
        mode => mode,
    };
    let mut flags = u64::from(req.nr_flags & !NR_REG_MASK);
    if req.nr_ringid & NETMAP_NO_TX_POLL != 0 {
        flags |= NR_NO_TX_POLL;
    }
    if req.nr_ringid & NETMAP_DO_RX_POLL != 0 {
        flags |= NR_DO_RX_POLL;
    }
    let mut reg = NmreqRegister {
        nr_tx_slots: req.nr_tx_slots,
        nr_rx_slots: req.nr_rx_slots,
        nr_tx_rings: req.nr_tx_rings,
        nr_rx_rings: req.nr_rx_rings,
        nr_mem_id: req.nr_arg2,
        nr_ringid: if pipe {
            0
        } else {
            req.nr_ringid & NETMAP_RING_MASK
        },
        nr_mode: mode,
        nr_extra_bufs: req.nr_arg3,
        nr_flags: flags,
        ..NmreqRegister::default()
    };
    register::register(context, turn, &mut reg)?;
    req.nr_offset = reg.nr_offset as u32;
    req.nr_memsize = reg.nr_memsize as u32;
    req.nr_tx_slots = reg.nr_tx_slots;
    req.nr_rx_slots = reg.nr_rx_slots;
    req.nr_tx_rings = reg.nr_tx_rings;
    req.nr_rx_rings = reg.nr_rx_rings;
    req.nr_arg2 = reg.nr_mem_id;
    req.nr_arg3 = reg.nr_extra_bufs;
    Ok(())
}

fn info(context: &mut Context<'_>, turn: &Taken<'_>, req: &mut Nmreq) -> Fallible {
    let mut info = NmreqPortInfoGet {
        nr_tx_slots: req.nr_tx_slots,
        nr_rx_slots: req.nr_rx_slots,
        nr_tx_rings: req.nr_tx_rings,
        nr_rx_rings: req.nr_rx_rings,
        nr_mem_id: req.nr_arg2,
        ..NmreqPortInfoGet::default()
    };
    requests::port_info_get(context, turn, &mut info)?;
    req.nr_memsize = info.nr_memsize as u32;
    req.nr_tx_slots = info.nr_tx_slots;
    req.nr_rx_slots = info.nr_rx_slots;
    req.nr_tx_rings = info.nr_tx_rings;
    req.nr_rx_rings = info.nr_rx_rings;
    req.nr_arg2 = info.nr_mem_id;
    Ok(())
}

fn list(context: &mut Context<'_>, req: &mut Nmreq) -> Fallible {
    let mut list = NmreqValeList {
        nr_bridge_idx: req.nr_arg1,
        nr_port_idx: req.nr_arg2.into(),
        ..NmreqValeList::default()
    };
    requests::vale_list(context, &mut list)?;
    req.nr_arg1 = list.nr_bridge_idx;
    req.nr_arg2 = list.nr_port_idx as u16;
    if let Some(name) = &context.listed {
        // A legacy name has room for 15 characters.
        req.nr_name.copy_from_slice(&name.padded()[..IFNAMSIZ]);
        req.nr_name[IFNAMSIZ - 1] = 0;
    }
    Ok(())
}
