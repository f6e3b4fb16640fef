//! The object that a policy is.

use enforcer_policy::model::NAMESPACE_NAME_LABEL;
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::policy::Policy;
use super::ports::{Port, PortName};
use super::rules::{Peer, Rule};
use super::selector::Selector;

/// The policy as the API knows it.
pub fn to_object(policy: &Policy) -> NetworkPolicy {
    let types = [("Ingress", &policy.ingress), ("Egress", &policy.egress)];
    let types = types.iter().filter(|(_, rules)| rules.is_some());
    let ingress = policy.ingress.as_deref().filter(|rules| !rules.is_empty());
    let egress = policy.egress.as_deref().filter(|rules| !rules.is_empty());
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(policy.name.clone()),
            namespace: Some(policy.workload.namespace.to_string()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(&policy.selector)),
            policy_types: Some(types.map(|(name, _)| (*name).to_owned()).collect()),
            ingress: ingress.map(|rules| rules.iter().map(ingress_rule).collect()),
            egress: egress.map(|rules| rules.iter().map(egress_rule).collect()),
        }),
    }
}

fn ingress_rule(rule: &Rule) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(rule.peers.iter().map(peer).collect()),
        ports: Some(rule.ports.iter().map(port).collect()),
    }
}

fn egress_rule(rule: &Rule) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(rule.peers.iter().map(peer).collect()),
        ports: Some(rule.ports.iter().map(port).collect()),
    }
}

fn peer(peer: &Peer) -> NetworkPolicyPeer {
    match peer {
        Peer::Pods {
            namespace,
            selector: pods,
        } => NetworkPolicyPeer {
            namespace_selector: namespace.as_ref().map(|name| LabelSelector {
                match_labels: Some([(NAMESPACE_NAME_LABEL.to_owned(), name.to_string())].into()),
                ..LabelSelector::default()
            }),
            pod_selector: Some(selector(pods)),
            ip_block: None,
        },
        Peer::Block { cidr, .. } => NetworkPolicyPeer {
            ip_block: Some(block(*cidr)),
            ..NetworkPolicyPeer::default()
        },
    }
}

fn block(cidr: IpNet) -> IPBlock {
    IPBlock {
        cidr: cidr.to_string(),
        except: None,
    }
}

fn port(port: &Port) -> NetworkPolicyPort {
    NetworkPolicyPort {
        end_port: None,
        port: Some(match &port.port {
            PortName::Number(number) => IntOrString::Int(i32::from(*number)),
            PortName::Name(name) => IntOrString::String(name.to_string()),
        }),
        protocol: Some(port.protocol.name().to_owned()),
    }
}

fn selector(selector: &Selector) -> LabelSelector {
    let labels = selector.labels.iter();
    let without = selector.without.iter().map(|key| LabelSelectorRequirement {
        key: key.to_string(),
        operator: "DoesNotExist".to_owned(),
        values: None,
    });
    LabelSelector {
        match_labels: Some(
            labels
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
        ),
        match_expressions: (!selector.without.is_empty()).then(|| without.collect()),
    }
}
