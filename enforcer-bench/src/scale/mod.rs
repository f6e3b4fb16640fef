//! What the compiler needs for big clusters: time and memory.

mod churn;
mod clock;
mod drive;
mod growth;
mod identities;
mod kernel;
mod memory;
mod results;
mod samples;
mod shapes;
mod soak;
mod world;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use drive::{Driver, Place};
use growth::Job;
use results::{OfShape, Results};
use world::{Shape, Size};

use crate::options::Options;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
    /// Only these shapes of clusters; nothing else is measured then.
    #[arg(long)]
    pub shape: Vec<String>,
    /// Pods of the shapes, and as many policies.
    #[arg(long)]
    pub pods: Option<usize>,
    /// Rounds of changes for each shape.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Seconds of random changes.
    #[arg(long)]
    pub soak: Option<u64>,
    /// Measures one size and says so in JSON: what the bench calls itself with.
    #[arg(long, hide = true)]
    pub job: Option<String>,
}

/// How much is measured.
struct Extent {
    pods: usize,
    local: usize,
    rounds: usize,
    /// How many of the shapes are measured on a node too.
    nodes: usize,
    /// Of the changes of one shape.
    limit: Duration,
    /// Sizes of one node's compiler.
    growth: Vec<usize>,
    /// Sizes of a compiler for all nodes.
    growth_all: Vec<usize>,
    soak: (Duration, usize),
}

impl Extent {
    fn of(arguments: &Arguments) -> Self {
        let mut extent = if arguments.options.quick {
            Self {
                pods: 300,
                local: 20,
                rounds: 2,
                nodes: 2,
                limit: Duration::from_secs(1),
                growth: vec![100, 300],
                growth_all: vec![100, 300],
                soak: (Duration::from_secs(2), 2),
            }
        } else {
            Self {
                pods: 10_000,
                local: 250,
                rounds: 300,
                nodes: usize::MAX,
                limit: Duration::from_secs(8),
                growth: vec![1_000, 3_000, 10_000, 30_000, 100_000],
                growth_all: vec![1_000, 3_000, 10_000],
                soak: (Duration::from_secs(60), 6),
            }
        };
        extent.pods = arguments.pods.unwrap_or(extent.pods);
        extent.rounds = arguments.rounds.unwrap_or(extent.rounds);
        if let Some(seconds) = arguments.soak {
            extent.soak.0 = Duration::from_secs(seconds);
        }
        extent
    }
}

/// Measures, and writes the report by [`Options::finish`].
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(job) = &arguments.job {
        let job: Job = serde_json::from_str(job).context("the job")?;
        let point = growth::measure(job)?;
        let text = serde_json::to_string(&point)?;
        writeln!(std::io::stdout(), "{text}")?;
        return Ok(());
    }
    let extent = Extent::of(arguments);
    let mut results = Results::new(arguments.options.quick);
    let asked = |shape: &Shape| {
        let mut names = arguments.shape.iter();
        arguments.shape.is_empty() || names.any(|name| name == shape.name)
    };
    for (number, shape) in shapes::all().into_iter().filter(asked).enumerate() {
        // The verifier takes a second for each node.
        if number < extent.nodes {
            let on_a_node = measure_shape(&shape, &extent, Place::Node)?;
            results.shapes.push(on_a_node);
        }
        let everywhere = measure_shape(&shape, &extent, Place::All)?;
        results.shapes.push(everywhere);
    }
    if arguments.shape.is_empty() {
        measure_growth(&extent, &mut results)?;
        measure_soak(&extent, &mut results)?;
    }
    arguments.options.finish(&results.report())
}

fn say(text: &str) {
    // Nobody may be looking.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A cold start of a shape, and changes of it. On a thread of its own, which has a network namespace
/// of its own.
fn measure_shape(shape: &Shape, extent: &Extent, place: Place) -> anyhow::Result<OfShape> {
    say(&format!("{} ({place:?})", shape.name));
    let work = || -> anyhow::Result<OfShape> {
        let mut size = Size::even(extent.pods, extent.local);
        if let Some(resize) = shape.resize {
            size = resize(size);
        }
        if place == Place::All && shape.is_square {
            size.policies = size.policies.min(1_000);
        }
        let mut driver = Driver::start(place, &size)?;
        let cold = driver.cold_start(shape, &size)?;
        let stats = driver.compiler.stats();
        let unfit = driver.compiler.unfit().len();
        let samples = driver.churn(shape, &size, extent.rounds, extent.limit)?;
        driver.finish()?;
        Ok(OfShape::new(shape, place, &cold, stats, unfit, &samples))
    };
    on_thread(work)
}

fn on_thread<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn measure_growth(extent: &Extent, results: &mut Results) -> anyhow::Result<()> {
    let sizes = [
        (Place::Maps, &extent.growth),
        (Place::All, &extent.growth_all),
    ];
    for (place, sizes) in sizes {
        for shape in ["spread", "charts"] {
            for &pods in sizes {
                say(&format!("{pods} pods of the shape {shape} ({place:?})"));
                results.growth.push(growth::apart(&Job {
                    shape: shape.to_owned(),
                    place,
                    pods,
                    local: extent.local,
                    rounds: extent.rounds.min(50),
                })?);
            }
        }
    }
    Ok(())
}

fn measure_soak(extent: &Extent, results: &mut Results) -> anyhow::Result<()> {
    say("soak");
    let all = shapes::all();
    let shape = all.iter().find(|shape| shape.name == "charts");
    let shape = shape.context("there is no shape charts")?;
    let size = Size::even(extent.pods, extent.local);
    let soak = on_thread(|| soak::soak(shape, &size, Place::Maps, extent.soak))?;
    ensure!(soak.verdicts > 0, "the soak compared nothing");
    results.soak = Some(soak);
    Ok(())
}
