//! Which fields there are where: for advice only, never for deciding what is valid.

use super::object::Kind;
use super::spelling::closest;
use super::yaml::Segment;

const META: &[&str] = &[
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "deletionGracePeriodSeconds",
    "selfLink",
];
const SELECTOR: &[&str] = &["matchLabels", "matchExpressions"];
const PEER: &[&str] = &["podSelector", "namespaceSelector", "ipBlock"];
const PORT: &[&str] = &["protocol", "port", "endPort"];

/// (kind, where, fields); list indices are left out of the place.
const FIELDS: &[(Option<Kind>, &str, &[&str])] = &[
    (
        Some(Kind::NetworkPolicy),
        "",
        &["apiVersion", "kind", "metadata", "spec"],
    ),
    (
        Some(Kind::EndpointSlice),
        "",
        &[
            "apiVersion",
            "kind",
            "metadata",
            "addressType",
            "endpoints",
            "ports",
        ],
    ),
    (
        None,
        "",
        &["apiVersion", "kind", "metadata", "spec", "status"],
    ),
    (None, "metadata", META),
    (
        Some(Kind::NetworkPolicy),
        "spec",
        &["podSelector", "policyTypes", "ingress", "egress"],
    ),
    (Some(Kind::NetworkPolicy), "spec.podSelector", SELECTOR),
    (
        Some(Kind::NetworkPolicy),
        "spec.ingress",
        &["from", "ports"],
    ),
    (Some(Kind::NetworkPolicy), "spec.egress", &["to", "ports"]),
    (Some(Kind::NetworkPolicy), "spec.ingress.from", PEER),
    (Some(Kind::NetworkPolicy), "spec.egress.to", PEER),
    (Some(Kind::NetworkPolicy), "spec.ingress.ports", PORT),
    (Some(Kind::NetworkPolicy), "spec.egress.ports", PORT),
    (None, "*.podSelector", SELECTOR),
    (None, "*.namespaceSelector", SELECTOR),
    (None, "*.matchExpressions", &["key", "operator", "values"]),
    (None, "*.ipBlock", &["cidr", "except"]),
    (
        Some(Kind::Pod),
        "spec",
        &[
            "containers",
            "initContainers",
            "nodeName",
            "hostNetwork",
            "restartPolicy",
        ],
    ),
    (
        Some(Kind::Pod),
        "status",
        &[
            "podIP",
            "podIPs",
            "phase",
            "hostIP",
            "hostIPs",
            "conditions",
        ],
    ),
    (Some(Kind::Pod), "status.podIPs", &["ip"]),
    (
        Some(Kind::Pod),
        "*.containers",
        &[
            "name",
            "image",
            "ports",
            "command",
            "args",
            "env",
            "resources",
        ],
    ),
    (
        Some(Kind::Pod),
        "*.ports",
        &["name", "containerPort", "protocol", "hostPort", "hostIP"],
    ),
    (
        Some(Kind::Node),
        "spec",
        &["podCIDR", "podCIDRs", "providerID", "taints"],
    ),
    (
        Some(Kind::Node),
        "status",
        &["addresses", "capacity", "conditions"],
    ),
    (Some(Kind::Node), "status.addresses", &["address", "type"]),
    (
        Some(Kind::Service),
        "spec",
        &[
            "clusterIP",
            "clusterIPs",
            "externalIPs",
            "ports",
            "selector",
            "type",
            "ipFamilies",
            "ipFamilyPolicy",
            "externalName",
            "externalTrafficPolicy",
            "internalTrafficPolicy",
            "loadBalancerIP",
            "loadBalancerSourceRanges",
            "publishNotReadyAddresses",
            "sessionAffinity",
            "sessionAffinityConfig",
        ],
    ),
    (
        Some(Kind::Service),
        "spec.ports",
        &[
            "name",
            "port",
            "targetPort",
            "protocol",
            "nodePort",
            "appProtocol",
        ],
    ),
    (
        Some(Kind::Service),
        "status",
        &["loadBalancer", "conditions"],
    ),
    (
        Some(Kind::Service),
        "status.loadBalancer.ingress",
        &["ip", "hostname", "ipMode", "ports"],
    ),
    (
        Some(Kind::EndpointSlice),
        "endpoints",
        &[
            "addresses",
            "conditions",
            "hostname",
            "nodeName",
            "targetRef",
            "zone",
            "hints",
        ],
    ),
    (
        Some(Kind::EndpointSlice),
        "endpoints.conditions",
        &["ready", "serving", "terminating"],
    ),
    (
        Some(Kind::EndpointSlice),
        "ports",
        &["name", "port", "protocol", "appProtocol"],
    ),
];

