//! `cargo xtask deploy`: the plain manifests, made from the Helm chart, and the checks of both.

mod helm;
mod values;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::{shell, ui, workspace};
use helm::Helm;

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail when the manifests are not what the chart gives, or the chart has
    /// mistakes.
    #[arg(long)]
    check: bool,
}

impl Arguments {
    /// Only check.
    pub(crate) const CHECK: Self = Self { check: true };
}

/// What the plain manifests say first.
const HEADER: &str = "\
# Made by `cargo xtask deploy` from deploy/chart/enforcer. Do not edit: change the chart.
# The last two objects need Kubernetes 1.30.
";

/// Writes the plain manifests, or checks them and the chart.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let helm = Helm::ensure()?;
    if arguments.check {
        return check(&helm);
    }
    let path = manifests();
    let text = generate(&helm)?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    ui::line(format_args!("  {}", path.display()));
    Ok(())
}

/// Every check, without a change.
fn check(helm: &Helm) -> Result<()> {
    in_step(&generate(helm)?)?;
    values::check(helm)
}

/// The chart as a cluster with all APIs gets it, the namespace included.
fn generate(helm: &Helm) -> Result<String> {
    let rendered = shell::quiet(helm.template(&["--set", "createNamespace=true"]))?;
    Ok(format!("{HEADER}{rendered}"))
}

fn in_step(generated: &str) -> Result<()> {
    let path = manifests();
    let kept = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    match first_difference(&kept, generated) {
        None => Ok(()),
        Some(line) => bail!(
            "{}:{line}: not what the chart gives; run `cargo xtask deploy`",
            path.display()
        ),
    }
}

/// The first line in which the texts differ.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let same = one
        .lines()
        .zip(other.lines())
        .take_while(|(a, b)| a == b)
        .count();
    Some(same + 1)
}

fn manifests() -> PathBuf {
    workspace::root().join("deploy/manifests/enforcer.yaml")
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(3));
    }
}
