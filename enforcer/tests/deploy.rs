//! What `deploy/` says of the program is what the program knows.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::BTreeSet;
use std::process::Command;

use k8s_openapi::api::apps::v1::DaemonSet;

const MANIFESTS: &str = include_str!("../../deploy/manifests/enforcer.yaml");
const TEMPLATE: &str = include_str!("../../deploy/chart/enforcer/templates/daemonset.yaml");

/// Parsing comes before help, so that a wrong argument is an error.
fn is_understood(arguments: &[String]) {
    let output = Command::new(env!("CARGO_BIN_EXE_enforcer"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
}

#[test]
fn the_program_understands_the_daemonsets_arguments() {
    let (_, rest) = MANIFESTS.split_once("kind: DaemonSet").unwrap();
    let text = rest.split("\n---").next().unwrap();
    let set: DaemonSet =
        serde_saphyr::from_str(&format!("apiVersion: apps/v1\nkind: DaemonSet{text}")).unwrap();
    let container = set
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers
        .remove(0);
    let arguments = container.args.unwrap();
    assert!(arguments.len() > 5);
    is_understood(&arguments);
}

#[test]
fn the_program_has_every_flag_that_the_chart_can_give() {
    let help = Command::new(env!("CARGO_BIN_EXE_enforcer"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags: BTreeSet<&str> = TEMPLATE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- --"))
        .map(|flag| flag.split('=').next().unwrap())
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        assert!(help.contains(&format!("--{flag}")), "--{flag}");
    }
}
