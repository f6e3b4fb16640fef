//! The located tree and paths into it.

use std::fmt::Write as _;

/// A place in a file: line and column in characters, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub at: Place,
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A scalar: never an array or object.
    Scalar {
        json: serde_json::Value,
        /// As it stands in the file.
        text: String,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Place,
    pub value: Node,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl Node {
    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { json, .. } => json.as_str(),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Whether it is nothing: an empty value or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { json, .. } if json.is_null())
    }

    /// Whether it is a list without items.
    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.value, Value::List(items) if items.is_empty())
    }

    /// How many nodes it is made of.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// How many levels it has.
    pub(crate) fn depth(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Value::Map(entries) => {
                let depths = entries.iter().map(|entry| entry.value.depth());
                depths.max().unwrap_or(0)
            }
        }
    }

    /// The JSON value, without places.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar { json, .. } => json.clone(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let pairs = entries.iter();
                let pairs = pairs.map(|entry| (entry.key.clone(), entry.value.to_json()));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }

    /// The node at `path`, when it exists.
    pub(crate) fn find(&self, path: &[Segment]) -> Option<&Node> {
        path.iter().try_fold(self, |node, segment| {
            node.step(segment).map(|(_, node)| node)
        })
    }

    /// Where to point for `path`: at the value when it is a scalar or an item, else at its key; at
    /// the deepest ancestor that exists when the path leads nowhere.
    pub(crate) fn locate(&self, path: &[Segment]) -> Place {
        let mut node = self;
        let mut place = self.at;
        for segment in path {
            let Some((at, next)) = node.step(segment) else {
                return place;
            };
            (place, node) = (at, next);
        }
        match &node.value {
            Value::Scalar { text, .. } if !text.is_empty() => node.at,
            _ => place,
        }
    }

    /// The place of the key at the end of `path`, even when its value is a scalar.
    pub(crate) fn locate_key(&self, path: &[Segment]) -> Place {
        let Some((last, parents)) = path.split_last() else {
            return self.at;
        };
        let parent = self.find(parents);
        parent
            .and_then(|parent| parent.step(last))
            .map_or_else(|| self.locate(parents), |(place, _)| place)
    }

    fn step(&self, segment: &Segment) -> Option<(Place, &Node)> {
        match (segment, &self.value) {
            (Segment::Key(key), Value::Map(_)) => {
                self.entry(key).map(|entry| (entry.key_at, &entry.value))
            }
            (Segment::Index(index), Value::List(items)) => {
                items.get(*index).map(|item| (item.at, item))
            }
            // A label key may look like an index.
            (Segment::Index(index), Value::Map(_)) => {
                let entry = self.entry(&index.to_string())?;
                Some((entry.key_at, &entry.value))
            }
            _ => None,
        }
    }
}

/// Reads `spec.ingress[0].matchLabels[app.kubernetes.io/name]`.
pub(crate) fn parse_path(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (text, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        let index = rest.starts_with('[').then(|| text.parse().ok()).flatten();
        segments.push(index.map_or_else(|| Segment::Key(text.to_owned()), Segment::Index));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    segments
}

/// The fields whose keys are the user's own words, and so are written in brackets.
const FREE_KEYS: &[&str] = &["matchLabels", "labels", "annotations", "nodeSelector"];

/// The opposite of [`parse_path`].
pub(crate) fn render_path(path: &[Segment]) -> String {
    let mut text = String::new();
    let mut parent = "";
    for segment in path {
        // Writing to a string cannot fail.
        let _ = match segment {
            Segment::Index(index) => write!(text, "[{index}]"),
            Segment::Key(key) if FREE_KEYS.contains(&parent) => write!(text, "[{key}]"),
            Segment::Key(key) if text.is_empty() => write!(text, "{key}"),
            Segment::Key(key) => write!(text, ".{key}"),
        };
        parent = match segment {
            Segment::Key(key) => key,
            Segment::Index(_) => "",
        };
    }
    text
}
