// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long bindings live and what refused ones leave behind: items 190, 191, 193 and 194.

use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made, newif};
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::{port_info, region_size, set_vnet_hdr, vale_find, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::{live, meminfo, write_parameter};
use crate::harness::traffic::*;
use crate::harness::why::why;
use crate::harness::wire::{ip, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, pause, ForkResult, Pid};
use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    item_190_duplicates_keep_the_binding,
    item_190_forked_children_keep_the_binding,
    item_190_forked_mapping_alone_keeps_the_binding,
    item_190_parent_and_child_share_the_binding,
    item_190_closing_waits_for_nobodys_request,
    item_191_killed_process_leaves_nothing,
    item_193_refused_register_leaves_nothing;
    slow:
    item_194_opening_and_closing_leaks_nothing,
];

/// Runs `f` in a child, which then sleeps until it is killed.
fn child(f: impl FnOnce()) -> Result<Pid, Errno> {
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            f();
            loop {
                pause();
            }
        }
    }
}

fn end(child: Pid) -> Result<(), Errno> {
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None).map(drop)
}

fn there(name: &str) -> bool {
    vale_find(name).is_ok_and(|(_, port)| port != VALE_NO_PORT)
}

fn item_190_duplicates_keep_the_binding() -> Outcome {
    let (a, b) = pair("vale190")?;
    let copies = [a.device.dup()?, a.device.dup()?];
    let Bound { map, device, .. } = a;
    drop(device);
    drop(map);
    that("the port is there", there("vale190:a"))?;
    works("sync by a duplicate", copies[1].txsync())?;
    let [first, second] = copies;
    drop(first);
    that("the port is there", there("vale190:a"))?;
    let map = second.map(4096, 0)?;
    drop(second);
    that("the port is there while it is mapped", there("vale190:a"))?;
    drop(map);
    that("the port has gone", !there("vale190:a"))?;
    drop(b);
    same("ports left", vale_list()?, vec![])
}

fn item_190_forked_children_keep_the_binding() -> Outcome {
    let (a, b) = pair("vale190")?;
    let name = a.port_name();
    let children = [child(|| {})?, child(|| {})?];
    drop(a);
    that("the port is there", there(&name))?;
    end(children[0])?;
    that("the port is there", there(&name))?;
    // It still receives: its rings are bound.
    b.send(&numbered(0..5))?;
    same(
        "dropped for want of a ring",
        counter(&b, "tx0-drop_nobody")?,
        0,
    )?;
    end(children[1])?;
    // A killed process's files are closed before it can be waited for.
    that("the port has gone", !there(&name))
}

fn item_190_forked_mapping_alone_keeps_the_binding() -> Outcome {
    let (a, _b) = pair("vale190")?;
    let raw = a.device.raw();
    let child = child(|| {
        // SAFETY: the child's own copy of the descriptor, which nothing in it uses any more.
        unsafe { libc::close(raw) };
    })?;
    drop(a);
    that(
        "the port is there while the child maps it",
        there("vale190:a"),
    )?;
    end(child)?;
    that("the port has gone", !there("vale190:a"))
}

fn item_190_parent_and_child_share_the_binding() -> Outcome {
    let (a, b) = pair("vale190")?;
    let child = child(|| {
        // Sends for the parent, on the parent's ring, and lets the parent see it in the cursors.
        let _ = a.send(&numbered(0..7));
        a.tx(0).set_sem([7; 128]);
    })?;
    wait_until("the child has sent", || a.tx(0).sem() == [7; 128])?;
    end(child)?;
    same("cursors", a.tx(0).cursors(), (7, 7, 6))?;
    a.send(&numbered(7..9))?;
    same("at b", b.recv()?, numbered(0..9))
}

/// Writes the first address of this namespace's interfaces to `to` (SIOCGIFCONF of netdevice(7)).
/// The kernel does so with its lock for configuration held (`dev_ifconf`), so a page that does not
/// come keeps the lock.
fn list_an_address(socket: &UdpSocket, to: u64) -> Result<(), Errno> {
    let mut list = libc::ifconf {
        ifc_len: size_of::<libc::ifreq>() as i32,
        ifc_ifcu: libc::__c_anonymous_ifc_ifcu {
            ifcu_buf: to as *mut libc::c_char,
        },
    };
    // SAFETY: at `to`, if anything is there, lies a page that nobody looks at.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFCONF, &mut list) };
    Errno::result(result).map(drop)
}

