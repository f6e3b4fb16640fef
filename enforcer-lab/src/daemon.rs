//! The program under test, inside the node.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{LabError, Node};

/// How often a process is asked whether it has ended.
const PATIENCE: Duration = Duration::from_millis(10);

/// A running `enforcer run`; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    program: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

impl Node {
    /// Where a daemon of this node pins maps and links. It outlives the daemon, as it does on a real
    /// node.
    pub fn bpffs(&self) -> PathBuf {
        self.home().join("bpf")
    }

    /// Starts `program run` in the node, with its directories and more arguments, which are
    /// split at white space. It reads the node's manifests unless the arguments name a kubeconfig, and
    /// serves no HTTP unless they say where. It is not ready when this returns.
    pub fn start(&self, program: &Path, arguments: &str) -> Result<Daemon, LabError> {
        if arguments.contains("--kubeconfig") {
            return self.start_from(program, &[], arguments);
        }
        let manifests = self.manifests();
        let source = ["--manifests".as_ref(), manifests.as_os_str()];
        self.start_from(program, &source, arguments)
    }

    /// The same with another source of objects than the lab's manifests, such as `--kubeconfig FILE`.
    pub fn start_from(
        &self,
        program: &Path,
        source: &[&OsStr],
        arguments: &str,
    ) -> Result<Daemon, LabError> {
        let log = self.home().join("log");
        let socket = self.home().join("socket");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(LabError::file(&log))?;
        let errors = output.try_clone().map_err(LabError::file(&log))?;
        let mut command = Command::new(program);
        command.arg("run").args(source);
        for (flag, value) in [
            ("--netns-dir", &self.netns_dir()),
            ("--bpffs", &self.bpffs()),
            ("--socket", &socket),
        ] {
            command.arg(flag).arg(value);
        }
        if !arguments.contains("--listen") {
            command.args(["--listen", "none"]);
        }
        command
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        Ok(Daemon {
            child: self.spawn(&mut command)?,
            program: program.to_owned(),
            socket,
            log,
        })
    }
}

impl Daemon {
    /// Waits until the manifests of this moment are in force (`status --wait`).
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), LabError> {
        let seconds = timeout.as_secs().max(1).to_string();
        self.ask(&["status", "--wait", "--timeout", &seconds])
            .map(drop)
    }

    /// Runs another verb of the program against this daemon and gives what it prints.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, LabError> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--socket").arg(&self.socket);
        let line = format!("{command:?}");
        let output = command.output().map_err(|source| LabError::Start {
            command: line.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(LabError::Command {
            command: line,
            output: format!("{said}; the daemon's log:\n{}", self.log()),
        })
    }

    /// Everything that daemons of this node have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by SIGTERM and waits; `None` if it does not end within the time (then it is killed).
    pub fn stop(mut self, timeout: Duration) -> Result<Option<ExitStatus>, LabError> {
        kill(Pid::from_raw(self.id().cast_signed()), Signal::SIGTERM)
            .map_err(LabError::system("stop a daemon"))?;
        let end = Instant::now() + timeout;
        while Instant::now() < end {
            let ended = self.child.try_wait();
            if let Some(status) = ended.map_err(LabError::file(&self.program))? {
                return Ok(Some(status));
            }
            thread::sleep(PATIENCE);
        }
        Ok(None)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
