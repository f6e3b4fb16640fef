//! Helm, and the chart.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{envtest, workspace};

/// What templates are rendered for: the newest Kubernetes that the daemon's API types know. Helm's
/// own idea depends on how it was built.
const KUBERNETES: &str = "1.33.0";

/// The API that older clusters lack and the plain manifests use.
const ADMISSION_POLICY: &str = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy";

/// A helm program.
pub(super) struct Helm {
    program: PathBuf,
}

impl Helm {
    /// The one that users of the cluster tests get; built when it is not there yet.
    pub(super) fn ensure() -> Result<Self> {
        Ok(Self {
            program: envtest::ensure()?.join("helm"),
        })
    }

    /// `helm template` of the chart, as installed in the namespace of the documentation.
    pub(super) fn template(&self, more: &[&str]) -> Command {
        let mut command = self.command("template");
        command
            .arg("enforcer")
            .arg(chart())
            .args(["--namespace", "enforcer-system"])
            .args(["--kube-version", KUBERNETES])
            .args(["--api-versions", ADMISSION_POLICY])
            .args(more);
        command
    }

    /// `helm lint --strict` of the chart with a file of values.
    pub(super) fn lint(&self, values: &Path) -> Command {
        let mut command = self.command("lint");
        command
            .arg(chart())
            .args(["--strict", "--quiet", "--kube-version", KUBERNETES])
            .arg("--values")
            .arg(values);
        command
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb);
        command
    }
}

/// The chart's directory.
pub(super) fn chart() -> PathBuf {
    workspace::root().join("deploy/chart/enforcer")
}
