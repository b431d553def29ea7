// SPDX-License-Identifier: GPL-2.0

//! Where XDP programs are on a switch: on a port, or on all ports that have none of their own.

use super::{forward::Sender, forward::PASS};
use crate::{
    abi::ext::{XdpCount, XDP_ACTIONS},
    memory::Staging,
    ring::count::Counter,
    sys::net::{
        home::Home,
        xdp::{Action, Origin, Program, Verdict},
    },
    sys::{bottom_half::Disabled, rcu::RcuSlot},
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{rcu, Arc, SpinLock, SpinLockGuard},
};

/// A place for a program. Senders look at it under RCU.
pub(crate) struct Place(RcuSlot<Hook>);

/// A program at its place, and what it decided there.
pub(crate) struct Hook {
    pub(super) program: Program,
    /// The namespace that it works in, and cannot work without.
    pub(super) home: Arc<Home>,
    decided: [Decided; XDP_ACTIONS],
    stages: Arc<Stages>,
}

#[derive(Default)]
struct Decided {
    packets: Counter,
    bytes: Counter,
}

/// What a pass decided, by action.
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

impl Hook {
    /// A program for a place where there is none.
    pub(crate) fn new(program: Program, home: Arc<Home>, stages: Arc<Stages>) -> Result<Arc<Self>> {
        let hook = Hook {
            program,
            home,
            decided: Default::default(),
            stages,
        };
        Ok(Arc::new(hook, GFP_KERNEL_ACCOUNT)?)
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

    pub(super) fn count(&self, tally: &Tally) {
        for (of, more) in self.decided.iter().zip(&tally.0) {
            of.packets.add(more.packets);
            of.bytes.add(more.bytes);
        }
    }
}

impl Place {
    pub(super) const fn new() -> Self {
        Place(RcuSlot::new())
    }

    #[inline]
    fn load<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g Hook> {
        self.0.load(guard)
    }

    /// Calls `f` with the program that is there, if there is one.
    pub(crate) fn look<T>(&self, f: impl FnOnce(&Hook) -> T) -> Option<T> {
        self.load(&rcu::read_lock()).map(f)
    }

    /// The memory in which the program that is there works.
    pub(crate) fn stages(&self) -> Option<Arc<Stages>> {
        self.look(|hook| hook.stages.clone())
    }

    /// Puts another program there, or none. Answers the one that was there: it runs no more, and its counts are final.
    pub(crate) fn replace(&self, hook: Option<Arc<Hook>>) -> Option<Arc<Hook>> {
        self.0.replace(hook)
    }
}

impl Sender<'_> {
    /// The program that frames from here go through: the port's own, or else that of the switch.
    #[inline]
    pub(super) fn hook<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g Hook> {
        let own = self.member.xdp.load(guard);
        own.or_else(|| self.switch.xdp.load(guard))
    }

    /// The memory for that, and how far into a frame the program sees.
    pub(super) fn stages(&self) -> Option<(Arc<Stages>, u32)> {
        let guard = rcu::read_lock();
        let hook = self.hook(&guard)?;
        Some((hook.stages.clone(), hook.program.sees()))
    }
}

/// Memory in which programs work on frames: one [`Stage`] for each pass that can run at once. At least one.
pub(crate) struct Stages(KVec<Pin<KBox<SpinLock<Stage>>>>);

/// What one pass needs to run programs.
pub(super) struct Stage {
    pub(super) staging: Staging,
    pub(super) origin: Origin,
    /// Buffers in use from the first on, and from the last back.
    pub(super) low: u32,
    pub(super) high: u32,
    /// What was decided about frames that came together.
    pub(super) verdicts: KVec<Verdict>,
}

impl Stages {
    /// For `passes` at once, of frames in buffers of `size` bytes.
    pub(crate) fn new(passes: u32, size: u32) -> Result<Arc<Self>> {
        let mut stages = KVec::new();
        for _ in 0..passes.max(1) {
            let stage = Stage {
                staging: Staging::new(PASS as u32, size)?,
                origin: Origin::new()?,
                low: 0,
                high: 0,
                verdicts: KVec::from_elem(Verdict::PASS, PASS, GFP_KERNEL_ACCOUNT)?,
            };
            let stage = KBox::pin_init(new_spinlock!(stage), GFP_KERNEL_ACCOUNT)?;
            stages.push(stage, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Arc::new(Stages(stages), GFP_KERNEL_ACCOUNT)?)
    }

    /// One that no other pass uses now. There is one for each processor or ring, so waiting is rare, and whoever has
    /// one does not sleep.
    pub(super) fn take(&self, _: &Disabled) -> SpinLockGuard<'_, Stage> {
        let free = self.0.iter().find_map(|stage| stage.try_lock());
        free.unwrap_or_else(|| self.0[0].lock())
    }
}
