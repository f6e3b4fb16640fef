//! Parts that say more or less than they seem to.

use enforcer_common::abi::Direction;

use super::{Finding, Scene, Subject, names};
use crate::source::manifests::yaml::Node;

/// Entries of a direction that `policyTypes` leaves out.
pub(super) fn entries_without_effect(_: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let left_out = Direction::ALL
        .into_iter()
        .filter(|direction| !subject.isolates(*direction));
    let useless = left_out.filter_map(|direction| {
        let (list, _) = names(direction);
        let field = format!("spec.{list}");
        let entries = subject.at(&field)?.items();
        let name = match direction {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        };
        (!entries.is_empty()).then(|| {
            Finding::warning(
                "no-effect",
                field,
                format!("these entries have no effect: policyTypes does not list {name}"),
                format!("add {name} to policyTypes, or remove the entries"),
            )
        })
    });
    useless.collect()
}

/// What is written but left empty, and means everything.
pub(super) fn empty_parts(_: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match subject.at("spec") {
        None => findings.push(no_spec("spec is missing")),
        Some(spec) if spec.is_null() => findings.push(no_spec("spec is empty")),
        Some(spec) => findings.extend(no_selector(spec)),
    }
    for (path, rule) in subject.entries() {
        let (_, peers) = names(rule.direction);
        for (list, all) in [(peers, "everybody"), ("ports", "all ports")] {
            let field = format!("{path}.{list}");
            if subject.at(&field).is_some_and(is_empty) {
                findings.push(Finding::warning(
                    "empty-list",
                    field,
                    format!("{list} is empty, which means {all}"),
                    format!("list what is meant, or remove {list} to say that all are"),
                ));
            }
        }
    }
    findings
}

fn no_spec(what: &str) -> Finding {
    Finding::warning(
        "empty-selector",
        "spec",
        format!("{what}: the policy denies all ingress to every pod of its namespace"),
        "write a spec; podSelector: {} says that every pod is meant",
    )
}

fn no_selector(spec: &Node) -> Option<Finding> {
    let selector = spec.get("podSelector");
    let what = match selector {
        None => "is missing",
        Some(selector) if selector.is_null() => "is empty",
        Some(_) => return None,
    };
    Some(Finding::warning(
        "empty-selector",
        "spec.podSelector",
        format!("podSelector {what}: the policy selects every pod of its namespace"),
        "write podSelector: {} to say that every pod is meant",
    ))
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.is_empty_list()
}
