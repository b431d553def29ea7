// SPDX-License-Identifier: MIT OR Apache-2.0

//! What libbpf says while it works. It is kept, and what matters of it is told if something fails.

use libbpf_rs::{set_print, PrintLevel};
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<String> = Mutex::new(String::new());

/// From now on libbpf does not speak to the terminal.
pub fn keep() {
    set_print(Some((PrintLevel::Info, |_, text| {
        SAID.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&text);
    })));
}

/// What was said since the last time.
pub fn take() -> String {
    std::mem::take(&mut SAID.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The kernel's own words about a refused request of netlink.
pub fn of_kernel(said: &str) -> Option<&str> {
    let (_, text) = said.rsplit_once("Kernel error message: ")?;
    text.lines().next().map(str::trim_end)
}

/// The last thing that libbpf said, without its name before it.
pub fn last(said: &str) -> &str {
    let line = said.lines().next_back().unwrap_or_default();
    line.trim_start_matches("libbpf: ")
}

/// What the verifier says.
pub fn of_verifier(said: &str) -> Option<&str> {
    let (_, log) = said.split_once("-- BEGIN PROG LOAD LOG --\n")?;
    let (log, _) = log.split_once("-- END PROG LOAD LOG --")?;
    // Before it, libbpf repeats the program's name.
    Some(log.rsplit_once("libbpf: ").map_or(log, |(log, _)| log))
        .filter(|log| !log.trim().is_empty())
}

/// The last things of a verifier's log: the line of the source, the instruction, and what is wrong
/// with it. New kernels add a report, of which the suggestion is taken.
pub fn reason(log: &str) -> Vec<&str> {
    let (log, report) = log.split_once("Verification failed:").unwrap_or((log, ""));
    let suggestion = report
        .split_once("Suggestion:")
        .map_or("", |(_, text)| text);
    let suggestion = suggestion.lines().map(str::trim);
    let mut reason = complaint(log);
    reason.extend(suggestion.filter(|line| !line.is_empty() && !is_statistics(line)));
    reason
}

fn complaint(log: &str) -> Vec<&str> {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !is_statistics(line))
        .collect();
    let Some(at) = lines.iter().rposition(|line| is_instruction(line)) else {
        // It was refused before an instruction was looked at.
        return lines[lines.len().saturating_sub(3)..].to_vec();
    };
    let source = lines[..at].iter().rev().find(|line| line.starts_with("; "));
    source.into_iter().chain(&lines[at..]).copied().collect()
}

fn is_statistics(line: &str) -> bool {
    [
        "processed ",
        "verification time ",
        "stack depth ",
        "mark_precise:",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// As in `12: (61) r0 = *(u32 *)(r1 +0)`.
fn is_instruction(line: &str) -> bool {
    line.split_once(": (")
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "0: R1=ctx() R10=fp0
; void *data = (void *)(long)ctx->data; @ bad.c:8
0: (61) r1 = *(u32 *)(r1 +0)          ; R1=pkt(r=0)
; return *(int *)data; @ bad.c:9
1: (61) r0 = *(u32 *)(r1 +0)
invalid access to packet, off=0 size=4, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

    #[test]
    fn the_reason_is_at_the_end() {
        assert_eq!(
            reason(LOG),
            [
                "; return *(int *)data; @ bad.c:9",
                "1: (61) r0 = *(u32 *)(r1 +0)",
                "invalid access to packet, off=0 size=4, R1(id=0,off=0,r=0)",
                "R1 offset is outside of the packet",
            ]
        );
        assert_eq!(
            reason("func#0 @0\nunreachable insn 3\nprocessed 0 insns"),
            ["func#0 @0", "unreachable insn 3"]
        );
        assert!(reason("").is_empty());
        let report = "1: (61) r0 = 0\nbad\nVerification failed: Memory\nReason:\n  \
            long\nSuggestion:\n  Add a check.\n\nprocessed 2 insns";
        assert_eq!(reason(report), ["1: (61) r0 = 0", "bad", "Add a check."]);
    }

    #[test]
    fn the_log_is_found_among_other_things() {
        let said = format!(
            "libbpf: prog 'bad': BPF program load failed: -EACCES\nlibbpf: prog 'bad': -- BEGIN \
                PROG LOAD LOG --\n{LOG}libbpf: prog 'bad': -- END PROG LOAD LOG --\nlibbpf: \
                failed\n"
        );
        let said = said.replace("libbpf: prog 'bad': -- END", "-- END");
        assert_eq!(of_verifier(&said), Some(LOG));
        assert_eq!(of_verifier("libbpf: failed\n"), None);
    }

    #[test]
    fn the_kernel_is_quoted() {
        let said = "libbpf: Kernel error message: XDP program already attached\n";
        assert_eq!(of_kernel(said), Some("XDP program already attached"));
        assert_eq!(of_kernel("else"), None);
    }
}
