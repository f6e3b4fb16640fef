//! The memory of a process, from outside.

use std::fs;

use serde::Serialize;

use crate::Outcome;

/// In KiB, as the kernel says it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) rss: u64,
    /// The most since the last [`reset_peak`].
    pub(crate) peak: u64,
    /// What is resident, shared pages in part.
    pub(crate) pss: u64,
    /// What is resident and no page of a file.
    pub(crate) anonymous: u64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Outcome<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        Ok(Self {
            rss: field(&status, "VmRSS:")?,
            peak: field(&status, "VmHWM:")?,
            pss: field(&rollup, "Pss:")?,
            anonymous: field(&status, "RssAnon:")?,
        })
    }
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    Ok(word
        .ok_or(format!("the kernel does not tell {name}"))?
        .parse()?)
}

/// From now on the peak is that of what comes.
pub(crate) fn reset_peak(process: u32) -> Outcome<()> {
    Ok(fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}