/// A program that ended slept for whatever another one's request slept for.
fn item_190_closing_waits_for_nobodys_request() -> Outcome {
    wire()?;
    ip("address add 192.0.2.1/24 dev fm0")?;
    let bound = vale("vale190:a").bind()?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let (page, asking) = (SlowPage::new()?, AtomicI32::new(0));
    // A stack does not name the functions that wait for a mutex.
    let sleeps_for_a_lock = || {
        let task = |file| format!("/proc/self/task/{}/{file}", asking.load(SeqCst));
        let says = |file, word| fs::read_to_string(task(file)).is_ok_and(|s| s.contains(word));
        says("stack", "[netmap]") && says("stat", ") D ")
    };
    std::thread::scope(|scope| {
        let lister = scope.spawn(|| list_an_address(&socket, page.address()));
        page.wait()?;
        let asker = scope.spawn(|| {
            asking.store(nix::unistd::gettid().as_raw(), SeqCst);
            port_info("fm0", Default::default())
        });
        let asked = wait_until("a request sleeps in its turn", sleeps_for_a_lock);
        let closer = scope.spawn(|| drop(bound));
        let closed = asked.and_then(|()| wait_until("it is closed", || closer.is_finished()));
        let slept = sleeps_for_a_lock();
        page.come()?;
        closed?;
        that("the request still slept", slept)?;
        works("SIOCGIFCONF", lister.join().expect("lists"))?;
        works("PORT_INFO_GET", asker.join().expect("asks")).map(drop)
    })
}

fn item_191_killed_process_leaves_nothing() -> Outcome {
    let before = live();
    let other = vale("vale191:other").slots(64, 64).bind()?;
    let held = live();
    for round in 0..12 {
        let child = child(|| {
            let run = || -> Outcome {
                let (a, b) = pair("vale191")?;
                let big = vale("vale192:c").rings(4, 4).extra(500).bind()?;
                let null = null(GLOBAL_MEM_ID).extra(100).bind()?;
                // Killed while it sends, polls, or sleeps in poll.
                loop {
                    if a.tx(0).space() > 0 {
                        a.tx(0).put(&frame(BROADCAST, station(1), 1));
                    }
                    match round % 4 {
                        0 => a.device.txsync()?,
                        1 => drop(b.poll(PollFlags::POLLIN, 0)?),
                        2 => drop(big.poll(PollFlags::POLLIN, 100_000)?),
                        _ => drop(null.device.rxsync()),
                    }
                }
            };
            let _ = run();
        })?;
        wait_until("the child's ports are there", || {
            there("vale191:b") && there("vale192:c")
        })?;
        std::thread::sleep(Duration::from_millis(3));
        end(child)?;
        let names: Vec<_> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
        same("ports left", names, vec!["vale191:other".to_string()])?;
        same("live objects", live(), held.clone())?;
    }
    works("the other's sync", other.device.txsync())?;
    drop(other);
    same("live objects at the end", live(), before)
}

