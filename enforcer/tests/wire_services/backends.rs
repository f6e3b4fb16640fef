//! Services with several backends, of which policy allows some: each connection goes as the verdict
//! about the backend that the proxy took for it says.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_lab::probe::reach;
use enforcer_lab::{Namespace, Outcome, Pod, Protocol};
use serde_json::json;

use crate::common::{LONG, app, eventually, ingress, pings, pod_object};
use crate::world::{
    BOTH, TARGET, World, at, egress, everywhere, ports, serve_both, service, slices,
};

/// Connections at a time. That some backend of three is never taken by so many, in one of the two dozen
/// times that a test makes them, happens once in 30,000 runs; with 24 it would be once in 250.
const ATTEMPTS: usize = 36;
/// Enough for an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

/// Tries many times at once, each of which may take so long; gives how many were answered.
fn tries(from: &Namespace, to: SocketAddr, protocol: Protocol, patience: Duration) -> usize {
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> = (0..ATTEMPTS)
            .map(|_| scope.spawn(|| reach(from, None, to, protocol, patience).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let is = |wanted| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    let answered = is(Outcome::Connected);
    assert_eq!(answered + is(Outcome::Timeout), ATTEMPTS, "{outcomes:?}");
    answered
}

/// The same where some may fail.
fn attempts(from: &Namespace, to: SocketAddr, protocol: Protocol) -> usize {
    tries(from, to, protocol, PATIENCE)
}

/// All succeed, however busy the computer is, or none does.
#[track_caller]
fn all_or_none(all: bool, from: &Namespace, to: SocketAddr, protocol: Protocol) {
    let (patience, wanted) = if all { (LONG, ATTEMPTS) } else { (PATIENCE, 0) };
    let path = from.path().display();
    assert_eq!(
        tries(from, to, protocol, patience),
        wanted,
        "{path} → {to} by {protocol:?}"
    );
}

/// The source ports of packets of the client that were denied on their way to a backend.
fn denied_ports(world: &World, backend: SocketAddr, protocol: Protocol) -> BTreeSet<u16> {
    let name = format!("{protocol:?}").to_uppercase();
    let denials = world.denials();
    let of_backend = denials.iter().filter(|record| {
        record.destination.address == Some(backend.ip())
            && record.destination.port == Some(backend.port())
            && record.protocol.to_string() == name
    });
    of_backend
        .map(|record| {
            assert_eq!(record.reason, Reason::PolicyDenied);
            assert_eq!(record.direction, Direction::Egress);
            assert!(record.is_at("default/client"));
            assert!(record.is_isolated_by("default/client"));
            record.source.port.unwrap()
        })
        .collect()
}

#[test]
fn each_connection_goes_as_its_backends_verdict_says() {
    everywhere(|world| {
        let client = world.pod("client");
        let pods = ["one", "two", "denied"].map(|name| world.pod(name));
        world.service("web", 1, &pods.each_ref());
        let rule = json!([{"to": [app("one"), app("two")], "ports": ports(&json!(TARGET))}]);
        world.put(&egress("client", "client", &rule));
        // It looks at the ports of the denied connections, one by one.
        world.start("--each-denial");
        let servers = pods.each_ref().map(|pod| serve_both(pod, TARGET));
        // On a filtered bridge the node forgets a connection that is denied before it knows the
        // backend's MAC address: the next attempt takes another backend.
        for address in pods.iter().flat_map(|pod| &pod.addresses) {
            pings(&world.lab.node, *address, true);
        }
        for (protocol, kind) in BOTH.into_iter().zip(0..) {
            for to in at(1) {
                let served = || servers.each_ref().map(|server| server[kind].served());
                let before = served();
                let answered = attempts(&client, to, protocol);
                assert!(answered < ATTEMPTS, "the denied backend was never taken");
                eventually("all answers are counted", || {
                    let after = served();
                    after[0] + after[1] >= before[0] + before[1] + answered
                });
                let after = served();
                assert!((0..2).all(|pod| after[pod] > before[pod]), "{after:?}");
                assert_eq!(after[2], 0);
                let denied = pods[2].addresses[usize::from(to.is_ipv6())];
                let denied = SocketAddr::new(denied, TARGET);
                eventually("each denial is reported", || {
                    denied_ports(world, denied, protocol).len() == ATTEMPTS - answered
                });
            }
        }
    });
}

#[test]
fn a_backend_here_and_one_elsewhere_are_each_decided_where_they_are() {
    everywhere(|world| {
        let client = world.pod("client");
        let here = world.pod("here");
        let far = world.lab.outside_addresses();
        world.serve_objects([service("web", 1, &json!({}))]);
        let all: Vec<IpAddr> = here.addresses.iter().chain(&far).copied().collect();
        world.serve_objects(slices("web", &all, TARGET, true));
        let [inside, outside] = [&*here, &world.lab.outside].map(|place| serve_both(place, TARGET));
        let to_here = egress("client", "client", &json!([{"to": [app("here")]}]));
        let blocks = [format!("{}/32", far[0]), format!("{}/128", far[1])]
            .map(|cidr| json!({"ipBlock": {"cidr": cidr}}));
        let to_far = egress("client", "client", &json!([{"to": blocks}]));
        world.put(&to_here);
        world.start("");
        let mut there = 0;
        for (policy, allowed, denied) in
            [(&to_here, &inside, &outside), (&to_far, &outside, &inside)]
        {
            world.put(policy);
            world.settle();
            let before = denied[0].served();
            let answered: usize = at(1)
                .map(|to| attempts(&client, to, Protocol::Tcp))
                .iter()
                .sum();
            assert!(0 < answered && answered < 2 * ATTEMPTS, "{answered}");
            eventually("all answers are counted", || {
                allowed[0].served() == there + answered
            });
            assert_eq!(denied[0].served(), before);
            // The other one's turn comes with what it has served so far.
            there = denied[0].served();
        }
    });
}

#[test]
fn a_client_stays_with_its_backend_whatever_policy_says_about_it() {
    everywhere(|world| {
        let free = world.pod("free");
        let pods = ["allowed", "denied"].map(|name| world.pod(name));
        let sticky = service("web", 1, &json!({"sessionAffinity": "ClientIP"}));
        world.serve_objects([sticky]);
        world.backends("web", &pods.each_ref());
        let rule = json!([{"to": [app("allowed")]}]);
        world.put(&egress("client", "client", &rule));
        world.start("");
        let _servers = pods.each_ref().map(|pod| serve_both(pod, TARGET));
        let mut seen = BTreeSet::new();
        // That all get the same backend happens once in 500,000 runs.
        for number in 0..20 {
            let name = format!("client-{number}");
            let client = world.lab.add_pod(&name).unwrap();
            world.put(&pod_object(&name, &[("app", "client")], &client.addresses));
            world.settle();
            let to = at(1)[0];
            let first = reach(&client, None, to, Protocol::Tcp, PATIENCE).unwrap();
            let allowed = first == Outcome::Connected;
            all_or_none(allowed, &client, to, Protocol::Tcp);
            seen.insert(allowed);
            if seen.len() == 2 {
                break;
            }
        }
        assert_eq!(seen.len(), 2, "both verdicts");
        for to in at(1) {
            all_or_none(true, &free, to, Protocol::Tcp);
        }
    });
}

/// The ingress policy of a backend sees who really sent, or the node, where the proxy masquerades.
#[test]
fn a_backends_own_policy_counts_too() {
    everywhere(|world| {
        let pods: [Pod; 3] = ["client", "other", "web"].map(|name| world.pod(name));
        world.service("web", 1, &[&pods[2]]);
        world.put(&ingress("web", "web", &json!([{"from": [app("client")]}])));
        world.put(&egress("client", "client", &json!([{"to": [app("web")]}])));
        world.start("");
        let _server = serve_both(&pods[2], TARGET);
        // Who is behind the node's address cannot be told.
        let known = !world.masquerades_all();
        for to in at(1) {
            for protocol in BOTH {
                all_or_none(known, &pods[0], to, protocol);
                all_or_none(false, &pods[1], to, protocol);
            }
        }
    });
}
