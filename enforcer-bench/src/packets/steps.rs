//! The short way, step by step: programs that each go one step further than the one before it, and the
//! real one behind them. See `enforcer-bench/ebpf/src/steps.rs`.

use anyhow::{Context, Result, bail};
use enforcer::datapath::judge::LINK;
use enforcer_common::abi::Direction;
use serde_json::{Value, json};

use super::HOOKS;
use super::case::{self, Amounts, Case};
use super::driver::Driver;
use super::measure::{PASS, Subject};
use super::run::run;
use super::stand::Stand;
use super::world::World;
use crate::plot::{Axis, Drawing, Plot, Strip};
use crate::report::{Cell, Report, Table};
use crate::stats::{Summary, above};

/// How a program ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Cut off behind its step.
    Cut,
    /// As the real one.
    Passed,
}

/// A program, what it does that the one before it does not, and how it ends.
type Step = (&'static str, &'static str, End);

const FRAME: &str = "begins and ends, with a call that it does not make";
const ENDPOINT: &str = "the link's endpoint and its flags";
const REAL: &str = "the program as it is, with the long way behind it";

const FROM_POD: [Step; 7] = [
    ("from_frame", FRAME, End::Cut),
    ("from_endpoint", ENDPOINT, End::Cut),
    ("from_headers", HEADERS, End::Cut),
    ("from_hash", HASH, End::Cut),
    ("from_slot", SLOT, End::Cut),
    ("from_clock", CLOCK, End::Passed),
    ("from_count", COUNT, End::Passed),
];

const TO_POD: [Step; 7] = [
    ("to_frame", FRAME, End::Cut),
    ("to_endpoint", ENDPOINT, End::Cut),
    ("to_headers", HEADERS, End::Cut),
    ("to_hash", HASH, End::Cut),
    ("to_slot", SLOT, End::Cut),
    ("to_clock", CLOCK, End::Passed),
    ("to_count", COUNT, End::Passed),
];

const HEADERS: &str = "headers: Ethernet, IP, transport, source address";
const HASH: &str = "hash of the key";
const SLOT: &str = "bucket and slot of the flow";
const CLOCK: &str = "clock, age and revision";
const COUNT: &str = "counter";

/// What is not isolated ends earlier.
const FREE_FROM_POD: [Step; 3] = [
    ("from_frame", FRAME, End::Cut),
    ("from_endpoint", ENDPOINT, End::Cut),
    ("from_count", "source address", End::Passed),
];

const FREE_TO_POD: [Step; 2] = [
    ("to_frame", FRAME, End::Cut),
    ("to_count", ENDPOINT, End::Passed),
];

/// All steps of one kind of packet at one hook.
struct Way {
    case: Case,
    hook: Direction,
    steps: &'static [Step],
    packet: Vec<u8>,
    /// The program as it is.
    real: Subject,
    /// Nanoseconds above the empty program, by step and round; the program as it is comes last.
    found: Vec<Vec<f64>>,
    /// Bytes of machine code and instructions of each step's program.
    sizes: Vec<[u32; 2]>,
}

/// What is measured here.
pub(super) struct Steps {
    stand: Stand,
    ways: Vec<Way>,
}

impl Steps {
    /// Loads the programs.
    pub(super) fn new(amounts: Amounts) -> Result<Self> {
        let names: Vec<&str> = FROM_POD.iter().chain(&TO_POD).map(|step| step.0).collect();
        let mut stand = Stand::load(amounts.room, &names)?;
        let mut ways = Vec::new();
        for case in case::short(amounts) {
            for hook in HOOKS {
                ways.push(Way::new(&mut stand, case, hook, amounts)?);
            }
        }
        Ok(Self { stand, ways })
    }

    /// Measures each step once.
    pub(super) fn round(
        &mut self,
        world: &mut World,
        driver: &mut Driver,
        repeat: u32,
        round: usize,
    ) -> Result<()> {
        let Self { stand, ways } = self;
        let begin = round % ways.len();
        ways.rotate_left(begin);
        for way in ways.iter_mut() {
            way.round(stand, world, driver, repeat, round)?;
        }
        ways.rotate_right(begin);
        Ok(())
    }

