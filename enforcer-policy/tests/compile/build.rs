//! Objects in few words.

use std::sync::Arc;

use enforcer_common::abi::{Direction, Endpoint};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{
    Change, NAMESPACE_NAME_LABEL, NamedPort, Namespace, Node, Pod, PodKey, Service, ServiceKey,
};
use enforcer_policy::rule::{
    IpBlock, Namespaces, Origin, PeerSelector, Peers, PodSelector, Policy, PolicyKey, PolicyKind,
    PortMatch, PortSpec, Ports, Protocol, Rule, RuleAction, Tier,
};
use enforcer_policy::selector::{LabelSelector, Labels, Requirement, Test};

pub(crate) const TCP: u8 = 6;

pub(crate) fn compiler() -> Compiler {
    Compiler::new(Scope::All, Capacity::default())
}

pub(crate) fn pod_key(name: &str) -> PodKey {
    PodKey {
        namespace: "ns".into(),
        name: name.into(),
    }
}

/// A pod `ns/name` with the label `app: name` and this address.
pub(crate) fn pod(name: &str, address: &str) -> Pod {
    Pod {
        labels: labels(&[("app", name)]),
        addresses: vec![address.parse().unwrap()],
        ..Pod::default()
    }
}

pub(crate) fn labels(labels: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

pub(crate) fn named_port(name: &str, port: u16) -> NamedPort {
    NamedPort {
        name: name.into(),
        protocol: Protocol::Tcp,
        port,
    }
}

pub(crate) fn put(name: &str, pod: Pod) -> Change {
    Change::Pod(pod_key(name), Some(pod))
}

pub(crate) fn new_pod(name: &str, address: &str) -> Change {
    put(name, pod(name, address))
}

pub(crate) fn gone(name: &str) -> Change {
    Change::Pod(pod_key(name), None)
}

pub(crate) fn node(name: &str, address: &str) -> Change {
    let node = Node {
        addresses: vec![address.parse().unwrap()],
        ..Node::default()
    };
    Change::Node(name.to_owned(), Some(node))
}

/// A service `ns/name` with this cluster address.
pub(crate) fn service(name: &str, address: &str) -> Change {
    let service = Service {
        cluster_ips: vec![address.parse().unwrap()],
        ..Service::default()
    };
    Change::Service(service_key(name), Some(service))
}

pub(crate) fn no_service(name: &str) -> Change {
    Change::Service(service_key(name), None)
}

pub(crate) fn service_key(name: &str) -> ServiceKey {
    ServiceKey {
        namespace: "ns".into(),
        name: name.into(),
    }
}

pub(crate) fn namespace(more: &[(&str, &str)]) -> Change {
    let mut labels = labels(more);
    labels.insert(NAMESPACE_NAME_LABEL, "ns".to_owned());
    Change::Namespace("ns".to_owned(), Some(Namespace { labels }))
}

pub(crate) fn label_selector(labels: &[(&str, &str)]) -> LabelSelector {
    let is = |(key, value): &(&str, &str)| Requirement {
        key: (*key).into(),
        test: Test::In([(*value).into()].into()),
    };
    LabelSelector {
        requirements: labels.iter().map(is).collect(),
    }
}

/// The pods of `ns` with the label `app: name`.
pub(crate) fn app(name: &str) -> PodSelector {
    PodSelector {
        namespaces: Namespaces::Named("ns".into()),
        pods: label_selector(&[("app", name)]),
    }
}

pub(crate) fn everywhere(namespaces: &[(&str, &str)]) -> PodSelector {
    PodSelector {
        namespaces: Namespaces::Matching(label_selector(namespaces)),
        pods: LabelSelector::default(),
    }
}

pub(crate) fn from(names: &[&str]) -> Peers {
    let pods = |name: &&str| PeerSelector::Pods(app(name));
    Peers::Of(names.iter().map(pods).collect())
}

pub(crate) fn block(cidr: &str, except: &[&str]) -> Peers {
    Peers::Of(vec![PeerSelector::Block(IpBlock {
        cidr: cidr.parse().unwrap(),
        except: except.iter().map(|net| net.parse().unwrap()).collect(),
    })])
}

fn tcp(port: PortSpec) -> Ports {
    let protocol = Protocol::Tcp;
    Ports::Of(vec![PortMatch { protocol, port }])
}

pub(crate) fn port(port: u16) -> Ports {
    tcp(PortSpec::Range(port, port))
}

pub(crate) fn to_name(name: &str) -> Ports {
    tcp(PortSpec::Named(name.into()))
}

pub(crate) fn allow(
    direction: Direction,
    subject: PodSelector,
    peers: Peers,
    ports: Ports,
) -> Rule {
    Rule {
        origin: Origin::Entry(0),
        tier: Tier::NetworkPolicy,
        priority: 0,
        direction,
        subject,
        peers,
        ports,
        action: RuleAction::Allow,
    }
}

/// What isolates the pods of `ns` with the label `app: name` and lets them out to these peers and
/// ports.
pub(crate) fn egress(name: &str, peers: Peers, ports: Ports) -> Vec<Rule> {
    isolating(allow(Direction::Egress, app(name), peers, ports))
}

/// What isolates the pods of `ns` with the label `app: name` and lets these peers and ports in.
pub(crate) fn ingress(name: &str, peers: Peers, ports: Ports) -> Vec<Rule> {
    isolating(allow(Direction::Ingress, app(name), peers, ports))
}

/// The rule, and the isolation of its subject.
pub(crate) fn isolating(rule: Rule) -> Vec<Rule> {
    let isolation = Rule {
        origin: Origin::Isolation,
        priority: u32::MAX,
        peers: Peers::Any,
        ports: Ports::Any,
        action: RuleAction::Deny,
        ..rule.clone()
    };
    vec![rule, isolation]
}

pub(crate) fn policy_key(name: &str) -> PolicyKey {
    PolicyKey {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some("ns".into()),
        name: name.into(),
    }
}

pub(crate) fn policy(name: &str, rules: Vec<Rule>) -> Change {
    let key = policy_key(name);
    Change::Policy(
        key.clone(),
        Some(Arc::new(Policy {
            key,
            version: None,
            rules,
        })),
    )
}

pub(crate) fn no_policy(name: &str) -> Change {
    Change::Policy(policy_key(name), None)
}

pub(crate) fn endpoint(compiler: &Compiler, name: &str) -> Endpoint {
    compiler.tables().endpoints[&pod_key(name)]
}

/// Whether a pod lets a TCP connection from an address in.
pub(crate) fn lets_in(compiler: &Compiler, name: &str, peer: &str, port: u16) -> bool {
    passes(compiler, Direction::Ingress, name, peer, port)
}

pub(crate) fn passes(
    compiler: &Compiler,
    direction: Direction,
    name: &str,
    peer: &str,
    port: u16,
) -> bool {
    let probe = crate::meaning::Probe {
        endpoint: &pod_key(name),
        direction,
        peer: peer.parse().unwrap(),
        protocol: TCP,
        port,
    };
    crate::lookup::allowed(compiler.tables(), &endpoint(compiler, name), probe)
}