fn item_193_refused_register_leaves_nothing() -> Outcome {
    let holder = vale("vale193:held")
        .slots(64, 64)
        .flags(NR_EXCLUSIVE)
        .bind()?;
    let region = holder.reg.nr_mem_id;
    let header = vale("vale193:header").slots(64, 64).bind()?;
    set_vnet_hdr("vale193:header", 12)?;
    let mut unknown = OptionList::of(&[99]);
    let mut known = OptionList::of(&[NETMAP_REQ_OPT_SYNC_KLOOP_MODE]);
    let mut csb = OptionList::of(&[NETMAP_REQ_OPT_CSB]);
    let new = || vale("vale194:new").slots(64, 64);
    let before = (live(), vale_list()?);
    for (what, request, errno) in [
        ("a bad name", vale("vale194"), Errno::EINVAL),
        ("a missing interface", vale("no_such_if"), Errno::ENXIO),
        ("no name", vale(""), Errno::ENXIO),
        ("mode 0", new().mode(0), Errno::EINVAL),
        ("mode 5", new().mode(NR_REG_PIPE_MASTER), Errno::EINVAL),
        ("mode 9", new().mode(9), Errno::EINVAL),
        ("host rings", new().mode(NR_REG_SW), Errno::EINVAL),
        ("one host ring", new().mode(NR_REG_ONE_SW), Errno::EINVAL),
        ("ring 1 of 1", new().one(1), Errno::EINVAL),
        ("a missing region", new().mem(50_000), Errno::EINVAL),
        (
            "an unknown option",
            new().options(unknown.first()),
            Errno::EOPNOTSUPP,
        ),
        (
            "an option for others",
            new().options(known.first()),
            Errno::EOPNOTSUPP,
        ),
        (
            "a CSB of shared rings",
            new().options(csb.first()),
            Errno::EINVAL,
        ),
        (
            "an option at a bad address",
            new().options(8),
            Errno::EFAULT,
        ),
        (
            "rings too large",
            new().mem(GLOBAL_MEM_ID).slots(4096, 4096),
            Errno::ENOMEM,
        ),
        (
            "rings too large on receive",
            new().mem(GLOBAL_MEM_ID).slots(64, 4096),
            Errno::ENOMEM,
        ),
        (
            "more buffers than there are",
            new().mem(region).rings(3, 3).slots(1000, 1000),
            Errno::ENOMEM,
        ),
        (
            "more rings than there are",
            null(region).rings(60, 60),
            Errno::ENOMEM,
        ),
        (
            "a netmap_if too small",
            null(GLOBAL_MEM_ID).rings(90, 90).slots(4, 4),
            Errno::ENOMEM,
        ),
        ("a null port without region", null(0), Errno::EINVAL),
        ("a held ring", vale("vale193:held"), Errno::EBUSY),
        (
            "a held ring, exclusively",
            vale("vale193:held").flags(NR_EXCLUSIVE),
            Errno::EBUSY,
        ),
        ("a header not accepted", vale("vale193:header"), Errno::EIO),
        (
            "a pipe with too many rings",
            shared("vale194:new{1").rings(256, 256).slots(4, 4),
            Errno::ENOMEM,
        ),
        (
            "a pipe on no name",
            vale("sixteen_letters_{1"),
            Errno::EINVAL,
        ),
        ("a pipe without id", vale("vale194:new{"), Errno::EINVAL),
        (
            "a monitor of nothing",
            new().flags(NR_MONITOR_RX),
            Errno::EINVAL,
        ),
    ] {
        let device = Device::open()?;
        for _ in 0..3 {
            fails(what, request.clone().send(&device), errno)?;
        }
        let (told, text) = why(&device)?;
        same(format!("errno of {what}"), told, errno as u32)?;
        fails("the device is not bound", device.txsync(), Errno::ENXIO)?;
        // The device can be bound afterwards.
        let bound = works(format!("after {what} ({text})"), new().bind_on(device))?;
        drop(bound);
        same(format!("live objects after {what}"), &live(), &before.0)?;
        same(format!("ports after {what}"), &vale_list()?, &before.1)?;
    }
    // Parameters that cannot be.
    for (name, value) in [
        ("priv_buf_size", "1"),
        ("priv_ring_num", "5000"),
        ("priv_if_size", "9999"),
    ] {
        write_parameter(name, value)?;
        fails(name, new().try_bind(), Errno::EINVAL)?;
        same(format!("live objects after {name}"), &live(), &before.0)?;
        let default = ["2048", "4", "1024"][["priv_buf_size", "priv_ring_num", "priv_if_size"]
            .iter()
            .position(|known| *known == name)
            .unwrap_or(0)];
        write_parameter(name, default)?;
    }
    works("the holder's sync", holder.device.txsync())?;
    works("the other's sync", header.device.txsync())
}

/// MemAvailable, in KiB.
pub fn available() -> Outcome<i64> {
    meminfo("MemAvailable")
}

/// What was opened is closed at once.
fn closed<T>(opened: Result<T, Errno>) -> Outcome {
    drop(opened?);
    Ok(())
}

