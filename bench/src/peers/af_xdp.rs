// SPDX-License-Identifier: MIT OR Apache-2.0

//! AF_XDP in copy mode over a veth pair. The receiving end has an XDP program, in the driver, that
//! hands every frame to the socket.

use super::{
    net,
    pair::{self, demand, Role, Side, Task},
    raw::{send_at_once, Frames},
    Flow, Job, Peer,
};
use crate::frame::{self, frame};
use anyhow::{anyhow, Context, Result};
use aya::{
    include_bytes_aligned,
    maps::XskMap,
    programs::{Xdp, XdpFlags},
    Ebpf,
};
use std::{ffi::CString, num::NonZeroU32, os::fd::RawFd};
use xdpilone::{xdp::XdpDesc, DeviceQueue, IfInfo, RingRx, RingTx, Socket, SocketConfig, User};

/// Slots of each ring, and frames of each side.
const SLOTS: u32 = 4096;

/// AF_XDP over a veth pair.
pub struct AfXdp;

impl Peer for AfXdp {
    fn name(&self) -> &'static str {
        "AF_XDP"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        pair::run(job, Role::XdpSender, Role::XdpReceiver, net::napi_veth)
    }
}

/// A socket on `interface` with an empty ring each way, the rings of free frames, and their memory.
struct Open {
    user: User,
    queue: DeviceQueue,
    memory: Frames,
}

impl Open {
    fn new(interface: &str, rx: Option<NonZeroU32>, tx: Option<NonZeroU32>) -> Result<Open> {
        let failed = |what| move |why| anyhow!("AF_XDP on {interface}, {what}: {why}");
        let memory = Frames::new(SLOTS)?;
        let mut info = IfInfo::invalid();
        info.from_name(&CString::new(interface)?)
            .map_err(failed("finding it"))?;
        let umem = memory.umem();
        let socket = Socket::with_shared(&info, umem).map_err(failed("making a socket"))?;
        let queue = umem.fq_cq(&socket).map_err(failed("mapping its rings"))?;
        let config = SocketConfig {
            rx_size: rx,
            tx_size: tx,
            bind_flags: SocketConfig::XDP_BIND_COPY | SocketConfig::XDP_BIND_NEED_WAKEUP,
        };
        let user = umem
            .rx_tx(&socket, &config)
            .map_err(failed("setting its rings"))?;
        umem.bind(&user).map_err(failed("binding"))?;
        Ok(Open {
            user,
            queue,
            memory,
        })
    }
}

/// Sends the same frame again and again.
pub struct Sender {
    ring: RingTx,
    queue: DeviceQueue,
    /// Addresses of the frames that the kernel does not have.
    free: Vec<u64>,
    batch: usize,
    bytes: u32,
    // Last: the rings go before the memory.
    _memory: Frames,
}

impl Sender {
    pub fn open(task: &Task) -> Result<Sender> {
        let Open {
            user,
            queue,
            mut memory,
        } = Open::new(&task.interface, None, NonZeroU32::new(SLOTS))?;
        send_at_once(user.as_raw_fd(), SLOTS)?;
        memory.fill(&frame(frame::receiver(0), frame::sender(0), task.bytes))?;
        Ok(Sender {
            ring: user
                .map_tx()
                .map_err(|why| anyhow!("the ring cannot be mapped: {why}"))?,
            queue,
            free: memory.addresses().collect(),
            batch: task.batch,
            bytes: u32::try_from(task.bytes)?,
            _memory: memory,
        })
    }
}

impl Side for Sender {
    fn turn(&mut self, _check: bool) -> Result<u64> {
        let mut sent = self.queue.complete(SLOTS);
        while let Some(address) = sent.read() {
            self.free.push(address);
        }
        sent.release();
        drop(sent);

        let most = self.batch.min(self.free.len());
        let mut slots = self.ring.transmit(most as u32);
        let count = slots.capacity();
        let keep = self.free.len() - count as usize;
        slots.insert(self.free.drain(keep..).map(|addr| XdpDesc {
            addr,
            len: self.bytes,
            options: 0,
        }));
        slots.commit();
        drop(slots);
        if self.ring.needs_wakeup() {
            self.ring.wake();
        }
        Ok(count.into())
    }
}

/// Takes all that has come. It does not sleep: the CPU is its own.
pub struct Receiver {
    ring: RingRx,
    queue: DeviceQueue,
    memory: Frames,
    bytes: usize,
    // The program leaves the interface with this.
    _program: Ebpf,
}

impl Receiver {
    pub fn open(task: &Task) -> Result<Receiver> {
        let Open {
            user,
            mut queue,
            memory,
        } = Open::new(&task.interface, NonZeroU32::new(SLOTS), None)?;
        let mut empty = queue.fill(SLOTS);
        empty.insert(memory.addresses());
        empty.commit();
        drop(empty);
        let program = redirect(&task.interface, user.as_raw_fd())
            .with_context(|| format!("the XDP program on {}", task.interface))?;
        Ok(Receiver {
            ring: user
                .map_rx()
                .map_err(|why| anyhow!("the ring cannot be mapped: {why}"))?,
            queue,
            memory,
            bytes: task.bytes,
            _program: program,
        })
    }
}

impl Side for Receiver {
    fn turn(&mut self, check: bool) -> Result<u64> {
        let mut slots = self.ring.receive(SLOTS);
        let count = slots.capacity();
        // As many frames go back as came, and no more than the ring has slots are about.
        let mut empty = self.queue.fill(count);
        let mut sound = true;
        while let Some(slot) = slots.read() {
            sound &= slot.len as usize == self.bytes;
            if check {
                sound &= frame::is_sound(self.memory.frame(slot.addr, slot.len)?);
            }
            empty.insert_once(slot.addr);
        }
        slots.release();
        empty.commit();
        drop(empty);
        if self.queue.needs_wakeup() {
            self.queue.wake();
        }
        demand(sound)?;
        Ok(count.into())
    }
}

/// Makes the interface hand its frames to the socket.
fn redirect(interface: &str, socket: RawFd) -> Result<Ebpf> {
    let mut object = Ebpf::load(include_bytes_aligned!(concat!(
        env!("OUT_DIR"),
        "/redirect.bpf.o"
    )))?;
    let map = object.map_mut("sockets").context("it has no sockets")?;
    XskMap::try_from(map)?.set(0, socket, 0)?;
    let program: &mut Xdp = object
        .program_mut("redirect")
        .context("it has no redirect")?
        .try_into()?;
    program.load()?;
    program.attach(interface, XdpFlags::DRV_MODE)?;
    Ok(object)
}
