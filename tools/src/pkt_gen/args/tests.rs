// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use clap::CommandFactory;

fn args(line: &str) -> Result<Args, String> {
    let mut args =
        Args::try_parse_from(format!("pkt-gen {line}").split(' ')).map_err(|e| e.to_string())?;
    args.check().map(|_| args)
}

#[test]
fn help_fits_a_terminal() {
    assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
}

#[test]
fn the_definitions_hold_together() {
    Args::command().debug_assert();
}

/// It was `pkt-gen [OPTIONS]`.
#[test]
fn usage_tells_what_is_needed() {
    let help = Args::command().render_help().to_string();
    assert!(help.contains("Usage: pkt-gen [OPTIONS] --interface <PORT>\n"));
}

#[test]
fn the_manual_names_the_options() {
    let page = common::generate::page::<Args>();
    for option in ["interface", "burst", "duration"] {
        assert!(page.contains(option), "{option}");
    }
    assert!(Args::try_parse_from(["pkt-gen", "--generate", "bash"]).is_ok());
}

#[test]
fn usual_lines_are_understood() {
    for line in [
        "-i vale0:a",
        "-i eth0 -f tx -n 1000 -l 60 -b 512 -d 10.0.0.1:80-10.0.0.9:90 -s 10.1.0.1",
        "-i vale0:a -f ping -l 60",
        "-i vale0:a -f txseq -R 1.5M -p 2 -a 0 -c 2",
        "-i vale0:a -f tx -l 1500 -l 64 -z -Z -N -B -A",
        "-i vale0:a -f tx -6",
        "-i vale0:a -f tx -F 3 -l 4000 -M 1400",
        "-i vale0:a -f tx --imix",
        "-i vale0:a -f tx --imix 78:3,1514:1 -6 --vlan 7",
        "-i vale0:a -f tx --vlan 100:5 --vlan 4095 --tcp -d 10.0.0.1",
        "-i vale0:a -f tx -P file.pcap --speed 1 -F 2 -I -H 12 -q",
        "-i vale0:a -f tx -P file.pcap --loops 0 -R 1k -e 100",
        "-i vale0:a -f tx -P file.pcap -n 10",
        "-i vale0:a -f rx --capture file.pcap",
        "-i vale0:a -f tx -I -F 3",
        "-i vale0:a{1 -f rx -C 512,512,2,2 -W -X --json --duration 0.5",
    ] {
        args(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
}

#[test]
fn wrong_lines_are_refused() {
    for line in [
        "-f tx",
        "-i vale0:a -f send",
        "-i nonsense:a",
        "-i vale0:a -l 20",
        "-i vale0:a -f ping -l 50",
        "-i vale0:a -l 60 -l 70 -l 80",
        "-i vale0:a -s 10.0.0.1 -d fd00::1",
        "-i vale0:a -H 11",
        "-i vale0:a -R x",
        "-i vale0:a -D 1:2:3",
        "-i vale0:a -b 0",
        "-i vale0:a -f rx -P file.pcap",
        "-i vale0:a -f txseq -P file.pcap",
        "-i vale0:a -f tx -P file.pcap -l 100",
        "-i vale0:a -f tx -P file.pcap --vlan 1",
        "-i vale0:a -f tx -P file.pcap -n 1 --loops 2",
        "-i vale0:a -f tx -P file.pcap --speed 1 -R 10",
        "-i vale0:a -f tx -P file.pcap --speed 0",
        "-i vale0:a -f tx --speed 1",
        "-i vale0:a -f tx --capture file.pcap",
        "-i vale0:a -f tx --imix -l 60",
        "-i vale0:a -f tx --imix -6",
        "-i vale0:a -f tx --imix 60",
        "-i vale0:a -f tx -I --imix",
        "-i vale0:a -f tx --vlan 5000",
        "-i vale0:a -f tx --vlan 1 --vlan 2 --vlan 3",
        "-i vale0:a -f tx --tcp X",
        "-i vale0:a -f tx -l 53 --tcp",
        "-i vale0:a -C 1,2,3,4,5",
        "-i vale0:a -C 1,2,70000",
        "-i vale0:a -C x",
        "-i vale0:a -q -v",
        "-i vale0:a -4 -6",
        "-i vale0:a --duration 0",
    ] {
        assert!(args(line).is_err(), "{line}");
    }
}

#[test]
fn numbers_have_units() {
    assert_eq!(number("1500"), Ok(1500));
    assert_eq!(number("1.5k"), Ok(1500));
    assert_eq!(number("14.88M"), Ok(14_880_000));
    for bad in ["", "k", "-1", "1x", "nanM", "infG"] {
        assert!(number(bad).is_err(), "{bad}");
    }
}

#[test]
fn one_number_of_a_pair_stands_for_both() {
    let sizes = |text: &str| text.parse::<values::RingSizes>().unwrap();
    assert_eq!(sizes("512"), sizes("512,512,0,0"));
    assert_eq!(sizes("512,256,3"), sizes("512,256,3,3"));
}

/// The default was too short for longer headers.
#[test]
fn frames_are_as_long_as_their_headers_want() {
    for (line, len) in [
        ("", 60),
        ("-6", 78),
        ("--tcp", 70),
        ("--vlan 1", 62),
        ("--vlan 1 --vlan 2 --tcp -6", 98),
    ] {
        let line = format!("-i vale0:a -f txseq {line}");
        assert_eq!(args(line.trim()).unwrap().frame.longest(), len, "{line}");
    }
}
