// SPDX-License-Identifier: GPL-2.0

//! Where XDP programs are on a switch: on a port, or on all ports that have none of their own.

use super::scratch::BURST;
use crate::{
    abi::ext::{XdpCount, XDP_ACTIONS},
    memory::Staging,
    ring::count::Counter,
    sys::net::{
        home::Home,
        xdp::{Action, Ingress, Program, Verdict},
    },
    sys::{bottom_half::Disabled, rcu::RcuSlot},
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{rcu, Arc, SpinLock, SpinLockGuard},
};

/// Where a program can be. Senders look at it under RCU.
pub(crate) struct ProgramSlot(RcuSlot<Installed>);

/// A program that is there, and what it decided.
pub(crate) struct Installed {
    pub(super) program: Program,
    /// The namespace that it works in, and cannot work without.
    pub(super) home: Arc<Home>,
    decided: [Decided; XDP_ACTIONS],
    workspaces: Arc<Workspaces>,
}

#[derive(Default)]
struct Decided {
    packets: Counter,
    bytes: Counter,
}

/// What a burst decided, by action.
#[derive(Default)]
pub(super) struct Tally([XdpCount; XDP_ACTIONS]);

impl Tally {
    #[inline(always)]
    pub(super) fn add(&mut self, action: Action, bytes: u32) {
        let count = &mut self.0[action as usize];
        count.packets = count.packets.wrapping_add(1);
        count.bytes = count.bytes.wrapping_add(bytes.into());
    }
}

impl Installed {
    /// A program to be put there.
    pub(crate) fn new(
        program: Program,
        home: Arc<Home>,
        workspaces: Arc<Workspaces>,
    ) -> Result<Arc<Self>> {
        let installed = Installed {
            program,
            home,
            decided: Default::default(),
            workspaces,
        };
        Ok(Arc::new(installed, GFP_KERNEL_ACCOUNT)?)
    }

    pub(crate) fn program_id(&self) -> u32 {
        self.program.id()
    }

    /// What it decided so far.
    pub(crate) fn decided(&self) -> [XdpCount; XDP_ACTIONS] {
        self.decided.each_ref().map(|of| XdpCount {
            packets: of.packets.get(),
            bytes: of.bytes.get(),
        })
    }

    /// The memory in which it works, and how far into a frame it sees.
    pub(super) fn needs(&self) -> (Arc<Workspaces>, u32) {
        (self.workspaces.clone(), self.program.sees())
    }

    pub(super) fn count(&self, tally: &Tally) {
        for (of, more) in self.decided.iter().zip(&tally.0) {
            of.packets.add(more.packets);
            of.bytes.add(more.bytes);
        }
    }
}

impl ProgramSlot {
    pub(super) const fn new() -> Self {
        ProgramSlot(RcuSlot::new())
    }

    #[inline]
    pub(super) fn load<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g Installed> {
        self.0.load(guard)
    }

    /// Calls `f` with the program that is there, if there is one.
    pub(crate) fn look<T>(&self, f: impl FnOnce(&Installed) -> T) -> Option<T> {
        self.load(&rcu::read_lock()).map(f)
    }

    /// The memory in which the program that is there works.
    pub(crate) fn workspaces(&self) -> Option<Arc<Workspaces>> {
        self.look(|installed| installed.workspaces.clone())
    }

    /// Puts another program there, or none. Returns the one that was there: it runs no more, and
    /// its counts are final.
    pub(crate) fn replace(&self, installed: Option<Arc<Installed>>) -> Option<Arc<Installed>> {
        self.0.replace(installed)
    }
}

/// Memory in which programs work on frames: one [`Workspace`] for each burst that can run at once.
/// At least one.
pub(crate) struct Workspaces(KVec<Pin<KBox<SpinLock<Workspace>>>>);

/// What one burst needs to run programs.
pub(super) struct Workspace {
    pub(super) staging: Staging,
    pub(super) ingress: Ingress,
    /// Buffers in use from the first on, and from the last back.
    pub(super) low: u32,
    pub(super) high: u32,
    /// What was decided about frames that came together.
    pub(super) verdicts: KVec<Verdict>,
}

impl Workspaces {
    /// For `bursts` at once, of frames in buffers of `size` bytes.
    pub(crate) fn new(bursts: u32, size: u32) -> Result<Arc<Self>> {
        let mut workspaces = KVec::new();
        for _ in 0..bursts.max(1) {
            let workspace = Workspace {
                staging: Staging::new(BURST as u32, size)?,
                ingress: Ingress::new()?,
                low: 0,
                high: 0,
                verdicts: KVec::from_elem(Verdict::PASS, BURST, GFP_KERNEL_ACCOUNT)?,
            };
            let workspace = KBox::pin_init(new_spinlock!(workspace), GFP_KERNEL_ACCOUNT)?;
            workspaces.push(workspace, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Arc::new(Workspaces(workspaces), GFP_KERNEL_ACCOUNT)?)
    }

    /// One that no other burst uses now. There is one for each processor or ring, so waiting is
    /// rare, and whoever has one does not sleep.
    pub(super) fn take(&self, _: &Disabled) -> SpinLockGuard<'_, Workspace> {
        let free = self.0.iter().find_map(|workspace| workspace.try_lock());
        free.unwrap_or_else(|| self.0[0].lock())
    }
}
