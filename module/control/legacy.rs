// SPDX-License-Identifier: GPL-2.0

//! `NIOCREGIF` and `NIOCGINFO`, turned into today's requests (sections 7.15 and 7.16 of the
//! interface).

use super::{attach, call, context::Context, options::Options, persistent, register, requests};
use crate::{
    abi::{consts::*, name, wire::*},
    file::OpenFile,
    port::PortLabel,
    refusal::{refuse, Fallible},
    sys::{file::Asker, user},
    turn::Taken,
};
use kernel::{fmt::Write, prelude::*};

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
    let command = Command::of(which, req.nr_cmd)?;
    *reqtype = command.reqtype();
    let name = full_name(&command, req);
    let context = &mut Context::new(file, asker, &name, Options::none());
    match command {
        Command::InTurn(command) => {
            call::in_turn(context, |context, turn| change(context, turn, command, req))
        }
        Command::AtOnce(command) => call::at_once(context, |context| look(context, command, req)),
    }
}

/// What a legacy call turns into, which is served as the dispatch of today's requests has it.
enum Command {
    InTurn(InTurn),
    AtOnce(AtOnce),
}

/// What makes or unmakes something.
enum InTurn {
    Register,
    Info,
    HdrSet,
    Attach,
    Detach,
    Newif,
    Delif,
    PollingOn,
    PollingOff,
}

/// What only looks.
enum AtOnce {
    List,
    HdrGet,
}

impl Command {
    fn of(which: Legacy, cmd: u16) -> Fallible<Self> {
        let in_turn = match (which, cmd) {
            (Legacy::Info, NETMAP_BDG_LIST) => return Ok(Command::AtOnce(AtOnce::List)),
            (Legacy::Bind, NETMAP_VNET_HDR_GET) => return Ok(Command::AtOnce(AtOnce::HdrGet)),
            (Legacy::Info, _) => InTurn::Info,
            (Legacy::Bind, 0) => InTurn::Register,
            (Legacy::Bind, NETMAP_BDG_VNET_HDR) => InTurn::HdrSet,
            (Legacy::Bind, NETMAP_BDG_ATTACH) => InTurn::Attach,
            (Legacy::Bind, NETMAP_BDG_DETACH) => InTurn::Detach,
            (Legacy::Bind, NETMAP_BDG_NEWIF) => InTurn::Newif,
            (Legacy::Bind, NETMAP_BDG_DELIF) => InTurn::Delif,
            (Legacy::Bind, NETMAP_BDG_POLLING_ON) => InTurn::PollingOn,
            (Legacy::Bind, NETMAP_BDG_POLLING_OFF) => InTurn::PollingOff,
            (Legacy::Bind, NETMAP_PT_HOST_CREATE | NETMAP_PT_HOST_DELETE) => {
                refuse!(ENOMEM, "passthrough host ports are no more")
            }
            (Legacy::Bind, cmd) => refuse!(EINVAL, "there is no nr_cmd {}", cmd),
        };
        Ok(Command::InTurn(in_turn))
    }

    fn reqtype(&self) -> u16 {
        match self {
            Command::InTurn(InTurn::Register) => NETMAP_REQ_REGISTER,
            Command::InTurn(InTurn::Info) => NETMAP_REQ_PORT_INFO_GET,
            Command::InTurn(InTurn::HdrSet) => NETMAP_REQ_PORT_HDR_SET,
            Command::InTurn(InTurn::Attach) => NETMAP_REQ_VALE_ATTACH,
            Command::InTurn(InTurn::Detach) => NETMAP_REQ_VALE_DETACH,
            Command::InTurn(InTurn::Newif) => NETMAP_REQ_VALE_NEWIF,
            Command::InTurn(InTurn::Delif) => NETMAP_REQ_VALE_DELIF,
            Command::InTurn(InTurn::PollingOn) => NETMAP_REQ_VALE_POLLING_ENABLE,
            Command::InTurn(InTurn::PollingOff) => NETMAP_REQ_VALE_POLLING_DISABLE,
            Command::AtOnce(AtOnce::List) => NETMAP_REQ_VALE_LIST,
            Command::AtOnce(AtOnce::HdrGet) => NETMAP_REQ_PORT_HDR_GET,
        }
    }
}

fn look(context: &mut Context<'_>, command: AtOnce, req: &mut Nmreq) -> Fallible {
    match command {
        AtOnce::List => list(context, req),
        AtOnce::HdrGet => {
            let mut hdr = NmreqPortHdr::default();
            requests::port_hdr_get(context, &mut hdr)?;
            req.nr_arg1 = hdr.nr_hdr_len as u16;
            Ok(())
        }
    }
}

fn change(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    command: InTurn,
    req: &mut Nmreq,
) -> Fallible {
    match command {
        InTurn::Register => bind(context, turn, req),
        InTurn::Info => info(context, turn, req),
        InTurn::HdrSet => {
            let mut hdr = NmreqPortHdr {
                nr_hdr_len: req.nr_arg1.into(),
                ..NmreqPortHdr::default()
            };
            requests::port_hdr_set(context, turn, &mut hdr)
        }
        InTurn::Attach => {
            let mut body = NmreqValeAttach::default();
            body.reg.nr_mem_id = req.nr_arg2;
            body.reg.nr_mode = if req.nr_arg1 & NETMAP_BDG_HOST != 0 {
                NR_REG_NIC_SW
            } else {
                NR_REG_ALL_NIC
            };
            attach::attach(context, turn, &mut body)
        }
        InTurn::Detach => attach::detach(context, turn, &mut NmreqValeDetach::default()),
        InTurn::Newif => newif(context, turn, req),
        InTurn::Delif => persistent::delif(context, turn),
        InTurn::PollingOn => attach::polling_enable(context, turn, &mut polling(req)),
        InTurn::PollingOff => attach::polling_disable(context, turn, &mut polling(req)),
    }
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

/// The name, of a port with the suffix that its mode stands for: the pipe modes name an end, `{N`
/// or `}N` with the ring number.
fn full_name(command: &Command, req: &Nmreq) -> PortLabel {
    let mut name = PortLabel::new(&[name::trim(&req.nr_name)]);
    let mark = match (command, req.nr_flags & NR_REG_MASK) {
        (Command::InTurn(InTurn::Register), NR_REG_PIPE_MASTER) => '{',
        (Command::InTurn(InTurn::Register), NR_REG_PIPE_SLAVE) => '}',
        _ => return name,
    };
    // 15 characters, the mark and 4 digits: there is room.
    let _ = write!(name, "{}{}", mark, req.nr_ringid & NETMAP_RING_MASK);
    name
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

fn newif(context: &mut Context<'_>, turn: &Taken<'_>, req: &mut Nmreq) -> Fallible {
    let mut made = NmreqValeNewif {
        nr_tx_slots: req.nr_tx_slots,
        nr_rx_slots: req.nr_rx_slots,
        nr_tx_rings: req.nr_tx_rings,
        nr_rx_rings: req.nr_rx_rings,
        nr_mem_id: req.nr_arg2,
        ..NmreqValeNewif::default()
    };
    persistent::newif(context, turn, &mut made)?;
    req.nr_tx_slots = made.nr_tx_slots;
    req.nr_rx_slots = made.nr_rx_slots;
    req.nr_tx_rings = made.nr_tx_rings;
    req.nr_rx_rings = made.nr_rx_rings;
    req.nr_arg2 = made.nr_mem_id;
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
