//! The daemon, in a network namespace of its own, which has nothing but a way to the API server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use enforcer_cluster::ControlPlane;
use enforcer_lab::{Namespace, relay};
use enforcer_testing::big;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Outcome;

/// The namespace that is shipped, and the service account in it.
const NAMESPACE: &str = "enforcer-system";
const ACCOUNT: &str = "enforcer";

/// A running daemon.
pub(crate) struct Agent {
    child: Child,
    program: PathBuf,
    home: PathBuf,
    // Goes after the daemon.
    _namespace: Namespace,
}

impl Agent {
    /// Starts it on the node with the pods.
    pub(crate) fn start(plane: &ControlPlane, program: &Path) -> Outcome<Self> {
        let home = plane.directory().join("agent");
        fs::create_dir_all(home.join("netns"))?;
        let namespace = Namespace::create(home.join("namespace"))?;
        relay(&namespace, plane.port())?;
        let hour = Duration::from_secs(3600);
        let account = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT, hour, &plane.url())?;
        let log = File::create(home.join("log"))?;
        let mut command = Command::new(program);
        command
            .args(["run", "--node", &big::name_of_node(0), "--kubeconfig"])
            .arg(account.kubeconfig())
            .arg("--netns-dir")
            .arg(home.join("netns"))
            .arg("--bpffs")
            .arg(home.join("bpf"))
            .arg("--socket")
            .arg(home.join("socket"))
            .arg("--cleanup")
            .env(
                "ENFORCER_LOG",
                "info,enforcer::daemon=debug,enforcer::source=debug",
            )
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(Self {
            child: namespace.spawn(&mut command)?,
            program: program.to_owned(),
            home,
            _namespace: namespace,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until everything has been listed; says how long it took.
    pub(crate) fn wait(&self, begin: Instant) -> Outcome<Duration> {
        let mut command = Command::new(&self.program);
        command.args(["status", "--wait", "--timeout", "300", "--socket"]);
        let output = command.arg(self.home.join("socket")).output()?;
        // The pods' links do not exist here, so that status has something to complain of.
        if !self.log()?.contains("ready") {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("the daemon is not ready: {said}\n{}", self.log()?).into());
        }
        Ok(begin.elapsed())
    }

    pub(crate) fn log(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.home.join("log"))?)
    }

    /// Batches that were compiled so far.
    pub(crate) fn compiles(&self) -> Outcome<usize> {
        let log = self.log()?;
        Ok(log.lines().filter(|line| is_compile(line)).count())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }
}

fn is_compile(line: &str) -> bool {
    line.contains("changes applied") && line.contains("matters=true")
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It removes what it has pinned.
        if self.signal(Signal::SIGTERM).is_ok() {
            let _ = self.child.wait();
        }
        let _ = nix::mount::umount2(&self.home.join("bpf"), nix::mount::MntFlags::MNT_DETACH);
    }
}
