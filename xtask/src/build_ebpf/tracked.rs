//! `enforcer-ebpf/instructions.json`: how long each program is, so that a growth shows in review.
//! What the verifier of each kernel makes of them is in `verified.json`, which `cargo xtask vm-test`
//! writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::sizes::{self, Program};
use crate::setup::Toolchain;
use crate::{ui, workspace};

/// Functions whose names the compiler made up are taken together.
const UNNAMED: &str = "(other functions)";

type Counts = BTreeMap<String, u64>;

/// Fails when the file is not what this build gives. Another toolchain gives other code, so that
/// nothing can be said there.
pub(crate) fn check(toolchain: &Toolchain) -> Result<()> {
    let recorded = recorded()?;
    let by = recorded["toolchain"].as_str().unwrap_or_default();
    if by != toolchain.name {
        ui::line(format_args!(
            "  not compared: the counts were made by {by}, and here is {}",
            toolchain.name
        ));
        return Ok(());
    }
    let differences = differences(&of_json(&recorded["instructions"]), &built()?);
    if differences.is_empty() {
        ui::line("  every program is as long as recorded");
        return Ok(());
    }
    bail!(
        "enforcer-ebpf/instructions.json is not what this build gives; `cargo xtask build-ebpf \
         --record` writes it anew:\n  {}",
        differences.join("\n  ")
    )
}

/// Writes the file anew.
pub(crate) fn record(toolchain: &Toolchain) -> Result<()> {
    let content = json!({ "toolchain": toolchain.name, "instructions": built()? });
    let text = serde_json::to_string_pretty(&content).context("the counts as JSON")?;
    let path = path();
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
}

fn path() -> PathBuf {
    workspace::root().join("enforcer-ebpf/instructions.json")
}

fn recorded() -> Result<Value> {
    let path = path();
    let text = fs::read(&path).with_context(|| {
        format!(
            "reading {}, which `cargo xtask build-ebpf --record` writes",
            path.display()
        )
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))
}

fn built() -> Result<Counts> {
    let object = workspace::bpf_object();
    let elf = fs::read(&object).with_context(|| format!("reading {}", object.display()))?;
    Ok(counts(&sizes::programs(&elf)?))
}

fn counts(programs: &[Program]) -> Counts {
    let mut counts = Counts::new();
    for program in programs {
        let made_up = program.name.starts_with("_R") || program.name.starts_with("_ZN");
        let name = if made_up { UNNAMED } else { &program.name };
        *counts.entry(name.to_owned()).or_default() += program.instructions;
    }
    counts
}

fn of_json(counts: &Value) -> Counts {
    let entries = counts.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)))
        .collect()
}

fn differences(recorded: &Counts, built: &Counts) -> Vec<String> {
    let mut names: Vec<&String> = recorded.keys().chain(built.keys()).collect();
    names.sort();
    names.dedup();
    let number = |counts: &Counts, name: &String| {
        let known = counts.get(name);
        known.map_or_else(|| "none".to_owned(), u64::to_string)
    };
    names
        .into_iter()
        .filter(|name| recorded.get(*name) != built.get(*name))
        .map(|name| {
            format!(
                "{name}: {} recorded, {} now",
                number(recorded, name),
                number(built, name)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(&str, u64)]) -> Counts {
        counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    #[test]
    fn every_change_of_a_count_is_told() {
        let recorded = of(&[("clock", 2), ("from_pod", 100), ("gone", 7)]);
        let built = of(&[("clock", 2), ("from_pod", 101), ("new", 3)]);
        assert_eq!(
            differences(&recorded, &built),
            [
                "from_pod: 100 recorded, 101 now",
                "gone: 7 recorded, none now",
                "new: none recorded, 3 now"
            ]
        );
        assert!(differences(&built, &built).is_empty());
    }

    #[test]
    fn functions_with_made_up_names_are_taken_together() {
        let program = |name: &str, instructions| Program {
            name: name.to_owned(),
            section: ".text".to_owned(),
            instructions,
            verified: None,
        };
        let programs = [
            program("_RNCINvCs70", 5),
            program("_RNvCsab", 6),
            program("to_pod", 9),
        ];
        let expected = of(&[(UNNAMED, 11), ("to_pod", 9)]);
        assert_eq!(counts(&programs), expected);
        let json = serde_json::to_value(&expected).unwrap();
        assert_eq!(of_json(&json), expected);
    }
}
