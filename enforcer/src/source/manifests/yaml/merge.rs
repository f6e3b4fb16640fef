//! Merge keys (`<<`), which YAML 1.1 has and Kubernetes tools follow.

use std::collections::HashSet;

use super::tree::{Entry, Node, Value};

/// Adds to `entries` what `sources`, the values of its `<<` keys, hold and it does not say itself;
/// of several sources, the earlier ones win. Gives back those that were no mapping.
pub(super) fn merge(
    entries: &mut Vec<Entry>,
    seen: &mut HashSet<String>,
    sources: Vec<Node>,
) -> Vec<Node> {
    let mut wrong = Vec::new();
    for source in sources {
        match source.value {
            Value::Map(inherited) => {
                let new = inherited.into_iter();
                entries.extend(new.filter(|entry| seen.insert(entry.key.clone())));
            }
            Value::List(items) => wrong.extend(merge(entries, seen, items)),
            Value::Scalar { .. } => wrong.push(source),
        }
    }
    wrong
}
