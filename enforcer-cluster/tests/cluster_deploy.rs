//! What `deploy/` ships, taken by a real API server. Needs the programs of `cargo xtask envtest`,
//! and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use enforcer_cluster::{ClusterError, ControlPlane, Options, program};

const NAMESPACE: &str = "enforcer-system";
/// Enough for controllers on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn manifests() -> String {
    fs::read_to_string(deploy().join("manifests/enforcer.yaml")).unwrap()
}

/// Runs helm with the chart, and gives what it prints.
fn helm(plane: &ControlPlane, verb: &str, more: &[&str]) -> Result<String, String> {
    let output = Command::new(program("helm").unwrap())
        .args([verb, "enforcer"])
        .arg(deploy().join("chart/enforcer"))
        .args(["--namespace", NAMESPACE, "--kubeconfig"])
        .arg(plane.kubeconfig())
        .args(more)
        .env("HELM_CACHE_HOME", plane.directory().join("helm"))
        .output()
        .unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    if output.status.success() {
        Ok(out)
    } else {
        Err(errors)
    }
}

/// A server without controllers is enough where nothing has to come of the objects.
fn api_only() -> ControlPlane {
    ControlPlane::start(&Options {
        controller_manager: false,
        ..Options::default()
    })
    .unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "still not: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A token of the daemon on this node, as its pod has one.
fn token(plane: &ControlPlane, node: Option<&str>) -> String {
    let mut words = vec!["create", "token", "enforcer", "-n", NAMESPACE];
    if let Some(node) = node {
        words.extend(["--bound-object-kind", "Node", "--bound-object-name", node]);
    }
    plane.kubectl(&words).unwrap().trim().to_owned()
}

/// Runs kubectl with a daemon's rights.
fn as_daemon(
    plane: &ControlPlane,
    token: &str,
    words: &[&str],
    input: &str,
) -> Result<String, ClusterError> {
    // The administrator's certificate would win over a token.
    let kubeconfig = plane.directory().join("nobody.kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: it\n\
         clusters: [{{name: it, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
         contexts: [{{name: it, context: {{cluster: it}}}}]\n",
        plane.url(),
        plane.authority().display()
    );
    fs::write(&kubeconfig, text).unwrap();
    let mut all = vec!["--token", token];
    all.extend(words);
    plane.kubectl_with(&kubeconfig, &all, input)
}

fn node(plane: &ControlPlane, name: &str) {
    let node = format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels: {{kubernetes.io/os: linux}}\n"
    );
    plane.apply(&node).unwrap();
}

fn report(node: &str, state: &str) -> String {
    format!(
        "apiVersion: enforcer.dev/v1alpha1
kind: PolicyEnforcement
metadata: {{name: web.{node}, namespace: default}}
spec: {{policy: {{name: web, uid: c0ffee}}, node: {node}}}
status:
  state: {state}
  since: '2026-01-01T00:00:00Z'
  pods: 2
  notEnforcedCount: 1
  notEnforced: [{{pod: a, reason: its link is macvlan}}]
"
    )
}

#[test]
fn the_plain_manifests_are_taken_dry_and_real_and_a_second_time_change_nothing() {
    let plane = api_only();
    let all = manifests();
    // Nothing can be tried in a namespace that is not there.
    plane.kubectl(&["create", "namespace", NAMESPACE]).unwrap();
    let words = [
        "apply",
        "--dry-run=server",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
    ];
    let dry = plane
        .kubectl_with(plane.kubeconfig(), &words, &all)
        .unwrap();
    assert!(dry.contains("daemonset.apps/enforcer"), "{dry}");
    plane.apply(&all).unwrap();
    let again = plane.apply(&all).unwrap();
    assert!(
        again.lines().all(|line| line.ends_with(" unchanged")),
        "{again}"
    );
}

#[test]
fn every_set_of_values_that_is_to_work_is_taken_by_the_server() {
    let plane = api_only();
    plane.kubectl(&["create", "namespace", NAMESPACE]).unwrap();
    plane.apply(OPERATOR).unwrap();
    let mut tried = 0;
    for entry in fs::read_dir(deploy().join("chart/enforcer/ci")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let words = [
            "--kube-version",
            "1.36.0",
            "--api-versions",
            "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
            "--values",
            path.to_str().unwrap(),
        ];
        let rendered = helm(&plane, "template", &words).unwrap();
        let words = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let taken = plane.kubectl_with(plane.kubeconfig(), &words, &rendered);
        assert!(taken.is_ok(), "{}: {taken:?}", path.display());
        tried += 1;
    }
    assert!(tried >= 5);
}

/// The kinds of the Prometheus Operator, as far as the chart uses them.
const OPERATOR: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PodMonitor, plural: podmonitors}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PrometheusRule, plural: prometheusrules}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
";

#[test]
fn helm_installs_upgrades_and_takes_everything_along() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    let notes = helm(&plane, "install", &["--create-namespace"]).unwrap();
    assert!(notes.contains("kubectl get policyenforcements"), "{notes}");
    let policy = "validatingadmissionpolicy/enforcer-own-node";
    plane.kubectl(&["get", policy]).unwrap();
    helm(&plane, "upgrade", &["--set", "mode=audit,cleanup=true"]).unwrap();
    let set = [
        "get",
        "daemonset",
        "enforcer",
        "-n",
        NAMESPACE,
        "-o",
        "yaml",
    ];
    let set = plane.kubectl(&set).unwrap();
    assert!(
        set.contains("--mode=audit") && set.contains("--cleanup"),
        "{set}"
    );
    let output = Command::new(program("helm").unwrap())
        .args([
            "uninstall",
            "enforcer",
            "--namespace",
            NAMESPACE,
            "--wait",
            "--kubeconfig",
        ])
        .arg(plane.kubeconfig())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for kind in [
        "clusterrole",
        "clusterrolebinding",
        "crd",
        "validatingadmissionpolicy",
    ] {
        let left = plane.kubectl(&["get", kind, "-o", "name"]).unwrap();
        assert!(!left.contains("enforcer"), "{left}");
    }
}

