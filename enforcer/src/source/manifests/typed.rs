//! From a located tree to a type of the Kubernetes API: wrong types and unknown fields.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::yaml::Segment;

/// How many type errors of one object are told.
const MOST: usize = 50;

/// What became of a value.
pub(super) struct Typed<T> {
    /// The object, without the fields that had the wrong type.
    pub object: Option<T>,
    /// Wrong types: where, and what was expected in serde's words.
    pub wrong: Vec<(Vec<Segment>, String)>,
    /// Fields that the type does not have.
    pub unknown: BTreeSet<Vec<Segment>>,
}

impl<T> Typed<T> {
    /// Whether the value at `path` is, holds or belongs to one of the wrong type, so that what is
    /// wrong with it may follow from that.
    pub(super) fn is_spoilt(&self, path: &[Segment]) -> bool {
        let related = |wrong: &[Segment]| wrong.starts_with(path) || path.starts_with(wrong);
        self.wrong.iter().any(|(wrong, _)| related(wrong))
    }
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
                typed.object = Some(object);
                break;
            }
            Err((path, message)) => {
                let again = typed.wrong.iter().any(|(known, _)| *known == path);
                let mended = (!again && replace_item(&mut value, &path, &message))
                    || remove(&mut value, &path);
                if !again {
                    typed.wrong.push((path, message));
                }
                if !mended {
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

/// Puts something harmless of the expected type in the place of a list's item, so that the indices
/// of its siblings stay as they are.
fn replace_item(value: &mut Value, path: &[Segment], message: &str) -> bool {
    let Some(Segment::Index(_)) = path.last() else {
        return false;
    };
    let harmless = match message.split_once("expected ") {
        Some((_, "a string")) => Value::String(String::new()),
        Some((_, "a sequence")) => Value::Array(Vec::new()),
        _ => Value::Object(serde_json::Map::new()),
    };
    find(value, path).is_some_and(|item| {
        *item = harmless;
        true
    })
}

/// Takes the deepest field on `path` out of `value`.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some(last) = path
        .iter()
        .rposition(|segment| matches!(segment, Segment::Key(_)))
    else {
        return false;
    };
    match (find(value, &path[..last]), &path[last]) {
        (Some(Value::Object(fields)), Segment::Key(key)) => fields.remove(key).is_some(),
        _ => false,
    }
}

fn find<'a>(value: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |node, segment| match segment {
        Segment::Key(key) => node.get_mut(key),
        Segment::Index(index) => node.get_mut(index),
    })
}
