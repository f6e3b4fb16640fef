//! Random policies that the API server would accept.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::pools::{
    BLOCKS, HOMES, NAMESPACE_LABELS, POD_LABELS, PORT_NAMES, PORT_NUMBERS, PORT_RANGES, PROTOCOLS,
};
use super::selectors::selector;

type Rule = (
    Option<Vec<NetworkPolicyPeer>>,
    Option<Vec<NetworkPolicyPort>>,
);

/// The policy with this number.
pub(super) fn policy(number: usize) -> impl Strategy<Value = NetworkPolicy> {
    (select(HOMES), spec()).prop_map(move |(namespace, spec)| {
        let mut policy = NetworkPolicy::default();
        policy.metadata.namespace = (namespace != "default").then(|| namespace.to_owned());
        policy.metadata.name = Some(format!("np{number}"));
        policy.spec = Some(spec);
        policy
    })
}

fn spec() -> impl Strategy<Value = NetworkPolicySpec> {
    let types = prop_oneof![
        2 => Just(None),
        1 => Just(Some(vec![])),
        2 => Just(Some(vec!["Ingress"])),
        2 => Just(Some(vec!["Egress"])),
        3 => Just(Some(vec!["Ingress", "Egress"])),
    ];
    let rules = || weighted(0.8, vec(rule(), 0..=3));
    (
        weighted(0.95, selector(POD_LABELS)),
        types,
        rules(),
        rules(),
    )
        .prop_map(|(pod_selector, types, ingress, egress)| NetworkPolicySpec {
            pod_selector,
            policy_types: types.map(|types| types.into_iter().map(str::to_owned).collect()),
            ingress: ingress.map(|rules| rules.into_iter().map(ingress_rule).collect()),
            egress: egress.map(|rules| rules.into_iter().map(egress_rule).collect()),
        })
}

fn ingress_rule((from, ports): Rule) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from, ports }
}

fn egress_rule((to, ports): Rule) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to, ports }
}

fn rule() -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![1 => Just(vec![]), 9 => vec(peer(), 1..=3)];
    let ports = prop_oneof![1 => Just(vec![]), 9 => vec(port(), 1..=3)];
    (weighted(0.95, peers), weighted(0.75, ports))
}

fn peer() -> impl Strategy<Value = NetworkPolicyPeer> {
    let of = |namespace_selector, pod_selector, ip_block| NetworkPolicyPeer {
        ip_block,
        namespace_selector,
        pod_selector,
    };
    let pods = || selector(POD_LABELS).prop_map(Some);
    let namespaces = || selector(NAMESPACE_LABELS).prop_map(Some);
    prop_oneof![
        pods().prop_map(move |pods| of(None, pods, None)),
        namespaces().prop_map(move |namespaces| of(namespaces, None, None)),
        (namespaces(), pods()).prop_map(move |(namespaces, pods)| of(namespaces, pods, None)),
        block().prop_map(move |block| of(None, None, Some(block))),
    ]
}

fn block() -> impl Strategy<Value = IPBlock> {
    select(BLOCKS).prop_flat_map(|(cidr, excepts)| {
        let except = subsequence(excepts, 0..=excepts.len().min(2));
        weighted(0.7, except).prop_map(move |except| IPBlock {
            cidr: cidr.to_owned(),
            except: except.map(|list| list.into_iter().map(str::to_owned).collect()),
        })
    })
}

fn port() -> impl Strategy<Value = NetworkPolicyPort> {
    let number = select(PORT_NUMBERS).prop_map(|port| (Some(IntOrString::Int(port)), None));
    let name = select(PORT_NAMES).prop_map(|name| {
        let name = IntOrString::String(name.to_owned());
        (Some(name), None)
    });
    let range =
        select(PORT_RANGES).prop_map(|(first, last)| (Some(IntOrString::Int(first)), Some(last)));
    let port = prop_oneof![2 => number, 3 => name, 2 => range, 1 => Just((None, None))];
    (port, weighted(0.7, select(PROTOCOLS))).prop_map(|((port, end_port), protocol)| {
        NetworkPolicyPort {
            end_port,
            port,
            protocol: protocol.map(str::to_owned),
        }
    })
}
