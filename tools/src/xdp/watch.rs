// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts for programs that do not count themselves: a second program is attached to their end
//! while we watch.

use crate::{counts::Counts, messages, programs::Known};
use libbpf_rs::{Link, MapCore, Object, ObjectBuilder, Program};
use std::{
    collections::HashMap,
    os::fd::{AsFd, AsRawFd},
};

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/watch.bpf.o"));

/// The programs that are watched, by their ids.
#[derive(Default)]
pub struct Watchers(HashMap<u32, Option<Watcher>>);

struct Watcher {
    object: Object,
    /// It counts as long as this is there.
    _link: Link,
}

impl Watchers {
    /// What was counted since the first call for this program.
    pub fn counts(&mut self, id: u32, known: &Known) -> Option<Counts> {
        let watcher = self.0.entry(id).or_insert_with(|| {
            Watcher::new(id, known)
                .inspect_err(|why| {
                    common::note!("xdp: {} (id {id}) cannot be watched: {why}", known.name())
                })
                .ok()
        });
        watcher.as_ref()?.counts()
    }

    /// Lets go of programs that are gone: a watcher keeps them in memory.
    pub fn keep(&mut self, ids: impl Fn(u32) -> bool) {
        self.0.retain(|id, _| ids(*id));
    }
}

impl Watcher {
    fn new(id: u32, known: &Known) -> Result<Self, String> {
        let program = Program::fd_from_id(id).map_err(|_| "this needs root".to_owned())?;
        let function = known
            .function()
            .ok_or("it has no BTF; compile it with -g, so that its function has a name")?;
        let start = || {
            let mut object = ObjectBuilder::default().open_memory(OBJECT)?;
            for mut watch in object.progs_mut() {
                watch.set_attach_target(program.as_fd().as_raw_fd(), Some(function.clone()))?;
            }
            let object = object.load()?;
            let link = match object.progs_mut().next() {
                Some(watch) => watch.attach_trace()?,
                None => return Ok(None),
            };
            Ok(Some(Watcher {
                object,
                _link: link,
            }))
        };
        let started: libbpf_rs::Result<Option<Watcher>> = start();
        let said = messages::take();
        match started {
            Ok(watcher) => watcher.ok_or_else(|| "the watcher is empty".into()),
            Err(e) => {
                let log = messages::of_verifier(&said).map(messages::reason);
                let last = log.and_then(|lines| lines.last().map(|s| (*s).to_owned()));
                Err(last.unwrap_or_else(|| format!("{e:#}")))
            }
        }
    }

    fn counts(&self) -> Option<Counts> {
        let mut maps = self.object.maps();
        Counts::read(&maps.find(|map| map.name() == Counts::MAP)?)
    }
}
