//! Virtual machines.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use enforcer_vm::Message;

use super::arch::Arch;
use crate::{shell, ui};

/// How long a kernel may take to its first process where the processor is the real one.
const KVM_PATIENCE: Duration = Duration::from_secs(10);

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU, ten to twenty times slower.
    Tcg,
    /// QEMU with one processor whose clock advances by a nanosecond with each instruction: what
    /// takes a nanosecond there is an executed instruction.
    Counting,
}

/// A machine to be.
pub(super) struct Machine<'a> {
    pub(super) arch: Arch,
    pub(super) accelerator: Accelerator,
    pub(super) image: &'a Path,
    pub(super) initramfs: &'a Path,
    /// Where everything goes that comes over the console.
    pub(super) log: &'a Path,
}

impl Machine<'_> {
    /// Runs it to its end, and gives what it told. A machine that says nothing for too long, or
    /// longer than a job may take, is ended.
    pub(super) fn run(
        &self,
        patience: Duration,
        mut told: impl FnMut(&Message),
    ) -> Result<Vec<Message>> {
        let mut log =
            File::create(self.log).with_context(|| format!("creating {}", self.log.display()))?;
        let mut command = self.command();
        command.stderr(log.try_clone().context("copying the log's descriptor")?);
        let mut process = Process(command.spawn().context("starting QEMU")?);
        let output = process.0.stdout.take().context("QEMU without output")?;
        let lines = shell::lines(output);
        let mut messages = Vec::new();
        let mut end = Instant::now() + patience;
        loop {
            let line = match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("nothing for {}{}", ui::seconds(patience), self.last_words())
                }
            };
            if let Some(message) = Message::read(&line) {
                told(&message);
                messages.push(message);
                end = Instant::now() + patience;
            } else {
                writeln!(log, "{line}").context("writing the console's log")?;
            }
        }
        match messages.last() {
            Some(Message::Done) => Ok(messages),
            Some(Message::Failed { error }) => bail!("the first process: {error}"),
            _ => bail!("the machine stopped before its end{}", self.last_words()),
        }
    }

    /// The end of the console's log.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(25)..];
        format!("; the end of {}:\n{}", self.log.display(), last.join("\n"))
    }

    fn command(&self) -> Command {
        let mut qemu = Command::new(self.arch.emulator());
        qemu.args(self.arch.machine());
        qemu.args(match self.accelerator {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "max"],
            Accelerator::Tcg | Accelerator::Counting => ["-accel", "tcg", "-cpu", "max"],
        });
        let processors = if self.accelerator == Accelerator::Counting {
            qemu.args(["-icount", "shift=0,sleep=off"]);
            "1"
        } else {
            "2"
        };
        qemu.args(["-smp", processors, "-m", "3000"]);
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
        qemu.args(["-display", "none", "-serial", "stdio"]);
        qemu.arg("-kernel").arg(self.image);
        qemu.arg("-initrd").arg(self.initramfs);
        let console = self.arch.console();
        // A kernel that is in trouble ends, and the machine with it.
        qemu.arg("-append").arg(format!(
            "console={console} panic=-1 oops=panic loglevel=4 nokaslr mitigations=off"
        ));
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        qemu
    }
}

/// A started QEMU; it ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Finds out what can be used here: a `/dev/kvm` that is there may still hang a kernel.
pub(super) fn accelerator(
    arch: Arch,
    image: &Path,
    initramfs: &Path,
    log: &Path,
) -> (Accelerator, String) {
    if !arch.is_this_machines() {
        return (Accelerator::Tcg, "another processor's machine".to_owned());
    }
    if File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return (Accelerator::Tcg, "no usable /dev/kvm here".to_owned());
    }
    let machine = Machine {
        arch,
        accelerator: Accelerator::Kvm,
        image,
        initramfs,
        log,
    };
    match machine.run(KVM_PATIENCE, |_| {}) {
        Ok(_) => (Accelerator::Kvm, "a kernel boots with it".to_owned()),
        Err(_) => (
            Accelerator::Tcg,
            format!(
                "with KVM no kernel boots within {}",
                ui::seconds(KVM_PATIENCE)
            ),
        ),
    }
}
