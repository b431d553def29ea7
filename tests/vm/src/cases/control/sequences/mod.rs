// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random requests, one after the other, on files that come and go: of each it is known what must
//! come, from a model of what there is (`harness/model`). [`program`] takes the steps; [`call`] is
//! one request.

mod call;
mod program;

use crate::harness::check::*;
use crate::harness::model::generate::Generator;
use crate::harness::model::*;
use crate::harness::raw::request::vale_list;
use crate::harness::traces::write_parameter;
use crate::harness::wire::wire_with;
use crate::harness::Case;
use ferromap_abi::layout::PoolRequest;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{sysconf, SysconfVar};
use program::Program;
use std::collections::{BTreeMap, VecDeque};

pub const CASES: &[Case] = crate::cases![;
    slow: sequences_on_switches_and_regions, sequences_with_interfaces
];

fn sequences_on_switches_and_regions() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNET)?;
    try_out(1, 6000, 16, vec![])?;
    try_out(2, 4000, 4, vec![])
}

fn sequences_with_interfaces() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let queues = |name| Interface {
        name,
        mtu: 1500,
        queues: 2,
    };
    try_out(3, 5000, 10, vec![queues("fm0"), queues("fm1")])
}

/// Small regions, so that they are made soon and are full soon, and what interfaces there are.
fn setting(mut interfaces: Vec<Interface>) -> Outcome<Setting> {
    interfaces.push(Interface {
        name: "lo",
        mtu: 65_536,
        queues: 1,
    });
    let pool = |kind: &str, size, count| -> Outcome<PoolRequest> {
        write_parameter(&format!("{kind}_size"), &format!("{size}"))?;
        write_parameter(&format!("{kind}_num"), &format!("{count}"))?;
        Ok(PoolRequest { size, count })
    };
    write_parameter("generic_ringsize", "64")?;
    let cpus = std::thread::available_parallelism()?.get() as u32;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|page| u32::try_from(page).ok());
    Ok(Setting {
        page: page.ok_or(Errno::EINVAL)?,
        global: [
            pool("if", 1024, 12)?,
            pool("ring", 4096, 60)?,
            pool("buf", 2048, 2000)?,
        ],
        private: [
            pool("priv_if", 1024, 2)?,
            pool("priv_ring", 4096, 4)?,
            pool("priv_buf", 2048, 64)?,
        ],
        nic_slots: 64,
        max_switches: 8,
        cpus,
        interfaces,
    })
}

/// Takes so many steps on so many files, and compares what comes with what must come.
fn try_out(seed: u64, steps: u32, files: usize, interfaces: Vec<Interface>) -> Outcome {
    let mut trial = Trial {
        model: Model::new(setting(interfaces)?, files),
        program: Program::new(files)?,
        last: VecDeque::new(),
        seen: BTreeMap::new(),
    };
    let mut generator = Generator::new(seed);
    for number in 0..steps {
        let step = generator.next(&trial.model);
        trial
            .step(&step)
            .map_err(|what| failure(format!("seed {seed}, step {number}: {what}")))?;
    }
    while let Some(step) = trial.model.on_the_way_out() {
        trial
            .step(&step)
            .map_err(|what| failure(format!("seed {seed}, at the end: {what}")))?;
    }
    same("ports left", vale_list()?, vec![])?;
    // Steps of which most were refused in the same way would tell little.
    for (what, least) in [
        ("Bound", steps / 20),
        ("PortInfo", steps / 40),
        ("Listed", steps / 40),
        ("Header", steps / 400),
        ("Made", steps / 200),
        ("Polled", steps / 50),
        ("Old", steps / 400),
        ("OldPort", steps / 100),
        ("Port", steps / 200),
        ("EBUSY", steps / 100),
        ("EINVAL", steps / 20),
        ("ENXIO", steps / 50),
        ("ENOMEM", steps / 400),
        ("EIO", 2),
        ("ENOENT", 3),
        ("EEXIST", 3),
        ("EOPNOTSUPP", 3),
        ("EFAULT", 3),
    ] {
        let enough = trial.seen.get(what).is_some_and(|&count| count >= least);
        let all = &trial.seen;
        that(
            format!("{least} times {what} with seed {seed}: {all:?}"),
            enough,
        )?;
    }
    Ok(())
}

struct Trial {
    model: Model,
    program: Program,
    /// The last steps, and what came of them.
    last: VecDeque<String>,
    /// How often what has come.
    seen: BTreeMap<String, u32>,
}

impl Trial {
    /// `Err` says what came and what should have.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        let came = self
            .program
            .take(step)
            .map_err(|failure| failure.to_string());
        self.last.push_back(format!("{step:?}\n        {came:?}"));
        if self.last.len() > 12 {
            self.last.pop_front();
        }
        let compared = came.and_then(|came| {
            *self.seen.entry(kind(&came.answer)).or_default() += 1;
            self.model.step(step, &came)
        });
        if compared.is_err() {
            self.last.iter().for_each(|line| crate::say!("    {line}"));
        }
        compared
    }
}

/// A word for an answer.
fn kind(answer: &Answer) -> String {
    let text = match answer {
        Answer::Refused(errno) => format!("{errno:?}"),
        other => format!("{other:?}"),
    };
    text.split('(').next().unwrap_or_default().to_string()
}
