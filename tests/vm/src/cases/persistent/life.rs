// SPDX-License-Identifier: MIT OR Apache-2.0

//! What others do to the interface of a persistent port, and what that does to who has it.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{vale_find, vale_list};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::wire::{has_let_go, ip, wait_for, wire};
use crate::harness::Case;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub const CASES: &[Case] = crate::cases![
    item_145_it_is_listed_as_it_was_plugged_in,
    persistent_plugged_in_once_and_twice,
    persistent_cannot_be_plugged_in_while_open,
    persistent_pulled_out_while_it_sends_it_is_no_member,
    persistent_renamed_it_is_the_same,
    persistent_moved_it_stays_plugged_in,
    persistent_its_namespace_ends,
    item_115_a_persistent_port_deleted_by_others,
    item_193_what_is_refused_leaves_nothing
    ; slow:
    persistent_deleted_under_traffic
];

fn item_145_it_is_listed_as_it_was_plugged_in() -> Outcome {
    wire()?;
    made("p0")?;
    same("unplugged", vale_list()?, vec![])?;
    works("plugged in", attach("vale145:p0"))?;
    same("listed", vale_list()?, vec![("vale145:p0".into(), 0, 0)])?;
    for name in ["p0", "vale145:p0"] {
        drop(vale(name).bind()?);
        same("quirk 14", vale_find("vale145:p0")?, (0, 0))?;
    }
    works("pulled out", detach("vale145:p0"))?;
    fails("again", detach("vale145:p0"), Errno::ENXIO)?;
    same("unplugged", vale_list()?, vec![])?;
    works("deleted", delif("p0"))
}

fn persistent_plugged_in_once_and_twice() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach_as("vale220:p0", 99))?;
    fails("again", attach("vale220:p0"), Errno::EBUSY)?;
    fails("polled", poll_on("vale220:p0", 1, 0, 1), Errno::EOPNOTSUPP)?;
    // Another switch takes it for an interface: this one's frames come in there, and back.
    works("in another switch", attach("vale221:p0"))?;
    let ([a], [b]) = (ports("vale220", ["a"])?, ports("vale221", ["b"])?);
    for n in 0..10 {
        a.send(&[frame(BROADCAST, station(1), n)])?;
        same("over there", numbers(&wait_for(&b, 1)?), vec![n])?;
        b.send(&[frame(station(1), station(2), n)])?;
        same("and back", numbers(&wait_for(&a, 1)?), vec![n])?;
    }
    fails("the first first", detach("vale220:p0"), Errno::EBUSY)?;
    works("the last first", detach("vale221:p0"))?;
    works("then the first", detach("vale220:p0"))?;
    drop((a, b));
    works("deleted", delif("p0"))?;
    same("no switch is left", vale_list()?, vec![])
}

fn persistent_cannot_be_plugged_in_while_open() -> Outcome {
    wire()?;
    made("p0")?;
    let bound = vale("p0").bind()?;
    fails("open", attach("vale222:p0"), Errno::EBUSY)?;
    same("no trace", vale_list()?, vec![])?;
    drop(bound);
    works("closed", attach("vale222:p0"))?;
    let bound = vale("p0").bind()?;
    works("opened", detach("vale222:p0"))?;
    fails("still open", attach("vale222:p0"), Errno::EBUSY)?;
    drop(bound);
    works("deleted", delif("p0"))
}

/// What a sync under way still sent after the port had been pulled out was forwarded, and learned
/// under its number, which was another port's by then: that one got the frames of the station.
fn persistent_pulled_out_while_it_sends_it_is_no_member() -> Outcome {
    wire()?;
    made("p0")?;
    same("its number", attach("vale227:p0")?, 0)?;
    let [a, b] = ports("vale227", ["a", "b"])?;
    let p = vale("p0").bind()?;
    let page = SlowPage::new()?;
    p.tx(0).put_indirect(page.address());
    p.tx(0).put(&frame(BROADCAST, station(5), 1));
    let c = std::thread::scope(|scope| -> Outcome<Bound> {
        let sender = scope.spawn(|| p.device.txsync());
        page.wait()?;
        works("pulled out", detach("vale227:p0"))?;
        let c = vale("vale227:c").slots(64, 64).bind()?;
        same("its number again", vale_find("vale227:c")?, (0, 0))?;
        page.come()?;
        let sent = sender.join().map_err(|_| failure("the sender panicked"))?;
        works("NIOCTXSYNC", sent)?;
        Ok(c)
    })?;
    for receiver in [&a, &b, &c] {
        same("what came", receiver.recv()?, Vec::<Vec<u8>>::new())?;
    }
    same("for nobody", counter(&p, "tx0-drop_nobody")?, 2)?;
    a.send(&[frame(station(5), station(1), 2)])?;
    for receiver in [&b, &c] {
        same("to a station that nobody knows", got(receiver)?, vec![2])?;
    }
    drop(p);
    works("deleted", delif("p0"))
}

fn persistent_renamed_it_is_the_same() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale223:p0"))?;
    let [a] = ports("vale223", ["a"])?;
    let before = vale("p0").bind()?;
    ip("link set p0 down")?;
    ip("link set p0 name q0")?;
    ip("link property add dev q0 altname quitealongnamefora")?;
    ip("link set q0 up")?;
    fails("by its old name", vale("p0").try_bind(), Errno::ENXIO)?;
    for name in ["q0", "vale223:p0", "vale223:q0"] {
        let again = works(name, vale(name).bind())?;
        a.send(&numbered(1..2))?;
        same(
            "one ring",
            again.rx(0).slot(0).buf_idx,
            before.rx(0).slot(0).buf_idx,
        )?;
        same("frames", got(&before)?, vec![1])?;
    }
    works("its old name is free", newif("p0"))?;
    fails("but not there", attach("vale223:p0"), Errno::EBUSY)?;
    works("deleted", delif("p0"))?;
    works("pulled out by its new name", detach("vale223:q0"))?;
    drop(before);
    works("deleted", delif("q0"))
}

