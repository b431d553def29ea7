// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who may do what: with the node open for reading only, without capabilities, and in a namespace
//! that ends.

use crate::harness::attach::{detach, poll_off, poll_on, Attached};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::programs::Programs;
use crate::harness::raw::device::{header, Device};
use crate::harness::raw::request::{
    legacy, null, pools_info, port_info, set_vnet_hdr, vale_find, vnet_hdr,
};
use crate::harness::raw::*;
use crate::harness::traces::{small_region_one, write_parameter};
use crate::harness::traffic::{counter, wait_until};
use crate::harness::why::{refused, says};
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{setns, unshare, CloneFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, seteuid, ForkResult, Uid};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    rights_reading_only_changes_nothing,
    rights_interfaces_are_the_administrators,
    rights_a_file_has_no_more_than_its_opener,
    rights_a_handed_file_opens_no_memory_of_interfaces,
    rights_headers_are_for_who_has_the_port,
    rights_asking_keeps_nothing,
    rights_by_netmaps_own_rule,
    rights_polling_is_charged_to_who_asked,
    rights_a_program_that_lost_its_namespace_lets_nothing_pass,
];

const NODE: &str = "/dev/netmap";

/// Everybody may open the node, and this process is nobody in particular. Both end with this.
struct Nobody;

impl Nobody {
    fn new() -> Outcome<Self> {
        fs::set_permissions(NODE, Permissions::from_mode(0o666))?;
        let nobody = Nobody;
        seteuid(Uid::from_raw(65534))?;
        Ok(nobody)
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let _ = seteuid(Uid::from_raw(0));
        let _ = fs::set_permissions(NODE, Permissions::from_mode(0o600));
    }
}

/// A request with a body that does not matter.
fn request<T: Plain>(device: &Device, reqtype: u16, name: &str) -> Result<(), Errno> {
    device.request(reqtype, name, &mut T::zeroed())
}

/// Everything that changes something, on `device`: what was asked, and what was returned. `fm0` is
/// an interface, and switch `vale200` has a port `a`.
fn changes(device: &Device) -> Vec<(&'static str, Result<(), Errno>)> {
    let whole = |mode| {
        let mut body = NmreqValeAttach::default();
        body.reg.nr_mode = mode;
        device.request(NETMAP_REQ_VALE_ATTACH, "vale200:fm0", &mut body)
    };
    let mut polling = NmreqValePolling {
        nr_mode: NETMAP_POLLING_MODE_SINGLE_CPU,
        nr_num_polling_cpus: 1,
        ..Default::default()
    };
    let command = |name, cmd| {
        let mut req = legacy(name);
        req.nr_cmd = cmd;
        device.regif(&mut req)
    };
    let (on, off) = (
        NETMAP_REQ_VALE_POLLING_ENABLE,
        NETMAP_REQ_VALE_POLLING_DISABLE,
    );
    vec![
        ("an interface", vale("fm0").send(device)),
        ("its host rings", vale("fm0").mode(NR_REG_SW).send(device)),
        ("one of its rings", vale("fm0").one(0).send(device)),
        ("it by a legacy call", command("fm0", 0)),
        ("attach", whole(NR_REG_ALL_NIC)),
        ("attach with its host", whole(NR_REG_NIC_SW)),
        (
            "attach by a legacy call",
            command("vale200:fm0", NETMAP_BDG_ATTACH),
        ),
        (
            "detach",
            request::<NmreqValeDetach>(device, NETMAP_REQ_VALE_DETACH, "vale200:a"),
        ),
        (
            "detach by a legacy call",
            command("vale200:a", NETMAP_BDG_DETACH),
        ),
        (
            "make a persistent port",
            request::<NmreqValeNewif>(device, NETMAP_REQ_VALE_NEWIF, "p0"),
        ),
        (
            "delete it",
            device.ctrl(&mut header(NETMAP_REQ_VALE_DELIF, b"p0")),
        ),
        ("make one by a legacy call", command("p0", NETMAP_BDG_NEWIF)),
        (
            "delete it by a legacy call",
            command("p0", NETMAP_BDG_DELIF),
        ),
        ("poll", device.request(on, "vale200:a", &mut polling)),
        (
            "poll no more",
            request::<NmreqValePolling>(device, off, "vale200:a"),
        ),
        (
            "put an XDP program there",
            request::<NmreqXdp>(device, FERROMAP_REQ_XDP_ATTACH, "vale200:a"),
        ),
        (
            "take it off",
            request::<NmreqXdp>(device, FERROMAP_REQ_XDP_DETACH, "vale200:a"),
        ),
    ]
}

