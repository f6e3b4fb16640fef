//! Small random clusters, dense enough that everything meets everything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{
    Change, NAMESPACE_NAME_LABEL, NamedPort, Namespace, Node, Pod, PodKey, Readiness, Service,
    ServiceKey,
};
use enforcer_policy::rule::{
    IpBlock, Namespaces, Origin, PeerSelector, Peers, PodSelector, Policy, PolicyKey, PolicyKind,
    PortMatch, PortSpec, Ports, Protocol, Rule, RuleAction, Tier,
};
use enforcer_policy::selector::{LabelSelector, Labels, Requirement, Test};
use ipnet::IpNet;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The addresses that pods and nodes have.
pub(crate) const OWNED: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.1",
    "10.0.1.2",
    "fd00::1",
    "fd00::2",
    "fd00::1:1",
    "192.168.0.1",
];

/// Addresses that nobody has.
pub(crate) const OUTSIDE: [&str; 5] = ["10.0.0.9", "10.0.1.9", "192.168.0.9", "8.8.8.8", "fd00::9"];

const NETS: [(&str, &[&str]); 7] = [
    (
        "0.0.0.0/0",
        &["10.0.0.0/24", "10.0.0.0/16", "192.168.0.0/16"],
    ),
    (
        "10.0.0.0/16",
        &["10.0.0.0/24", "10.0.1.0/24", "10.0.0.1/32"],
    ),
    ("10.0.0.0/24", &["10.0.0.2/31", "10.0.0.0/24"]),
    ("10.0.1.0/24", &["10.0.1.1/32"]),
    ("10.0.0.1/32", &[]),
    ("fd00::/64", &["fd00::1/128", "fd00::1:0/112"]),
    ("::/0", &["fd00::/64", "fd00::2/128"]),
];

pub(crate) const PORTS: [u16; 7] = [0, 1, 79, 80, 81, 8080, 65535];

fn labels() -> impl Strategy<Value = Labels> {
    vec(option::of(select(vec!["x", "y"])), 2).prop_map(|values| {
        ["a", "b"]
            .into_iter()
            .zip(values)
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
            .collect()
    })
}

fn test() -> impl Strategy<Value = Test> {
    let values = || btree_set(select(vec!["x", "y"]).prop_map(Name::from), 1..=2);
    prop_oneof![
        4 => values().prop_map(|values| Test::In(values.into_iter().collect())),
        1 => values().prop_map(|values| Test::NotIn(values.into_iter().collect())),
        1 => Just(Test::Exists),
        1 => Just(Test::DoesNotExist),
    ]
}

fn label_selector() -> impl Strategy<Value = LabelSelector> {
    btree_set(
        (select(vec!["a", "b"]), test()).prop_map(|(key, test)| Requirement {
            key: key.into(),
            test,
        }),
        0..=2,
    )
    .prop_map(|requirements| LabelSelector {
        requirements: requirements.into_iter().collect(),
    })
}

fn pod_selector() -> impl Strategy<Value = PodSelector> {
    let namespaces = prop_oneof![
        2 => namespace_name().prop_map(|name| Namespaces::Named(name.into())),
        1 => label_selector().prop_map(Namespaces::Matching),
    ];
    (namespaces, label_selector()).prop_map(|(namespaces, pods)| PodSelector { namespaces, pods })
}

fn block() -> impl Strategy<Value = IpBlock> {
    select(NETS.to_vec()).prop_flat_map(|(cidr, holes)| {
        let holes: Vec<IpNet> = holes.iter().map(|net| net.parse().unwrap()).collect();
        let count = holes.len();
        proptest::sample::subsequence(holes, 0..=count).prop_map(move |mut except| {
            except.sort_unstable();
            IpBlock {
                cidr: cidr.parse().unwrap(),
                except,
            }
        })
    })
}

fn peers() -> impl Strategy<Value = Peers> {
    let one = prop_oneof![
        pod_selector().prop_map(PeerSelector::Pods),
        block().prop_map(PeerSelector::Block),
    ];
    prop_oneof![
        1 => Just(Peers::Any),
        4 => vec(one, 0..=2).prop_map(Peers::Of),
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![
        Protocol::Tcp,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Sctp,
    ])
}

fn port_name() -> impl Strategy<Value = String> {
    select(vec!["web".to_owned(), "api".to_owned()])
}

fn ports() -> impl Strategy<Value = Ports> {
    let range = (select(PORTS.to_vec()), select(PORTS.to_vec()))
        .prop_map(|(a, b)| PortSpec::Range(a.min(b), a.max(b)));
    let port = prop_oneof![
        1 => Just(PortSpec::All),
        3 => range,
        2 => port_name().prop_map(|name| PortSpec::Named(name.into())),
    ];
    let one = (protocol(), port).prop_map(|(protocol, port)| PortMatch { protocol, port });
    prop_oneof![
        1 => Just(Ports::Any),
        2 => vec(one, 0..=2).prop_map(Ports::Of),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        select(vec![
            Tier::Admin,
            Tier::NetworkPolicy,
            Tier::NetworkPolicy,
            Tier::Baseline,
        ]),
        0..3_u32,
        select(Direction::ALL.to_vec()),
        pod_selector(),
        peers(),
        ports(),
        select(vec![
            RuleAction::Allow,
            RuleAction::Allow,
            RuleAction::Deny,
            RuleAction::Pass,
        ]),
    )
        .prop_map(
            |(tier, priority, direction, subject, peers, ports, action)| Rule {
                origin: Origin::Entry(0),
                tier,
                priority,
                direction,
                subject,
                peers,
                ports,
                action,
            },
        )
}

