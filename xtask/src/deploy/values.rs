//! Tries the chart with files of values: those that must work, and those that must be refused.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::helm::{Helm, chart};
use crate::shell;

/// What the first line of a file says that must be refused, before the words of the refusal.
const REFUSED: &str = "# refused: ";

/// Lints and renders the chart with every file of values.
pub(super) fn check(helm: &Helm) -> Result<()> {
    let directory = chart().join("ci");
    for path in files(&directory)? {
        shell::quiet(helm.lint(&path))?;
        let rendered = shell::quiet(helm.template(&["--values", text(&path)?]))?;
        ensure!(
            rendered.contains("kind: DaemonSet"),
            "{}: no DaemonSet comes out",
            path.display()
        );
    }
    for path in files(&directory.join("refused"))? {
        refused(helm, &path)?;
    }
    Ok(())
}

fn refused(helm: &Helm, path: &Path) -> Result<()> {
    let content =
        fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let words = content
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(REFUSED))
        .with_context(|| format!("{}: the first line is not `{REFUSED}…`", path.display()))?;
    match shell::quiet(helm.template(&["--values", text(path)?])) {
        Ok(_) => bail!("{}: the chart takes these values", path.display()),
        Err(error) if error.to_string().contains(words) => Ok(()),
        Err(error) => Err(error.context(format!("{}: refused without {words:?}", path.display()))),
    }
}

/// The YAML files of a directory, in order; none is an error, for then nothing was tried.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
    ensure!(
        !found.is_empty(),
        "{}: no files of values",
        directory.display()
    );
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{}: not UTF-8", path.display()))
}
