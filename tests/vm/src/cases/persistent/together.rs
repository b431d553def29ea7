// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stack behind a persistent port, programs that have its rings, and another port of its
//! switch, all at the same time.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::exchange::*;
use crate::harness::persistent::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    persistent_the_stack_and_rings_of_others_at_once,
    persistent_the_stack_and_its_own_rings_at_once,
    persistent_two_stacks_at_once,
];

const COUNT: u32 = 3000;

fn persistent_the_stack_and_rings_of_others_at_once() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale230:p0"))?;
    let [a] = ports("vale230", ["a"])?;
    both_ways(&a, &StackOf::new("p0")?, COUNT)?;
    same("sent", told("p0", "stats64 tx packets")?, COUNT.to_string())?;
    same("not sent", told("p0", "stats64 tx dropped")?, "0")?;
    works("pulled out", detach("vale230:p0"))?;
    works("deleted", delif("p0"))
}

/// What comes goes to the stack, where only transmit rings are bound, or to the rings. Both send.
fn persistent_the_stack_and_its_own_rings_at_once() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale231:p0"))?;
    for (flags, to_rings) in [(NR_TX_RINGS_ONLY, 0), (0, COUNT)] {
        let [a] = ports("vale231", ["a"])?;
        let (rings, stack) = (vale("p0").flags(flags).bind()?, StackOf::new("p0")?);
        // Stations 2 and 3 are both behind it.
        let to = if to_rings > 0 { 3 } else { 2 };
        let share = |party, stations, expects| Share {
            party,
            stations,
            sends: COUNT,
            expects,
        };
        exchange(&[
            share(&a, (1, to), 2 * COUNT),
            share(&stack, (2, 1), COUNT - to_rings),
            share(&rings, (3, 1), to_rings),
        ])?;
        same("by the rings", counter(&rings, "tx0-frames")?, COUNT.into())?;
    }
    same("not sent", told("p0", "stats64 tx dropped")?, "0")?;
    works("pulled out", detach("vale231:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_two_stacks_at_once() -> Outcome {
    wire()?;
    for name in ["p0", "p1"] {
        made(name)?;
        works("plugged in", attach(&format!("vale232:{name}")))?;
    }
    both_ways(&StackOf::new("p0")?, &StackOf::new("p1")?, COUNT)?;
    for name in ["p0", "p1"] {
        works("pulled out", detach(&format!("vale232:{name}")))?;
        works("deleted", delif(name))?;
    }
    Ok(())
}
