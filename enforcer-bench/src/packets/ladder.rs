//! What a new connection costs more when it is another one each time: first only put into the packet
//! by the driver, then at another port, then at another address; beside that what single accesses to
//! memory say that it should.

use anyhow::Result;
use enforcer_common::Reason;
use serde_json::{Value, json};

use super::HOOKS;
use super::case::{self, Amounts, Case, Connections, Far};
use super::driver::Driver;
use super::floor::{Floor, Much, What};
use super::measure::Subject;
use super::world::{Kind, World};
use crate::report::{Cell, Report, Table};
use crate::stats::{Summary, above};

/// From the same connection in the same packet to another one each time.
const RUNGS: [Connections; 4] = [
    Connections::One,
    Connections::Driven,
    Connections::Ports,
    Connections::New,
];

/// A kind of new connection at a hook.
struct Row {
    name: String,
    kind: Kind,
    /// What its look-ups of addresses are.
    lookups: Vec<What>,
    subjects: Vec<Subject>,
    goal: Option<f64>,
    /// Nanoseconds above the empty program, by rung and round.
    found: [Vec<f64>; 4],
}

/// What is measured here.
pub(super) struct Ladder {
    rows: Vec<Row>,
}

/// Kinds of programs and maps that are needed.
pub(super) const KINDS: [Kind; 4] = [
    Kind::Usual,
    Kind::Blocks,
    Kind::Untracked,
    Kind::UntrackedBlocks,
];

impl Ladder {
    /// Prepares to measure.
    pub(super) fn new(amounts: Amounts) -> Result<Self> {
        let mut rows = Vec::new();
        for case in cases(amounts) {
            for (hook, name) in HOOKS.into_iter().zip(["from_pod", "to_pod"]) {
                let rung = |connections| {
                    let case = Case {
                        connections,
                        ..case
                    };
                    Subject::new(case, hook, amounts)
                };
                rows.push(Row {
                    name: format!("{}, `{name}`", case.name),
                    kind: case.kind,
                    lookups: lookups(&case),
                    subjects: RUNGS.into_iter().map(rung).collect::<Result<_>>()?,
                    goal: case.goal,
                    found: [const { Vec::new() }; 4],
                });
            }
        }
        Ok(Self { rows })
    }

    /// Measures each rung of the rows that need this kind of programs once.
    pub(super) fn round(
        &mut self,
        kind: Kind,
        world: &mut World,
        driver: &mut Driver,
        repeat: u32,
        round: usize,
    ) -> Result<()> {
        let forward = round.is_multiple_of(2);
        for row in self.rows.iter_mut().filter(|row| row.kind == kind) {
            for turn in 0..RUNGS.len() {
                let rung = if forward {
                    turn
                } else {
                    RUNGS.len() - 1 - turn
                };
                let sample = row.subjects[rung].measure(world, driver, repeat, forward)?;
                if round > 0 {
                    row.found[rung].push(sample.whole - sample.empty);
                }
            }
        }
        Ok(())
    }

    /// Table and figures.
    pub(super) fn write(&self, report: &mut Report, floor: &Floor) {
        let mut table = Table::new(
            "Where the time of a new connection goes when it is another one each time, ns",
            &[
                "case",
                "hot",
                "+ written by the driver",
                "+ another port each time",
                "floor of that: search in a bucket",
                "+ another address each time",
                "floor of that: hash and trie",
                "sum",
                "not explained",
                "goal",
            ],
        );
        for row in &self.rows {
            let told = row.told(floor);
            let cells = told.samples().map(Cell::samples).into_iter();
            let end = [
                told.unexplained().map_or(Cell::Nothing, Cell::Number),
                row.goal
                    .zip(Summary::of(told.whole))
                    .map_or(Cell::Nothing, |(goal, whole)| {
                        Cell::of(super::results::judged(goal, &[whole.median]))
                    }),
            ];
            table.row(std::iter::once(Cell::of(&row.name)).chain(cells).chain(end));
        }
        report.tables.push(table);
        report.raw["new_connections"] = self.rows.iter().map(|row| row.json(floor)).collect();
    }
}

/// New connections with every kind of table behind them.
fn cases(amounts: Amounts) -> impl Iterator<Item = Case> {
    let random = |case: &Case| {
        case.connections == Connections::New && !case.established && KINDS.contains(&case.kind)
    };
    // What is remembered is in the other tables.
    let alone = |case: &Case| {
        case.reason == Some(Reason::PolicyDenied)
            || matches!(case.kind, Kind::Untracked | Kind::UntrackedBlocks)
    };
    case::all(amounts)
        .into_iter()
        .filter(move |case| random(case) && alone(case))
}

/// What finds out who the other side of a case is.
fn lookups(case: &Case) -> Vec<What> {
    let prefix = |found: bool| match (case.kind.has_blocks(), found) {
        (true, true) => What::Prefix(Much::Many),
        (true, false) => What::NoPrefix(Much::Many),
        (false, _) => What::NoPrefix(Much::None),
    };
    match case.far {
        Far::Peers => vec![What::Address(Much::Few)],
        Far::Blocks => vec![What::NoAddress(Much::Few), prefix(true)],
        Far::Strangers => vec![What::NoAddress(Much::Few), prefix(false)],
    }
}

/// What is said of a row.
struct Told<'a> {
    hot: &'a [f64],
    driven: Vec<f64>,
    port: Vec<f64>,
    bucket: Vec<f64>,
    address: Vec<f64>,
    tables: Vec<f64>,
    whole: &'a [f64],
}

impl Row {
    fn told(&self, floor: &Floor) -> Told<'_> {
        let [hot, driven, port, address] = &self.found;
        let sum = |mut sum: Vec<f64>, more: &[f64]| {
            sum.iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
            sum
        };
        let tables = self
            .lookups
            .iter()
            .map(|what| floor.random_above_hot(*what));
        Told {
            hot,
            driven: above(driven, hot),
            port: above(port, driven),
            bucket: floor.random_above_hot(What::SearchOn),
            address: above(address, port),
            tables: tables
                .reduce(|sum_so_far, more| sum(sum_so_far, &more))
                .unwrap_or_default(),
            whole: address,
        }
    }

    fn json(&self, floor: &Floor) -> Value {
        let told = self.told(floor);
        json!({
            "case": self.name, "above": self.found,
            "floor_bucket": told.bucket, "floor_tables": told.tables,
            "not_explained": told.unexplained(),
        })
    }
}

impl Told<'_> {
    fn samples(&self) -> [&[f64]; 7] {
        [
            self.hot,
            &self.driven,
            &self.port,
            &self.bucket,
            &self.address,
            &self.tables,
            self.whole,
        ]
    }

    /// What neither the hot case nor the floor of the accesses accounts for, of the medians.
    fn unexplained(&self) -> Option<f64> {
        let median = |samples: &[f64]| Summary::of(samples).map(|of| of.median);
        let explained = median(self.hot)? + median(&self.bucket)? + median(&self.tables)?;
        Some(median(self.whole)? - explained)
    }
}
