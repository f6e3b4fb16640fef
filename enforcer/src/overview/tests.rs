use enforcer_policy::model::Cluster;

use super::{Overview, PodRow};
use crate::source::manifests::ManifestSource;

fn cluster(manifests: &str) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.yaml"), manifests).unwrap();
    let snapshot = ManifestSource::new(folder.path()).reload();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.cluster
}

fn overview() -> Overview {
    Overview::of(&cluster(MANIFESTS), 7)
}

const MANIFESTS: &str = "
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db, labels: {app: db}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.1.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: done, labels: {app: db}}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: agent, labels: {app: db}}
spec: {hostNetwork: true, nodeName: n1}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shops, name: web, labels: {app: db}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: b}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - namespaceSelector: {}
      podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: old, operator: DoesNotExist}]}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports: [{port: 80}, {port: 8000, endPort: 9000, protocol: UDP}, {port: dns}]
  - {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: a}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress:
  - to: [{namespaceSelector: {matchLabels: {team: x}}}]
  - to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [b, a]}]}}]
";

#[test]
fn each_pod_has_the_policies_that_isolate_it_and_each_direction_its_own() {
    let overview = overview();
    assert_eq!(overview.revision, 7);
    let names: Vec<&str> = overview.pods.iter().map(|pod| &*pod.pod).collect();
    assert_eq!(names, ["shop/agent", "shop/db", "shops/web"]);
    let [agent, db, web] = &overview.pods[..] else {
        unreachable!("three pods")
    };
    assert_eq!((&db.ingress[..], &db.egress[..]), (&[0, 1][..], &[0][..]));
    assert_eq!(db.node.as_deref(), Some("n1"));
    // Neither what shares the node's network nor a namespace of a longer name is isolated.
    let open = |pod: &PodRow| pod.ingress.is_empty() && pod.egress.is_empty();
    assert!(agent.host_network && open(agent) && open(web));
}

#[test]
fn rules_are_told_in_words_at_the_places_that_records_name() {
    let overview = overview();
    let [a, b] = &overview.policies[..] else {
        unreachable!("two policies")
    };
    assert_eq!(
        (&*a.policy, a.selected, a.ingress, a.egress),
        ("shop/a", 1, true, true)
    );
    assert_eq!(
        (&*b.policy, b.selected, b.ingress, b.egress),
        ("shop/b", 1, true, false)
    );
    assert_eq!(a.subject, "all pods in shop");
    assert_eq!(b.subject, "pods with app=db in shop");
    let rules = |rules: &[super::RuleRow]| -> Vec<(String, String)> {
        rules
            .iter()
            .map(|one| (one.rule.clone(), one.allows.clone()))
            .collect()
    };
    let said = |rule: &str, allows: &str| (rule.to_owned(), allows.to_owned());
    assert_eq!(
        rules(&a.rules),
        [
            said(
                "egress[0]",
                "to all pods in namespaces with team=x, all ports"
            ),
            said("egress[1]", "to all pods in a or b, all ports"),
        ]
    );
    let first = "from pods with app in (a, b) and no label old in any namespace or 10.0.0.0/8 except \
        10.1.0.0/16, TCP 80, UDP 8000–9000, TCP the port named dns";
    assert_eq!(
        rules(&b.rules),
        [
            said("ingress[0]", first),
            said("ingress[1]", "from everybody, all ports")
        ]
    );
}
