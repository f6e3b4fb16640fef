//! Big clusters: what a change costs.

use std::sync::Arc;
use std::time::Instant;

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
            key: key.to_owned(),
            test: Test::In([value].into()),
        }]
        .into(),
    }
}

fn pod(size: usize, number: usize) -> Change {
    let key = PodKey {
        namespace: format!("ns{}", number % (size / 10)),
        name: format!("pod{number}"),
    };
    let app = number / (size / 10);
    let address = [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
    let pod = Pod {
        labels: [("app".to_owned(), format!("app{app}"))].into(),
        addresses: vec![address.into()],
        ..Pod::default()
    };
    Change::Pod(key, Some(pod))
}

fn policy(size: usize, number: usize) -> Change {
    let namespace = format!("ns{}", number % (size / 10));
    let app = number / (size / 10);
    let subject = PodSelector {
        namespaces: Namespaces::Named(namespace.clone()),
        pods: labelled("app", format!("app{app}")),
    };
    let friends = PodSelector {
        namespaces: Namespaces::Named(namespace.clone()),
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
            port: PortSpec::Range(80, 80 + (number % 7) as u16),
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
        namespace: Some(namespace),
        name: format!("policy{number}"),
    };
    let rules = vec![allow, deny];
    Change::Policy(key.clone(), Some(Arc::new(Policy { key, rules })))
}

fn namespace(number: usize) -> Change {
    let name = format!("ns{number}");
    let mut namespace = Namespace::implied(&name);
    let team = format!("team{}", number % 50);
    namespace.labels.insert("team".to_owned(), team);
    Change::Namespace(name, Some(namespace))
}

#[test]
fn measure() {
    let size = 10_000;
    let mut changes: Vec<Change> = (0..size).map(|n| pod(size, n)).collect();
    changes.extend((0..size).map(|n| policy(size, n)));
    changes.extend((0..size / 10).map(namespace));
    for scope in [Scope::All, Scope::Node("n".to_owned())] {
        let mut changes = changes.clone();
        for (n, c) in changes.iter_mut().enumerate() {
            if let Change::Pod(_, Some(p)) = c {
                p.node = Some(if n % 100 == 0 { "n" } else { "m" }.to_owned());
            }
        }
        let mut compiler = Compiler::new(scope, Capacity::default());
        let start = Instant::now();
        let ops = compiler.apply(changes.clone());
        eprintln!(
            "cold {:?} {} ops {:?}",
            start.elapsed(),
            ops.len(),
            compiler.stats()
        );
        for n in [0, 17, 500] {
            let start = Instant::now();
            let Change::Policy(key, _) = policy(size, n) else {
                return;
            };
            let ops = compiler.apply([Change::Policy(key, None)]);
            eprintln!("policy gone {:?} {} ops", start.elapsed(), ops.len());
            let start = Instant::now();
            let ops = compiler.apply([policy(size, n)]);
            eprintln!("policy back {:?} {} ops", start.elapsed(), ops.len());
            let start = Instant::now();
            let Change::Pod(key, Some(mut p)) = changes[n].clone() else {
                return;
            };
            let ops = compiler.apply([Change::Pod(key.clone(), None)]);
            eprintln!("pod gone {:?} {} ops", start.elapsed(), ops.len());
            let start = Instant::now();
            p.labels.insert("x".into(), "y".into());
            let ops = compiler.apply([Change::Pod(key.clone(), Some(p))]);
            eprintln!("pod back {:?} {} ops", start.elapsed(), ops.len());
            let start = Instant::now();
            let ops = compiler.apply([Change::Namespace(format!("ns{n}"), None)]);
            eprintln!("ns unlabelled {:?} {} ops", start.elapsed(), ops.len());
        }
        let start = Instant::now();
        let mut all = 0;
        for n in 0..1000 {
            let Change::Policy(key, _) = policy(size, n) else {
                return;
            };
            all += compiler.apply([Change::Policy(key, None)]).len();
        }
        eprintln!(
            "1000 policies gone one by one {:?} {} ops",
            start.elapsed(),
            all
        );
    }
}
