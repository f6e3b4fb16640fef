//! Port names.

use enforcer_common::abi::Direction;
use enforcer_policy::rule::{PortMatch, PortSpec, Ports, Protocol, Rule};

use super::{Finding, Scene, Subject, subject::selected};

/// Port names that no pod on the receiving side defines.
pub(super) fn unknown_names(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    if scene.cluster.pods.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (path, rule) in subject.entries() {
        let Ports::Of(ports) = &rule.ports else {
            continue;
        };
        for (index, port) in ports.iter().enumerate() {
            findings.extend(unknown(scene, subject, rule, port).map(|(message, help)| {
                let field = format!("{path}.ports[{index}].port");
                Finding::warning("unknown-port-name", field, message, help)
            }));
        }
    }
    findings
}

fn unknown(
    scene: &Scene<'_>,
    subject: &Subject<'_>,
    rule: &Rule,
    port: &PortMatch,
) -> Option<(String, String)> {
    let PortSpec::Named(name) = &port.port else {
        return None;
    };
    // The protocol of the first port of this name, unless one has the right one.
    let mut other = None;
    let mut is_defined = |protocol: Protocol| {
        other.get_or_insert(protocol);
        protocol == port.protocol
    };
    let defined = match rule.direction {
        Direction::Ingress => selected(scene, subject)
            .flat_map(|(_, pod)| &pod.ports)
            .filter(|one| one.name == *name)
            .any(|one| is_defined(one.protocol)),
        Direction::Egress => {
            let protocols = scene.index.port_names.get(name);
            protocols.into_iter().flatten().any(|one| is_defined(*one))
        }
    };
    if defined {
        return None;
    }
    let whose = match rule.direction {
        Direction::Ingress => "no pod that the policy selects",
        Direction::Egress => "no pod of these manifests",
    };
    let message = format!("{whose} has a {} port named {name:?}", port.protocol);
    let help = match other {
        Some(other) => format!("there is one for {other}: write protocol: {other}"),
        None => "name the port in the pods' containers, or give its number".to_owned(),
    };
    Some((message, help))
}