fn persistent_moved_it_stays_plugged_in() -> Outcome {
    wire()?;
    for name in ["p0", "p1"] {
        made(name)?;
        works("plugged in", attach(&format!("vale224:{name}")))?;
    }
    let [a] = ports("vale224", ["a"])?;
    let there = Elsewhere::new()?;
    let stack = Stack::on("p0")?;
    ip(&format!("link set p1 netns {}", there.id()))?;
    ip("address add 192.0.2.1/24 dev p0")?;
    there.ip("address add 192.0.2.2/24 dev p1")?;
    there.ip("link set p1 up")?;
    let ping = Command::new("ping")
        .args(["-c", "3", "-i", "0.2", "-W", "5", "192.0.2.2"])
        .status()?;
    that("they reach each other", ping.success())?;
    same("listed", vale_find("vale224:p1")?.1, 1)?;
    fails("by its name", delif("p1"), Errno::ENXIO)?;
    let p = works("by its port", vale("vale224:p1").bind())?;
    a.rx(0).take();
    a.device.rxsync()?;
    stack.send(&frame(BROADCAST, station(9), 3))?;
    same("in its ring", numbers(&wait_for(&p, 1)?).contains(&3), true)?;
    drop(p);
    works("pulled out", detach("vale224:p1"))?;
    there.ip("link del p1")?;
    works("pulled out", detach("vale224:p0"))?;
    works("deleted", delif("p0"))
}

fn persistent_its_namespace_ends() -> Outcome {
    wire()?;
    let before = live();
    made("p0")?;
    works("plugged in", attach("vale225:p0"))?;
    let there = Elsewhere::new()?;
    ip(&format!("link set p0 netns {}", there.id()))?;
    let bound = vale("vale225:p0").bind()?;
    drop(there);
    wait_until("it has gone", || vale_list() == Ok(vec![]))?;
    // It leaves its switch first.
    wait_until("it lets go", || {
        bound.poll(PollFlags::POLLIN, 0) == Ok(PollFlags::POLLERR)
    })?;
    has_let_go(&bound)?;
    drop(bound);
    wait_until("nothing is left", || live() == before)?;
    that("it is nowhere", told("p0", "mtu").is_err())
}

fn item_115_a_persistent_port_deleted_by_others() -> Outcome {
    for switch in [None, Some("vale226:p0")] {
        wire()?;
        let before = live();
        made("p0")?;
        if let Some(switch) = switch {
            works("plugged in", attach(switch))?;
        }
        let bound = vale("p0").bind()?;
        bound.send(&numbered(0..5))?;
        ip("link del p0")?;
        has_let_go(&bound)?;
        same("no switch is left", vale_list()?, vec![])?;
        fails("again", vale("p0").try_bind(), Errno::ENXIO)?;
        made("p0")?;
        let new = works("a new one", vale("p0").bind())?;
        has_let_go(&bound)?;
        drop((bound, new));
        works("deleted", delif("p0"))?;
        same("nothing is left", live(), before)?;
    }
    // Nobody makes one that way.
    let made = Command::new("ip")
        .args(["link", "add", "p0", "type", "netmap"])
        .output()?;
    that("ip link add", !made.status.success())
}

fn item_193_what_is_refused_leaves_nothing() -> Outcome {
    wire()?;
    made("p0")?;
    let before = live();
    fails("a bad switch", attach("vale-:p0"), Errno::EINVAL)?;
    let full: Vec<_> = (0..8)
        .map(|n| vale(&format!("vale{n}:a")).slots(8, 8).bind())
        .collect::<Result<_, _>>()?;
    fails("no switch to be had", attach("vale99:p0"), Errno::ENOMEM)?;
    drop(full);
    fails("its name", newif("p0"), Errno::EEXIST)?;
    same("nothing is left", live(), before)?;
    same("no link", has_link("p0")?, false)?;
    works("deleted", delif("p0"))
}

/// Stacks and rings send all the time, while one port after the other goes.
fn persistent_deleted_under_traffic() -> Outcome {
    wire()?;
    let before = live();
    made("p0")?;
    works("plugged in", attach("vale227:p0"))?;
    let [a] = ports("vale227", ["a"])?;
    let stack = Stack::on("p0")?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let from_stack = scope.spawn(|| {
            while !over.load(Relaxed) {
                let _ = stack.send(&frame(BROADCAST, station(1), 1));
            }
        });
        let from_rings = scope.spawn(|| -> Outcome {
            while !over.load(Relaxed) {
                a.send(&numbered(0..60))?;
                a.rx(0).take();
                a.device.rxsync()?;
            }
            Ok(())
        });
        let changes = (0..30).try_for_each(|round| -> Outcome {
            made("p1")?;
            works("plugged in", attach("vale227:p1"))?;
            let other = Stack::on("p1")?;
            let bound = vale("vale227:p1").bind()?;
            for n in 0..20 {
                let _ = other.send(&frame(BROADCAST, station(2), n));
                bound.send(&numbered(0..10))?;
            }
            if round % 3 == 0 {
                ip("link del p1")?;
            } else {
                works("pulled out", detach("vale227:p1"))?;
                drop(bound);
                works("deleted", delif("p1"))?;
            }
            Ok(())
        });
        over.store(true, Relaxed);
        from_stack.join().expect("a thread that does not panic");
        from_rings.join().expect("a thread that does not panic")?;
        changes
    })?;
    drop((a, stack));
    works("pulled out", detach("vale227:p0"))?;
    works("deleted", delif("p0"))?;
    same("nothing is left", live(), before)
}
