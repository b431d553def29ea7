// SPDX-License-Identifier: MIT OR Apache-2.0

//! The calls of old programs, which are turned into today's (sections 7.15 and 7.16 of the
//! interface).

use super::state::State;
use super::Answer;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// The name in such a request.
pub fn name_of(req: &Nmreq) -> String {
    String::from_utf8_lossy(ferromap_abi::name::trim(&req.nr_name)).into_owned()
}

/// Whether the call tells of a port and its region: `info` is NIOCGINFO.
pub fn tells_of_port(info: bool, cmd: u16) -> bool {
    match info {
        true => cmd != NETMAP_BDG_LIST,
        false => [0, NETMAP_BDG_NEWIF].contains(&cmd),
    }
}

impl State {
    /// NIOCGINFO or NIOCREGIF.
    pub fn old(&mut self, file: usize, info: bool, req: &Nmreq) -> Result<Answer> {
        if req.nr_version < NETMAP_API.into() {
            return Err(Errno::EINVAL);
        }
        let name = &name_of(req);
        if info {
            return match req.nr_cmd {
                NETMAP_BDG_LIST => self.old_list(name, req),
                _ => self.old_info(name, req),
            };
        }
        match req.nr_cmd {
            0 => return self.old_register(file, name, req),
            NETMAP_BDG_NEWIF => return self.old_newif(name, req),
            NETMAP_VNET_HDR_GET => {
                return Ok(Answer::Old(Nmreq {
                    nr_arg1: self.get_header(name)? as u16,
                    ..*req
                }))
            }
            NETMAP_BDG_ATTACH => {
                let reg = NmreqRegister {
                    nr_mem_id: req.nr_arg2,
                    nr_mode: match req.nr_arg1 & NETMAP_BDG_HOST {
                        0 => NR_REG_ALL_NIC,
                        _ => NR_REG_NIC_SW,
                    },
                    ..Default::default()
                };
                self.attach(name, &reg).map(drop)
            }
            NETMAP_BDG_DETACH => self.detach(name).map(drop),
            NETMAP_BDG_VNET_HDR => self.set_header(name, req.nr_arg1.into()).map(drop),
            NETMAP_BDG_DELIF => self.delete_interface(name).map(drop),
            NETMAP_BDG_POLLING_ON => {
                let polling = NmreqValePolling {
                    nr_mode: match req.nr_flags & NR_REG_MASK {
                        NR_REG_ALL_NIC => NETMAP_POLLING_MODE_SINGLE_CPU,
                        NR_REG_ONE_NIC => NETMAP_POLLING_MODE_MULTI_CPU,
                        _ => 0,
                    },
                    nr_first_cpu_id: (req.nr_ringid & NETMAP_RING_MASK).into(),
                    nr_num_polling_cpus: req.nr_arg1.into(),
                    pad1: 0,
                };
                self.poll(name, &polling).map(drop)
            }
            NETMAP_BDG_POLLING_OFF => self.poll_no_more(name).map(drop),
            NETMAP_PT_HOST_CREATE | NETMAP_PT_HOST_DELETE => Err(Errno::ENOMEM),
            _ => Err(Errno::EINVAL),
        }?;
        Ok(Answer::Old(*req))
    }

    fn old_list(&self, name: &str, req: &Nmreq) -> Result<Answer> {
        let line = NmreqValeList {
            nr_bridge_idx: req.nr_arg1,
            pad1: 0,
            nr_port_idx: req.nr_arg2.into(),
        };
        let Answer::Listed(listed, line) = self.list(name, &line)? else {
            unreachable!("what a list answers");
        };
        let mut answer = *req;
        if name.is_empty() {
            answer.nr_name = [0; IFNAMSIZ];
            let room = IFNAMSIZ - 1;
            for (to, from) in answer.nr_name[..room].iter_mut().zip(listed.bytes()) {
                *to = from;
            }
        }
        answer.nr_arg1 = line.nr_bridge_idx;
        answer.nr_arg2 = line.nr_port_idx as u16;
        Ok(Answer::Old(answer))
    }

