//! Where figures come from. Everything is read here and nothing is asked of other programs, so that
//! it works in a machine that has none.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// The variable by which `cargo xtask bench` tells the revision of the sources.
pub const REVISION: &str = "ENFORCER_BENCH_REVISION";

/// The machine at the time of a bench. What cannot be found out is left empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Date and time (UTC).
    pub time: String,
    /// Release and build of the kernel.
    pub kernel: String,
    /// Architecture.
    pub architecture: String,
    /// The processor's name.
    pub processor: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Load of the last minute when the bench began: more than 0.5 on two cores means that others
    /// were at work.
    pub load: String,
    /// Mitigations of processor flaws that cost something, by flaw.
    pub mitigations: BTreeMap<String, String>,
    /// Revision of the sources.
    pub revision: String,
}

impl Machine {
    /// This machine, now.
    pub fn here() -> Self {
        let names = nix::sys::utsname::uname().ok();
        let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
        let kernel = names.as_ref().map_or_else(String::new, |names| {
            format!("{} {}", text(names.release()), text(names.version()))
        });
        Self {
            time: jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            kernel,
            architecture: names.map_or_else(String::new, |names| text(names.machine())),
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            mitigations: mitigations(),
            revision: std::env::var(REVISION).unwrap_or_default(),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let known = |text: &str| if text.is_empty() { "?" } else { text }.to_owned();
        format!(
            "{} UTC, Linux {}, {} ({}, {} cores), load {} at the beginning, sources {}",
            self.time,
            known(self.kernel.split(' ').next().unwrap_or_default()),
            known(&self.processor),
            known(&self.architecture),
            self.cores,
            known(&self.load),
            known(&self.revision),
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first processor's name: x86 calls it a model.
fn processor(cpuinfo: &str) -> String {
    let named = |line: &str| {
        Some(
            line.strip_prefix("model name")?
                .split_once(':')?
                .1
                .trim()
                .to_owned(),
        )
    };
    cpuinfo.lines().find_map(named).unwrap_or_default()
}

fn mitigations() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let state = fs::read_to_string(entry.path()).ok()?.trim().to_owned();
            let name = entry.file_name().into_string().ok()?;
            (state != "Not affected").then_some((name, state))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_the_kernel_names_it() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n";
        assert_eq!(processor(cpuinfo), "Some CPU @ 2.00GHz");
        assert_eq!(processor(""), "");
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_processor() {
        let machine = Machine::here();
        assert!(!machine.kernel.is_empty() && machine.cores > 0);
        assert!(machine.line().contains("UTC, Linux "));
    }
}
