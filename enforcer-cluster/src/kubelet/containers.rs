//! Containers that are processes.
//!
//! There is no container runtime here: where a test says which program stands for an image, a container of
//! that image is this program with the container's arguments and environment, in the pod's network namespace and
//! without capabilities where the container drops all. User and files are this machine's.

mod output;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use enforcer_lab::Namespace;
use k8s_openapi::api::core::v1::Container as Spec;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::keeper;
pub(super) use output::Output;

/// How long a process may take to end by SIGTERM.
const GRACE: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(5);

/// Which program stands for which image.
pub type Programs = BTreeMap<String, PathBuf>;

/// A process; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) output: Arc<Output>,
    process: Mutex<Child>,
}

impl Container {
    /// Starts a container in a pod's namespace.
    pub(super) fn start(at: &Namespace, spec: &Spec, program: &Path) -> Result<Self, String> {
        let context = spec.security_context.as_ref();
        let capabilities = context.and_then(|context| context.capabilities.as_ref());
        let mut dropped = capabilities
            .iter()
            .flat_map(|all| all.drop.iter().flatten());
        let bare = dropped.any(|name| name == "ALL");
        let environment = spec.env.iter().flatten();
        let environment = environment.filter_map(|one| Some((&one.name, one.value.as_ref()?)));
        let started = keeper::spawn(Path::new("nsenter"), |command| {
            command
                .arg(format!("--net={}", at.path().display()))
                .arg("--");
            if bare {
                let words = [
                    "--inh-caps=-all",
                    "--bounding-set=-all",
                    "--no-new-privs",
                    "--",
                ];
                command.arg("setpriv").args(words);
            }
            command
                .arg(program)
                .args(spec.command.iter().flatten().skip(1))
                .args(spec.args.iter().flatten())
                .env_clear()
                .envs(environment)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(path) = std::env::var_os("PATH") {
                command.env("PATH", path);
            }
        });
        let failed = |error: std::io::Error| format!("starting container {}: {error}", spec.name);
        let mut process = started.map_err(failed)?;
        let output = Output::of(process.stdout.take(), process.stderr.take());
        Ok(Self {
            name: spec.name.clone(),
            output,
            process: Mutex::new(process),
        })
    }

    /// Ends it in order, or at once when it takes its time.
    pub(super) fn stop(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let id = Pid::from_raw(process.id().cast_signed());
        let ended = |process: &mut Child| !matches!(process.try_wait(), Ok(None));
        if ended(&mut process) {
            return;
        }
        let _ = kill(id, Signal::SIGTERM);
        let begin = Instant::now();
        while !ended(&mut process) && begin.elapsed() < GRACE {
            thread::sleep(LOOK);
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.stop();
    }
}
