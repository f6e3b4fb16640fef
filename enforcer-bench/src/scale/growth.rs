//! How time and memory grow with the cluster: each size in a process of its own, so that none has
//! what another left.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::churn::Event;
use super::drive::{Driver, Place};
use super::identities::{LabelSets, label_sets};
use super::kernel::{MapUsage, map_usage};
use super::memory::{most, resident};
use super::shapes;
use super::world::Size;

/// What is measured in one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The shape's name.
    pub(super) shape: String,
    /// Whose pods are endpoints.
    pub(super) place: Place,
    /// Pods, and as many policies.
    pub(super) pods: usize,
    /// Pods of the node.
    pub(super) local: usize,
    /// Rounds of changes.
    pub(super) rounds: usize,
}

/// What came out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Point {
    /// What was measured.
    pub(super) job: Job,
    /// Seconds on the CPU from nothing to all tables: the compiler...
    pub(super) compile: f64,
    /// ...and with all map writes.
    pub(super) whole: f64,
    /// The writes.
    pub(super) writes: usize,
    /// MiB of memory afterwards...
    pub(super) resident: f64,
    /// ...and at most, with the objects that were handed over.
    pub(super) most: f64,
    /// The maps before anything was written.
    pub(super) empty: Vec<MapUsage>,
    /// The maps afterwards.
    pub(super) maps: Vec<MapUsage>,
    /// Label sets of the pods.
    pub(super) label_sets: LabelSets,
    /// Identities of the compiler.
    pub(super) identities: usize,
    /// Those among them that addresses of pods, nodes and services have.
    pub(super) of_addresses: usize,
    /// Selectors in use.
    pub(super) selectors: usize,
    /// Policy sets in use.
    pub(super) sets: usize,
    /// Verdicts.
    pub(super) verdicts: usize,
    /// Addresses and prefixes.
    pub(super) addresses: usize,
    /// Endpoints for which something did not fit.
    pub(super) unfit: usize,
    /// Milliseconds to the last map write, median of some changes: a pod added elsewhere...
    pub(super) pod: Option<f64>,
    /// ...a policy added.
    pub(super) policy: Option<f64>,
}

/// Measures in this process.
pub(super) fn measure(job: Job) -> anyhow::Result<Point> {
    let all = shapes::all();
    let shape = all.iter().find(|shape| shape.name == job.shape);
    let shape = shape.with_context(|| format!("there is no shape {}", job.shape))?;
    let mut size = Size::even(job.pods, job.local);
    if let Some(resize) = shape.resize {
        size = resize(size);
    }
    let mut driver = Driver::start(job.place, &size)?;
    let empty = map_usage()?;
    let cold = driver.cold_start(shape, &size)?;
    let (resident, most) = (resident()?, most()?);
    let maps = map_usage()?;
    let stats = driver.compiler.stats();
    let unfit = driver.compiler.unfit().len();
    let addresses = driver.compiler.tables().addresses.values();
    let of_addresses: BTreeSet<u32> = addresses.map(|peer| peer.identity).collect();
    let samples = driver.churn(shape, &size, job.rounds, Duration::from_secs(20))?;
    let median = |event| samples.costs(event).map(|costs| costs.p50);
    driver.finish()?;
    Ok(Point {
        compile: cold.compile.cpu.as_secs_f64(),
        whole: cold.whole.cpu.as_secs_f64(),
        writes: cold.writes,
        resident,
        most,
        empty,
        maps,
        label_sets: label_sets(shape, &size),
        identities: stats.identities,
        of_addresses: of_addresses.len(),
        selectors: stats.selectors,
        sets: stats.policy_sets,
        verdicts: stats.verdicts,
        addresses: stats.addresses + stats.cidrs,
        unfit,
        pod: median(Event::PodElsewhere),
        policy: median(Event::Policy),
        job,
    })
}

/// Measures in a process of its own.
pub(super) fn apart(job: &Job) -> anyhow::Result<Point> {
    let program = std::env::current_exe().context("the path of this program")?;
    let output = Command::new(program)
        .args(["scale", "--job", &serde_json::to_string(job)?])
        .stderr(Stdio::inherit())
        .output()
        .context("running this program again")?;
    ensure!(
        output.status.success(),
        "{} pods of the shape {}: {}",
        job.pods,
        job.shape,
        output.status
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what {} pods of the shape {} gave", job.pods, job.shape))
}
