// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER of pipes on every kind of port.

use super::each::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made};
use crate::harness::raw::request::{free_buffers, vale_list};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::GLOBAL_MEM_ID;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_memory_fails_in_register_pipe,
    hostile_memory_fails_in_register_pipe_alone,
    hostile_memory_fails_in_register_pipe_on_an_interface,
    hostile_memory_fails_in_register_pipe_on_a_persistent_port,
    hostile_memory_fails_in_register_pipe_on_a_pipe,
];

fn hostile_memory_fails_in_register_pipe() -> Outcome {
    let base = vale("vale963:p").slots(64, 64).bind()?;
    for name in ["vale963:p{x", "vale963:p}x"] {
        let request = || vale(name).rings(2, 1).slots(32, 32);
        let count = each_failure(new_device, |device| bind(device, request()), refused)?;
        // Three rings at each end, whichever is bound.
        that(format!("dozens of allocations, got {count}"), count > 24)?;
    }
    let (to, from) = (vale("vale963:p}x").bind()?, vale("vale963:p{x").bind()?);
    from.send(&numbered(0..9))?;
    same("frames", to.recv()?, numbered(0..9))?;
    same("the base's region", to.reg.nr_mem_id, base.reg.nr_mem_id)
}

/// The first end makes the pipe and all of its memory, the second finds both.
fn hostile_memory_fails_in_register_pipe_alone() -> Outcome {
    let first = || vale("pipe963{x").rings(2, 1).slots(32, 32);
    let count = each_failure(new_device, |device| bind(device, first()), refused)?;
    that(format!("dozens of allocations, got {count}"), count > 24)?;
    let from = first().bind()?;
    let second = || vale("pipe963}x").mem(from.reg.nr_mem_id);
    each_failure(new_device, |device| bind(device, second()), refused)?;
    let to = second().bind()?;
    from.send(&numbered(0..9))?;
    same("frames", to.recv()?, numbered(0..9))
}

/// Both ends in turn, of which the first makes the pipe, and what it is on if that is not there.
/// Whenever one has failed, `as_ever` looks at what has nothing to do with it.
fn both_ends([first, second]: [&str; 2], as_ever: &dyn Fn() -> Outcome) -> Outcome {
    let end = |name: &str| vale(name).rings(2, 1).slots(32, 32);
    let each = |name: &str| {
        each_failure(
            new_device,
            |device| bind(device, end(name)),
            |span, failed, result| {
                refused(span, failed, result)?;
                as_ever()
            },
        )
    };
    let making = each(first)?;
    that(format!("dozens of allocations, got {making}"), making > 24)?;
    let from = end(first).bind()?;
    let finding = each(second)?;
    let both = format!("{making} to make {first}, {finding} to find {second}");
    that(both, finding * 2 < making)?;
    let to = end(second).bind()?;
    same("regions", from.reg.nr_mem_id, to.reg.nr_mem_id)?;
    let last = u32::from(from.reg.nr_tx_rings) - 1;
    from.send_on(last, &numbered(0..9))?;
    same("frames", to.recv_on(last)?, numbered(0..9))?;
    to.send(&numbered(9..18))?;
    same("and back", from.recv()?, numbered(9..18))
}

/// The host's traffic goes on, as it does while the pipe is there.
fn hostile_memory_fails_in_register_pipe_on_an_interface() -> Outcome {
    small_rings()?;
    wire()?;
    let _keeper = null(GLOBAL_MEM_ID).bind()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let sent = frame(BROADCAST, station(1), 1);
    let comes = || same("as ever", far.wait_for(1)?, [sent.clone()]);
    let before = free_buffers(GLOBAL_MEM_ID)?;
    both_ends(["fm0{x", "fm0}x"], &|| {
        host.send(&sent)?;
        comes()
    })?;
    same("free buffers", free_buffers(GLOBAL_MEM_ID)?, before)?;
    let open = vale("fm0").bind()?;
    let with_it = free_buffers(GLOBAL_MEM_ID)?;
    both_ends(["fm0}y", "fm0{y"], &|| {
        open.send(std::slice::from_ref(&sent))?;
        comes()
    })?;
    same("free buffers", free_buffers(GLOBAL_MEM_ID)?, with_it)?;
    drop(open);
    same("free buffers", free_buffers(GLOBAL_MEM_ID)?, before)
}

fn hostile_memory_fails_in_register_pipe_on_a_persistent_port() -> Outcome {
    wire()?;
    made("p0")?;
    let stays = || fails("one that is there", made_again("p0"), Errno::EEXIST);
    both_ends(["p0{x", "p0}x"], &stays)?;
    let open = vale("p0").bind()?;
    let region = open.reg.nr_mem_id;
    let before = free_buffers(region)?;
    both_ends(["p0}y", "p0{y"], &stays)?;
    same("free buffers", free_buffers(region)?, before)?;
    drop(open);
    // No pipe holds it.
    works("VALE_DELIF", delif("p0"))
}

/// What comes of making it once more.
fn made_again(name: &str) -> Result<(), Errno> {
    crate::harness::persistent::newif(name).map(drop)
}

/// With all that it is on, with the pipe alone that it is on, and with nothing else. That one is
/// named by its slave's end, since the last `{` of a name counts.
fn hostile_memory_fails_in_register_pipe_on_a_pipe() -> Outcome {
    let before = vale_list()?.len();
    // The neighbours, and nobody else.
    let gone =
        |here: usize| move || same("ports of switches", vale_list()?.len(), before + 2 + here);
    both_ends(["vale963:p}x{y", "vale963:p}x}y"], &|| Ok(()))?;
    same("the port has gone", vale_list()?.len(), before)?;
    let base = vale("vale963:p").slots(64, 64).bind()?;
    let region = base.reg.nr_mem_id;
    let free = free_buffers(region)?;
    both_ends(["vale963:p}x}y", "vale963:p}x{y"], &gone(1))?;
    same("free buffers", free_buffers(region)?, free)?;
    let [left, right] = ["vale963:p{z", "vale963:p}z"].map(|name| vale(name).slots(32, 32).bind());
    let (left, right) = (left?, right?);
    let free = free_buffers(region)?;
    both_ends(["vale963:p}z{y", "vale963:p}z}y"], &|| {
        gone(1)()?;
        left.send(&numbered(0..9))?;
        same("frames of that pipe", right.recv()?, numbered(0..9))
    })?;
    same("free buffers", free_buffers(region)?, free)
}
