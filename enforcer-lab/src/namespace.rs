//! A network namespace with a file to name it by.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::LabError;

/// The calling thread's own namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace. It and everything in it goes when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    path: PathBuf,
    file: File,
}

impl Namespace {
    /// Makes one, with its loopback link up and without waiting for duplicate addresses, and mounts
    /// it at `path`.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, LabError> {
        let path = path.into();
        File::create_new(&path).map_err(LabError::file(&path))?;
        let made = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(LabError::system("make a namespace"))?;
            let nothing: Option<&str> = None;
            mount(Some(OWN), &path, nothing, MsFlags::MS_BIND, nothing)
                .map_err(LabError::system("mount a namespace"))?;
            File::open(OWN).map_err(LabError::file(OWN))
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                remove(&path);
                return Err(error);
            }
        };
        let namespace = Self { path, file };
        namespace.ip("link set lo up")?;
        for conf in ["all", "default"] {
            namespace.sysctl(&format!("net/ipv6/conf/{conf}/accept_dad"), "0")?;
        }
        // Everybody may ping.
        namespace.sysctl("net/ipv4/ping_group_range", "0 2147483647")?;
        Ok(namespace)
    }

    /// The file that names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a thread inside it.
    pub fn run<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, LabError> + Send,
    ) -> Result<T, LabError> {
        in_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET)
                .map_err(LabError::system("enter a namespace"))?;
            work()
        })
    }

    /// Starts a program inside it.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, LabError> {
        self.run(|| {
            command.spawn().map_err(|source| LabError::Start {
                command: format!("{command:?}"),
                source,
            })
        })
    }

    /// Runs `ip` with these arguments, which are split at white space, and gives what it prints.
    ///
    /// An IPv6 address can be used as soon as it is added: the kernel looks for duplicates in the
    /// background, even where that is switched off.
    pub fn ip(&self, arguments: &str) -> Result<String, LabError> {
        if arguments.starts_with("address add ") && arguments.contains(':') {
            self.command("ip", &format!("{arguments} nodad"))
        } else {
            self.command("ip", arguments)
        }
    }

    /// Runs a program with these arguments, which are split at white space, and gives what it
    /// prints.
    pub fn command(&self, program: &str, arguments: &str) -> Result<String, LabError> {
        let command = || format!("{program} {arguments}");
        let output = self.run(|| {
            Command::new(program)
                .args(arguments.split_whitespace())
                .output()
                .map_err(|source| LabError::Start {
                    command: command(),
                    source,
                })
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(LabError::Command {
            command: command(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Whether there is such a value below `/proc/sys`.
    pub fn has_sysctl(&self, name: &str) -> Result<bool, LabError> {
        let path = Path::new("/proc/sys").join(name);
        self.run(|| Ok(path.exists()))
    }

    /// Sets a value below `/proc/sys`, given without that prefix.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), LabError> {
        let path = Path::new("/proc/sys").join(name);
        self.run(|| fs::write(&path, value).map_err(LabError::file(&path)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Unmounts and removes a namespace's file. There is nobody to tell if that fails; the sweep of a
/// later lab tries again.
fn remove(path: &Path) {
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(path);
}

/// Runs `work` on a thread of its own, which may change its namespace.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T, LabError> + Send) -> Result<T, LabError> {
    thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
