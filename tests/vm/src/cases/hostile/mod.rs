// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that mean harm, or could not do more if they did: nonsense in rings, in requests, in
//! mappings, threads in each other's way, memory that runs out anywhere.
//! A case belongs here when it does not matter what comes of it, only that nobody else is hurt.

mod alloc;
mod calls;
mod csb_places;
mod fields;
mod maps;
mod memory;
mod minute;
mod option_lists;
mod own_memory;
mod pipes;
mod random;
mod rings;
mod threads;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    rings::CASES,
    maps::CASES,
    calls::CASES,
    option_lists::CASES,
    fields::register::CASES,
    fields::asks::CASES,
    fields::switches::CASES,
    fields::loops::CASES,
    fields::legacy::CASES,
    random::CASES,
    pipes::CASES,
    csb_places::CASES,
    threads::CASES,
    minute::CASES,
    memory::CASES,
    own_memory::CASES,
    alloc::asks::CASES,
    alloc::register::CASES,
    alloc::pipes::CASES,
    alloc::monitors::CASES,
    alloc::options::CASES,
    alloc::own_memory::CASES,
    alloc::switches::CASES,
    alloc::loops::CASES,
    alloc::frames::CASES,
    alloc::none::CASES,
];
