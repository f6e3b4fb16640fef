//! What is legal but probably not meant.
//!
//! Lints look at objects that are valid, and at the cluster that the given manifests describe. What
//! needs pods or namespaces to be judged is judged only when some are given.

mod blocks;
mod dns;
mod effect;
mod index;
mod peers;
mod ports;
mod services;
mod subject;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Cluster, Pod, PodKey};
use enforcer_policy::rule::{Origin, Policy, Rule};
use enforcer_policy::selector::{LabelSelector, Labels};

use self::dns::Allowing;
use self::index::Index;
use crate::source::manifests::load::Loaded;
use crate::source::manifests::read::Document;
use crate::source::manifests::yaml::{Node, parse_path};
use crate::source::manifests::{Object, ObjectKey};
use crate::source::problem::{self, Problem, Severity};

/// An object as it is written.
struct Written<'a> {
    key: &'a ObjectKey,
    document: &'a Document,
    node: &'a Node,
    object: &'a Object,
}

/// A policy under a lint.
struct Subject<'a> {
    written: Written<'a>,
    policy: &'a Policy,
}

/// What a lint sees.
struct Scene<'a> {
    cluster: Cluster,
    /// The namespaces that are described, or have pods, with their labels.
    namespaces: BTreeMap<String, Labels>,
    policies: Vec<Subject<'a>>,
    /// Objects of other kinds.
    others: Vec<Written<'a>>,
    index: Index,
    allowing: Allowing<'a>,
}

/// What a lint says about its policy.
struct Finding {
    severity: Severity,
    code: &'static str,
    field: String,
    message: String,
    help: String,
}

type Lint = fn(&Scene<'_>, &Subject<'_>) -> Vec<Finding>;

const LINTS: &[Lint] = &[
    effect::empty_parts,
    effect::entries_without_effect,
    dns::egress_without_dns,
    peers::split,
    blocks::host_bits,
    blocks::except_outside,
    peers::matching_nothing,
    ports::unknown_names,
    subject::host_network,
    subject::no_pods,
    subject::namespace,
    services::cluster_addresses,
    services::service_ports,
];

/// Lints of other objects than policies.
type ObjectLint = fn(&Scene<'_>, &Written<'_>) -> Vec<Finding>;

const OBJECT_LINTS: &[ObjectLint] = &[services::without_pods, services::orphans];

/// All findings about the objects in `loaded`.
pub(crate) fn lint(loaded: &Loaded) -> Vec<Problem> {
    let scene = Scene::new(loaded);
    let mut problems = Vec::new();
    for subject in &scene.policies {
        let findings = LINTS.iter().flat_map(|lint| lint(&scene, subject));
        problems.extend(findings.map(|finding| finding.about(&subject.written)));
    }
    for written in &scene.others {
        let findings = OBJECT_LINTS.iter().flat_map(|lint| lint(&scene, written));
        problems.extend(findings.map(|finding| finding.about(written)));
    }
    problems.sort();
    problems.dedup();
    problems
}

impl<'a> Scene<'a> {
    fn new(loaded: &'a Loaded) -> Self {
        let mut scene = Self {
            cluster: Cluster::default(),
            namespaces: BTreeMap::new(),
            policies: Vec::new(),
            others: Vec::new(),
            index: Index::default(),
            allowing: Allowing::default(),
        };
        for (key, document) in loaded.good() {
            let (Some(object), Some(node)) = (&document.object, &document.node) else {
                continue;
            };
            object.insert_into(key, &mut scene.cluster);
            let written = Written {
                key,
                document,
                node,
                object,
            };
            match object {
                Object::Policy(policy) => scene.policies.push(Subject { written, policy }),
                _ => scene.others.push(written),
            }
        }
        let cluster = &scene.cluster;
        let inhabited = cluster.pods.keys().map(|key| key.namespace.as_str());
        let described = cluster.namespaces.keys().map(String::as_str);
        let names: BTreeSet<&str> = described.chain(inhabited).collect();
        scene.namespaces = names
            .into_iter()
            .map(|name| (name.to_owned(), cluster.namespace_labels(name)))
            .collect();
        scene.index = Index::new(&scene.cluster);
        scene.allowing = Allowing::new(&scene);
        scene
    }

    /// The pods of a namespace: they stand together, for they are sorted by key.
    fn pods_of<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = (&'s PodKey, &'s Pod)> {
        let first = PodKey {
            namespace: namespace.into(),
            name: Name::default(),
        };
        let after = self.cluster.pods.range(first..);
        after.take_while(move |(key, _)| key.namespace == namespace)
    }
}

impl Subject<'_> {
    fn namespace(&self) -> &str {
        self.written.key.namespace.as_deref().unwrap_or_default()
    }

    /// The rules that come from entries, each with the path of its entry.
    fn entries(&self) -> impl Iterator<Item = (String, &Rule)> {
        self.policy.rules.iter().filter_map(|rule| {
            let Origin::Entry(index) = rule.origin else {
                return None;
            };
            let (list, _) = names(rule.direction);
            Some((format!("spec.{list}[{index}]"), rule))
        })
    }

    /// Which pods of its namespace it is for; none when it has no rules.
    fn selector(&self) -> Option<&LabelSelector> {
        let first = self.policy.rules.first();
        first.map(|rule| &rule.subject.pods)
    }

    fn isolates(&self, direction: Direction) -> bool {
        let mut rules = self.policy.rules.iter();
        rules.any(|rule| rule.direction == direction)
    }

    fn at(&self, path: &str) -> Option<&Node> {
        self.written.node.find(&parse_path(path))
    }
}

impl Finding {
    fn warning(
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            field: field.into(),
            message: message.into(),
            help: help.into(),
        }
    }

    fn info(mut self) -> Self {
        self.severity = Severity::Info;
        self
    }

    fn about(self, written: &Written<'_>) -> Problem {
        let place = written.node.locate(&parse_path(&self.field));
        Problem {
            place: problem::Place::File {
                file: written.document.file.to_path_buf(),
                line: place.line,
                column: place.column,
            },
            severity: self.severity,
            code: self.code,
            object: Some(written.key.to_string()),
            field: Some(self.field),
            message: self.message,
            help: Some(self.help),
        }
    }
}

/// The names of a direction's list of entries and of their list of peers.
fn names(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    }
}
