//! Tracked files with what was counted on each kernel, by its series, and the tables made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::document;
use crate::workspace;

/// What was counted, by the series of the kernels.
pub(super) type Kernels<T> = BTreeMap<String, T>;

fn path(name: &str) -> PathBuf {
    workspace::root().join(format!("enforcer-ebpf/{name}.json"))
}

/// The counts in `enforcer-ebpf/NAME.json`; none before they are first written.
pub(super) fn recorded<T: DeserializeOwned>(name: &str) -> Result<Kernels<T>> {
    let path = path(name);
    if !path.exists() {
        return Ok(Kernels::new());
    }
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))
}

/// Records counts there and in the table of that name, in which each kernel has these cells by the names
/// of their rows; kernels that were not asked keep their counts.
pub(super) fn write<T: Serialize + DeserializeOwned>(
    name: &str,
    now: Kernels<T>,
    cells: impl Fn(&T) -> BTreeMap<String, String>,
) -> Result<()> {
    let mut kernels = recorded(name)?;
    kernels.extend(now);
    let path = path(name);
    let text = serde_json::to_string_pretty(&kernels).context("writing counts")?;
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    document::put(name, &table(&kernels, cells))
}

/// Rows down, kernels across, by their numbers.
pub(super) fn table<T>(
    kernels: &Kernels<T>,
    cells: impl Fn(&T) -> BTreeMap<String, String>,
) -> String {
    let columns = kernels
        .iter()
        .map(|(series, counted)| (series, cells(counted)));
    let mut columns: Vec<_> = columns.collect();
    columns.sort_by_key(|(series, _)| number(series));
    let heads: Vec<_> = columns
        .iter()
        .map(|(series, _)| (*series).clone())
        .collect();
    let mut text = document::head(&heads);
    let names: BTreeSet<_> = columns.iter().flat_map(|(_, cells)| cells.keys()).collect();
    for name in names {
        let cells = columns.iter().map(|(_, cells)| cells.get(name));
        let cells: Vec<_> = cells
            .map(|cell| cell.map_or("–".to_owned(), Clone::clone))
            .collect();
        text += &document::row(name, &cells);
    }
    text
}

/// What series are sorted by.
fn number(series: &str) -> Vec<u32> {
    let numbers = series.split('.').map(str::parse);
    numbers.collect::<Result<_, _>>().unwrap_or_default()
}