/// A node that was open for reading only took an interface away from the host.
fn rights_reading_only_changes_nothing() -> Outcome {
    wire()?;
    let _port = vale("vale200:a").slots(64, 64).bind()?;
    let reader = Device::open_for(OFlag::O_RDONLY)?;
    for (what, answer) in changes(&reader) {
        fails(what, answer, Errno::EACCES)?;
    }
    says(&reader, Errno::EACCES, &["reading only", "O_RDWR"])?;
    let set = request::<NmreqPortHdr>(&reader, NETMAP_REQ_PORT_HDR_SET, "vale200:a");
    fails("a header", set, Errno::EACCES)?;
    for mut port in [vale("vale200:a"), vale("vale200:new"), null(GLOBAL_MEM_ID)] {
        fails("a port", port.send(&reader), Errno::EACCES)?;
    }
    // It may look.
    for name in ["fm0", "vale200:a", ""] {
        works(
            name,
            request::<NmreqPortInfoGet>(&reader, NETMAP_REQ_PORT_INFO_GET, name),
        )?;
    }
    works(
        "numbers",
        request::<NmreqValeList>(&reader, NETMAP_REQ_VALE_LIST, "vale200:a"),
    )?;
    works(
        "the header",
        request::<NmreqPortHdr>(&reader, NETMAP_REQ_PORT_HDR_GET, "vale200:a"),
    )?;
    works(
        "the program",
        request::<NmreqXdp>(&reader, FERROMAP_REQ_XDP_QUERY, "vale200:a"),
    )?;
    // Writing suffices to change; to map takes reading, too.
    let writer = Device::open_for(OFlag::O_WRONLY)?;
    works(
        "for writing only",
        vale("vale200:w").slots(64, 64).send(&writer),
    )
}

/// Whoever could open the node took interfaces away from the host, without any capability.
fn rights_interfaces_are_the_administrators() -> Outcome {
    wire()?;
    let _nobody = Nobody::new()?;
    let _port = vale("vale200:a").slots(64, 64).bind()?;
    let device = Device::open()?;
    for (what, answer) in changes(&device) {
        fails(what, answer, Errno::EPERM)?;
        says(&device, Errno::EPERM, &["CAP_NET_ADMIN"])?;
    }
    let words = ["fm0", "CAP_NET_ADMIN", "admin_only"];
    refused(vale("fm0"), Errno::EPERM, &words[1..])?;
    refused(vale("fm0").mode(NR_REG_NIC_SW), Errno::EPERM, &words[1..])?;
    // What is not there is told as to anybody.
    refused(vale("nosuch0"), Errno::ENXIO, &["nosuch0"])?;
    // All that is not an interface's is for whoever may open the node.
    works("asking", port_info("fm0", Default::default()).map(drop))?;
    works("a header", set_vnet_hdr("vale200:a", 12))?;
    same("the header", vnet_hdr("vale200:a")?, 12)?;
    works("a port", vale("vale200:b").slots(64, 64).bind().map(drop))?;
    works("a null port", null(GLOBAL_MEM_ID).bind()).map(drop)
}

/// A program with more rights cannot be brought to use them on a file that somebody else opened,
/// nor somebody without rights use a file that was opened with them.
fn rights_a_file_has_no_more_than_its_opener() -> Outcome {
    wire()?;
    let _port = vale("vale200:a").slots(64, 64).bind()?;
    let roots = Device::open()?;
    let nobodys = {
        let _nobody = Nobody::new()?;
        for (what, answer) in changes(&roots) {
            fails(what, answer, Errno::EPERM)?;
        }
        Device::open()?
    };
    for (what, answer) in changes(&nobodys) {
        fails(what, answer, Errno::EPERM)?;
    }
    says(&nobodys, Errno::EPERM, &["opened", "anew"])?;
    works("root's own", vale("fm0").bind_on(roots)).map(drop)
}

/// A file that nobody in particular had opened, and kept a copy of, was bound by root in the memory
/// of the namespace's interfaces.
fn rights_a_handed_file_opens_no_memory_of_interfaces() -> Outcome {
    small_region_one()?;
    wire()?;
    let interface = vale("fm0").bind()?;
    let ring = interface.tx(0);
    let at = ring.buf_at(ring.slot(0).buf_idx);
    let seen = |bound: &Bound| bound.map.read::<[u8; 4]>(at);
    interface.map.write(at, *b"mark");
    same("by root", seen(&null(GLOBAL_MEM_ID).bind()?), *b"mark")?;
    let nobodys = {
        let _nobody = Nobody::new()?;
        Device::open()?
    };
    let handed = null(GLOBAL_MEM_ID).bind_on(nobodys)?;
    differs("in the file", seen(&handed), *b"mark")
}

