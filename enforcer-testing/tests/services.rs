//! Where services lead, and what the tables say there, agrees with the oracle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_common::abi::address::NO_NODE;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Cluster, Family, Pod, PodKey, ServiceKey, TargetPort};
use enforcer_policy::oracle::{Objects, ServiceAnswer, ServiceQuestion, Side, Target};
use enforcer_policy::rule::Protocol;
use enforcer_policy::service::{self, Backend, Route};
use enforcer_testing::generate;
use enforcer_testing::scenario::{self, ServiceCheck};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::model;

fn compiled(objects: &Objects) -> Compiler {
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    compiler.apply(Cluster::default().changes_to(&model(objects)));
    compiler
}

fn sender<'a>(cluster: &'a Cluster, side: &Side) -> (&'a PodKey, &'a Pod) {
    match side {
        Side::Address(address) => cluster.pod_by_address(*address).unwrap(),
        Side::Pod(namespace, name) => {
            let mut pods = cluster.pods.iter();
            let found = pods.find(|(key, _)| key.namespace == *namespace && key.name == *name);
            found.unwrap()
        }
    }
}

/// Addresses of a pod; of one in its node's network that has none, those of the node.
fn addresses<'a>(cluster: &'a Cluster, pod: &'a Pod) -> &'a [IpAddr] {
    let node = pod.node.as_deref().and_then(|name| cluster.nodes.get(name));
    match node {
        Some(node) if pod.host_network && pod.addresses.is_empty() => &node.addresses,
        _ => &pod.addresses,
    }
}

/// Where the model says that the connection goes; nothing, when it is not about a service.
fn routed(cluster: &Cluster, question: &ServiceQuestion) -> Option<Route> {
    let (_, pod) = sender(cluster, &question.from);
    let node = pod.node.as_deref();
    let has = |family| {
        addresses(cluster, pod)
            .iter()
            .any(|ip| Family::of(*ip) == family)
    };
    let mut protocols = Protocol::ALL.into_iter();
    let protocol = protocols.find(|one| one.number() == question.protocol)?;
    let port = question.port;
    let (address, frontend) = match &question.to {
        Target::Address(address) => {
            let found = service::frontend(cluster, *address, protocol, port, node)?;
            (*address, found)
        }
        Target::Name(namespace, name) => {
            let key = ServiceKey {
                namespace: namespace.into(),
                name: name.into(),
            };
            let (key, service) = cluster.services.get_key_value(&key)?;
            if service.headless {
                return headless(cluster, key, port, has);
            }
            service::by_name(key, service, protocol, port, has)?
        }
    };
    let family = Family::of(address);
    has(family).then(|| service::route(cluster, &frontend, family, node))
}

fn headless(
    cluster: &Cluster,
    key: &ServiceKey,
    port: u16,
    has: impl Fn(Family) -> bool,
) -> Option<Route> {
    let service = &cluster.services[key];
    let mut families = Family::ALL.into_iter().filter(|family| has(*family));
    let found = families
        .clone()
        .map(|family| service::headless(cluster, key, service, port, family))
        .find(|backends| !backends.is_empty());
    families.next()?;
    Some(Route {
        backends: found.unwrap_or_default(),
        masqueraded: false,
        without: service::NoBackend::Rejects,
    })
}

/// Whether the tables let the connection reach a backend.
fn reaches(
    compiler: &Compiler,
    (from, pod): (&PodKey, &Pod),
    route: &Route,
    backend: &Backend,
    protocol: u8,
) -> bool {
    let cluster = compiler.cluster();
    let same = |address: &&IpAddr| Family::of(**address) == Family::of(backend.address);
    let own = addresses(cluster, pod).iter().find(same).unwrap();
    let target = cluster.pod_by_address(backend.address);
    if target.is_some_and(|(key, _)| key == from) {
        return true;
    }
    let tables = compiler.tables();
    let allows = |key: &PodKey, direction: Direction, peer: IpAddr, forwarded: bool| {
        let Some(endpoint) = tables.endpoints.get(key) else {
            return true;
        };
        let found = tables.peer(peer);
        let own_node = endpoint.node != NO_NODE && found.node == endpoint.node && !forwarded;
        let set = endpoint.sets[direction.index()];
        own_node || tables.allows(set, found.identity, protocol, backend.port)
    };
    let masqueraded = route.masqueraded && !pod.host_network;
    let node = pod.node.as_deref().and_then(|name| cluster.nodes.get(name));
    let source = if masqueraded {
        let addresses = node.map(|node| node.addresses.as_slice());
        let found = addresses.unwrap_or_default().iter().find(same).copied();
        // Somebody whom no block covers stands for an address that nobody knows.
        found.unwrap_or_else(|| match backend.address {
            IpAddr::V4(_) => "240.0.0.1".parse().unwrap(),
            IpAddr::V6(_) => "100::1".parse().unwrap(),
        })
    } else {
        *own
    };
    let egress = allows(from, Direction::Egress, backend.address, false);
    let ingress =
        target.is_none_or(|(key, _)| allows(key, Direction::Ingress, source, masqueraded));
    egress && ingress
}

