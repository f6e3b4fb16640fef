//! One server: its process and its log.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{ClusterError, keeper, program};

/// How often a process is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How many lines of a log an error shows.
const LINES: usize = 20;

/// A server that can be started again with the same arguments.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Describes one; it is not started.
    pub(crate) fn new(
        name: &'static str,
        log: PathBuf,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, ClusterError> {
        Ok(Self {
            name,
            program: program(name)?,
            arguments: arguments.into_iter().map(Into::into).collect(),
            log,
            child: None,
        })
    }

    /// Starts it; nothing if it runs. What it logs is added to what it logged before.
    pub(crate) fn start(&mut self) -> Result<(), ClusterError> {
        if self.id().is_some() {
            return Ok(());
        }
        let output = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(ClusterError::file(&self.log))?;
        let errors = output.try_clone().map_err(ClusterError::file(&self.log))?;
        let child = keeper::spawn(&self.program, |command| {
            command
                .args(&self.arguments)
                .stdin(Stdio::null())
                .stdout(output)
                .stderr(errors)
                // Ctrl-C is for the test.
                .process_group(0);
        });
        self.child = Some(child.map_err(|source| ClusterError::Start {
            command: self.program.display().to_string(),
            source,
        })?);
        Ok(())
    }

    /// The process, if it runs.
    pub(crate) fn id(&mut self) -> Option<u32> {
        let child = self.child.as_mut()?;
        match child.try_wait() {
            Ok(None) => Some(child.id()),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// Waits until `ready` or until the process ends or the time is over, which are errors.
    pub(crate) fn wait_ready(
        &mut self,
        timeout: Duration,
        mut ready: impl FnMut() -> Result<(), String>,
    ) -> Result<(), ClusterError> {
        let end = Instant::now() + timeout;
        loop {
            let Err(reason) = ready() else { return Ok(()) };
            if self.id().is_none() {
                return Err(self.error("ended at its start".into()));
            }
            if Instant::now() >= end {
                let seconds = timeout.as_secs();
                return Err(self.error(format!("is not ready after {seconds} s ({reason})")));
            }
            thread::sleep(TICK);
        }
    }

    /// Sends it a signal; nothing if it does not run.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), ClusterError> {
        let Some(id) = self.id() else { return Ok(()) };
        kill(Pid::from_raw(id.cast_signed()), signal)
            .map_err(|errno| self.error(format!("cannot be sent {signal}: {errno}")))
    }

    /// Ends it at once and waits.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it by SIGTERM and waits; an error if it takes longer than `timeout`, when it is killed.
    pub(crate) fn stop(&mut self, timeout: Duration) -> Result<(), ClusterError> {
        self.signal(Signal::SIGTERM)?;
        let end = Instant::now() + timeout;
        while self.id().is_some() {
            if Instant::now() >= end {
                self.kill();
                let seconds = timeout.as_secs();
                return Err(self.error(format!("has not ended {seconds} s after SIGTERM")));
            }
            thread::sleep(TICK);
        }
        self.child = None;
        Ok(())
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    fn error(&self, problem: String) -> ClusterError {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        ClusterError::Server {
            server: self.name,
            problem,
            log: last.join("\n"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
