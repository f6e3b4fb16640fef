//! From the kernel's hand-over to the end.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, ExitCode};

use enforcer_vm::{Message, PLAN, Plan};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::reboot::{RebootMode, reboot};

use crate::{files, job};

/// What keeps the first process from its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// A file system is missing in this kernel.
    #[error("cannot mount {path}: {errno}")]
    Mount {
        /// Where.
        path: String,
        /// Why.
        errno: Errno,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The plan makes no sense.
    #[error("{PLAN}: {0}")]
    Plan(#[from] serde_json::Error),
}

impl InitError {
    /// What is wrong with this file.
    pub(crate) fn file(path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Does everything, and stops the machine.
pub(crate) fn run() -> ExitCode {
    let end = match work() {
        Ok(()) => Message::Done,
        Err(error) => Message::Failed {
            error: error.to_string(),
        },
    };
    tell(&end);
    // Comes back only with an error; the kernel then panics, and the machine stops for that.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    ExitCode::FAILURE
}

fn work() -> Result<(), InitError> {
    files::prepare()?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_err(InitError::file("/proc/sys/kernel/osrelease"))?;
    tell(&Message::Booted {
        release: release.trim().to_owned(),
    });
    // From here on the console is ours; what the kernel logs is looked at in the end.
    files::sysctl("kernel/printk", "1 4 1 7")?;
    let plan = fs::read(PLAN).map_err(InitError::file(PLAN))?;
    let plan: Plan = serde_json::from_slice(&plan)?;
    // Without it, addresses of the machine itself are not reachable.
    let _ = Command::new("/usr/sbin/ip")
        .args(["link", "set", "lo", "up"])
        .status();
    for job in &plan.jobs {
        // An empty line is an empty name, and nothing at all would be no change.
        let modprobe = if job.modules { "/sbin/modprobe" } else { "\n" };
        files::sysctl("kernel/modprobe", modprobe)?;
        tell(&Message::Started {
            job: job.name.clone(),
        });
        tell(&job::run(job));
    }
    tell(&Message::Complaints {
        lines: complaints().map_err(InitError::file("/dev/kmsg"))?,
    });
    Ok(())
}

/// Writes a message to the console.
fn tell(message: &Message) {
    // There is nobody else to tell if that fails.
    if let Ok(line) = message.line() {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "\n{line}");
        let _ = out.flush();
    }
}

/// Lines of the kernel's log that tell of bugs.
fn complaints() -> io::Result<Vec<String>> {
    let mut log = File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open("/dev/kmsg")?;
    let mut lines = Vec::new();
    // Each read gives one record, and the end of the log is an error.
    let mut record = vec![0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(lines),
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                let text = text.split_once(';').map_or("", |(_, text)| text);
                let line = text.lines().next().unwrap_or_default();
                if is_complaint(line) {
                    lines.push(line.to_owned());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(lines),
            // Records that were overwritten meanwhile.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_complaint(line: &str) -> bool {
    [
        "WARNING: ",
        "BUG: ",
        "Oops",
        "general protection fault",
        "Out of memory",
        "INFO: task ",
        "rcu: INFO: ",
        "unregister_netdevice: waiting",
    ]
    .iter()
    .any(|word| line.contains(word))
}
