// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs in the kernel, by their ids.

use crate::counts::Counts;
use libbpf_rs::{
    btf::{types::Func, Btf, TypeId},
    query::{ProgInfoIter, ProgInfoQueryOptions, ProgramInfo},
    MapCore, MapHandle,
};

/// The name of a map that is bound to every program we load, and to no other.
pub const MARK: &str = "loaded_by_xdp";

/// What the kernel tells of a program.
pub struct Known(ProgramInfo);

impl Known {
    /// `None` if it has gone, or if we may not look.
    pub fn of(id: u32) -> Option<Self> {
        let options = ProgInfoQueryOptions::default()
            .include_map_ids(true)
            .include_func_info(true);
        let mut all = ProgInfoIter::with_query_opts(options);
        all.find(|program| program.id == id).map(Known)
    }

    /// The kernel's own is cut after 15 characters.
    pub fn name(&self) -> String {
        let cut = || self.0.name.to_string_lossy().into_owned();
        self.function().unwrap_or_else(cut)
    }

    pub fn tag(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.0.tag.0))
    }

    /// The name of its function, if it has BTF.
    pub fn function(&self) -> Option<String> {
        let main = self.0.func_info.first()?;
        let types = Btf::from_prog_id(self.0.id).ok()?;
        let function: Func<'_> = types.type_by_id(TypeId::from(main.type_id))?;
        Some(function.name()?.to_str()?.to_owned())
    }

    pub fn map(&self, name: &str) -> Option<MapHandle> {
        let maps = self.0.map_ids.iter();
        maps.filter_map(|id| MapHandle::from_map_id(*id).ok())
            .find(|map| map.name() == name)
    }

    pub fn is_ours(&self) -> bool {
        self.map(MARK).is_some()
    }

    /// What it counted itself, if it does.
    pub fn counts(&self) -> Option<Counts> {
        Counts::read(&self.map(Counts::MAP)?)
    }
}

/// For messages: `drop (id 12)`.
pub fn title(id: u32) -> String {
    match Known::of(id) {
        Some(known) if !known.name().is_empty() => format!("{} (id {id})", known.name()),
        _ => format!("the program with id {id}"),
    }
}

/// Whether we loaded it. What cannot be looked at is not ours.
pub fn is_ours(id: u32) -> bool {
    Known::of(id).is_some_and(|known| known.is_ours())
}
