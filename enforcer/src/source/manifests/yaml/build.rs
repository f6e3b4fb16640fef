//! Parser events in, one located tree out.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use saphyr_parser::{Event, Marker, ScalarStyle, ScanError, Span, Tag};

use super::tree::{Entry, Node, Place, Segment, Value, render_path};
use super::{Anchors, Document, SyntaxError, merge, scalar};

/// No object of the Kubernetes API is nested nearly as deep.
const MAX_DEPTH: usize = 100;

/// How many nodes the aliases of one document may stand for.
const MAX_ALIASED: usize = 100_000;

const TEMPLATE: &str = "this looks like a template; render it first, as `helm template` does";

/// Builds one document.
pub(super) struct Builder {
    first_line: usize,
    stack: Vec<Frame>,
    anchors: Anchors,
    aliased: usize,
    root: Option<Node>,
    broken: bool,
    errors: Vec<SyntaxError>,
}

/// A list or mapping that is being read.
struct Frame {
    anchor: usize,
    at: Place,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(MapFrame),
}

#[derive(Default)]
struct MapFrame {
    entries: Vec<Entry>,
    seen: HashSet<String>,
    /// The key whose value comes next.
    key: Option<Key>,
    merges: Vec<Node>,
}

struct Key {
    text: String,
    at: Place,
    merge: bool,
}

impl Builder {
    pub(super) fn new(first_line: usize) -> Self {
        Self {
            first_line,
            stack: Vec::new(),
            anchors: Anchors::new(),
            aliased: 0,
            root: None,
            broken: false,
            errors: Vec::new(),
        }
    }