/// Whoever could open the node shifted the frames of every port of the namespace: those of an
/// attached interface were dead, and its neighbour chose where frames from the wire begin.
fn rights_headers_are_for_who_has_the_port() -> Outcome {
    wire()?;
    let _attached = Attached::new("vale200:fm0")?;
    let _roots = vale("vale200:a").slots(64, 64).bind()?;
    let _nobodys = {
        let _nobody = Nobody::new()?;
        for name in ["vale200:fm0", "vale200:a"] {
            fails(name, set_vnet_hdr(name, 12), Errno::EPERM)?;
            let mut req = legacy(name);
            (req.nr_cmd, req.nr_arg1) = (NETMAP_BDG_VNET_HDR, 12);
            fails(name, Device::open()?.regif(&mut req), Errno::EPERM)?;
        }
        let own = vale("vale200:b").slots(64, 64).bind()?;
        works("his own", set_vnet_hdr("vale200:b", 12))?;
        own
    };
    for name in ["vale200:fm0", "vale200:a"] {
        same("the header", vnet_hdr(name)?, 0)?;
    }
    for name in ["vale200:fm0", "vale200:a", "vale200:b"] {
        works("root", set_vnet_hdr(name, 10))?;
    }
    Ok(())
}

/// A question about an interface had it open for a moment, with rings in the memory of whoever
/// asked: then root could not open it, or attached it in there.
fn rights_asking_keeps_nothing() -> Outcome {
    small_region_one()?;
    wire()?;
    // So that its memory is made once.
    let _roots = null(GLOBAL_MEM_ID).bind()?;
    let mut askers = Vec::new();
    {
        let _nobody = Nobody::new()?;
        for _ in 0..3 {
            // SAFETY: this process has one thread, so the child may do anything that the parent
            // may.
            match unsafe { fork() }? {
                ForkResult::Child => loop {
                    for name in ["fm0", "vale200:new"] {
                        let _ = pools_info(name, 0);
                    }
                },
                ForkResult::Parent { child } => askers.push(child),
            }
        }
        // It can be opened by them until here.
        wait_until("they ask", || pools_info("fm0", 0).is_ok())?;
    }
    // A hundred times, or as often as a busy machine lets it: all wait for their turns.
    let end = Instant::now() + Duration::from_secs(12);
    let mut times = (0..100).take_while(|&n| n < 5 || Instant::now() < end);
    let tried = times.try_for_each(|_| -> Outcome {
        works("root's own", vale("fm0").bind().map(drop))?;
        drop(Attached::new("vale200:fm0")?);
        fails("a port", vale_find("vale200:new"), Errno::ENOENT)
    });
    for child in askers {
        kill(child, Signal::SIGKILL)?;
        waitpid(child, None)?;
    }
    tried
}

/// With `admin_only=0` the node's mode decides about everything, as in netmap, but for XDP
/// programs.
fn rights_by_netmaps_own_rule() -> Outcome {
    wire()?;
    write_parameter("admin_only", "0")?;
    let reader = Device::open_for(OFlag::O_RDONLY)?;
    fails("for reading only", vale("fm0").send(&reader), Errno::EACCES)?;
    let _nobody = Nobody::new()?;
    for mode in [NR_REG_ALL_NIC, NR_REG_SW, NR_REG_NIC_SW] {
        works("an interface", vale("fm0").mode(mode).bind())?;
    }
    let attached = Attached::new("vale200:fm0")?;
    works(
        "polling",
        poll_on("vale200:fm0", NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1),
    )?;
    works("ending that", poll_off("vale200:fm0"))?;
    works("detaching", detach("vale200:fm0"))?;
    drop(attached);
    let _port = vale("vale200:a").slots(64, 64).bind()?;
    let xdp = request::<NmreqXdp>(&Device::open()?, FERROMAP_REQ_XDP_DETACH, "vale200:a");
    fails("an XDP program", xdp, Errno::EPERM)
}

/// A control group of our own, and this process in it. Both end with this.
struct Group;

const GROUPS: &str = "/tmp/groups";
const GROUP: &str = "/tmp/groups/netmap";

impl Group {
    fn new() -> Outcome<Self> {
        fs::create_dir_all(GROUPS)?;
        let done = Command::new("mount")
            .args(["-t", "cgroup2", "none", GROUPS])
            .status()?;
        that("mount", done.success())?;
        let group = Group;
        fs::create_dir(GROUP)?;
        Group::enter(GROUP)?;
        Ok(group)
    }

    fn enter(group: &str) -> std::io::Result<()> {
        fs::write(
            format!("{group}/cgroup.procs"),
            std::process::id().to_string(),
        )
    }

