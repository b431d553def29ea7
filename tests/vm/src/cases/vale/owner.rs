// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whose memory `NS_INDIRECT` means: that of the process that bound the file, in syncs that this
//! process asks for.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::device::Device;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sched::{clone, CloneFlags};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::*;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

pub const CASES: &[Case] = crate::cases![
    owner_memory_of_who_is_handed_a_descriptor_stays_his,
    owner_memory_of_a_child_stays_its_own,
    owner_sends_from_its_threads_and_by_any_poll,
    owner_poll_for_receive_may_leave_frames_alone,
    owner_shares_with_whom_it_shares_its_address_space,
    owner_addresses_are_nobodys_where_others_can_write,
    owner_addresses_are_his_own_where_he_maps_twice,
    owner_addresses_are_nobodys_before_the_other_has_written,
    owner_addresses_are_nobodys_where_only_others_can_write,
    owner_addresses_are_nobodys_where_a_child_can_write,
    owner_addresses_are_his_own_where_he_changes_his_mapping,
];

/// Puts two ordinary frames into the ring, and one whose bytes are said to be at `address` between
/// them.
fn put_around(ring: &Ring, address: u64) {
    ring.put(&frame(BROADCAST, station(1), 1));
    let at = ring.head();
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags, slot.ptr) = (60, NS_INDIRECT, address);
    });
    ring.set_head_cur(ring.after(at, 1));
    ring.put(&frame(BROADCAST, station(1), 3));
}

/// Runs `f` in a child, which is a process of its own; the test fails if it does.
fn in_child(f: impl FnOnce() -> Outcome) -> Result<Pid, Errno> {
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let status = f().map_err(|why| crate::note!("child: {why}")).is_err();
            // SAFETY: always safe; the parent's destructors are not the child's to run.
            unsafe { libc::_exit(status.into()) }
        }
        ForkResult::Parent { child } => Ok(child),
    }
}

fn ended_well(child: Pid) -> Outcome {
    let want = WaitStatus::Exited(child, 0);
    same("the child", waitpid(child, None)?, want)
}

/// Adds the descriptor to an epoll set, as event loops do, and looks for events.
fn watch(fd: RawFd) -> Outcome {
    // SAFETY: callers keep it open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    set.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
    set.wait(&mut [EpollEvent::empty()], 0u8)?;
    Ok(())
}

