//! What the kernel says of the daemon's process, by the names that all programs give it.

use std::fs;

use jiff::Timestamp;

use super::encode::{Page, Type};

/// Clock ticks in a second, as `/proc` counts them: the same on all architectures that we build for.
const TICKS: f64 = 100.;

/// What the kernel says.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    /// Seconds of CPU time, in the kernel and outside it.
    cpu: Option<f64>,
    /// Bytes of memory.
    resident: Option<u64>,
    threads: Option<u64>,
    files: Option<u64>,
}

/// Writes what there is. What cannot be read is left out.
pub(super) fn write(page: &mut Page, started: Timestamp) {
    let usage = Usage::now();
    let mut one = |name, kind, help: &str, value: Option<String>| {
        let mut metric = page.metric(name, kind, help);
        if let Some(value) = value {
            metric.sample(&[], value);
        }
    };
    one(
        "process_cpu_seconds_total",
        Type::Counter,
        "CPU time of the daemon, without that of its BPF programs.",
        usage.cpu.map(|seconds| seconds.to_string()),
    );
    one(
        "process_resident_memory_bytes",
        Type::Gauge,
        "Memory of the daemon, without that of its BPF maps.",
        usage.resident.map(|bytes| bytes.to_string()),
    );
    one(
        "process_threads",
        Type::Gauge,
        "Threads of the daemon.",
        usage.threads.map(|count| count.to_string()),
    );
    one(
        "process_open_fds",
        Type::Gauge,
        "Open file descriptors of the daemon, BPF maps, programs and links among them.",
        usage.files.map(|count| count.to_string()),
    );
    one(
        "process_start_time_seconds",
        Type::Gauge,
        "When the daemon started, in seconds since 1970.",
        Some(format!("{:.3}", started.as_duration().as_secs_f64())),
    );
}

impl Usage {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            // The directory itself is open while it is counted.
            files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| files.count().saturating_sub(1) as u64),
            ..Self::read(&stat, &status)
        }
    }

    fn read(stat: &str, status: &str) -> Self {
        Self {
            cpu: cpu(stat),
            resident: number(status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            threads: number(status, "Threads:"),
            files: None,
        }
    }
}

/// The 14th and 15th field. The second is the program's name, which may have blanks and parentheses in it.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn number(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_memory_are_read_from_what_the_kernel_says() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 25 0 0 20 0 9 0 88 1 2 3";
        let status = "Name:\ta\nVmHWM:\t 99 kB\nVmRSS:\t    10 kB\nThreads:\t9\n";
        let expected = Usage {
            cpu: Some(1.75),
            resident: Some(10_240),
            threads: Some(9),
            files: None,
        };
        assert_eq!(Usage::read(stat, status), expected);
        assert_eq!(Usage::read("", "VmRSS:"), Usage::default());
    }

    #[test]
    fn this_process_has_them_all() {
        let usage = Usage::now();
        assert!(usage.cpu.is_some());
        assert!(usage.resident > Some(0) && usage.threads > Some(0) && usage.files > Some(0));
    }
}
