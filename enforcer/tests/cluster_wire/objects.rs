//! Manifests as users write them.

/// The rest of a policy's spec that lets friends come in.
pub(crate) const FRIENDS: &str =
    "policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {role: friend}}}]}]";

/// A pod's place, name and labels.
#[derive(Clone, Copy)]
pub(crate) struct PodSpec<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) node: &'a str,
    /// `app: web, role: friend`.
    pub(crate) labels: &'a str,
    /// `a: b`, or nothing.
    pub(crate) annotations: &'a str,
}

impl PodSpec<'_> {
    /// A pod that serves TCP port 80 and UDP port 53.
    pub(crate) fn manifest(&self) -> String {
        let Self {
            namespace,
            name,
            node,
            labels,
            annotations,
        } = self;
        format!(
            "\
---
apiVersion: v1
kind: Pod
metadata:
  namespace: {namespace}
  name: {name}
  labels: {{{labels}}}
  annotations: {{{annotations}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: main
      ports: [{{containerPort: 80}}, {{containerPort: 53, protocol: UDP}}]
"
        )
    }
}

/// A pod without annotations.
pub(crate) fn pod(namespace: &str, name: &str, node: &str, labels: &str) -> String {
    PodSpec {
        namespace,
        name,
        node,
        labels,
        annotations: "",
    }
    .manifest()
}

/// A policy for the pods that have these labels (`app: web`), with the rest of its spec in flow
/// style (`policyTypes: [Ingress]`).
pub(crate) fn policy(namespace: &str, name: &str, labels: &str, spec: &str) -> String {
    format!(
        "\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{namespace: {namespace}, name: {name}}}
spec: {{podSelector: {{matchLabels: {{{labels}}}}}, {spec}}}
"
    )
}
