//! What the daemon needs in a big cluster: the real API server, filled with objects; the release
//! binary with the service account that is shipped; its memory from outside. Run by
//! `cargo xtask bench memory`.

#![expect(
    clippy::print_stdout,
    reason = "progress and the result are for the terminal"
)]

mod agent;
mod fill;
mod memory;
mod phases;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use enforcer_cluster::{ControlPlane, Options};
use enforcer_testing::big::Size;

/// Any mistake ends the benchmark.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How big the cluster is, and for how long it is watched.
#[derive(Parser)]
struct Arguments {
    /// The program to measure.
    #[arg(long)]
    program: PathBuf,
    /// The manifests with its service account.
    #[arg(long)]
    manifests: PathBuf,
    /// Where the result goes, as JSON.
    #[arg(long)]
    json: PathBuf,
    #[arg(long, default_value_t = 15_000)]
    pods: usize,
    #[arg(long, default_value_t = 2_000)]
    namespaces: usize,
    #[arg(long, default_value_t = 2_000)]
    policies: usize,
    #[arg(long, default_value_t = 3_000)]
    services: usize,
    #[arg(long, default_value_t = 300)]
    nodes: usize,
    /// For how many seconds pods change in ways that no policy can see.
    #[arg(long, default_value_t = 120)]
    churn: u64,
    /// More than this is a failure.
    #[arg(long, default_value_t = 64)]
    limit_mib: u64,
}

impl Arguments {
    fn size(&self) -> Size {
        Size {
            nodes: self.nodes,
            namespaces: self.namespaces,
            pods: self.pods,
            policies: self.policies,
            services: self.services,
        }
    }
}

fn main() -> Outcome<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Pods are written here as controllers and kubelets would; without those, nobody undoes it.
    let mut plane = ControlPlane::start(&Options {
        controller_manager: false,
        ..Options::default()
    })?;
    let size = arguments.size();
    runtime.block_on(fill::fill(&plane, &size))?;
    plane.apply(&std::fs::read_to_string(&arguments.manifests)?)?;
    let churn = Duration::from_secs(arguments.churn);
    let story = phases::all(&mut plane, &arguments.program, &size, churn);
    let (phases, log) = runtime.block_on(story)?;
    report::show(&phases);
    report::write(&phases, &size, &arguments.json)?;
    std::fs::write(arguments.json.with_extension("log"), log)?;
    Ok(report::judge(&phases, arguments.limit_mib))
}