    /// Takes the next event; breaks off when the document cannot be followed any further.
    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> ControlFlow<()> {
        let at = self.place(span.start);
        match event {
            Event::SequenceStart(anchor, _) => {
                self.open(anchor, at, Content::List(Vec::new()));
            }
            Event::MappingStart(anchor, _) => {
                self.open(anchor, at, Content::Map(MapFrame::default()));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merge = plain && text == "<<";
                let node = scalar(text, plain, tag, at);
                self.anchor(anchor, &node);
                self.put(node, merge);
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        if self.broken {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The document.
    pub(super) fn finish(self) -> Document {
        let root = if self.broken { None } else { self.root };
        Document {
            root: root.filter(|root| !root.is_null()),
            errors: self.errors,
        }
    }

    /// The document that `error` ended; `templated` when it has `{{ … }}` in it.
    pub(super) fn fail(mut self, error: &ScanError, templated: bool) -> Document {
        let place = self.place(*error.marker());
        let message = format!("not YAML: {}", error.info());
        self.error(place, "yaml-syntax", message).help = Some(if error.info().contains("tab") {
            "indent with spaces"
        } else if templated {
            TEMPLATE
        } else {
            "check the indentation, brackets and quotes of this line and of those above it"
        });
        self.broken = true;
        self.finish()
    }

    fn place(&self, marker: Marker) -> Place {
        Place {
            line: self.first_line + marker.line().saturating_sub(1),
            column: marker.col() + 1,
        }
    }

    fn error(&mut self, place: Place, code: &'static str, message: String) -> &mut SyntaxError {
        let at = self.errors.len();
        self.errors.push(SyntaxError {
            place,
            code,
            message,
            field: None,
            help: None,
        });
        &mut self.errors[at]
    }

    fn duplicate(&mut self, key: &Key) {
        let message = format!("the key {:?} stands here twice", key.text);
        let field = render_path(&self.path(&key.text));
        let error = self.error(key.at, "duplicate-key", message);
        error.field = Some(field);
        error.help = Some("remove one of them, or merge what they hold");
    }

    fn bad_key(&mut self, key: &Node) {
        let message = "a key must be a word, not a list, a mapping or nothing";
        self.fatal(key.at, "bad-key", message.to_owned());
        // What a template's `{{ … }}` is to YAML.
        if matches!(key.value, Value::Map(_))
            && let Some(error) = self.errors.last_mut()
        {
            error.help = Some(TEMPLATE);
        }
    }

    /// The path of the key that is being read.
    fn path(&self, last: &str) -> Vec<Segment> {
        let mut path: Vec<Segment> = self.stack.iter().filter_map(Frame::segment).collect();
        path.push(Segment::Key(last.to_owned()));
        path
    }

    fn fatal(&mut self, place: Place, code: &'static str, message: String) {
        self.error(place, code, message);
        self.broken = true;
    }

    fn open(&mut self, anchor: usize, at: Place, content: Content) {
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            self.fatal(at, "too-deep", message);
        }
        self.stack.push(Frame {
            anchor,
            at,
            content,
        });
    }

    fn close(&mut self) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map(mut map) => {
                let merges = map.merges;
                for wrong in merge::merge(&mut map.entries, &mut map.seen, merges) {
                    let message = "<< merges mappings only".to_owned();
                    self.error(wrong.at, "yaml-syntax", message);
                }
                Value::Map(map.entries)
            }
        };
        let node = Node {
            at: frame.at,
            value,
        };
        self.anchor(frame.anchor, &node);
        self.put(node, false);
    }

    fn anchor(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
    }

    /// An alias is a copy of what it stands for, which keeps its own places: a mistake is mended
    /// there, not here.
    fn alias(&mut self, anchor: usize, at: Place) {
        let Some(Some(node)) = self.anchors.get(&anchor).cloned() else {
            let message = "an alias inside of what it stands for, or for nothing".to_owned();
            return self.fatal(at, "yaml-syntax", message);
        };
        self.aliased += node.size();
        if self.aliased > MAX_ALIASED || self.stack.len() + node.depth() > MAX_DEPTH {
            let message = "aliases that stand for too much".to_owned();
            return self.fatal(at, "alias-bomb", message);
        }
        self.put(node, false);
    }

    fn put(&mut self, node: Node, merge: bool) {
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(map)) => match map.key.take() {
                Some(key) if key.merge => map.merges.push(node),
                Some(key) => {
                    let duplicate = map.value(&key, node);
                    if duplicate {
                        self.duplicate(&key);
                    }
                }
                None => {
                    map.key = key(&node, merge);
                    if map.key.is_none() {
                        self.bad_key(&node);
                    }
                }
            },
        }
    }
}

impl Frame {
    /// The step from here to what is being read inside.
    fn segment(&self) -> Option<Segment> {
        match &self.content {
            Content::List(items) => Some(Segment::Index(items.len())),
            Content::Map(map) => map.key.as_ref().map(|key| Segment::Key(key.text.clone())),
        }
    }
}

impl MapFrame {
    /// Adds an entry and says whether its key was there before; the first one stays.
    fn value(&mut self, key: &Key, value: Node) -> bool {
        let new = self.seen.insert(key.text.clone());
        if new {
            self.entries.push(Entry {
                key: key.text.clone(),
                key_at: key.at,
                value,
            });
        }
        !new
    }
}

/// Keys become strings as in `sigs.k8s.io/yaml`: numbers and booleans by their value.
fn key(node: &Node, merge: bool) -> Option<Key> {
    let Value::Scalar { json, .. } = &node.value else {
        return None;
    };
    let text = match json {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => return None,
        other => other.to_string(),
    };
    let at = node.at;
    Some(Key { text, at, merge })
}

fn scalar(text: Cow<'_, str>, plain: bool, tag: Option<Cow<'_, Tag>>, at: Place) -> Node {
    let forced = tag.is_some_and(|tag| {
        tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "str" | "binary")
    });
    let json = if plain && !forced {
        scalar::resolve(&text)
    } else {
        serde_json::Value::String(text.clone().into_owned())
    };
    let value = Value::Scalar {
        json,
        text: if plain {
            text.into_owned()
        } else {
            format!("{text:?}")
        },
    };
    Node { at, value }
}
