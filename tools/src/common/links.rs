// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `ip` says of a network interface. Nothing else knows one by an alternative name of any
//! length.

/// The command that asks for it, by whichever of its names.
pub fn command(name: &str) -> [&str; 6] {
    ["ip", "-o", "link", "show", "dev", name]
}

/// Its number and its name in the answer, which is `2: eth0: <...>`, or `2: eth0@eth1: <...>`.
pub fn parse(answer: &str) -> Option<(u32, &str)> {
    let mut parts = answer.splitn(3, ": ");
    Some((parts.next()?.parse().ok()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_a_number_and_a_name() {
        let answer = "12: v0@v1: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN\n";
        assert_eq!(parse(answer), Some((12, "v0@v1")));
        assert_eq!(parse("Device \"v0\" does not exist."), None);
    }
}
