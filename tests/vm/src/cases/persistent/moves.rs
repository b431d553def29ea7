// SPDX-License-Identifier: MIT OR Apache-2.0

//! A persistent port whose interface is moved to another namespace and back: what its names mean
//! there and here, and where it is plugged in.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{vale_find, vale_list};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::wait_for;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    persistent_moved_what_its_names_mean,
    persistent_moved_unplugged_it_is_plugged_in_there,
    persistent_moved_it_is_no_interface_of_a_second_switch
];

fn persistent_moved_what_its_names_mean() -> Outcome {
    let there = two_places()?;
    made("p0")?;
    works("plugged in", attach("vale240:p0"))?;
    let [a] = ports("vale240", ["a"])?;
    let bound = vale("p0").bind()?;
    there.take("p0")?;
    // Here: its port is listed, and opens; its interface is not here.
    same("listed", vale_find("vale240:p0")?, (0, 0))?;
    refused(vale("p0"), Errno::ENXIO, &["p0"])?;
    fails("by its name", delif("p0"), Errno::ENXIO)?;
    fails("plugged in already", attach("vale240:p0"), Errno::EBUSY)?;
    let again = works("by its port", vale("vale240:p0").bind())?;
    same("one region", again.reg.nr_mem_id, bound.reg.nr_mem_id)?;
    same("one ring", again.rx(0).offset(), bound.rx(0).offset())?;
    // There: it is an interface whose memory is another namespace's, and plugged in nowhere.
    there.run(|| {
        refused(vale("p0"), Errno::EACCES, &["another network namespace"])?;
        fails("rings", vale("vale240:p0").try_bind(), Errno::EINVAL)?;
        same("ports", vale_list()?, vec![])?;
        fails("pulled out", detach("vale240:p0"), Errno::ENXIO)?;
        fails("deleted", delif("p0"), Errno::EBUSY)?;
        fails("a second", newif("p0"), Errno::EEXIST).map(drop)
    })?;
    same("a link", there.run(|| has_link("p0"))?, true)?;
    a.send(&numbered(1..4))?;
    same("frames go on", got(&again)?, vec![1, 2, 3])?;
    // Its name is free here, and somebody takes it: then it cannot come back under that.
    made("p0")?;
    let other = vale("p0").bind()?;
    differs("another's", other.reg.nr_mem_id, bound.reg.nr_mem_id)?;
    let taken = there.run(|| {
        let mut tried = std::process::Command::new("ip");
        let here = std::process::id().to_string();
        tried.args(["link", "set", "p0", "netns", &here]);
        Ok(tried.output()?.status.success())
    })?;
    that("moved where its name is taken", !taken)?;
    a.send(&numbered(4..6))?;
    same("nothing has changed", got(&bound)?, vec![4, 5])?;
    same("nor has it for the other", got(&other)?, vec![])?;
    drop(other);
    works("deleted", delif("p0"))?;
    there.give_back("p0")?;
    let back = works("by its name", vale("p0").bind())?;
    same("one ring", back.rx(0).offset(), bound.rx(0).offset())?;
    drop((back, again, bound));
    works("pulled out", detach("vale240:p0"))?;
    works("deleted", delif("p0"))
}

/// It is of the switches of the namespace that it is in; its memory stays whose it was.
fn persistent_moved_unplugged_it_is_plugged_in_there() -> Outcome {
    let there = two_places()?;
    made("p0")?;
    let bound = vale("p0").bind()?;
    there.take("p0")?;
    bound.send(&numbered(0..5))?;
    same("for nobody", counter(&bound, "tx0-drop_nobody")?, 5)?;
    there.run(|| fails("while open", attach("vale241:p0"), Errno::EBUSY).map(drop))?;
    drop(bound);
    fails("from here", attach("vale241:p0"), Errno::EINVAL)?;
    let a = there.run(|| {
        works("plugged in", attach("vale241:p0"))?;
        same("listed", vale_list()?, vec![("vale241:p0".into(), 0, 0)])?;
        refused(vale("vale241:p0"), Errno::EACCES, &["another network"])?;
        let [a] = ports("vale241", ["a"])?;
        let stack = Stack::on("p0")?;
        for n in 0..20 {
            a.send(&[frame(station(2), station(1), n)])?;
            same("up", numbers(&stack.wait_for(1)?), vec![n])?;
            stack.send(&frame(station(1), station(2), n))?;
            same("from it", numbers(&wait_for(&a, 1)?), vec![n])?;
        }
        Ok(a)
    })?;
    // Back home its owner has its rings again, on the other's switch.
    there.give_back("p0")?;
    same("no switch is here", vale_list()?, vec![])?;
    let bound = works("its rings", vale("p0").bind())?;
    bound.send(&numbered(0..3))?;
    same("over there", numbers(&wait_for(&a, 3)?), vec![0, 1, 2])?;
    fails(
        "not by its port",
        vale("vale241:p0").try_bind(),
        Errno::EINVAL,
    )?;
    drop(bound);
    fails("deleted", delif("p0"), Errno::EBUSY)?;
    there.run(|| works("pulled out", detach("vale241:p0")))?;
    works("deleted", delif("p0"))?;
    drop(a);
    Ok(())
}

/// That takes its interface for one like any other, which is gone when it is moved.
fn persistent_moved_it_is_no_interface_of_a_second_switch() -> Outcome {
    let there = two_places()?;
    let before = live();
    made("p0")?;
    works("plugged in", attach("vale242:p0"))?;
    works("and once more", attach_as("vale243:p0", NR_REG_NIC_SW))?;
    let ([a], [b]) = (ports("vale242", ["a"])?, ports("vale243", ["b"])?);
    a.send(&numbered(1..2))?;
    same("in the second", numbers(&wait_for(&b, 1)?), vec![1])?;
    there.take("p0")?;
    wait_until("it has left the second", || {
        vale_find("vale243:p0").is_ok_and(|(_, port)| port == 255)
    })?;
    let names: Vec<_> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
    same("ports", names.join(" "), "vale242:p0 vale242:a vale243:b")?;
    b.send(&numbered(2..3))?;
    same("from the second", got(&a)?, vec![])?;
    let stack = there.run(|| Ok(Stack::on("p0")?))?;
    a.send(&numbered(3..4))?;
    same("of the first", numbers(&stack.wait_for(1)?), vec![3])?;
    stack.send(&frame(BROADCAST, station(2), 4))?;
    same("in the first", numbers(&wait_for(&a, 1)?), vec![4])?;
    there.give_back("p0")?;
    works("and once more", attach_as("vale243:p0", NR_REG_NIC_SW))?;
    a.send(&numbered(5..6))?;
    same("in the second", numbers(&wait_for(&b, 1)?), vec![5])?;
    works("pulled out", detach("vale243:p0"))?;
    works("pulled out", detach("vale242:p0"))?;
    works("deleted", delif("p0"))?;
    drop((a, b));
    wait_until("nothing is left", || live() == before)
}
