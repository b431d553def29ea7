// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why frames are dropped, in words.

use crate::say;

/// A cause, as the module's counters name it.
struct Cause {
    name: &'static str,
    /// In a few words, after a number.
    short: &'static str,
    means: &'static str,
    /// What to do about it.
    remedy: &'static str,
}

const CAUSES: [Cause; 17] = [
    Cause {
        name: "full",
        short: "ring full",
        means: "A frame came and the receive ring had no free slot: its program was too slow.",
        remedy: "Give slots back sooner, ask for more of them (pkt-gen -C), or use more rings and \
            threads.",
    },
    Cause {
        name: "nobody",
        short: "nobody there",
        means: "Sent to a port of which no ring is open, or by the host stack while a program has \
            the interface without its host ring.",
        remedy: "Start the receiver first. For the host: bridge -i netmap:eth0 connects interface \
            and host stack.",
    },
    Cause {
        name: "bad_length",
        short: "wrong length",
        means: "Shorter than an Ethernet header, longer than the interface's MTU allows, or with \
            a slot longer than a buffer; or, where it was received, in need of more than 64 slots.",
        remedy: "Check slot lengths; lower the MTU (ip link set IF mtu 1500) or raise the \
            parameter buf_size.",
    },
    Cause {
        name: "bad_buffer",
        short: "wrong buffer",
        means: "A slot named a buffer that does not exist, or one too small.",
        remedy: "The program writes a wrong buf_idx, or swaps slots between memory regions: \
            correct it.",
    },
    Cause {
        name: "bad_chain",
        short: "too many slots",
        means: "A frame of more than 64 slots (NS_MOREFRAG), or of all that its ring has; or one \
            that was to be forwarded, and was released in parts.",
        remedy: "Clear NS_MOREFRAG in the last slot of each frame, release all slots of a frame \
            together, or use larger buffers (parameter buf_size).",
    },
    Cause {
        name: "bad_header",
        short: "wrong virtio header",
        means: "The virtio-net header before the frame asks for what cannot be done, or for what \
            the frame is not.",
        remedy: "Both ends must agree on the header's length: ferromap info PORT shows it.",
    },
    Cause {
        name: "bad_address",
        short: "unreadable address",
        means: "A slot with NS_INDIRECT had an address that the process cannot read, or another \
            process than the one that opened the port synced or polled it, or has its memory, too: \
            a child by fork, for instance.",
        remedy: "Keep that memory mapped until the frame is sent, sync from the process that \
            opened the port, and let children not inherit its memory (MADV_DONTFORK).",
    },
    Cause {
        name: "xdp",
        short: "dropped by XDP",
        means: "An XDP program on the port, or on its switch, decided so.",
        remedy: "xdp status shows the program and what it decides; xdp unload -d PORT takes it \
            off.",
    },
    Cause {
        name: "loop",
        short: "looped back",
        means: "For a station behind the very port that it came from: the switch sends nothing \
            back there.",
        remedy: "None is needed, unless two ports use the same MAC address.",
    },
    Cause {
        name: "down",
        short: "link down",
        means: "The interface was down or had no link.",
        remedy: "ip link set IF up; check the cable. ferromap doctor IF tells more.",
    },
    Cause {
        name: "no_memory",
        short: "no memory",
        means: "The kernel had no memory for its copy of the frame.",
        remedy: "Free memory, or raise vm.min_free_kbytes.",
    },
    Cause {
        name: "disabled",
        short: "switching disabled",
        means: "The module's parameter bridge_batch is 0, by which switches drop everything.",
        remedy: "echo 1024 > /sys/module/netmap/parameters/bridge_batch",
    },
    Cause {
        name: "not_forwarded",
        short: "not forwarded",
        means: "To be forwarded between interface and host stack, and there was no room.",
        remedy: "Forward less at a time, or ask for more slots (parameter generic_ringsize).",
    },
    Cause {
        name: "bad_frame",
        short: "not a whole frame",
        means: "The stack's frame could not be made whole: wrong headers, or no memory.",
        remedy: "Turn its offloads off to find the cause: ethtool -K IF tso off gso off tx off",
    },
    Cause {
        name: "resets",
        short: "ring resets",
        means: "No drop: head or cur made no sense, and the ring was set up anew.",
        remedy: "The program writes head or cur beyond tail: correct it. One ring is for one \
            thread.",
    },
    Cause {
        name: "frames",
        short: "frames",
        means: "No drop: frames that went through the ring.",
        remedy: "-",
    },
    Cause {
        name: "bytes",
        short: "bytes",
        means: "No drop: their bytes, without CRC.",
        remedy: "-",
    },
];

/// A cause in a few words. A later module may have others.
pub fn words(name: &str) -> &str {
    let found = CAUSES.iter().find(|cause| cause.name == name);
    found.map_or(name, |cause| cause.short)
}

/// The table of all of them.
pub fn explain() {
    for cause in &CAUSES {
        let drop = cause.means.starts_with("No drop");
        let counter = format!("{}{}", if drop { "" } else { "drop_" }, cause.name);
        say!("{} ({counter})", cause.short);
        say!("    {}", cause.means);
        if cause.remedy != "-" {
            say!("    To do: {}", cause.remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The module's own list, so that a new counter is explained.
    const COUNTERS: &str = include_str!("../../../module/ring/count.rs");

    #[test]
    fn every_counter_of_the_module_is_explained() {
        // Every literal is a name.
        let names: Vec<&str> = COUNTERS.split('"').skip(1).step_by(2).collect();
        assert!(names.len() > 15);
        for name in names {
            let name = name.strip_prefix("drop_").unwrap_or(name);
            assert!(CAUSES.iter().any(|cause| cause.name == name), "{name}");
        }
    }

    #[test]
    fn causes_have_words() {
        assert_eq!(words("full"), "ring full");
        assert_eq!(words("of_tomorrow"), "of_tomorrow");
    }
}
