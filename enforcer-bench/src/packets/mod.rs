//! What a packet costs in the programs: `BPF_PROG_TEST_RUN` on the object that the daemon carries,
//! loaded by the daemon's code, with tables that the daemon's compiler made.
//!
//! - `case`: what is measured; `cluster`: the clusters behind it;
//! - `world`: programs and maps; `driver`: the benchmark's own programs; `run`: timed runs;
//! - `stand`: the benchmark's object with tables; `steps`: the short way step by step; `floor`: single
//!   accesses to maps; `ladder`: where the time of a new connection goes;
//! - `measure`: a case beside the empty program; `results`: tables and plots; `rivals`: what others
//!   take; `programs`: how long the programs are.

mod case;
mod cluster;
mod driver;
mod floor;
mod ladder;
mod measure;
mod parts;
mod programs;
mod results;
mod rivals;
mod run;
mod stand;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;

use anyhow::{Context, Result};
use enforcer_common::abi::Direction;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use self::case::{Amounts, Case};
use self::cluster::Size;
use self::driver::Driver;
use self::measure::{Sample, Subject};
use self::parts::Parts;
use self::world::{Kind, World};
use crate::options::Options;
use crate::report::Report;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
    /// How often everything is measured, in turns.
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// How many packets each measurement takes.
    #[arg(long, value_name = "N")]
    pub repeat: Option<u32>,
    /// Measure only cases whose name contains this; "steps" is for what they are made of.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
    /// Measure what one set of programs and maps is enough for: not each number of policies, not cases
    /// with maps of their own. Where loading takes minutes.
    #[arg(long)]
    pub one_set: bool,
}

/// Hooks in the order in which they are shown.
const HOOKS: [Direction; 2] = [Direction::Egress, Direction::Ingress];

/// Everything that was found, by case, hook and number of policies.
type Found = BTreeMap<(usize, usize, usize), Vec<Sample>>;

/// Programs and maps by kind and number of policies.
type Worlds = BTreeMap<(Kind, usize), World>;

/// Measures, and writes the report by [`Options::finish`].
pub fn run(arguments: &Arguments) -> Result<()> {
    let quick = arguments.options.quick;
    let mut report = Report::new("packets", quick);
    let bench = Bench::new(arguments);
    let (found, parts) = bench.measure()?;
    results::write(&mut report, &bench, &found);
    if let Some(parts) = parts {
        parts.write(&mut report);
    }
    if !arguments.one_set {
        report.tables.push(programs::table()?);
    }
    arguments.options.finish(&report)
}

/// What is to be measured, and how.
struct Bench {
    amounts: Amounts,
    policies: [usize; 2],
    /// How many of these are measured.
    sizes: usize,
    cases: Vec<Case>,
    /// Whether what they are made of is measured too.
    parts: bool,
    rounds: usize,
    repeat: u32,
}

impl Bench {
    fn new(arguments: &Arguments) -> Self {
        let quick = arguments.options.quick;
        let amounts = if quick {
            Amounts {
                peers: 256,
                blocks: 100,
                addresses: 1000,
                flows: [1 << 10, 1 << 10],
                full: 1 << 16,
                room: Some(1 << 12),
            }
        } else {
            Amounts {
                peers: 8192,
                blocks: 10_000,
                addresses: 100_000,
                flows: [1 << 16, 1 << 20],
                full: 1 << 21,
                room: None,
            }
        };
        let mut cases = case::all(amounts);
        cases.retain(|case| case.name.contains(&arguments.only));
        cases.retain(|case| !arguments.one_set || case.kind == Kind::Usual);
        Self {
            amounts,
            policies: if quick { [10, 200] } else { [10, 10_000] },
            sizes: if arguments.one_set { 1 } else { 2 },
            cases,
            parts: !arguments.one_set && "steps".contains(&arguments.only),
            rounds: arguments.rounds.unwrap_or(if quick { 3 } else { 41 }),
            repeat: arguments
                .repeat
                .unwrap_or(if quick { 1000 } else { 20_000 }),
        }
    }

    fn measure(&self) -> Result<(Found, Option<Parts>)> {
        let mut driver = Driver::load()?;
        let mut worlds = self.worlds(&mut driver)?;
        let parts = self.parts.then(|| Parts::new(self.amounts));
        let mut parts = parts.transpose()?;
        stay_on_this_processor()?;
        let mut subjects = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            for (hook, direction) in HOOKS.into_iter().enumerate() {
                for (which, policies) in self.sizes().enumerate() {
                    let subject = Subject::new(*case, direction, self.amounts)?;
                    subjects.push(((number, hook, which), (case.kind, policies), subject));
                }
            }
        }
        let mut found = Found::new();
        // The first round only warms up.
        for round in 0..=self.rounds {
            let begin = round % subjects.len().max(1);
            subjects.rotate_left(begin);
            for (key, world, subject) in &mut subjects {
                let world = worlds.get_mut(world).context("a world of every kind")?;
                let sample = subject.measure(world, &mut driver, self.repeat, round % 2 == 0)?;
                if round > 0 {
                    found.entry(*key).or_default().push(sample);
                }
            }
            if let Some(parts) = &mut parts {
                let [few, _] = self.policies;
                parts.round(&mut worlds, few, &mut driver, self.repeat, round)?;
            }
        }
        Ok((found, parts))
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.policies.into_iter().take(self.sizes)
    }

    /// Programs and maps for each kind of case and each number of policies.
    fn worlds(&self, driver: &mut Driver) -> Result<Worlds> {
        let mut worlds = BTreeMap::new();
        for case in &self.cases {
            for policies in self.sizes() {
                let world = self.world(&mut worlds, case.kind, policies)?;
                measure::open(case, self.amounts, world, driver)?;
            }
        }
        if self.parts {
            for kind in Parts::KINDS {
                self.world(&mut worlds, kind, self.policies[0])?;
            }
        }
        let mut err = std::io::stderr();
        let _ = writeln!(err, "{} sets of programs and maps are loaded", worlds.len());
        Ok(worlds)
    }

    /// One of them, which is made when it is not there yet.
    fn world<'a>(
        &self,
        worlds: &'a mut Worlds,
        kind: Kind,
        policies: usize,
    ) -> Result<&'a mut World> {
        Ok(match worlds.entry((kind, policies)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let size = self.size(kind, policies);
                let world = World::new(kind, size, self.amounts.room)
                    .with_context(|| format!("for {kind:?} with {policies} policies"))?;
                place.insert(world)
            }
        })
    }

    fn size(&self, kind: Kind, policies: usize) -> Size {
        Size {
            policies,
            peers: self.amounts.peers,
            blocks: if kind.has_blocks() {
                self.amounts.blocks
            } else {
                0
            },
        }
    }
}

/// Flow caches and counters are one for each processor. Readers of events are started before.
fn stay_on_this_processor() -> Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(Pid::from_raw(0), &here).context("staying on one processor")
}
