//! What users do: kubectl.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{ClusterError, ControlPlane, program};

/// How many seconds any kubectl may take: some wait for ever for what never comes.
const TIMEOUT: &str = "120";
/// What `timeout` ends with when the time is over.
const TIMED_OUT: i32 = 124;

impl ControlPlane {
    /// Runs kubectl as the administrator and gives what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, ClusterError> {
        self.kubectl_with(self.kubeconfig(), arguments, "")
    }

    /// Applies manifests, in YAML or JSON, and gives what kubectl prints.
    pub fn apply(&self, manifests: &str) -> Result<String, ClusterError> {
        self.kubectl_with(self.kubeconfig(), &["apply", "-f", "-"], manifests)
    }

    /// Deletes what manifests name and waits until it is gone.
    pub fn delete(&self, manifests: &str) -> Result<String, ClusterError> {
        self.kubectl_with(self.kubeconfig(), &["delete", "-f", "-"], manifests)
    }

    /// Runs kubectl with another kubeconfig and this input.
    pub fn kubectl_with(
        &self,
        kubeconfig: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, ClusterError> {
        let line = format!("kubectl {}", arguments.join(" "));
        let start = |source| ClusterError::Start {
            command: line.clone(),
            source,
        };
        let mut child = Command::new("timeout")
            .args(["--kill-after", "5", TIMEOUT])
            .arg(program("kubectl")?)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--cache-dir")
            .arg(self.directory().join("kubectl"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // kubectl may answer before it has read everything.
            scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output()
        })
        .map_err(start)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let mut complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.code() == Some(TIMED_OUT) {
            let _ = write!(complaint, " (not done after {TIMEOUT} s)");
        }
        Err(ClusterError::Command {
            command: line,
            output: complaint,
        })
    }
}