    fn old_info(&self, name: &str, req: &Nmreq) -> Result<Answer> {
        let ask = NmreqPortInfoGet {
            nr_tx_slots: req.nr_tx_slots,
            nr_rx_slots: req.nr_rx_slots,
            nr_tx_rings: req.nr_tx_rings,
            nr_rx_rings: req.nr_rx_rings,
            nr_mem_id: req.nr_arg2,
            ..Default::default()
        };
        let info = self.port_info(name, &ask)?;
        let answer = Nmreq {
            nr_memsize: info.nr_memsize as u32,
            nr_tx_slots: info.nr_tx_slots,
            nr_rx_slots: info.nr_rx_slots,
            nr_tx_rings: info.nr_tx_rings,
            nr_rx_rings: info.nr_rx_rings,
            nr_arg2: info.nr_mem_id,
            ..*req
        };
        Ok(Answer::OldPort(answer, None))
    }

    fn old_newif(&mut self, name: &str, req: &Nmreq) -> Result<Answer> {
        let wish = NmreqValeNewif {
            nr_tx_slots: req.nr_tx_slots,
            nr_rx_slots: req.nr_rx_slots,
            nr_tx_rings: req.nr_tx_rings,
            nr_rx_rings: req.nr_rx_rings,
            nr_mem_id: req.nr_arg2,
            pad1: 0,
        };
        let made = self.new_interface(name, &wish)?;
        let answer = Nmreq {
            nr_tx_slots: made.nr_tx_slots,
            nr_rx_slots: made.nr_rx_slots,
            nr_tx_rings: made.nr_tx_rings,
            nr_rx_rings: made.nr_rx_rings,
            nr_arg2: made.nr_mem_id,
            ..*req
        };
        Ok(Answer::OldPort(answer, None))
    }

    fn old_register(&mut self, file: usize, name: &str, req: &Nmreq) -> Result<Answer> {
        let ring = req.nr_ringid & NETMAP_RING_MASK;
        let has = |bit| req.nr_ringid & bit != 0;
        let flag = |is, flag| if is { flag } else { 0 };
        let (name, nr_mode, nr_ringid) = match req.nr_flags & NR_REG_MASK {
            NR_REG_PIPE_MASTER => (format!("{name}{{{ring}"), NR_REG_ALL_NIC, 0),
            NR_REG_PIPE_SLAVE => (format!("{name}}}{ring}"), NR_REG_ALL_NIC, 0),
            NR_REG_DEFAULT if has(NETMAP_SW_RING) => (name.into(), NR_REG_SW, ring),
            NR_REG_DEFAULT if has(NETMAP_HW_RING) => (name.into(), NR_REG_ONE_NIC, ring),
            NR_REG_DEFAULT => (name.into(), NR_REG_ALL_NIC, ring),
            mode => (name.into(), mode, ring),
        };
        let reg = NmreqRegister {
            nr_tx_slots: req.nr_tx_slots,
            nr_rx_slots: req.nr_rx_slots,
            nr_tx_rings: req.nr_tx_rings,
            nr_rx_rings: req.nr_rx_rings,
            nr_mem_id: req.nr_arg2,
            nr_ringid,
            nr_mode,
            nr_extra_bufs: req.nr_arg3,
            nr_flags: u64::from(req.nr_flags & !NR_REG_MASK)
                | flag(has(NETMAP_NO_TX_POLL), NR_NO_TX_POLL)
                | flag(has(NETMAP_DO_RX_POLL), NR_DO_RX_POLL),
            ..Default::default()
        };
        let Answer::Bound(bound, shown) = self.register(file, None, &name, &reg)? else {
            unreachable!("what REGISTER answers");
        };
        let answer = Nmreq {
            nr_offset: bound.nr_offset as u32,
            nr_memsize: bound.nr_memsize as u32,
            nr_tx_slots: bound.nr_tx_slots,
            nr_rx_slots: bound.nr_rx_slots,
            nr_tx_rings: bound.nr_tx_rings,
            nr_rx_rings: bound.nr_rx_rings,
            nr_arg2: bound.nr_mem_id,
            nr_arg3: bound.nr_extra_bufs,
            ..*req
        };
        Ok(Answer::OldPort(answer, Some(shown)))
    }
}
