//! One thread that starts all servers.
//!
//! A server asks the kernel to be killed when the thread that started it ends, so that nothing
//! outlives a test that is killed. A test's own thread ends while others still use the server; this
//! one ends with the process.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

type Job = (Command, Sender<io::Result<Child>>);

/// Starts a program that is killed when this process ends.
pub(crate) fn spawn(
    program: &std::path::Path,
    prepare: impl FnOnce(&mut Command),
) -> io::Result<Child> {
    static KEEPER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    prepare(&mut command);
    let (reply, answer) = mpsc::channel();
    KEEPER
        .get_or_init(|| Mutex::new(start()))
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, reply))
        .map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

fn start() -> Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::spawn(move || {
        for (mut command, reply) in jobs {
            let _ = reply.send(command.spawn());
        }
    });
    sender
}
