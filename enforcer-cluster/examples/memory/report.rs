//! The result.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use enforcer_testing::big::Size;
use serde_json::json;

use crate::Outcome;
use crate::phases::Phase;

fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}

/// A table, as documents have it.
pub(crate) fn show(phases: &[Phase]) {
    println!("| | seconds | changes | compiles | RSS MiB | peak MiB | PSS MiB | anonymous MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    for phase in phases {
        let memory = phase.memory;
        println!(
            "| {} | {:.0} | {} | {} | {} | {} | {} | {} |",
            phase.name,
            phase.seconds,
            phase.changes,
            phase.compiles,
            mib(memory.rss),
            mib(memory.peak),
            mib(memory.pss),
            mib(memory.anonymous),
        );
    }
}

/// The same for programs.
pub(crate) fn write(phases: &[Phase], size: &Size, path: &Path) -> Outcome<()> {
    let result = json!({
        "nodes": size.nodes, "namespaces": size.namespaces, "pods": size.pods,
        "policies": size.policies, "services": size.services,
        "phases": phases,
    });
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    Ok(fs::write(path, serde_json::to_string_pretty(&result)?)?)
}

/// What must hold.
pub(crate) fn judge(phases: &[Phase], limit_mib: u64) -> ExitCode {
    let mut good = true;
    for phase in phases {
        if phase.memory.peak > limit_mib * 1024 {
            println!("{}: more than {limit_mib} MiB", phase.name);
            good = false;
        }
        if phase.seen.is_some_and(|seen| seen != (phase.compiles > 0)) || phase.is_idle() {
            let Phase {
                name,
                changes,
                compiles,
                ..
            } = phase;
            println!("{name}: {compiles} compiles of {changes} changes");
            good = false;
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
