use enforcer_policy::oracle::{Side, Target};

use super::{Expected, ScenarioError, Verdict, parse};

const PODS: &str = "
description: two pods
manifests:
- {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: 10.0.0.1}}
- {apiVersion: v1, kind: Pod, metadata: {name: b, labels: {on: \"yes\", n: \"1\"}}}
";

fn error(rest: &str) -> ScenarioError {
    parse("test", &format!("{PODS}{rest}")).unwrap_err()
}

#[test]
fn lists_of_an_expectation_are_multiplied() {
    let text = format!(
        "{PODS}expect:\n- {{from: [x/a, 192.0.2.1], to: 'x/b', port: [80, 81], verdict: deny}}\n"
    );
    let scenario = parse("test", &text).unwrap();
    let checks = &scenario.stages[0].checks;
    assert_eq!(checks.len(), 4);
    assert!(checks.iter().all(|check| check.verdict == Verdict::Deny));
    assert_eq!(checks[0].question.from, Side::Pod("x".into(), "a".into()));
    assert_eq!(
        checks[3].question.from,
        Side::Address("192.0.2.1".parse().unwrap())
    );
    assert_eq!(checks[3].question.port, 81);
    assert_eq!(checks[3].question.protocol, 6);
}

#[test]
fn a_matrix_has_a_verdict_for_each_row_and_column() {
    let text = format!(
        "{PODS}matrix:\n- to: [x/b UDP 53, '2001:db8::1 ICMPv6']\n  rows: {{x/a: allow deny}}\n"
    );
    let scenario = parse("test", &text).unwrap();
    let checks = &scenario.stages[0].checks;
    let seen: Vec<_> = checks
        .iter()
        .map(|check| (check.question.protocol, check.question.port, check.verdict))
        .collect();
    assert_eq!(seen, [(17, 53, Verdict::Allow), (58, 0, Verdict::Deny)]);
}

#[test]
fn a_step_deletes_then_applies() {
    let text = format!(
        "{PODS}expect: [{{from: x/a, to: x/b, port: 1, verdict: allow}}]
steps:
- description: b goes, a moves
  delete: [Pod default/b]
  apply:
  - {{apiVersion: v1, kind: Pod, metadata: {{name: a}}, status: {{podIP: 10.0.0.2}}}}
  expect: [{{from: x/a, to: x/b, port: 1, verdict: allow}}]
"
    );
    let scenario = parse("test", &text).unwrap();
    let pods: Vec<usize> = scenario
        .stages
        .iter()
        .map(|stage| stage.objects.pods.len())
        .collect();
    assert_eq!(pods, [2, 1]);
    let status = scenario.stages[1].objects.pods[0].status.as_ref().unwrap();
    assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.2"));
}

const SERVICE: &str = "- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
";

#[test]
fn a_service_is_meant_by_its_name_and_by_its_address_with_one_of_its_ports() {
    let text = format!(
        "{PODS}{SERVICE}expect:
- {{from: default/a, to: [svc/default/s, 10.96.0.1], port: [80, 81], verdict: deny}}
- {{from: default/a, to: svc/default/s, port: 80, backends: {{default/b 8080: allow, 192.0.2.1: deny}}}}
matrix: [{{to: [svc/default/s TCP 80], rows: {{default/a: no-backend}}}}]
"
    );
    let scenario = parse("test", &text).unwrap();
    let stage = &scenario.stages[0];
    let services: Vec<_> = stage
        .services
        .iter()
        .map(|check| (check.question.to.clone(), check.question.port))
        .collect();
    let name = Target::Name("default".into(), "s".into());
    let address = Target::Address("10.96.0.1".parse().unwrap());
    assert_eq!(
        services,
        [
            (name.clone(), 80),
            (name.clone(), 81),
            (address, 80),
            (name.clone(), 80),
            (name, 80)
        ]
    );
    assert_eq!(stage.checks.len(), 1, "port 81 of the address");
    let Expected::Backends(backends) = &stage.services[3].expected else {
        panic!("{:?}", stage.services[3]);
    };
    let ports: Vec<_> = backends.keys().map(|name| name.port).collect();
    assert_eq!(ports, [None, Some(8080)]);
    assert_eq!(stage.services[4].expected, Expected::NoBackend);
}

#[test]
fn a_typing_mistake_in_a_manifest_is_an_error() {
    let text = "{description: d, manifests: [{apiVersion: v1, kind: Pod, metadat: {}}]}";
    let problem = parse("test", text).unwrap_err();
    assert!(problem.to_string().contains("unknown field metadat"));
}

#[test]
fn what_cannot_be_understood_is_an_error() {
    for (rest, expected) in [
        ("", "expects nothing"),
        ("expct: []\n", "expct"),
        (
            "expect: [{from: a, to: x/b, port: 1, verdict: deny}]\n",
            "NAMESPACE/POD",
        ),
        (
            "expect: [{from: x/a, to: x/b, verdict: deny}]\n",
            "need a port",
        ),
        (
            "expect: [{from: x/a, to: x/b, port: 1, protocol: TPC, verdict: deny}]\n",
            "not a protocol",
        ),
        (
            "matrix: [{to: [x/b TCP 1], rows: {x/a: allow deny}}]\n",
            "equally many",
        ),
        (
            "expect: [{from: x/a, to: x/b, port: 1, verdict: no-backend}]\n",
            "only services",
        ),
        (
            "expect: [{from: x/a, to: svc/x, port: 1, verdict: deny}]\n",
            "svc/NAMESPACE/NAME",
        ),
        (
            "expect: [{from: x/a, to: svc/x/y, port: 1, backends: {b: allow}}]\n",
            "a backend is",
        ),
        (
            "expect: [{from: x/a, to: svc/x/y, port: 1, backends: {}}]\n",
            "no-backend",
        ),
        (
            "expect: [{from: x/a, to: svc/x/y, port: 1, verdict: deny, backends: {x/b: deny}}]\n",
            "a verdict or backends",
        ),
        (
            "matrix: [{to: [x/b TCP 1], rows: {x/a: alow}}]\n",
            "allow or deny",
        ),
        (
            "steps: [{description: d, delete: [Pod default/c]}]\nexpect: [{from: x/a, to: x/b, port: 1, verdict: deny}]\n",
            "no Pod default/c",
        ),
    ] {
        let problem = error(rest).to_string();
        assert!(problem.contains(expected), "{rest:?} gives {problem}");
    }
}
