//! What maps take of the kernel's memory, as the kernel says in `/proc/self/fdinfo`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use aya::maps::loaded_maps;

/// A map of this process.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::scale) struct MapUsage {
    /// Its name; the kernel keeps 15 letters.
    pub(in crate::scale) name: String,
    /// Bytes of one key and one value.
    pub(in crate::scale) entry: u64,
    /// How many entries may be in it.
    pub(in crate::scale) limit: u64,
    /// Bytes that it takes now.
    pub(in crate::scale) bytes: u64,
}

/// The maps of this process by number.
pub(in crate::scale) fn map_usage() -> anyhow::Result<Vec<MapUsage>> {
    let names: BTreeMap<u32, String> = loaded_maps()
        .filter_map(Result::ok)
        .map(|info| (info.id(), info.name_as_str().unwrap_or_default().to_owned()))
        .collect();
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").context("reading /proc/self/fdinfo")? {
        // The directory's own descriptor has gone by now.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<u64>().ok())
        };
        let (Some(id), Some(bytes)) = (field("map_id"), field("memlock")) else {
            continue;
        };
        let id = u32::try_from(id).context("a map's number")?;
        let usage = MapUsage {
            name: names.get(&id).cloned().unwrap_or_default(),
            entry: field("key_size").unwrap_or(0) + field("value_size").unwrap_or(0),
            limit: field("max_entries").unwrap_or(0),
            bytes,
        };
        maps.insert(id, usage);
    }
    Ok(maps.into_values().collect())
}
