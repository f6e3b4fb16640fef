//! How long a change of policy takes until it judges packets: from a file written, or from the API
//! server's answer, to the first packet that is dropped or let through by the new policy, while
//! connections and changes of other pods go on.

mod backend;
mod churn;
mod cluster;
mod files;
mod point;
mod server;
mod show;
mod stage;
mod stream;

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use enforcer_lab::Daemon;

use crate::options::Options;
use crate::program::Program;
use crate::report::Report;
use backend::Backend;
use cluster::Cluster;
use files::Files;
use point::Times;
use server::Server;
use stage::{Stage, Traffic};
use stream::Stream;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
    /// Numbers of policies in the cluster.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub policies: Vec<usize>,
    /// Where objects are written.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Source::ALL)]
    pub source: Vec<Source>,
    /// Pods that are relabelled in a second, beside a run without.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub churn: u32,
    /// How often the policy is made, changed, changed back and deleted at each point.
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// The daemon.
    #[command(flatten)]
    pub program: Program,
}

/// Where objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Source {
    /// In a directory of manifests.
    Files,
    /// In a real API server.
    Api,
}

impl Source {
    const ALL: [Self; 2] = [Self::Files, Self::Api];

    /// What tables say.
    const fn words(self) -> &'static str {
        match self {
            Self::Files => "file",
            Self::Api => "API server",
        }
    }
}

/// What was measured at one point.
struct Point {
    source: Source,
    policies: usize,
    /// Pods that were relabelled in a second.
    churn: u32,
    times: Times,
}

impl Arguments {
    fn sizes(&self) -> Vec<usize> {
        let mut sizes = match (self.policies.is_empty(), self.options.quick) {
            (false, _) => self.policies.clone(),
            (true, true) => vec![10, 30],
            (true, false) => vec![10, 100, 1_000, 10_000],
        };
        // Policies are only added.
        sizes.sort_unstable();
        sizes
    }

    /// Rounds of four changes: two that deny and two that allow.
    fn rounds(&self) -> usize {
        self.rounds
            .unwrap_or(if self.options.quick { 2 } else { 25 })
    }
}

/// Measures, and writes the report by [`Options::finish`].
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut report = Report::new("updates", arguments.options.quick);
    let mut points = Vec::new();
    for source in &arguments.source {
        points.extend(measure(arguments, *source)?);
    }
    show::fill(&mut report, arguments, &points);
    arguments.options.finish(&report)
}

/// What is measured with, in the order in which it ends.
struct Scene<'a> {
    traffic: Traffic,
    stream: Stream,
    daemon: Daemon,
    backend: &'a dyn Backend,
    cluster: Cluster,
    turns: AtomicUsize,
}

fn measure(arguments: &Arguments, source: Source) -> Result<Vec<Point>> {
    let cluster = Cluster::new(arguments.options.quick);
    let stage = Stage::new(cluster)?;
    let backend: Box<dyn Backend> = match source {
        Source::Files => Box::new(Files::new(stage.lab.manifests(), stage.lab.home())),
        Source::Api => Box::new(Server::start(&stage.lab)?),
    };
    let begin = Instant::now();
    backend.fill(cluster.frame())?;
    backend.fill(stage.objects()?)?;
    say(format_args!(
        "{}: filled in {:.1?}",
        source.words(),
        begin.elapsed()
    ));
    let scene = Scene {
        daemon: stage.daemon(&arguments.program.path()?, &*backend)?,
        traffic: stage.traffic()?,
        stream: Stream::start(&stage.near, &stage.far, stage::address(&stage.far)?)?,
        backend: &*backend,
        cluster,
        turns: AtomicUsize::new(0),
    };
    let points = points(arguments, source, &scene);
    points.with_context(|| format!("the daemon's log:\n{}", scene.daemon.log()))
}

fn points(arguments: &Arguments, source: Source, scene: &Scene<'_>) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut there = 0;
    for policies in arguments.sizes() {
        let begin = Instant::now();
        let more = (there..policies).map(|number| scene.cluster.policy(number));
        scene.backend.fill(more.collect())?;
        there = policies;
        // Not counted: what was put in before is in force when this is.
        point::measure(scene.backend, &scene.stream, &scene.daemon, 1)?;
        for churn in [0, arguments.churn] {
            points.push(scene.point(arguments, source, policies, churn)?);
        }
        let what = source.words();
        say(format_args!(
            "{what}: {policies} policies in {:.1?}",
            begin.elapsed()
        ));
    }
    Ok(points)
}

impl Scene<'_> {
    fn point(
        &self,
        arguments: &Arguments,
        source: Source,
        policies: usize,
        churn: u32,
    ) -> Result<Point> {
        let exchanges = self.traffic.exchanges()?;
        let work = || point::measure(self.backend, &self.stream, &self.daemon, arguments.rounds());
        let (times, relabelled) =
            churn::meanwhile(self.cluster, self.backend, churn, &self.turns, work)?;
        if churn > 0 && relabelled == 0 {
            bail!("no pod was relabelled meanwhile");
        }
        if self.traffic.exchanges()? == exchanges {
            bail!("no connection went on meanwhile");
        }
        Ok(Point {
            source,
            policies,
            churn,
            times,
        })
    }
}

/// Progress is for whoever waits.
fn say(what: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // Nobody is there who could be told that it fails.
    let _ = writeln!(std::io::stderr(), "{what}");
}
