//! Which object a document means to be.

use super::object::{Kind, ObjectKey};
use super::spelling::closest;
use super::yaml::{Node, Value};
use enforcer_policy::api::DEFAULT_NAMESPACE;

/// What a document is.
#[derive(Debug, PartialEq)]
pub(super) enum Identity {
    /// An object of a kind that matters here.
    Object(Kind),
    /// A list of objects; items of a typed list need not name their kind.
    List(Option<Kind>),
    /// Something else, which is not looked at.
    Other,
    /// Nobody can tell, or it cannot be what it says.
    Wrong(Wrong),
}

/// Why a document is not taken.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// Whether it is only suspicious.
    pub warning: bool,
    pub code: &'static str,
    pub field: Option<&'static str>,
    pub message: String,
    pub help: Option<String>,
}

/// API groups that have a kind of one of our names and are none of our business.
const FOREIGN: &[&str] = &[
    "projectcalico.org",
    "crd.projectcalico.org",
    "crd.antrea.io",
];

/// The other kinds of the groups that ours belong to.
const SIBLINGS: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "ServiceAccount",
        ],
    ),
    (
        "networking.k8s.io/v1",
        &["IPAddress", "Ingress", "IngressClass", "ServiceCIDR"],
    ),
];

/// Tells what `node` is; `inherited` is the kind of the list that it is an item of.
pub(super) fn identify(node: &Node, inherited: Option<Kind>) -> Identity {
    if !matches!(node.value, Value::Map(_)) {
        return Identity::Wrong(Wrong {
            warning: false,
            code: "not-an-object",
            field: None,
            message: "a Kubernetes object is a mapping with apiVersion, kind and metadata".into(),
            help: None,
        });
    }
    let word = |field| node.get(field).and_then(Node::as_str).unwrap_or_default();
    match (word("kind"), word("apiVersion"), inherited) {
        ("", _, Some(kind)) => Identity::Object(kind),
        ("", _, None) => Identity::Wrong(missing("kind", node)),
        (kind, "", Some(list)) if kind == list.name() => Identity::Object(list),
        (_, "", _) => Identity::Wrong(missing("apiVersion", node)),
        (kind, version, _) => named(kind, version),
    }
}

fn missing(field: &'static str, node: &Node) -> Wrong {
    let keys = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let written = keys.iter().map(|entry| entry.key.as_str());
    let meant = written
        .filter(|key| *key != field)
        .find(|key| closest(key, [field]).is_some());
    Wrong {
        warning: false,
        code: "missing-field",
        field: Some(field),
        message: match node.get(field) {
            Some(_) => format!("{field} must be a string"),
            None => format!("{field} is missing"),
        },
        help: Some(match meant {
            Some(key) => format!("did you mean {field} where {key:?} stands?"),
            None => "every object begins with its apiVersion and kind, such as \
                     networking.k8s.io/v1 and NetworkPolicy"
                .to_owned(),
        }),
    }
}

fn named(kind: &str, version: &str) -> Identity {
    if kind == "List" && version == "v1" {
        return Identity::List(None);
    }
    let element = kind.strip_suffix("List");
    for ours in Kind::ALL {
        let same_version = version == ours.api_version();
        match (kind == ours.name(), element == Some(ours.name())) {
            (true, _) if same_version => return Identity::Object(ours),
            (_, true) if same_version => return Identity::List(Some(ours)),
            (true, _) | (_, true) => return other_version(ours, version),
            _ => {}
        }
    }
    match SIBLINGS.iter().find(|(group, _)| *group == version) {
        Some((_, kinds)) if !kinds.contains(&kind) => unknown_kind(kind, version),
        _ => Identity::Other,
    }
}

fn other_version(kind: Kind, version: &str) -> Identity {
    let group = version.split('/').next().unwrap_or_default();
    if FOREIGN.contains(&group) {
        return Identity::Other;
    }
    Identity::Wrong(Wrong {
        warning: false,
        code: "wrong-api-version",
        field: Some("apiVersion"),
        message: format!("{} has no apiVersion {version}", kind.name()),
        help: Some(format!("write apiVersion: {}", kind.api_version())),
    })
}

fn unknown_kind(kind: &str, version: &str) -> Identity {
    let ours = Kind::ALL
        .into_iter()
        .filter(|ours| ours.api_version() == version);
    // What the plural is to the singular, a slip of the pen is to the word.
    let singular = kind.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let word = singular.as_deref().unwrap_or(kind);
    let meant = closest(word, ours.map(Kind::name));
    Identity::Wrong(Wrong {
        warning: meant.is_none(),
        code: "unknown-kind",
        field: Some("kind"),
        message: format!("{version} has no kind {kind}"),
        help: meant.map(|meant| format!("did you mean {meant}?")),
    })
}

/// The name of the object, as far as it can be told from the text alone.
pub(super) fn key(node: &Node, kind: Kind) -> Option<ObjectKey> {
    let metadata = node.get("metadata");
    let word = |field| {
        let node = metadata.and_then(|metadata| metadata.get(field));
        node.and_then(Node::as_str).filter(|word| !word.is_empty())
    };
    let namespace = word("namespace").unwrap_or(DEFAULT_NAMESPACE);
    Some(ObjectKey {
        kind,
        namespace: kind.is_namespaced().then(|| namespace.into()),
        name: word("name")?.into(),
    })
}
