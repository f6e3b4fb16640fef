//! `cargo xtask bench memory`.
//!
//! The measuring itself is the example `memory` of `enforcer-cluster`, so that xtask needs no client
//! of Kubernetes.

use anyhow::Result;

use crate::{build, envtest, machine, shell, test, workspace};

/// How big the cluster is.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A small cluster and half a minute, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// How many pods there are; 50 of them are on the node that is measured.
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    pods: usize,
    /// How many namespaces there are.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    namespaces: usize,
    /// How many policies there are.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    policies: usize,
    /// How many services there are, each with an endpoint slice.
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    services: usize,
    /// For how many seconds pods change in ways that no policy can see.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    churn: u64,
}

impl Arguments {
    /// The flags of the example.
    fn flags(&self) -> [(&'static str, String); 5] {
        let part = |count: usize| if self.quick { count / 15 } else { count };
        let churn = if self.quick { 20 } else { self.churn };
        [
            ("--pods", part(self.pods).to_string()),
            ("--namespaces", part(self.namespaces).to_string()),
            ("--policies", part(self.policies).to_string()),
            ("--services", part(self.services).to_string()),
            ("--churn", churn.to_string()),
        ]
    }
}

/// Builds everything as this user, then measures as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runner = machine::as_root("env", "load BPF programs and make network namespaces")?;
    let assets = envtest::ensure()?;
    build::release()?;
    let example = ["--package", "enforcer-cluster", "--example", "memory"];
    let mut cargo = machine::cargo();
    cargo.arg("build").args(example);
    shell::step("the benchmark", cargo)?;
    let mut cargo = machine::cargo();
    cargo.args(["run", "--quiet"]).args(example).arg("--");
    cargo.arg("--program").arg(workspace::enforcer("release"));
    let manifests = workspace::root().join("deploy/manifests/enforcer.yaml");
    cargo.arg("--manifests").arg(manifests);
    cargo
        .arg("--json")
        .arg(workspace::target().join("bench/memory.json"));
    for (flag, value) in arguments.flags() {
        cargo.args([flag, &value]);
    }
    cargo.env(envtest::ASSETS, assets);
    test::run_by(&runner, &mut cargo);
    shell::show("memory", cargo)
}
