//! Big clusters: what a change costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_common::abi::Direction;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Change, Namespace, Pod, PodKey};
use enforcer_policy::rule::{
    IpBlock, Namespaces, Origin, PeerSelector, Peers, PodSelector, Policy, PolicyKey, PolicyKind,
    PortMatch, PortSpec, Ports, Protocol, Rule, RuleAction, Tier,
};
use enforcer_policy::selector::{LabelSelector, Requirement, Test};

fn labelled(key: &str, value: String) -> LabelSelector {
    LabelSelector {
        requirements: [Requirement {
            key: key.into(),
            test: Test::In([value.into()].into()),
        }]
        .into(),
    }
}

/// The three low bytes, as an address has them.
fn bytes(number: usize) -> [u8; 3] {
    let [low, middle, high, ..] = number.to_le_bytes();
    [high, middle, low]
}

fn pod(size: usize, number: usize) -> Change {
    let key = PodKey {
        namespace: format!("ns{}", number % (size / 10)).into(),
        name: format!("pod{number}").into(),
    };
    let app = number / (size / 10);
    let [high, middle, low] = bytes(number);
    let pod = Pod {
        labels: [("app".to_owned(), format!("app{app}"))].into(),
        addresses: vec![[10, high, middle, low].into()],
        ..Pod::default()
    };
    Change::Pod(key, Some(pod))
}

fn policy(size: usize, number: usize) -> Change {
    let namespace = format!("ns{}", number % (size / 10));
    let app = number / (size / 10);
    let subject = PodSelector {
        namespaces: Namespaces::Named(namespace.as_str().into()),
        pods: labelled("app", format!("app{app}")),
    };
    let friends = PodSelector {
        namespaces: Namespaces::Named(namespace.as_str().into()),
        pods: labelled("app", format!("app{}", (app + 1) % 10)),
    };
    let team = PodSelector {
        namespaces: Namespaces::Matching(labelled("team", format!("team{}", number % 50))),
        pods: labelled("app", format!("app{}", (app + 3) % 10)),
    };
    let block = IpBlock {
        cidr: format!("192.168.{}.0/24", number % 256).parse().unwrap(),
        except: vec![format!("192.168.{}.128/25", number % 256).parse().unwrap()],
    };
    let allow = Rule {
        origin: Origin::Entry(0),
        tier: Tier::NetworkPolicy,
        priority: 0,
        direction: Direction::Ingress,
        subject,
        peers: Peers::Of(vec![
            PeerSelector::Pods(friends),
            PeerSelector::Pods(team),
            PeerSelector::Block(block),
        ]),
        ports: Ports::Of(vec![PortMatch {
            protocol: Protocol::Tcp,
            port: PortSpec::Range(80, 80 + u16::from(bytes(number % 7)[2])),
        }]),
        action: RuleAction::Allow,
    };
    let deny = Rule {
        origin: Origin::Isolation,
        priority: u32::MAX,
        peers: Peers::Any,
        ports: Ports::Any,
        action: RuleAction::Deny,
        ..allow.clone()
    };
    let key = PolicyKey {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace.into()),
        name: format!("policy{number}").into(),
    };
    let rules = vec![allow, deny];
    Change::Policy(
        key.clone(),
        Some(Arc::new(Policy {
            key,
            version: None,
            rules,
        })),
    )
}

fn namespace(number: usize) -> Change {
    let name = format!("ns{number}");
    let mut namespace = Namespace::implied(&name);
    let team = format!("team{}", number % 50);
    namespace.labels.insert("team".to_owned(), team);
    Change::Namespace(name, Some(namespace))
}

fn cluster(size: usize) -> Vec<Change> {
    let mut changes: Vec<Change> = (0..size).map(|number| pod(size, number)).collect();
    changes.extend((0..size).map(|number| policy(size, number)));
    changes.extend((0..size / 10).map(namespace));
    changes
}

/// The writes that a policy's removal takes, and those that its return takes.
fn edit(compiler: &mut Compiler, size: usize, number: usize) -> [usize; 2] {
    let change = policy(size, number);
    let Change::Policy(key, _) = &change else {
        return [usize::MAX; 2];
    };
    let removal = compiler.apply([Change::Policy(key.clone(), None)]).len();
    [removal, compiler.apply([change]).len()]
}

