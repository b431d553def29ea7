// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the tools share: how they are told what to do, how they end, and how they speak.

pub mod causes;
pub mod cli;
pub mod drain;
pub mod drops;
pub mod frames;
pub mod generate;
pub mod json;
pub mod links;
pub mod out;
pub mod pace;
pub mod pcap;
pub mod ports;
pub mod run;
pub mod signals;
pub mod table;
pub mod units;
pub mod watch;