#[test]
fn the_daemonset_gets_a_pod_on_every_node_whatever_its_taints() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    plane.apply(&manifests()).unwrap();
    for name in ["n1", "n2"] {
        node(&plane, name);
    }
    plane
        .kubectl(&["taint", "node", "n2", "own=thing:NoExecute"])
        .unwrap();
    let set = ["get", "daemonset", "enforcer", "-n", NAMESPACE, "-o"];
    let wanted = [&set[..], &["jsonpath={.status.currentNumberScheduled}"]].concat();
    eventually("two pods", || plane.kubectl(&wanted).unwrap() == "2");
    let pods = ["get", "pods", "-n", NAMESPACE, "-o", "yaml"];
    let pods = plane.kubectl(&pods).unwrap();
    for part in [
        "priority: 2000001000",
        "hostNetwork: true",
        "kube-api-access",
    ] {
        assert!(pods.contains(part), "{pods}");
    }
    assert!(!pods.contains("privileged: true"), "{pods}");
}

#[test]
fn a_daemon_may_do_what_it_does_and_nothing_else() {
    let plane = api_only();
    plane.apply(&manifests()).unwrap();
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:enforcer");
    let can = |verb: &str, what: &str| {
        let words = ["auth", "can-i", verb, what, "--all-namespaces", &account];
        plane
            .kubectl(&words)
            .is_ok_and(|answer| answer.trim() == "yes")
    };
    let read = [
        "pods",
        "namespaces",
        "nodes",
        "services",
        "networkpolicies.networking.k8s.io",
        "endpointslices.discovery.k8s.io",
    ];
    let allowed = |verb: &str, what: &str| match what {
        "policyenforcements.enforcer.dev" => ["list", "create", "patch", "delete"].contains(&verb),
        "events.events.k8s.io" => verb == "create",
        _ => read.contains(&what) && ["get", "list", "watch"].contains(&verb),
    };
    let others = [
        "policyenforcements.enforcer.dev",
        "events.events.k8s.io",
        "secrets",
        "configmaps",
        "daemonsets.apps",
        "clusterroles.rbac.authorization.k8s.io",
    ];
    for what in read.iter().chain(&others) {
        for verb in [
            "get", "list", "watch", "create", "update", "patch", "delete",
        ] {
            assert_eq!(can(verb, what), allowed(verb, what), "{verb} {what}");
        }
    }
}

#[test]
fn a_daemon_writes_the_reports_of_its_own_node_only() {
    let plane = api_only();
    plane.apply(&manifests()).unwrap();
    for name in ["n1", "n2"] {
        node(&plane, name);
    }
    let [one, two, unbound] = [Some("n1"), Some("n2"), None].map(|node| token(&plane, node));
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let put = |token: &str, report: &str| as_daemon(&plane, token, &apply, report);
    // It takes the server a moment to heed a new admission policy.
    eventually("a refusal", || put(&two, &report("n1", "Partly")).is_err());
    for (token, about) in [(&two, "n1"), (&one, "n2"), (&unbound, "n1")] {
        let error = put(token, &report(about, "Partly"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a daemon reports on its own node only"),
            "{error}"
        );
    }
    put(&one, &report("n1", "Enforced")).unwrap();
    put(&one, &report("n1", "Partly")).unwrap();
    put(&two, &report("n2", "NotEnforced")).unwrap();
    put(&two, &report("n1", "Enforced")).unwrap_err();
    // The reports of nodes that are gone are anybody's to delete.
    let delete = ["delete", "policyenforcement", "web.n1", "-n", "default"];
    as_daemon(&plane, &two, &delete, "").unwrap();
}

#[test]
fn a_report_shows_what_matters_and_wrong_ones_are_refused() {
    let plane = api_only();
    plane.apply(&manifests()).unwrap();
    let established = [
        "wait",
        "--for=condition=established",
        "crd/policyenforcements.enforcer.dev",
    ];
    plane.kubectl(&established).unwrap();
    plane.apply(&report("n1", "Partly")).unwrap();
    let shown = plane.kubectl(&["get", "pe", "-n", "default"]).unwrap();
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|it| !it.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        lines[0],
        ["NAME", "POLICY", "NODE", "STATE", "PODS", "SINCE", "REASON"]
    );
    assert_eq!(lines[1][..5], ["web.n1", "web", "n1", "Partly", "2"]);
    assert_eq!(lines[1][6], "its link is macvlan");
    let good = report("n1", "Partly");
    for (wrong, words) in [
        (good.replace("node: n1}", "node: n2}"), "for life"),
        (good.replace("Partly", "Perhaps"), "Unsupported value"),
        (good.replace("pods: 2", "pods: -1"), "status.pods"),
        (good.replace("pods: 2", "podds: 2"), "podds"),
        (good.replace("'2026-01-01T00:00:00Z'", "yesterday"), "since"),
        (good.replace("uid: c0ffee", "uid: ''"), "uid"),
    ] {
        assert_ne!(wrong, good);
        let error = plane.apply(&wrong).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
