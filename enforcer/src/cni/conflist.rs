//! The text of a list of plugins, with and without ours. Everything else in it stays as it is, to the
//! letter.

use std::ops::Range;

use enforcer_cni::{NAME, VERSIONS, text};
use serde_json::{Value, json};

use super::Entry;

/// Why a text cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no JSON.
    #[error("it is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is something else.
    #[error("it has no list `plugins` with a plugin in it")]
    NoPlugins,
    /// Our plugin would fail, and with it every pod.
    #[error("its cniVersion is {0}; the plugin speaks {list}", list = VERSIONS.join(", "))]
    Version(String),
}

impl Entry {
    /// Its text, on one line.
    pub(super) fn text(&self) -> String {
        format!(
            r#"{{"type": {}, "socket": {}, "timeout": {}, "onTimeout": {}}}"#,
            json!(NAME),
            json!(self.socket),
            json!(self.timeout),
            json!(self.on_timeout)
        )
    }
}

/// The list with the entry as its last plugin, or in the place of an earlier one of ours.
pub(super) fn with(list: &str, entry: &Entry) -> Result<String, Refused> {
    let parsed: Value = serde_json::from_str(list)?;
    check_version(&parsed)?;
    let plugins = plugins(list).ok_or(Refused::NoPlugins)?;
    if let Some(ours) = plugins.iter().find(|plugin| is_ours(list, plugin)) {
        return Ok(replaced(list, ours, &entry.text()));
    }
    let last = plugins.last().ok_or(Refused::NoPlugins)?;
    let before = list.get(..last.start).unwrap_or_default();
    let indent = &before[before.trim_end().len()..];
    let insertion = format!(",{indent}{}", entry.text());
    Ok(replaced(list, &(last.end..last.end), &insertion))
}

/// The list without ours; `None` when it has none.
pub(super) fn without(list: &str) -> Option<String> {
    serde_json::from_str::<Value>(list).ok()?;
    let plugins = plugins(list)?;
    let index = plugins.iter().position(|plugin| is_ours(list, plugin))?;
    let ours = plugins.get(index)?;
    let before = index.checked_sub(1).and_then(|index| plugins.get(index));
    let gone = match (before, plugins.get(index + 1)) {
        (Some(before), _) => before.end..ours.end,
        (None, Some(next)) => ours.start..next.start,
        (None, None) => ours.clone(),
    };
    Some(replaced(list, &gone, ""))
}

/// How many plugins a list has.
pub(super) fn count(list: &str) -> usize {
    plugins(list).map_or(0, |plugins| plugins.len())
}

/// A list of one plugin, from the configuration of that plugin.
pub(super) fn of_single(config: &str) -> Result<String, Refused> {
    let parsed: Value = serde_json::from_str(config)?;
    check_version(&parsed)?;
    if parsed.get("type").is_none() {
        return Err(Refused::NoPlugins);
    }
    let plugin = config.trim().replace('\n', "\n    ");
    Ok(format!(
        "{{\n  \"cniVersion\": {},\n  \"name\": {},\n  \"plugins\": [\n    {plugin}\n  ]\n}}\n",
        parsed["cniVersion"], parsed["name"]
    ))
}

/// Where the plugins stand.
fn plugins(list: &str) -> Option<Vec<Range<usize>>> {
    let plugins = text::member(list, &text::whole(list)?, "plugins")?;
    text::elements(list, &plugins)
}

fn is_ours(list: &str, plugin: &Range<usize>) -> bool {
    let plugin = list.get(plugin.clone()).unwrap_or_default();
    serde_json::from_str::<Value>(plugin).is_ok_and(|plugin| plugin["type"] == NAME)
}

fn check_version(config: &Value) -> Result<(), Refused> {
    let version = config["cniVersion"].as_str().unwrap_or("none");
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    Err(Refused::Version(version.to_owned()))
}

fn replaced(text: &str, span: &Range<usize>, by: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(span.clone(), by);
    text
}
