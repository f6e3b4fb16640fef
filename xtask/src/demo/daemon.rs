//! The `enforcer` under show, as a child process, and its command line.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::interrupt;
use super::stage::Stage;
use crate::{shell, ui, workspace};

/// How long the daemon may take to come up, and to go.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running `enforcer run`. Dropping it ends it.
pub(super) struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let (socket, log) = (stage.path("enforcer.sock"), stage.path("enforcer.log"));
        let output = File::create(&log).context("making the daemon's log file")?;
        let child = Command::new(workspace::enforcer("release"))
            .args(["run", "--cleanup", "--listen", "none", "--manifests"])
            .arg(stage.manifests())
            .arg("--bpffs")
            .arg(stage.bpffs())
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C on the terminal is for the demo, which ends the daemon in its turn.
            .process_group(0)
            .spawn()
            .context("starting `enforcer run`")?;
        let mut daemon = Self { child, socket, log };
        let up = interrupt::until(PATIENCE, || {
            daemon.check_alive()?;
            Ok(daemon.socket.exists().then_some(()))
        })?;
        if up.is_none() {
            bail!("`enforcer run` does not answer:\n{}", daemon.log());
        }
        Ok(daemon)
    }

    /// Waits until the manifests as they are now are in force.
    pub(super) fn wait(&mut self) -> Result<()> {
        let timeout = PATIENCE.as_secs().to_string();
        self.ask(&["status", "--wait", "--timeout", &timeout])
            .map(|_| ())
    }

    /// The newest drops, one JSON object a line.
    pub(super) fn drops(&mut self) -> Result<String> {
        self.ask(&[
            "flows",
            "--verdict",
            "deny",
            "--last",
            "100",
            "--output",
            "json",
        ])
    }

    /// The records since a moment that more arguments mean, one JSON object a line.
    pub(super) fn records(&mut self, since: Timestamp, more: &[&str]) -> Result<String> {
        let since = since.to_string();
        let arguments = ["flows", "--since", &since, "--output", "json"];
        self.ask(&[&arguments, more].concat())
    }

    /// Packets that policies have denied, as the kernel counts them.
    pub(super) fn denied(&mut self) -> Result<u64> {
        let status: Value = serde_json::from_str(&self.ask(&["status", "--output", "json"])?)?;
        let reasons = ["policy-denied", "revoked"];
        let counts = ["ingress", "egress"].into_iter().flat_map(|hook| {
            reasons.map(|reason| status["packets"][format!("{hook}/{reason}")].as_u64())
        });
        Ok(counts.flatten().sum())
    }

    /// The command that asks this daemon, as the user would type it.
    pub(super) fn command_line(&self, verb: &str) -> String {
        let binary = workspace::enforcer("release");
        format!(
            "{} {verb} --socket {}",
            binary.display(),
            self.socket.display()
        )
    }

    /// What a verb that asks this daemon prints; an error where it does not end with success.
    pub(super) fn ask(&mut self, arguments: &[&str]) -> Result<String> {
        self.check_alive()?;
        interrupt::check()?;
        let mut command = Command::new(workspace::enforcer("release"));
        command.args(arguments).arg("--socket").arg(&self.socket);
        shell::quiet(command).with_context(|| format!("the daemon's log ends:\n{}", self.log()))
    }

    fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self
            .child
            .try_wait()
            .context("looking after `enforcer run`")?
        {
            bail!("`enforcer run` ended ({status}):\n{}", self.log());
        }
        Ok(())
    }

    /// The end of its log.
    fn log(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        let end = std::time::Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if std::time::Instant::now() > end {
                self.child.kill()?;
                self.child.wait()?;
                bail!("it did not stop on SIGTERM and was killed");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            ui::line(format_args!("  stopping `enforcer run`: {error:#}"));
        }
    }
}