/// (where, what is written there, what is right there).
const MIX_UPS: &[(&str, &str, &str)] = &[
    ("spec.egress", "from", "to"),
    ("spec.ingress", "to", "from"),
    ("spec", "selector", "podSelector"),
    ("spec", "endpointSelector", "podSelector"),
    ("spec", "types", "policyTypes"),
];

/// (what holds them, fields that are often not indented far enough).
const INNER: &[(&str, &[&str])] = &[
    ("podSelector or namespaceSelector", SELECTOR),
    ("ipBlock", &["cidr", "except"]),
];

/// Advice about a field that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// The field that was probably meant.
    DidYouMean(&'static str),
    /// The field exists elsewhere: under this place.
    BelongsTo(String),
    /// The fields that exist here.
    Known(&'static [&'static str]),
    /// Nothing is known about the place.
    None,
}

/// Advice about the unknown field at the end of `path`.
pub(super) fn advice(kind: Kind, path: &[Segment]) -> Advice {
    let Some((Segment::Key(word), parents)) = path.split_last() else {
        return Advice::None;
    };
    let place = place(parents);
    if let Some((_, _, right)) = MIX_UPS
        .iter()
        .find(|(at, wrong, _)| kind == Kind::NetworkPolicy && *at == place && wrong == word)
    {
        return Advice::DidYouMean(right);
    }
    let here = fields(kind, &place);
    if let Some(meant) = here.and_then(|known| closest(word, known.iter().copied())) {
        return Advice::DidYouMean(meant);
    }
    let mut inner = INNER.iter();
    if let Some((holder, _)) = inner.find(|(_, fields)| fields.contains(&word.as_str())) {
        return Advice::BelongsTo((*holder).to_owned());
    }
    let elsewhere = FIELDS
        .iter()
        .filter(|(of, at, _)| *of == Some(kind) && *at != place)
        .find(|(_, _, fields)| fields.contains(&word.as_str()));
    match (elsewhere, here) {
        (Some((_, at, _)), _) => Advice::BelongsTo((*at).to_owned()),
        (None, Some(known)) => Advice::Known(known),
        (None, None) => Advice::None,
    }
}

fn fields(kind: Kind, place: &str) -> Option<&'static [&'static str]> {
    let matches = |pattern: &str| match pattern.strip_prefix('*') {
        Some(suffix) => place.ends_with(suffix),
        None => place == pattern,
    };
    FIELDS
        .iter()
        .find(|(of, pattern, _)| of.is_none_or(|of| of == kind) && matches(pattern))
        .map(|(_, _, fields)| *fields)
}

fn place(path: &[Segment]) -> String {
    let keys = path.iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse_path;
    use super::*;

    #[test]
    fn a_slip_a_misplaced_field_and_a_strange_one_get_different_advice() {
        let advice = |path| advice(Kind::NetworkPolicy, &parse_path(path));
        assert_eq!(advice("metadat"), Advice::DidYouMean("metadata"));
        assert_eq!(
            advice("spec.podselector"),
            Advice::DidYouMean("podSelector")
        );
        assert_eq!(
            advice("spec.ingress[0].podSelector"),
            Advice::BelongsTo("spec".into())
        );
        assert_eq!(advice("ingress"), Advice::BelongsTo("spec".into()));
        assert_eq!(advice("spec.egress[0].from"), Advice::DidYouMean("to"));
        assert_eq!(
            advice("spec.egress[0].to[0].matchLabels"),
            Advice::BelongsTo("podSelector or namespaceSelector".into())
        );
        assert_eq!(
            advice("spec.ingress[0].from[0].podSelector.matchLabel"),
            Advice::DidYouMean("matchLabels")
        );
        assert!(matches!(
            advice("spec.ingress[0].frobnicate"),
            Advice::Known(_)
        ));
    }
}
