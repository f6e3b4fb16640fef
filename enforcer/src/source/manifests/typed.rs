//! From a located tree to a type of the Kubernetes API: wrong types and unknown fields.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::yaml::Segment;

/// How many type errors of one object are told.
const MOST: usize = 50;

/// What became of a value.
pub(super) struct Typed<T> {
    /// The object, when every field had the right type.
    pub object: Option<T>,
    /// Wrong types: where, and what was expected in serde's words.
    pub wrong: Vec<(Vec<Segment>, String)>,
    /// Fields that the type does not have.
    pub unknown: BTreeSet<Vec<Segment>>,
}

/// Reads `value` as a `T`. Serde stops at the first error, so after each one the field concerned is
/// taken out and the rest is read again.
pub(super) fn read<T: DeserializeOwned>(mut value: Value) -> Typed<T> {
    let mut typed = Typed {
        object: None,
        wrong: Vec::new(),
        unknown: BTreeSet::new(),
    };
    while typed.wrong.len() < MOST {
        match attempt(&value, &mut typed.unknown) {
            Ok(object) => {
                typed.object = typed.wrong.is_empty().then_some(object);
                break;
            }
            Err((path, message)) => {
                let removed = remove(&mut value, &path);
                typed.wrong.push((path, message));
                if !removed {
                    break;
                }
            }
        }
    }
    typed
}

fn attempt<T: DeserializeOwned>(
    value: &Value,
    unknown: &mut BTreeSet<Vec<Segment>>,
) -> Result<T, (Vec<Segment>, String)> {
    let mut note = |path: serde_ignored::Path<'_>| {
        let mut segments = Vec::new();
        collect(&path, &mut segments);
        unknown.insert(segments);
    };
    let deserializer = serde_ignored::Deserializer::new(value, &mut note);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().iter().filter_map(segment).collect();
        (path, error.inner().to_string())
    })
}

fn collect(path: &serde_ignored::Path<'_>, segments: &mut Vec<Segment>) {
    use serde_ignored::Path;
    match path {
        Path::Root => {}
        Path::Seq { parent, index } => {
            collect(parent, segments);
            segments.push(Segment::Index(*index));
        }
        Path::Map { parent, key } => {
            collect(parent, segments);
            segments.push(Segment::Key(key.clone()));
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => collect(parent, segments),
    }
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
        _ => None,
    }
}

/// Takes the deepest field on `path` out of `value`. Items of lists stay, for the indices of their
/// siblings must not change.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some(last) = path
        .iter()
        .rposition(|segment| matches!(segment, Segment::Key(_)))
    else {
        return false;
    };
    let mut node = value;
    for segment in &path[..last] {
        let next = match segment {
            Segment::Key(key) => node.get_mut(key),
            Segment::Index(index) => node.get_mut(index),
        };
        let Some(next) = next else {
            return false;
        };
        node = next;
    }
    match (node, &path[last]) {
        (Value::Object(fields), Segment::Key(key)) => fields.remove(key).is_some(),
        _ => false,
    }
}