/// A rule and the isolation that comes with it, as NetworkPolicy has them.
fn isolating(mut rule: Rule) -> Vec<Rule> {
    rule.tier = Tier::NetworkPolicy;
    rule.priority = 0;
    rule.action = RuleAction::Allow;
    let isolation = Rule {
        origin: Origin::Isolation,
        priority: u32::MAX,
        action: RuleAction::Deny,
        peers: Peers::Any,
        ports: Ports::Any,
        ..rule.clone()
    };
    vec![rule, isolation]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop_oneof![
        2 => rule().prop_map(isolating),
        1 => vec(rule(), 1..=3),
    ]
}

fn namespace_name() -> impl Strategy<Value = String> {
    select(vec!["blue".to_owned(), "red".to_owned()])
}

pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    select(OWNED.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn pod() -> impl Strategy<Value = Pod> {
    let port =
        (port_name(), protocol(), select(vec![80_u16, 8080])).prop_map(|(name, protocol, port)| {
            NamedPort {
                name: name.into(),
                protocol,
                port,
            }
        });
    (
        labels(),
        vec(address(), 0..=3),
        option::of(node_name()),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        btree_set(port, 0..=2),
        any::<bool>(),
    )
        .prop_map(
            |(labels, addresses, node, host_network, terminated, ports, may_spoof)| Pod {
                uid: None,
                readiness: Readiness::default(),
                labels,
                addresses: one_of_each_family(addresses),
                node: node.map(Name::from),
                host_network,
                terminated,
                ports: ports.into_iter().collect(),
                may_spoof,
                workload: None,
            },
        )
}

fn one_of_each_family(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let by_family: BTreeMap<bool, IpAddr> = addresses
        .into_iter()
        .map(|address| (address.is_ipv6(), address))
        .collect();
    by_family.into_values().collect()
}

fn node_name() -> impl Strategy<Value = String> {
    select(vec!["north".to_owned(), "south".to_owned()])
}

fn pod_change() -> impl Strategy<Value = Change> {
    let key =
        (namespace_name(), select(vec!["one", "two", "three"])).prop_map(|(namespace, name)| {
            PodKey {
                namespace: namespace.into(),
                name: name.into(),
            }
        });
    (key, option::weighted(0.85, pod())).prop_map(|(key, pod)| Change::Pod(key, pod))
}

fn namespace_change() -> impl Strategy<Value = Change> {
    (namespace_name(), option::weighted(0.9, labels())).prop_map(|(name, labels)| {
        let namespace = labels.map(|mut labels| {
            labels.insert(NAMESPACE_NAME_LABEL, name.clone());
            Namespace { labels }
        });
        Change::Namespace(name, namespace)
    })
}

fn node_change() -> impl Strategy<Value = Change> {
    let node = btree_set(address(), 0..=2).prop_map(|addresses: BTreeSet<IpAddr>| Node {
        addresses: addresses.into_iter().collect(),
        ..Node::default()
    });
    (node_name(), option::weighted(0.8, node)).prop_map(|(name, node)| Change::Node(name, node))
}

/// A service may have any address, also one that a pod or a node has: objects may be wrong, or on
/// their way.
fn service_change() -> impl Strategy<Value = Change> {
    let addresses = select([OWNED.as_slice(), &OUTSIDE].concat());
    let addresses = btree_set(
        addresses.prop_map(|text| text.parse::<IpAddr>().unwrap()),
        0..=2,
    );
    let service = (addresses.clone(), addresses).prop_map(|(cluster, external)| Service {
        cluster_ips: cluster.into_iter().collect(),
        external_ips: external.into_iter().collect(),
        ..Service::default()
    });
    let key = select(vec!["web", "dns"]).prop_map(|name| ServiceKey {
        namespace: "blue".into(),
        name: name.into(),
    });
    (key, option::weighted(0.8, service)).prop_map(|(key, service)| Change::Service(key, service))
}

fn policy_change() -> impl Strategy<Value = Change> {
    (
        select(vec!["p", "q", "r", "s"]),
        option::weighted(0.85, rules()),
    )
        .prop_map(|(name, rules)| {
            let key = PolicyKey {
                kind: PolicyKind::NetworkPolicy,
                namespace: Some("blue".into()),
                name: name.into(),
            };
            let policy = rules.map(|rules| {
                Arc::new(Policy {
                    key: key.clone(),
                    version: None,
                    rules,
                })
            });
            Change::Policy(key, policy)
        })
}

/// One change of anything.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => pod_change(),
        5 => policy_change(),
        2 => namespace_change(),
        1 => node_change(),
        1 => service_change(),
    ]
}
