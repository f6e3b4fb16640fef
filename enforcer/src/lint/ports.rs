//! Port names.

use enforcer_common::abi::Direction;
use enforcer_policy::model::NamedPort;
use enforcer_policy::rule::{PortMatch, PortSpec, Ports, Rule};

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
    let defined: Vec<&NamedPort> = match rule.direction {
        Direction::Ingress => selected(scene, subject)
            .flat_map(|(_, pod)| &pod.ports)
            .collect(),
        Direction::Egress => scene
            .cluster
            .pods
            .values()
            .flat_map(|pod| &pod.ports)
            .collect(),
    };
    let same_name = || defined.iter().filter(|one| one.name == *name);
    if same_name().any(|one| one.protocol == port.protocol) {
        return None;
    }
    let whose = match rule.direction {
        Direction::Ingress => "no pod that the policy selects",
        Direction::Egress => "no pod of these manifests",
    };
    let message = format!("{whose} has a {} port named {name:?}", port.protocol);
    let help = match same_name().next() {
        Some(other) => format!("there is one for {}: write protocol: {0}", other.protocol),
        None => "name the port in the pods' containers, or give its number".to_owned(),
    };
    Some((message, help))
}
