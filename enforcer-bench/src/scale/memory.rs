//! What this process takes.

use std::fs;

use anyhow::Context as _;

/// Resident memory in MiB.
pub(super) fn resident() -> anyhow::Result<f64> {
    field("VmRSS")
}

/// The most that was resident, in MiB.
pub(super) fn most() -> anyhow::Result<f64> {
    field("VmHWM")
}

fn field(name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = value.and_then(|value| value.trim().strip_suffix(" kB"));
    let kilobytes: f64 = kilobytes
        .with_context(|| format!("no {name} in /proc/self/status"))?
        .parse()
        .with_context(|| format!("{name} in /proc/self/status"))?;
    Ok(kilobytes / 1024.0)
}
