//! One job.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use enforcer_vm::{Job, Message, Outcome};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How often a job is asked whether it has ended.
const PATIENCE: Duration = Duration::from_millis(20);
/// Where a job's output is kept until it ends.
const OUTPUT: &str = "/run/output";
/// The list that tests enter that the kernel has no means for.
const SKIPPED: &str = "/run/skipped";

/// Runs a job and says how it went.
pub(crate) fn run(job: &Job) -> Message {
    let begin = Instant::now();
    let outcome =
        attempt(job, begin).unwrap_or_else(|error| Outcome::NotStarted(error.to_string()));
    let read = |path| match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    };
    Message::Ended {
        job: job.name.clone(),
        outcome,
        milliseconds: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        output: read(OUTPUT),
        skipped: read(SKIPPED),
    }
}

fn attempt(job: &Job, begin: Instant) -> io::Result<Outcome> {
    match fs::remove_file(SKIPPED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let output = File::create(OUTPUT)?;
    let mut child = Command::new(&job.program)
        .args(&job.arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("ENFORCER_SKIPPED_TESTS", SKIPPED)
        .envs(&job.environment)
        .current_dir(&job.directory)
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .process_group(0)
        .spawn()?;
    let end = begin + Duration::from_secs(job.seconds);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(outcome(status));
        }
        if Instant::now() >= end {
            stop(&mut child);
            return Ok(Outcome::TimedOut);
        }
        thread::sleep(PATIENCE);
    }
}

/// With everything that it started and that did not leave its group.
fn stop(child: &mut Child) {
    let group = Pid::from_raw(child.id().cast_signed());
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, signal) => Outcome::Killed(signal.unwrap_or_default()),
    }
}