fn owner_memory_of_who_is_handed_a_descriptor_stays_his() -> Outcome {
    let b = vale("vale131:b").slots(64, 64).bind()?;
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    let (ours, theirs) = socketpair(family, kind, None, SockFlag::empty())?;
    // The same address in both processes; only ours will hold this.
    let mut memory = Box::new([0u8; 60]);
    let address = memory.as_ptr() as u64;
    let child = in_child(|| {
        let a = vale("vale131:a").slots(64, 64).bind()?;
        put_around(&a.tx(0), address);
        let fds = [a.device.raw()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let bytes = [IoSlice::new(b"x")];
        sendmsg::<()>(theirs.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None)?;
        // It keeps the port while the other looks.
        recv(theirs.as_raw_fd(), &mut [0], MsgFlags::empty())?;
        let refused = counter(&a, "tx0-drop_bad_address")?;
        same("refused, as the binder sees it", refused, 1)
    })?;
    memory.copy_from_slice(&frame_of(60, BROADCAST, station(9), 2));
    std::hint::black_box(&memory);
    let (mut byte, mut space) = ([0], nix::cmsg_space!([RawFd; 1]));
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(ours.as_raw_fd(), &mut bytes, Some(&mut space), flags)?;
    let fd = message.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let fd = fd.ok_or(failure("no descriptor came"))?;
    watch(fd)?;
    same("what came", got(&b)?, vec![1, 3])?;
    send(ours.as_raw_fd(), b"x", MsgFlags::empty())?;
    // SAFETY: it came with the message, and nobody else knows it.
    unsafe { libc::close(fd) };
    ended_well(child)
}

fn owner_memory_of_a_child_stays_its_own() -> Outcome {
    let (a, b) = pair("vale132")?;
    a.map.keep_from_children()?;
    let mut memory = Box::new([0u8; 60]);
    memory.copy_from_slice(&frame_of(60, BROADCAST, station(1), 2));
    let sync: [fn(&Bound) -> Outcome; 4] = [
        |a| Ok(a.device.txsync()?),
        |a| Ok(a.poll(PollFlags::POLLOUT, 0).map(drop)?),
        |a| Ok(a.poll(PollFlags::POLLIN, 0).map(drop)?),
        |a| watch(a.device.raw()),
    ];
    for (sync, round) in sync.iter().zip(1..) {
        put_around(&a.tx(0), memory.as_ptr() as u64);
        ended_well(in_child(|| {
            // From here on the child's page is another.
            memory[18] = 0xee;
            std::hint::black_box(&memory);
            sync(&a)
        })?)?;
        same(
            format!("what the child sent, {round}"),
            got(&b)?,
            vec![1, 3],
        )?;
        same("refused", counter(&a, "tx0-drop_bad_address")?, round)?;
        // What the parent asks for it gets.
        put_around(&a.tx(0), memory.as_ptr() as u64);
        sync(&a)?;
        same("what the parent sent", got(&b)?, vec![1, 2, 3])?;
    }
    Ok(())
}

fn owner_sends_from_its_threads_and_by_any_poll() -> Outcome {
    let (a, b) = pair("vale133")?;
    let memory = frame(BROADCAST, station(1), 2);
    for events in [PollFlags::POLLOUT, PollFlags::POLLIN, PollFlags::empty()] {
        put_around(&a.tx(0), memory.as_ptr() as u64);
        a.poll(events, 0)?;
        same(format!("{events:?}"), got(&b)?, vec![1, 2, 3])?;
    }
    put_around(&a.tx(0), memory.as_ptr() as u64);
    watch(a.device.raw())?;
    same("epoll", got(&b)?, vec![1, 2, 3])?;
    put_around(&a.tx(0), memory.as_ptr() as u64);
    std::thread::scope(|scope| scope.spawn(|| a.device.txsync()).join())
        .map_err(|_| failure("the thread panicked"))??;
    same("a thread", got(&b)?, vec![1, 2, 3])
}

fn owner_poll_for_receive_may_leave_frames_alone() -> Outcome {
    let b = vale("vale134:b").slots(64, 64).bind()?;
    let port = vale("vale134:a").slots(64, 64).flags(NR_NO_TX_POLL);
    let a = port.bind()?;
    let memory = frame(BROADCAST, station(1), 2);
    put_around(&a.tx(0), memory.as_ptr() as u64);
    a.poll(PollFlags::POLLIN, 0)?;
    same("by a poll for receive", got(&b)?, vec![])?;
    a.device.txsync()?;
    same("by a sync", got(&b)?, vec![1, 2, 3])
}

fn owner_shares_with_whom_it_shares_its_address_space() -> Outcome {
    let (a, b) = pair("vale135")?;
    let memory = frame(BROADCAST, station(1), 2);
    put_around(&a.tx(0), memory.as_ptr() as u64);
    let mut stack = vec![0u8; 64 * 1024];
    let fd = a.device.raw();
    let sync = Box::new(move || {
        // SAFETY: a call without an argument. No more is done on a stack that has no guard.
        match unsafe { libc::ioctl(fd, NIOCTXSYNC.into(), 0) } {
            0 => 0,
            _ => Errno::last_raw() as isize,
        }
    });
    // As vfork does, but with a stack of its own.
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: closure and stack outlive the child, for whose end the call waits; it takes no lock
    // and allocates nothing.
    let child = unsafe { clone(sync, &mut stack, flags, Some(libc::SIGCHLD)) }?;
    ended_well(child)?;
    same("what came", got(&b)?, vec![1, 2, 3])
}

/// Another process of the same user opens the port by its name, or maps the region by its id, and
/// writes an address into the ring. It got memory that it could not have read, not even by ptrace,
/// when the owner did no more than poll.
fn owner_addresses_are_nobodys_where_others_can_write() -> Outcome {
    let (a, b) = pair("vale136")?;
    a.map.keep_from_children()?;
    let memory = frame(BROADCAST, station(1), 2);
    let region = a.reg.nr_mem_id;
    let (offset, address) = (a.tx(0).offset(), memory.as_ptr() as u64);
    put_around(&a.tx(0), address);
    a.device.txsync()?;
    same("while the owner is alone", got(&b)?, vec![1, 2, 3])?;
    let by_name = || vale("vale136:a").slots(64, 64).bind();
    // No room for rings is left in a private region but that of pipes.
    let by_number = || {
        vale("nothing")
            .mode(NR_REG_NULL)
            .mem(region)
            .flags(NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY)
            .bind()
    };
    let ways: [&dyn Fn() -> Result<Bound, Errno>; 2] = [&by_number, &by_name];
    for (way, round) in ways.iter().zip(1..) {
        let writes = || {
            let other = way()?;
            put_around(&Ring::new(other.map.clone(), offset), address);
            Ok(())
        };
        ended_well(in_child(writes)?)?;
        a.poll(PollFlags::POLLIN, 0)?;
        same("what came", got(&b)?, vec![1, 3])?;
        same("refused", counter(&a, "tx0-drop_bad_address")?, round)?;
    }
    Ok(())
}

/// A process that maps its memory more than once is still alone.
fn owner_addresses_are_his_own_where_he_maps_twice() -> Outcome {
    let (a, b) = pair("vale137")?;
    let again = vale("vale137:a").slots(64, 64).bind()?;
    let memory = frame(BROADCAST, station(1), 2);
    put_around(&a.tx(0), memory.as_ptr() as u64);
    again.device.txsync()?;
    same("what came", got(&b)?, vec![1, 2, 3])
}

/// The owner need not have mapped anything: then the other is the first.
fn owner_addresses_are_nobodys_where_only_others_can_write() -> Outcome {
    let b = vale("vale139:b").slots(64, 64).bind()?;
    let device = Device::open()?;
    vale("vale139:a").slots(64, 64).send(&device)?;
    let memory = frame(BROADCAST, station(1), 2);
    let address = memory.as_ptr() as u64;
    ended_well(in_child(|| {
        let other = vale("vale139:a").slots(64, 64).bind()?;
        put_around(&other.tx(0), address);
        Ok(())
    })?)?;
    device.poll(PollFlags::POLLIN, std::time::Duration::ZERO)?;
    same("by a poll", got(&b)?, vec![1, 3])
}

/// It counts who could write, not who has.
fn owner_addresses_are_nobodys_before_the_other_has_written() -> Outcome {
    let (a, b) = pair("vale138")?;
    a.map.keep_from_children()?;
    ended_well(in_child(|| {
        Ok(vale("vale138:a").slots(64, 64).bind().map(drop)?)
    })?)?;
    let memory = frame(BROADCAST, station(1), 2);
    put_around(&a.tx(0), memory.as_ptr() as u64);
    a.device.txsync()?;
    same("what came", got(&b)?, vec![1, 3])
}

/// A child inherits the mapping, and what it wrote there was taken for the owner's own words.
fn owner_addresses_are_nobodys_where_a_child_can_write() -> Outcome {
    let (a, b) = pair("vale140")?;
    let memory = frame(BROADCAST, station(1), 2);
    let address = memory.as_ptr() as u64;
    put_around(&a.tx(0), address);
    a.device.txsync()?;
    same("while the owner is alone", got(&b)?, vec![1, 2, 3])?;
    ended_well(in_child(|| {
        put_around(&a.tx(0), address);
        Ok(())
    })?)?;
    a.poll(PollFlags::POLLIN, 0)?;
    same("what the child wrote", got(&b)?, vec![1, 3])?;
    // Who wrote what can no longer be told.
    put_around(&a.tx(0), address);
    a.device.txsync()?;
    same("what the owner wrote then", got(&b)?, vec![1, 3])?;
    same("refused", counter(&a, "tx0-drop_bad_address")?, 2)?;
    // All else goes on for both.
    ended_well(in_child(|| Ok(a.send(&numbered(4..6))?))?)?;
    a.send(&numbered(6..8))?;
    same("frames", got(&b)?, vec![4, 5, 6, 7])
}

/// The kernel tells of a part of a mapping, and of one that has moved, as of one that a child has.
fn owner_addresses_are_his_own_where_he_changes_his_mapping() -> Outcome {
    let (a, b) = pair("vale141")?;
    // In two, and one again.
    let last = a.map.at(a.reg.nr_memsize - 4096).cast();
    for rights in [libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE] {
        // SAFETY: a page of our own mapping, which nobody uses meanwhile.
        let done = unsafe { libc::mprotect(last, 4096, rights) };
        Errno::result(done)?;
    }
    let memory = frame(BROADCAST, station(1), 2);
    put_around(&a.tx(0), memory.as_ptr() as u64);
    a.device.txsync()?;
    same("what came", got(&b)?, vec![1, 2, 3])
}
