// SPDX-License-Identifier: GPL-2.0

//! Memory that programs map: regions, the pools in them, and lookup.
//!
//! A [`Region`] has an id and lives as long as somebody holds it; its memory ([`Mem`]) comes when
//! somebody [`Needs`] objects of it, and goes with the last user. Who may use it by its id is told
//! by [`access`]. Programs map a `Mem` whole. Three kinds of objects lie in it: netmap_ifs, rings
//! and buffers. Looking one up gives a view that copes with a program rewriting it at the same time
//! ([`shared`]); this is one of the three borders where values are checked. [`staging`] is memory
//! that no program maps.

#![allow(unsafe_code)]

mod access;
mod knobs;
mod mem;
mod needs;
mod pool;
mod region;
mod regions;
mod shared;
mod sizes;
mod source;
mod staging;
mod user;

pub(crate) use access::Claimant;
pub(crate) use mem::Mem;
pub(crate) use needs::Needs;
pub(crate) use region::{Region, Use};
pub(crate) use regions::{RegionRef, Regions};
pub(crate) use shared::{head_of, Buf, Bufs, Head, Position, RingView, SlotCell, SlotRun};
pub(crate) use sizes::Kind;
pub(crate) use source::Source;
pub(crate) use staging::{Area, Staging};
pub(crate) use user::UserMemory;
