// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs the cases, one forked child each, and looks after each of them at what it left behind:
//! words in the kernel log, references to the module, live objects, processes, parameters.

use super::check::works;
use super::traces::{references, KernelLog, Parameters, Traces};
use super::{module, Case};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{kill, killpg, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, pipe2, setpgid, ForkResult, Pid};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const WARM_UP: Case = Case::new("use of the shared region", || {
    if references().is_none() {
        works("loading the module again", module::load(""))?;
    }
    works("using the shared region afterwards", module::warm_up())
});

/// Runs one case and says why it failed, if it did.
pub fn run(case: &Case, log: &mut KernelLog) -> Result<(), String> {
    let traces = Traces::now();
    let parameters = Parameters::now();
    log.skip();

    let mut reasons: Vec<String> = run_in_child(case).err().into_iter().collect();
    // What the case changed is put back before the count. That the shared region can be used tells
    // that the module is still well.
    parameters.restore();
    reasons.extend(run_in_child(&WARM_UP).err());
    if let Err(left) = traces.wait_until_back() {
        reasons.push(left);
    }
    let complaints = log.complaints();
    if !complaints.is_empty() {
        reasons.push(format!("the kernel complained:\n{}", complaints.join("\n")));
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons.join("\n"))
    }
}

fn run_in_child(case: &Case) -> Result<(), String> {
    // A reason is shorter than a pipe is long, so nobody ever waits for the other.
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let (from_child, to_parent) = pipe2(flags).map_err(|e| format!("pipe: {e}"))?;
    // SAFETY: this process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Child => {
            drop(from_child);
            child(case, File::from(to_parent));
        }
        ForkResult::Parent { child } => {
            drop(to_parent);
            let ended = wait(child, case.limit);
            let mut reason = [0; 4096];
            let len = File::from(from_child).read(&mut reason).unwrap_or(0);
            let message = String::from_utf8_lossy(&reason[..len]);
            match ended {
                Ended::With(WaitStatus::Exited(_, 0)) => Ok(()),
                Ended::With(WaitStatus::Exited(_, _)) if !message.is_empty() => {
                    Err(message.into_owned())
                }
                Ended::With(status) => Err(format!("ended unexpectedly: {status:?} {message}")),
                Ended::TimedOut => Err(format!("timed out after {:?} {message}", case.limit)),
                Ended::Stuck => Err("timed out, and SIGKILL does not end it".to_string()),
            }
        }
    }
}

/// The child's side: runs the case and hands the reason of a failure to the parent.
fn child(case: &Case, mut to_parent: File) -> ! {
    // A group of its own, so that the parent can end the case's own children, too.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let panic_text = std::sync::Arc::new(Mutex::new(String::new()));
    let keep = panic_text.clone();
    std::panic::set_hook(Box::new(move |info| {
        if let Ok(mut text) = keep.lock() {
            *text = info.to_string();
        }
    }));
    let reason = match std::panic::catch_unwind(case.run) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure.to_string()),
        Err(_) => Some(panic_text.lock().map(|t| t.clone()).unwrap_or_default()),
    };
    let code = i32::from(reason.is_some());
    if let Some(reason) = reason {
        let _ = to_parent.write_all(reason.as_bytes());
    }
    // SAFETY: always safe; unlike `exit` it runs no destructors that the fork copied from the
    // parent.
    unsafe { libc::_exit(code) }
}

enum Ended {
    With(WaitStatus),
    TimedOut,
    /// Not even SIGKILL ends it.
    Stuck,
}

/// Waits for the child; ends it and everything it started when the time is over.
fn wait(child: Pid, limit: Duration) -> Ended {
    let status = wait_for(child, limit);
    if status.is_none() {
        print_kernel_stacks(child);
    }
    let _ = killpg(child, Signal::SIGKILL);
    let status = match status {
        Some(status) => Ended::With(status),
        None if wait_for(child, Duration::from_secs(10)).is_some() => Ended::TimedOut,
        None => return Ended::Stuck,
    };
    // Orphans of the case became ours (we are their subreaper), those with a group of their own,
    // too. None may run on into the next case.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        for orphan in numbers("/proc").into_iter().filter(|&pid| is_ours(pid)) {
            let _ = kill(Pid::from_raw(orphan), Signal::SIGKILL);
        }
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(5)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    status
}

fn wait_for(child: Pid, limit: Duration) -> Option<WaitStatus> {
    let start = Instant::now();
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => {}
            Ok(status) => return Some(status),
            Err(_) => return None,
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Entries of a directory whose names are numbers, as those of processes and threads in /proc.
fn numbers(dir: &str) -> Vec<i32> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether the process is a child of this one.
fn is_ours(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // "pid (name) state parent ...", where the name may hold anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(1) == Some(&Pid::this().to_string())
}

/// Where in the kernel each thread of the case's process group stands.
fn print_kernel_stacks(group: Pid) {
    for pid in numbers("/proc") {
        if nix::unistd::getpgid(Some(Pid::from_raw(pid))) != Ok(group) {
            continue;
        }
        for thread in numbers(&format!("/proc/{pid}/task")) {
            let stack = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stack"));
            crate::say!("    kernel stack of thread {thread} of process {pid}:");
            for line in stack.unwrap_or_default().lines() {
                crate::say!("        {line}");
            }
        }
    }
}