/// What the oracle says, as places and whether they are reached.
fn told(answer: &ServiceAnswer) -> Vec<(IpAddr, u16, bool)> {
    let backends = answer.backends.iter();
    backends
        .map(|one| (one.address, one.port, one.answer.allowed()))
        .collect()
}

fn found(compiler: &Compiler, question: &ServiceQuestion) -> Option<Vec<(IpAddr, u16, bool)>> {
    let cluster = compiler.cluster();
    let from = sender(cluster, &question.from);
    let route = routed(cluster, question)?;
    let mut found: Vec<_> = route
        .backends
        .iter()
        .map(|one| {
            let reached = reaches(compiler, from, &route, one, question.protocol);
            (one.address, one.port, reached)
        })
        .collect();
    found.sort_unstable();
    Some(found)
}

/// Whether the question is about what the objects leave open: whose an address is that several pods
/// claim, which number a name has that several containers give, which addresses the sender's node has.
fn is_open(cluster: &Cluster, question: &ServiceQuestion) -> bool {
    let names = cluster.pods.values().any(|pod| {
        pod.ports.windows(2).any(|pair| {
            let [one, other] = pair else { return false };
            (&one.name, one.protocol) == (&other.name, other.protocol)
        })
    });
    let named = cluster.services.values().any(|service| {
        let mut ports = service.ports.iter();
        ports.any(|port| matches!(port.target, TargetPort::Name(_)))
    });
    let (_, pod) = sender(cluster, &question.from);
    let node = pod.node.as_deref().and_then(|name| cluster.nodes.get(name));
    let known = |address: &IpAddr| node.is_some_and(|node| node.addresses.contains(address));
    let undescribed = pod.terminated
        || node.is_none()
        || pod.host_network && !addresses(cluster, pod).iter().all(known);
    names && named || undescribed || is_contested(cluster, pod.addresses.iter().copied())
}

fn is_contested(cluster: &Cluster, mut addresses: impl Iterator<Item = IpAddr>) -> bool {
    let pods = || cluster.pods.values().filter(|pod| pod.is_selectable());
    addresses.any(|ip| pods().filter(|pod| pod.addresses.contains(&ip)).count() > 1)
}

/// Nobody says which of two entries for one address counts: they may name different nodes.
fn lists_an_address_twice(slice: &EndpointSlice) -> bool {
    let mut seen = BTreeSet::new();
    let mut addresses = slice.endpoints.iter().flat_map(|one| &one.addresses);
    addresses.any(|address| !seen.insert(address))
}

#[test]
fn random_services_lead_where_the_oracle_says_and_are_judged_there_as_it_says() {
    let mut runner = TestRunner::new(Config::with_cases(512));
    let seen = std::cell::RefCell::new([0_usize; 5]);
    let case = generate::objects_with_services();
    let result = runner.run(&case, |objects| {
        if objects.slices.iter().any(lists_an_address_twice) {
            return Ok(());
        }
        let compiler = compiled(&objects);
        for question in generate::about_services(&objects) {
            if is_open(compiler.cluster(), &question) {
                continue;
            }
            let told = objects.ask_service(&question).ok().as_ref().map(told);
            let places = told.iter().flatten().map(|one| one.0);
            if is_contested(compiler.cluster(), places) {
                continue;
            }
            let found = found(&compiler, &question);
            prop_assert_eq!(&found, &told, "{:?}", question);
            let reached = |backends: &Vec<(IpAddr, u16, bool)>, wanted: bool| {
                backends.iter().filter(|one| one.2 == wanted).count()
            };
            let kind = match &told {
                None => 0,
                Some(backends) if backends.is_empty() => 1,
                Some(backends) if reached(backends, true) == 0 => 2,
                Some(backends) if reached(backends, false) == 0 => 3,
                Some(_) => 4,
            };
            seen.borrow_mut()[kind] += 1;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let seen = seen.into_inner();
    assert!(
        seen.iter().all(|count| *count > 50),
        "no service, no backend, none reached, all, some: {seen:?}"
    );
}

#[test]
fn the_services_of_every_scenario_lead_where_they_should() {
    let mut asked = 0;
    for scenario in scenario::load_all(&scenario::directory()).unwrap() {
        for stage in &scenario.stages {
            let compiler = compiled(&stage.objects);
            for check in &stage.services {
                let ServiceCheck { question, .. } = check;
                let answer = stage.objects.ask_service(question).unwrap();
                assert!(check.holds_for(&answer), "{}: {check}", scenario.name);
                let found = found(&compiler, question).unwrap();
                assert_eq!(found, told(&answer), "{}: {check}", scenario.name);
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "only {asked} expectations about services");
}