    /// Names of the threads that are in it.
    fn threads() -> Outcome<Vec<String>> {
        let text = fs::read_to_string(format!("{GROUP}/cgroup.procs"))?;
        let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm"));
        let names = text.lines().map(name).collect::<Result<Vec<_>, _>>()?;
        Ok(names.iter().map(|name| name.trim().to_string()).collect())
    }

    /// CPU time that it used.
    fn used() -> Outcome<Duration> {
        let text = fs::read_to_string(format!("{GROUP}/cpu.stat"))?;
        let line = text.lines().find_map(|l| l.strip_prefix("usage_usec "));
        let used = line.and_then(|line| line.parse().ok());
        let used = used.ok_or_else(|| failure("no usage_usec"))?;
        Ok(Duration::from_micros(used))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Group::enter(GROUPS);
        let _ = fs::remove_dir(GROUP);
        let _ = Command::new("umount").arg(GROUPS).status();
        let _ = fs::remove_dir(GROUPS);
    }
}

/// A thread that polls had a CPU for ever, outside every control group.
fn rights_polling_is_charged_to_who_asked() -> Outcome {
    wire()?;
    let group = Group::new()?;
    let ours = Group::threads()?;
    same("we are alone there", ours.len(), 1)?;
    let _attached = Attached::new("vale200:fm0")?;
    same(
        "waiting ones are not in it",
        Group::threads()?,
        ours.clone(),
    )?;
    for mode in [
        NETMAP_POLLING_MODE_SINGLE_CPU,
        NETMAP_POLLING_MODE_MULTI_CPU,
    ] {
        poll_on("vale200:fm0", mode, 0, 1)?;
        let there: Vec<_> = Group::threads()?
            .into_iter()
            .filter(|name| name.starts_with("netmap/fm0"))
            .collect();
        same("threads that poll", there.len(), 1)?;
        let before = Group::used()?;
        wait_until("its time is charged", || {
            Group::used().is_ok_and(|now| now > before + Duration::from_millis(50))
        })?;
        // It stays where it is, and its group with it, until polling ends.
        Group::enter(GROUPS)?;
        let removed = fs::remove_dir(GROUP).map_err(|e| e.raw_os_error());
        same("removing the group", removed, Err(Some(libc::EBUSY)))?;
        Group::enter(GROUP)?;
        poll_off("vale200:fm0")?;
        same("and then", Group::threads()?, ours.clone())?;
    }
    // Nor may it have a CPU that the group has not.
    fs::write(format!("{GROUPS}/cgroup.subtree_control"), "+cpuset")?;
    fs::write(format!("{GROUP}/cpuset.cpus"), "1")?;
    let on = |cpu| poll_on("vale200:fm0", NETMAP_POLLING_MODE_SINGLE_CPU, cpu, 1);
    fails("a CPU of others", on(0), Errno::EINVAL)?;
    works("its own CPU", on(1))?;
    poll_off("vale200:fm0")?;
    drop(group);
    that("the group has gone", fs::metadata(GROUP).is_err())
}

/// An XDP program kept its namespace alive for as long as it was on a switch. It works in there, so
/// without it nothing that it was to hold back may pass.
fn rights_a_program_that_lost_its_namespace_lets_nothing_pass() -> Outcome {
    let home = File::open("/proc/self/ns/net")?;
    works("unshare", unshare(CloneFlags::CLONE_NEWNET))?;
    let programs = Programs::load()?;
    let port = |name: &str| vale(name).slots(64, 64).bind();
    let (a, b, c) = (port("vale200:a")?, port("vale200:b")?, port("vale200:c")?);
    programs.attach("vale200:a", "pass")?;
    a.send(&numbered(0..3))?;
    same("with its namespace", b.recv()?.len(), 3)?;
    setns(home, CloneFlags::CLONE_NEWNET)?;
    // It ends in a worker. Its loopback, by which the module hears of that, goes last: an interface
    // beside it once told the test too early.
    let dropped = || counter(&a, "tx0-drop_xdp");
    wait_until("the namespace ends", || {
        a.send(&numbered(0..1)).is_ok() && dropped().is_ok_and(|frames| frames > 0)
    })?;
    b.recv()?;
    let before = dropped()?;
    a.send(&numbered(3..6))?;
    same("without it", b.recv()?.len(), 0)?;
    same("dropped", dropped()?, before + 3)?;
    c.send(&numbered(6..9))?;
    same("from a port without a program", b.recv()?.len(), 3)?;
    fails("the switch", vale_find("vale200:a"), Errno::ENOENT)
}
