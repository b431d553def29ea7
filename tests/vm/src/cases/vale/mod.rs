// SPDX-License-Identifier: MIT OR Apache-2.0

//! The switch: which ports get a frame and what they get of it, headers and what they ask for,
//! ports and switches that come and go, many of them at once. Interfaces on a switch are in
//! [`attach`](super::attach), programs in [`xdp`](super::xdp).

mod bursts;
mod frames;
mod header;
mod indirect;
mod load;
mod offload;
mod offload_edges;
mod owner;
mod ports;
mod swap;
mod switch;
mod wide;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    switch::CASES,
    frames::CASES,
    indirect::CASES,
    owner::CASES,
    bursts::CASES,
    ports::CASES,
    header::CASES,
    offload::CASES,
    offload_edges::CASES,
    load::CASES,
    swap::CASES,
    wide::CASES,
];
