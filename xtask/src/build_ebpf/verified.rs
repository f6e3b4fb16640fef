//! What the kernel's verifier made of the programs, asked of the built `enforcer`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::sizes::Program;
use crate::{machine, shell, workspace};

/// Adds the verified instruction counts; the error says why they cannot be known now.
pub(super) fn add(programs: &mut [Program], object: &Path) -> Result<()> {
    if !machine::is_root() {
        bail!("loading programs needs root");
    }
    let mut command = Command::new(binary_with(object)?);
    command.args(["debug", "programs", "--output", "json"]);
    let answer = shell::quiet(command)?;
    let counts: Value = serde_json::from_str(&answer)
        .with_context(|| format!("`enforcer debug programs` answered {answer:?}"))?;
    for program in programs {
        program.verified = count_of(&counts, &program.name);
    }
    Ok(())
}

/// A built binary that has this very object inside.
fn binary_with(object: &Path) -> Result<PathBuf> {
    let built = modified(object)?;
    ["release", "debug"]
        .map(workspace::enforcer)
        .into_iter()
        .find(|binary| modified(binary).is_ok_and(|time| time >= built))
        .context("no `enforcer` is built with this object yet; `cargo xtask build` builds one")
}

fn modified(path: &Path) -> Result<SystemTime> {
    Ok(fs::metadata(path)?.modified()?)
}

fn count_of(counts: &Value, name: &str) -> Option<u64> {
    let entry = counts
        .as_array()?
        .iter()
        .find(|entry| entry["name"] == name)?;
    entry["verified_instructions"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_belong_to_programs_by_name() {
        let counts = serde_json::json!([
            {"name": "from_pod", "instructions": 900, "verified_instructions": 3306},
            {"name": "to_pod", "instructions": 900, "verified_instructions": null},
        ]);
        assert_eq!(count_of(&counts, "from_pod"), Some(3306));
        assert_eq!(count_of(&counts, "to_pod"), None);
        assert_eq!(count_of(&counts, "elsewhere"), None);
    }
}
