//! From the text of a file to objects and problems.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use enforcer_policy::invalid::{self, Invalid};
use enforcer_policy::{api, lower};
use serde::de::DeserializeOwned;

use super::fields::{self, Advice};
use super::files;
use super::identify::{self, Identity, Wrong};
use super::json;
use super::object::{Kind, Object, ObjectKey};
use super::quantities;
use super::typed;
use super::wording;
use super::yaml::{self, Node, Place, Segment};
use crate::source::problem::{self, Problem, Severity};

/// One object of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Which file.
    pub file: Arc<Path>,
    /// Its name, as far as it can be told: without, nobody knows which object it meant to be.
    pub key: Option<ObjectKey>,
    /// The object, when nothing is wrong with it.
    pub object: Option<Object>,
    /// Where it begins.
    pub at: Place,
    /// Its text, for places.
    pub node: Option<Node>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The objects of the kinds that matter here, good or bad, in order.
    pub documents: Vec<Document>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many objects were of other kinds.
    pub ignored: usize,
}

impl Contents {
    /// The same without the texts of the documents, which take more room than all else.
    pub(crate) fn without_text(mut self) -> Self {
        for document in &mut self.documents {
            document.node = None;
        }
        self
    }
}

/// Reads the text of `file`.
pub(crate) fn text(file: &Arc<Path>, text: &str) -> Contents {
    let mut reader = Reader {
        file: Arc::clone(file),
        contents: Contents::default(),
    };
    let mut documents = yaml::parse(text);
    if files::is_json(file) {
        json::check(text, &mut documents);
    }
    for document in documents {
        reader.document(document);
    }
    reader.contents
}

struct Reader {
    file: Arc<Path>,
    contents: Contents,
}

/// What is being read: whose problems are told.
struct Subject<'a> {
    kind: Kind,
    node: &'a Node,
    name: String,
}

impl Reader {
    fn document(&mut self, document: yaml::Document) {
        let broken = !document.errors.is_empty();
        let object = document.root.as_ref().and_then(describe);
        for error in document.errors {
            self.problem(error.place, Severity::Error, error.code, error.message);
            if let Some(problem) = self.contents.problems.last_mut() {
                problem.help = error.help.map(str::to_owned);
                problem.field = error.field;
                problem.object.clone_from(&object);
            }
        }
        match document.root {
            Some(root) => self.node(root, None, broken),
            None => self.unnamed(),
        }
    }

    fn node(&mut self, node: Node, inherited: Option<Kind>, broken: bool) {
        match identify::identify(&node, inherited) {
            Identity::Object(kind) => self.object(kind, node, broken),
            Identity::List(kind) => self.list(&node, kind, broken),
            Identity::Other => self.contents.ignored += 1,
            Identity::Wrong(wrong) => self.wrong(&node, wrong),
        }
    }

    fn list(&mut self, node: &Node, kind: Option<Kind>, broken: bool) {
        match node.get("items").map(|items| &items.value) {
            Some(yaml::Value::List(items)) => {
                for item in items {
                    self.node(item.clone(), kind, broken);
                }
            }
            _ => self.wrong(
                node,
                Wrong {
                    warning: false,
                    code: "missing-field",
                    field: Some("items"),
                    message: "a list has its objects in items".into(),
                    help: None,
                },
            ),
        }
    }

    fn wrong(&mut self, node: &Node, wrong: Wrong) {
        let path = yaml::parse_path(wrong.field.unwrap_or_default());
        let severity = if wrong.warning {
            Severity::Warning
        } else {
            Severity::Error
        };
        let place = node.locate(&path);
        self.problem(place, severity, wrong.code, wrong.message);
        if let Some(problem) = self.contents.problems.last_mut() {
            problem.help = wrong.help;
            problem.field = wrong.field.map(str::to_owned);
            problem.object = describe(node);
        }
        if wrong.warning {
            self.contents.ignored += 1;
        } else {
            self.unnamed();
        }
    }

    /// Something stands in the file, and nobody knows what.
    fn unnamed(&mut self) {
        self.contents.documents.push(Document {
            file: Arc::clone(&self.file),
            key: None,
            object: None,
            at: Place::default(),
            node: None,
        });
    }

    fn object(&mut self, kind: Kind, node: Node, broken: bool) {
        let key = identify::key(&node, kind);
        let name = key
            .as_ref()
            .map_or_else(|| kind.name().to_owned(), ToString::to_string);
        let subject = Subject {
            kind,
            node: &node,
            name,
        };
        let object = match kind {
            Kind::Node => self
                .convert(&subject, api::node)
                .map(|(_, node)| Object::Node(node)),
            Kind::Namespace => self
                .convert(&subject, api::namespace)
                .map(|(_, namespace)| Object::Namespace(namespace)),
            Kind::Pod => self
                .convert(&subject, api::pod)
                .map(|(_, pod)| Object::Pod(pod)),
            Kind::NetworkPolicy => self
                .convert(&subject, lower::network_policy)
                .map(|policy| Object::Policy(Arc::new(policy))),
            Kind::Service => self
                .convert(&subject, api::service)
                .map(|(_, service)| Object::Service(service)),
            Kind::EndpointSlice => self
                .convert(&subject, api::endpoint_slice)
                .map(|(_, slice)| Object::EndpointSlice(slice)),
        };
        self.contents.documents.push(Document {
            file: Arc::clone(&self.file),
            key,
            object: object.filter(|_| !broken),
            at: node.at,
            node: Some(node),
        });
    }