fn item_194_opening_and_closing_leaks_nothing() -> Outcome {
    // Small regions: it is not the clearing of memory that is tested here.
    write_parameter("priv_buf_num", "100")?;
    write_parameter("buf_num", "4096")?;
    write_parameter("generic_ringsize", "64")?;
    let tiny = |name: &str| vale(name).slots(16, 16).bind();
    wire()?;
    made("p0")?;
    let watched = tiny("vale194w:a")?;
    type Open<'a> = &'a dyn Fn() -> Outcome;
    let kinds: [(&str, usize, Open<'_>); 16] = [
        ("unbound devices", 5000, &|| {
            Device::open().map(drop).map_err(Into::into)
        }),
        ("VALE ports", 1000, &|| closed(tiny("vale194:a"))),
        ("VALE ports of the shared region", 1000, &|| {
            closed(shared("vale194:a").bind())
        }),
        ("null ports", 2000, &|| {
            closed(null(GLOBAL_MEM_ID).extra(50).bind())
        }),
        ("refused ports", 2000, &|| {
            fails(
                "REGISTER",
                shared("vale194:a").mode(NR_REG_SW).try_bind(),
                Errno::EINVAL,
            )
        }),
        ("interfaces", 300, &|| closed(vale("fm0").bind())),
        ("interfaces with their host rings", 300, &|| {
            closed(vale("fm0").mode(NR_REG_NIC_SW).bind())
        }),
        ("persistent ports", 1000, &|| closed(vale("p0").bind())),
        ("persistent ports, made and deleted", 100, &|| {
            newif("p1")?;
            let open = tiny("p1")?;
            drop(open);
            delif("p1").map_err(Into::into)
        }),
        ("pipes", 1000, &|| {
            let (left, right) = (tiny("vale194:a{x")?, tiny("vale194:a}x")?);
            left.send(&numbered(0..5))?;
            drop(left);
            right.device.rxsync().map_err(Into::into)
        }),
        ("pipes on an interface", 300, &|| closed(tiny("fm0{x"))),
        ("pipes on new names", 100, &|| closed(tiny("k0{x"))),
        ("monitors", 1000, &|| {
            let flags = NR_MONITOR_TX | NR_MONITOR_RX;
            let monitor = vale("vale194w:a").flags(flags).bind()?;
            watched.send(&numbered(0..5))?;
            monitor.device.rxsync().map_err(Into::into)
        }),
        ("zero-copy monitors", 1000, &|| {
            let monitor = vale("vale194w:a").flags(NR_ZCOPY_MON).bind()?;
            watched.send(&numbered(0..5))?;
            monitor.device.rxsync().map_err(Into::into)
        }),
        ("attached interfaces", 100, &|| {
            attach("vale194:fm0")?;
            detach("vale194:fm0").map(drop).map_err(Into::into)
        }),
        ("pairs with frames on their way", 300, &|| {
            let (a, b) = (tiny("vale194:a")?, tiny("vale194:b")?);
            a.send(&numbered(0..10))?;
            b.device.rxsync()?;
            Ok(())
        }),
    ];
    let ports = vale_list()?;
    for (what, times, open) in kinds {
        for _ in 0..20 {
            open()?;
        }
        let (before, objects) = (available()?, live());
        let start = Instant::now();
        for time in 0..times {
            // A slow machine does it less often.
            if time >= 100 && start.elapsed() > Duration::from_secs(2) {
                break;
            }
            open()?;
        }
        same(format!("live objects after {what}"), live(), objects)?;
        same(
            format!("switch ports after {what}"),
            vale_list()?,
            ports.clone(),
        )?;
        // What the kernel frees late comes back within moments; the rest of the system uses memory,
        // too.
        let least = before - 32 * 1024;
        wait_until(&format!("the memory of {what} is back"), || {
            available().is_ok_and(|now| now > least)
        })?;
    }
    // The regions of all that has come and gone are numbered from the watched one's on.
    let gone = region_size(watched.reg.nr_mem_id + 1);
    fails("a region that has gone", gone, Errno::EINVAL)
}