/// A cold start of 10,000 pods, 10,000 policies and 1,000 namespaces takes about three seconds in
/// a debug build on one core; the limit leaves room for busy machines.
#[test]
fn a_big_cluster_starts_in_seconds_and_an_edit_of_it_costs_what_it_concerns() {
    let size = 10_000;
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    let start = Instant::now();
    compiler.apply(cluster(size));
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(compiler.stats().endpoints, size);
    assert_eq!(compiler.stats().policy_sets, size);
    assert!(compiler.unfit().is_empty());
    for number in [0, 17, 9_999] {
        for writes in edit(&mut compiler, size, number) {
            assert!((1..100).contains(&writes), "{writes} writes");
        }
    }
}

#[test]
fn only_what_the_pods_of_the_node_are_asked_is_in_the_tables() {
    let mut compiler = Compiler::new(Scope::Node("here".to_owned()), Capacity::default());
    let changes = cluster(1_000).into_iter().enumerate();
    compiler.apply(changes.map(|(number, mut change)| {
        if let Change::Pod(_, Some(pod)) = &mut change {
            let node = if number < 10 { "here" } else { "there" };
            pod.node = Some(node.into());
        }
        change
    }));
    let stats = compiler.stats();
    assert_eq!((stats.endpoints, stats.policy_sets), (10, 10));
    assert_eq!(stats.selectors, 30);
    assert!(stats.addresses < 100, "{stats:?}");
}

/// A policy of this name for the pods of the app in `ns0`, which allows these peers.
fn allowing(name: &str, app: &str, peers: Vec<PeerSelector>) -> Change {
    let Change::Policy(_, Some(policy)) = policy(10, 0) else {
        unreachable!("a policy is a policy");
    };
    let mut policy = Arc::unwrap_or_clone(policy);
    policy.key.name = name.into();
    for rule in &mut policy.rules {
        rule.subject.pods = labelled("app", app.to_owned());
    }
    policy.rules[0].peers = Peers::Of(peers);
    Change::Policy(policy.key.clone(), Some(Arc::new(policy)))
}

/// How many writes a change takes.
fn writes(compiler: &mut Compiler, change: Change) -> usize {
    compiler.apply([change]).len()
}

/// `apps` apps with 100 pods each in `ns0`; the pods of `app0` are isolated and allow every app.
fn apps(apps: usize) -> Compiler {
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    let pods = (0..apps * 100).map(|number| {
        let Change::Pod(mut key, Some(mut pod)) = pod(10, number) else {
            unreachable!("a pod is a pod");
        };
        key.namespace = "ns0".into();
        pod.labels = [("app".to_owned(), format!("app{}", number % apps))].into();
        Change::Pod(key, Some(pod))
    });
    compiler.apply(pods);
    let peers = (0..apps).map(|app| {
        PeerSelector::Pods(PodSelector {
            namespaces: Namespaces::Named("ns0".into()),
            pods: labelled("app", format!("app{app}")),
        })
    });
    compiler.apply([allowing("first", "app0", peers.collect())]);
    assert_eq!(compiler.stats().addresses, apps * 100);
    compiler
}

#[test]
fn a_selector_that_tells_nobody_apart_moves_nobody() {
    let mut compiler = apps(20);
    let everybody = PodSelector {
        namespaces: Namespaces::Named("ns0".into()),
        pods: LabelSelector::default(),
    };
    let identities = compiler.stats().identities;
    // A verdict for each app; each of the 100 pods that become isolated gets its sets, then its
    // revision. None of the 2,000 addresses is written.
    let peers = vec![PeerSelector::Pods(everybody)];
    let come = writes(&mut compiler, allowing("second", "app1", peers));
    assert!((100..250).contains(&come), "{come} writes");
    assert_eq!(compiler.stats().identities, identities);
    let gone = Change::Policy(
        PolicyKey {
            kind: PolicyKind::NetworkPolicy,
            namespace: Some("ns0".into()),
            name: "second".into(),
        },
        None,
    );
    let go = writes(&mut compiler, gone);
    assert!((100..250).contains(&go), "{go} writes");
    assert_eq!(compiler.stats().identities, identities);
}

#[test]
fn a_block_moves_nobody_within_its_exceptions() {
    let mut compiler = apps(20);
    let block = IpBlock {
        cidr: "0.0.0.0/0".parse().unwrap(),
        except: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let outside = allowing("second", "none", vec![PeerSelector::Block(block.clone())]);
    assert_eq!(writes(&mut compiler, outside), 0, "nobody has the policy");
    let outside = allowing("second", "app0", vec![PeerSelector::Block(block)]);
    // Two prefixes; 21 verdicts of the new set and those of the old; 100 endpoints, perhaps with new
    // revisions.
    let writes = writes(&mut compiler, outside);
    assert!((100..300).contains(&writes), "{writes} writes");
    assert_eq!(compiler.stats().cidrs, 2);
}
