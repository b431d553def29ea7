// SPDX-License-Identifier: GPL-2.0

//! Running an XDP program on frames of a burst, and what its verdicts mean on a switch.

use super::{
    collect::{Burst, Decide},
    frame::{Dest, Frame, DROP},
    scratch::Scratch,
    sender::Sender,
    xdp::{Installed, Tally},
};
use crate::{
    abi::{consts::VALE_MAX_PORTS, wire::Slot},
    memory::{Area, Head, SlotRun},
    ring::count::TxDrop,
    sys::{
        bottom_half::Disabled,
        net::{
            home::Inhabited,
            xdp::{session, Action, Ingress, Program, Session, Verdict},
        },
    },
};
use core::ops::Range;
use kernel::sync::rcu;

/// What decides: a program, in the namespace that it works in.
#[derive(Clone, Copy)]
pub(super) struct Decider<'p> {
    program: &'p Installed,
    net: Inhabited<'p>,
    pinned: &'p Disabled,
}

impl<'p> Decider<'p> {
    /// `None` if the program has lost its namespace: it cannot work.
    pub(super) fn new(
        program: &'p Installed,
        guard: &'p rcu::Guard,
        pinned: &'p Disabled,
    ) -> Option<Self> {
        program.home.look(guard).map(|net| Decider {
            program,
            net,
            pinned,
        })
    }

    /// How far into a frame the program sees.
    pub(super) fn sees(&self) -> u32 {
        self.program.program.sees()
    }

    /// Calls `f`, which may run the program on frames that come from that ring of that port.
    pub(super) fn look<T>(
        self,
        from: (u8, u16),
        ingress: &mut Ingress,
        f: impl FnOnce(&mut Looker<'_, '_>) -> T,
    ) -> T {
        session(ingress, self.net, from, self.pinned, |session| {
            let mut looker = Looker {
                program: &self.program.program,
                session,
                tally: Tally::default(),
            };
            let done = f(&mut looker);
            self.program.count(&looker.tally);
            done
        })
    }
}

/// Runs a program on frames, and counts what it decides.
pub(super) struct Looker<'l, 's> {
    program: &'l Program,
    session: &'l mut Session<'s>,
    tally: Tally,
}

impl Looker<'_, '_> {
    /// What the program decides about a frame, and where in `area` that is afterwards.
    #[inline(always)]
    pub(super) fn decide(
        &mut self,
        area: &mut Area<'_>,
        frame: Range<u32>,
    ) -> (Verdict, Range<u32>) {
        if self.program.moves() {
            area.clear_headroom();
        }
        let (verdict, frame) = self.session.run(self.program, area.bytes_mut(), frame);
        let bytes = frame.end.wrapping_sub(frame.start);
        self.tally.add(verdict.action, bytes);
        (verdict, frame)
    }
}

/// What is decided where the program has lost its namespace: what it was to hold back must not go
/// on.
pub(super) struct Nowhere;

impl Decide for Nowhere {
    const BROUGHT_IN: bool = true;

    fn take_simple(
        &mut self,
        _: &mut Scratch,
        _: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        _: &mut Burst,
    ) -> Option<Slot> {
        slots.next().map(|cell| cell.take())
    }

    fn decide(
        &mut self,
        _: &mut Scratch,
        _: Frame,
        _: Head,
        _: &Sender<'_>,
    ) -> Result<(Frame, Dest), TxDrop> {
        Err(TxDrop::Xdp)
    }
}

/// Where a frame goes after what was decided, or why it goes nowhere: `bad` if it cannot be brought
/// anywhere as it is. `own` is the port that it comes from.
#[inline(always)]
pub(super) fn destination(
    verdict: Verdict,
    bad: Option<TxDrop>,
    own: u8,
    classify: impl FnOnce() -> Dest,
) -> Result<Dest, TxDrop> {
    match (verdict.action, bad) {
        (Action::Drop | Action::Aborted, _) => return Err(TxDrop::Xdp),
        (_, Some(bad)) => return Err(bad),
        _ => {}
    }
    match verdict.action {
        Action::Pass => match classify() {
            DROP => Err(TxDrop::Loop),
            dest => Ok(dest),
        },
        Action::Tx => Ok(own),
        Action::Redirect if (verdict.port as usize) < VALE_MAX_PORTS => Ok(verdict.port as Dest),
        _ => Err(TxDrop::Nobody),
    }
}