    /// Tables, plot and figures.
    pub(super) fn write(&self, report: &mut Report) {
        let [free, established]: [Vec<&Way>; 2] =
            [false, true].map(|isolated| self.of(isolated).collect());
        report.tables.push(table(
            "Steps of the short way, established and hot: what each adds to the one before it, ns",
            &established,
        ));
        let title = "The same where no policy isolates the pod, ns";
        report.tables.push(table(title, &free));
        report.tables.push(sizes(&established));
        report.plots.push(plot(&self.ways));
        report.raw["steps"] = self.ways.iter().map(Way::json).collect();
    }

    fn of(&self, isolated: bool) -> impl Iterator<Item = &Way> {
        let of = move |way: &&Way| way.case.isolated == isolated;
        self.ways.iter().filter(of)
    }
}

impl Way {
    fn new(stand: &mut Stand, case: Case, hook: Direction, amounts: Amounts) -> Result<Self> {
        let steps: &[Step] = match (case.isolated, hook) {
            (true, Direction::Egress) => &FROM_POD,
            (true, Direction::Ingress) => &TO_POD,
            (false, Direction::Egress) => &FREE_FROM_POD,
            (false, Direction::Ingress) => &FREE_TO_POD,
        };
        let mut sizes = Vec::new();
        for (program, ..) in steps {
            let info = stand.program(program)?.info()?;
            let instructions = info.size_translated().unwrap_or(0) / 8;
            sizes.push([info.size_jitted(), instructions]);
        }
        Ok(Self {
            case,
            hook,
            steps,
            packet: case
                .packet(hook, false)
                .context("a packet needs two addresses of one family")?,
            real: Subject::new(case, hook, amounts)?,
            found: vec![Vec::new(); steps.len() + 1],
            sizes,
        })
    }

    fn round(
        &mut self,
        stand: &mut Stand,
        world: &mut World,
        driver: &mut Driver,
        repeat: u32,
        round: usize,
    ) -> Result<()> {
        let forward = round.is_multiple_of(2);
        let last = self.steps.len();
        for turn in 0..=last {
            let step = if forward { turn } else { last - turn };
            let sample = if step == last {
                let sample = self.real.measure(world, driver, repeat, forward)?;
                sample.whole - sample.empty
            } else {
                self.step(step, stand, world, driver, repeat)?
            };
            // The first round only warms up.
            if round > 0 {
                self.found[step].push(sample);
            }
        }
        Ok(())
    }

    fn step(
        &self,
        step: usize,
        stand: &mut Stand,
        world: &World,
        driver: &mut Driver,
        repeat: u32,
    ) -> Result<f64> {
        let endpoint = if self.case.isolated {
            world.isolated
        } else {
            world.free
        };
        stand.maps.put_endpoint(LINK, &endpoint)?;
        stand.open(endpoint.id, endpoint.revisions, self.case.six)?;
        let (name, _, end) = self.steps[step];
        let empty = run(driver.empty()?, &self.packet, repeat)?;
        let ran = run(stand.program(name)?, &self.packet, repeat)?;
        // What is cut off says so in its two uppermost bits.
        let right = match end {
            End::Cut => ran.action >> 30 == 1,
            End::Passed => ran.action == PASS,
        };
        if !right {
            bail!(
                "{:?} at {:?}: {name} returned {:#x}, so it did not come where it should",
                self.case.name,
                self.hook,
                ran.action
            );
        }
        Ok(ran.nanoseconds - empty.nanoseconds)
    }

    /// The column that it is, as in "IPv4, `from_pod`".
    fn head(&self) -> String {
        let family = if self.case.six { "IPv6" } else { "IPv4" };
        let hook = match self.hook {
            Direction::Egress => "from_pod",
            Direction::Ingress => "to_pod",
        };
        format!("{family}, `{hook}`")
    }

    /// What a step, or the program itself, adds; `None` where it is none of these steps.
    fn added(&self, label: &str) -> Option<Vec<f64>> {
        let labels = self.steps.iter().map(|step| step.1);
        let step = labels.chain([REAL]).position(|known| known == label)?;
        Some(match step.checked_sub(1) {
            None => self.found[step].clone(),
            Some(before) => above(&self.found[step], &self.found[before]),
        })
    }