    /// The object as `parse` understands it, unless anything is wrong.
    fn convert<K: DeserializeOwned, T>(
        &mut self,
        subject: &Subject<'_>,
        parse: impl Fn(&K) -> Result<T, Vec<Invalid>>,
    ) -> Option<T> {
        let typed = typed::read::<K>(quantities::as_strings(subject.node.to_json()));
        for (path, message) in &typed.wrong {
            self.wrong_type(subject, path, message);
        }
        let mut refused = false;
        let mut meant = Vec::new();
        for path in &typed.unknown {
            let advice = fields::advice(subject.kind, path);
            if let Advice::DidYouMean(field) = advice {
                meant.push(field);
            }
            refused |= self.unknown_field(subject, path, &advice);
        }
        match parse(typed.object.as_ref()?) {
            Ok(object) => (!refused && typed.wrong.is_empty()).then_some(object),
            Err(mut all) => {
                all.retain(|one| !typed.is_spoilt(&yaml::parse_path(&one.field)));
                self.invalid(subject, &all, &meant);
                None
            }
        }
    }

    fn wrong_type(&mut self, subject: &Subject<'_>, path: &[Segment], message: &str) {
        let node = subject.node.find(path).unwrap_or(subject.node);
        let wording = wording::wrong_type(message, path, node);
        let place = subject.node.locate(path);
        self.about(subject, place, path, "wrong-type", wording.message);
        if let Some(problem) = self.contents.problems.last_mut() {
            problem.help = wording.help;
        }
    }

    /// Tells of an unknown field and says whether the object is refused for it. A policy always is.
    /// In the `spec` and `status` of other kinds only what looks like a slip matters: a newer
    /// cluster has fields that this program does not know, and no use for.
    fn unknown_field(&mut self, subject: &Subject<'_>, path: &[Segment], advice: &Advice) -> bool {
        let place = subject.node.locate_key(path);
        let name = match path.last() {
            Some(Segment::Key(key)) => key.as_str(),
            _ => "",
        };
        let strict = subject.kind == Kind::NetworkPolicy && !is_status(path) || in_the_open(path);
        let refused = strict || matches!(advice, Advice::DidYouMean(_));
        let message = format!("there is no field {name:?} here");
        self.about(subject, place, path, "unknown-field", message);
        if let Some(problem) = self.contents.problems.last_mut() {
            problem.help = advise(advice);
            if !refused {
                problem.severity = Severity::Warning;
                problem.help = Some(NEWER.to_owned());
            }
        }
        refused
    }

    fn invalid(&mut self, subject: &Subject<'_>, all: &[Invalid], meant: &[&str]) {
        for one in all {
            let path = yaml::parse_path(&one.field);
            let first = match path.first() {
                Some(Segment::Key(key)) => key.as_str(),
                _ => "",
            };
            // What is missing because its name is misspelt was told already.
            if one.problem == invalid::Problem::Missing && meant.contains(&first) {
                continue;
            }
            let place = subject.node.locate(&path);
            let last = match path.last() {
                Some(Segment::Key(key)) => key.clone(),
                Some(Segment::Index(_)) | None => "this".to_owned(),
            };
            let message = match &one.problem {
                invalid::Problem::Missing => format!("{last} is missing"),
                invalid::Problem::EmptyPeer => format!("this peer {}", one.problem),
                other => other.to_string(),
            };
            self.about(subject, place, &path, one.problem.code(), message);
            if let Some(problem) = self.contents.problems.last_mut() {
                problem.help = Some(problem::help(&one.problem));
            }
        }
    }

    fn about(
        &mut self,
        subject: &Subject<'_>,
        place: Place,
        path: &[Segment],
        code: &'static str,
        message: String,
    ) {
        self.problem(place, Severity::Error, code, message);
        if let Some(problem) = self.contents.problems.last_mut() {
            problem.object = Some(subject.name.clone());
            problem.field = Some(yaml::render_path(path)).filter(|field| !field.is_empty());
        }
    }

    fn problem(&mut self, place: Place, severity: Severity, code: &'static str, message: String) {
        self.contents.problems.push(Problem {
            place: problem::Place::File {
                file: PathBuf::from(&*self.file),
                line: place.line,
                column: place.column,
            },
            severity,
            code,
            object: None,
            field: None,
            message,
            help: None,
        });
    }
}

const NEWER: &str = "it has no effect on policies; this program knows Kubernetes 1.33";

/// The `status` of a policy, which Kubernetes 1.24 to 1.27 wrote.
fn is_status(path: &[Segment]) -> bool {
    matches!(path, [Segment::Key(first), ..] if first == "status")
}

/// Outside of `spec` and `status`.
fn in_the_open(path: &[Segment]) -> bool {
    match path {
        [Segment::Key(first)] => first != "status",
        [Segment::Key(first), _, ..] => !matches!(first.as_str(), "spec" | "status"),
        _ => true,
    }
}

fn advise(advice: &Advice) -> Option<String> {
    match advice {
        Advice::DidYouMean(field) => Some(format!("did you mean {field}?")),
        Advice::BelongsTo(place) if place.is_empty() => {
            Some("it belongs to the object itself; check the indentation".to_owned())
        }
        Advice::BelongsTo(place) => Some(format!("it belongs to {place}; check the indentation")),
        Advice::Known(fields) => Some(format!("the fields here are {}", fields.join(", "))),
        Advice::None => None,
    }
}

/// `Kind namespace/name` of what may not even be an object of ours.
fn describe(node: &Node) -> Option<String> {
    let kind = node.get("kind").and_then(Node::as_str)?;
    let ours = Kind::ALL.into_iter().find(|ours| ours.name() == kind);
    match ours.and_then(|ours| identify::key(node, ours)) {
        Some(key) => Some(key.to_string()),
        None => Some(kind.to_owned()),
    }
}
