// SPDX-License-Identifier: GPL-2.0

//! Running an XDP program on frames of a burst, and what its verdicts mean on a switch.

use super::{
    frame::{Dest, DROP},
    sender::Sender,
    xdp::{Installed, Tally},
};
use crate::{
    abi::consts::VALE_MAX_PORTS,
    memory::Area,
    ring::count::TxDrop,
    sys::{
        bottom_half::Disabled,
        net::{
            home::Inhabited,
            xdp::{session, Action, Ingress, Session, Verdict},
        },
    },
};
use core::ops::Range;
use kernel::sync::rcu;

/// What decides.
#[derive(Clone, Copy)]
pub(super) struct Decider<'p> {
    /// A program, and the namespace that it works in.
    program: Option<(&'p Installed, Inhabited<'p>)>,
    /// What is decided without one. If it was detached a moment ago, all frames go on. If it has
    /// lost its namespace, it cannot work, and what it was to hold back must not go on.
    without: Verdict,
    pinned: &'p Disabled,
}

impl<'p> Decider<'p> {
    pub(super) fn new(
        program: Option<&'p Installed>,
        guard: &'p rcu::Guard,
        pinned: &'p Disabled,
    ) -> Self {
        let at_home = program.and_then(|program| Some((program, program.home.look(guard)?)));
        Decider {
            program: at_home,
            without: match (program, at_home) {
                (Some(_), None) => Verdict::ABORTED,
                _ => Verdict::PASS,
            },
            pinned,
        }
    }
}

/// Runs a program on frames, and counts what it decides.
pub(super) struct Looker<'l, 's> {
    program: Option<(&'l Installed, &'l mut Session<'s>)>,
    without: Verdict,
    tally: Tally,
}

/// Calls `f`, which may run the program of the sender's port.
pub(super) fn look<T>(
    sender: &Sender<'_>,
    decider: Decider<'_>,
    ingress: &mut Ingress,
    f: impl FnOnce(&mut Looker<'_, '_>) -> T,
) -> T {
    let Some((program, net)) = decider.program else {
        return f(&mut Looker::new(None, decider.without));
    };
    let from = (sender.member.index, sender.number);
    session(ingress, net, from, decider.pinned, |session| {
        let mut looker = Looker::new(Some((program, session)), decider.without);
        let done = f(&mut looker);
        program.count(&looker.tally);
        done
    })
}

impl<'l, 's> Looker<'l, 's> {
    fn new(program: Option<(&'l Installed, &'l mut Session<'s>)>, without: Verdict) -> Self {
        Looker {
            program,
            without,
            tally: Tally::default(),
        }
    }

    /// What the program decides about a frame, and where in `area` that is afterwards.
    #[inline(always)]
    pub(super) fn decide(
        &mut self,
        area: &mut Area<'_>,
        frame: Range<u32>,
    ) -> (Verdict, Range<u32>) {
        let Some((program, session)) = &mut self.program else {
            return (self.without, frame);
        };
        if program.program.moves() {
            area.clear_headroom();
        }
        let (verdict, frame) = session.run(&program.program, area.bytes_mut(), frame);
        let bytes = frame.end.wrapping_sub(frame.start);
        self.tally.add(verdict.action, bytes);
        (verdict, frame)
    }
}

/// Where a frame goes after what was decided, or why it goes nowhere: `bad` if it cannot be brought
/// anywhere as it is.
#[inline(always)]
pub(super) fn destination(
    verdict: Verdict,
    bad: Option<TxDrop>,
    sender: &Sender<'_>,
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
        Action::Tx => Ok(sender.member.index),
        Action::Redirect if (verdict.port as usize) < VALE_MAX_PORTS => Ok(verdict.port as Dest),
        _ => Err(TxDrop::Nobody),
    }
}