    /// The whole program above the empty one.
    fn whole(&self) -> &[f64] {
        self.found.last().map_or(&[], Vec::as_slice)
    }

    fn json(&self) -> Value {
        let labels = self.steps.iter().map(|step| step.1).chain([REAL]);
        let steps: Vec<Value> = labels
            .zip(&self.found)
            .map(|(label, above)| json!({"step": label, "above": above, "adds": self.added(label)}))
            .collect();
        json!({
            "case": self.case.name, "way": self.head(), "steps": steps,
            "bytes_and_instructions": self.sizes,
        })
    }
}

/// Steps down, ways across.
fn table(title: &str, ways: &[&Way]) -> Table {
    let heads: Vec<String> = ways.iter().map(|way| way.head()).collect();
    let columns: Vec<&str> = std::iter::once("step")
        .chain(heads.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(title, &columns);
    for label in labels(ways).into_iter().chain([REAL]) {
        let cells = ways.iter().map(|way| {
            way.added(label)
                .map_or(Cell::Nothing, |added| Cell::samples(&added))
        });
        table.row(std::iter::once(Cell::of(label)).chain(cells));
    }
    let whole = ways.iter().map(|way| Cell::samples(way.whole()));
    table.row(std::iter::once(Cell::of("**all of it, above the empty program**")).chain(whole));
    let goals = ways.iter().map(|way| {
        let goal = way.case.goal.zip(Summary::of(way.whole()));
        goal.map_or(Cell::Nothing, |(goal, of)| {
            Cell::of(super::results::judged(goal, &[of.median]))
        })
    });
    table.row(std::iter::once(Cell::of("goal")).chain(goals));
    table
}

/// The steps of those with the most.
fn labels(ways: &[&Way]) -> Vec<&'static str> {
    let longest = ways.iter().max_by_key(|way| way.steps.len());
    longest.map_or_else(Vec::new, |way| {
        way.steps.iter().map(|step| step.1).collect()
    })
}

/// How long the programs of the steps are. Each has code for both families.
fn sizes(ways: &[&Way]) -> Table {
    let mut table = Table::new(
        "Programs of the steps, each for both families: bytes of machine code (instructions)",
        &["up to and with", "`from_pod`", "`to_pod`"],
    );
    for (step, label) in labels(ways).into_iter().enumerate() {
        let cells = HOOKS.map(|hook| {
            let way = ways.iter().find(|way| way.hook == hook);
            way.and_then(|way| way.sizes.get(step))
                .map_or(Cell::Nothing, |[bytes, instructions]| {
                    Cell::of(format!("{bytes} ({instructions})"))
                })
        });
        table.row(std::iter::once(Cell::of(label)).chain(cells));
    }
    table
}

fn plot(ways: &[Way]) -> Plot {
    let strips = ways.iter().filter(|way| way.case.isolated).flat_map(|way| {
        let head = way.head().replace('`', "");
        let labels = way.steps.iter().map(|step| step.1);
        labels.map(move |label| Strip {
            label: format!("{head}: {label}"),
            measured: way.added(label).and_then(|added| Summary::of(&added)),
            marks: Vec::new(),
        })
    });
    Plot {
        name: "steps".to_owned(),
        title: "Nanoseconds that each step of the short way adds".to_owned(),
        drawing: Drawing::Strips {
            axis: Axis {
                label: "ns".to_owned(),
                logarithmic: false,
            },
            strips: strips.collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hooks_take_the_same_steps_in_the_same_order() {
        let labels = |steps: &[Step; 7]| steps.map(|(_, label, _)| label);
        assert_eq!(labels(&FROM_POD), labels(&TO_POD));
    }

    #[test]
    fn nothing_is_cut_off_behind_a_step_that_passes() {
        for steps in [&FROM_POD[..], &TO_POD, &FREE_FROM_POD, &FREE_TO_POD] {
            let cut = steps.iter().rposition(|step| step.2 == End::Cut);
            let passed = steps.iter().position(|step| step.2 == End::Passed);
            assert!(cut < passed, "{passed:?}");
        }
    }
}
