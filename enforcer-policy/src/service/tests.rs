use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;
use crate::api;
use crate::model::{Change, Cluster, Family, ServiceKey};
use crate::rule::Protocol;

fn key(name: &str) -> ServiceKey {
    ServiceKey {
        namespace: "default".into(),
        name: name.into(),
    }
}

fn put(cluster: &mut Cluster, kind: &str, value: &Value) {
    let value = value.clone();
    cluster.apply(match kind {
        "pod" => {
            let (key, pod) = api::pod(&serde_json::from_value(value).unwrap()).unwrap();
            Change::Pod(key, Some(pod))
        }
        "node" => {
            let (key, node) = api::node(&serde_json::from_value(value).unwrap()).unwrap();
            Change::Node(key, Some(node))
        }
        "service" => {
            let (key, service) = api::service(&serde_json::from_value(value).unwrap()).unwrap();
            Change::Service(key, Some(service))
        }
        _ => {
            let object = serde_json::from_value(value).unwrap();
            let (key, slice) = api::endpoint_slice(&object).unwrap();
            Change::EndpointSlice(key, Some(slice))
        }
    });
}

fn pod(name: &str, addresses: &[&str], web: u16, more: &Value) -> Value {
    let ips: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    let ports = json!([{"name": "web", "containerPort": web}]);
    let mut status = json!({"podIPs": ips});
    for (field, value) in more.as_object().unwrap() {
        status[field] = value.clone();
    }
    json!({
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": ports}]},
        "status": status,
    })
}

/// Pods `a`, `b` (dual stack) and `c` (of another namespace) behind the service `web`.
fn cluster(spec: &Value) -> Cluster {
    let mut cluster = Cluster::default();
    let none = json!({});
    put(&mut cluster, "pod", &pod("a", &["10.0.0.1"], 8080, &none));
    put(
        &mut cluster,
        "pod",
        &pod("b", &["10.0.0.2", "fd00::2"], 9090, &none),
    );
    let mut other = pod("c", &["10.0.0.3"], 8080, &none);
    other["metadata"]["namespace"] = json!("elsewhere");
    put(&mut cluster, "pod", &other);
    let node = json!({"metadata": {"name": "n1"}, "status": {"addresses": [
        {"type": "InternalIP", "address": "192.168.0.1"}]}});
    put(&mut cluster, "node", &node);
    let mut service = json!({"metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "clusterIP": "10.96.0.1",
        "ports": [{"port": 80, "targetPort": "web"}],
    }});
    for (field, value) in spec.as_object().unwrap() {
        service["spec"][field] = value.clone();
    }
    put(&mut cluster, "service", &service);
    cluster
}

fn slice(cluster: &mut Cluster, name: &str, endpoints: &Value) {
    let value = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints,
    });
    put(cluster, "slice", &value);
}

fn reach<'a>(cluster: &'a Cluster, address: &str, port: u16) -> Option<Frontend<'a>> {
    let address = address.parse().unwrap();
    frontend(cluster, address, Protocol::Tcp, port, Some("n1"))
}

fn routed(cluster: &Cluster, address: &str, port: u16) -> Route {
    let to = reach(cluster, address, port).unwrap();
    let family = Family::of(address.parse().unwrap());
    route(cluster, &to, family, Some("n1"))
}

fn places(route: &Route) -> Vec<String> {
    let backends = route.backends.iter();
    backends
        .map(|one| format!("{} {}", one.address, one.port))
        .collect()
}

#[test]
fn without_slices_the_pods_of_the_selector_are_the_endpoints_with_their_own_port_numbers() {
    let cluster = cluster(&json!({}));
    let route = routed(&cluster, "10.96.0.1", 80);
    assert_eq!(places(&route), ["10.0.0.1 8080", "10.0.0.2 9090"]);
    assert!(!route.masqueraded);
}

#[test]
fn a_pod_without_the_named_port_is_no_endpoint() {
    let cluster = cluster(&json!({"ports": [{"port": 80, "targetPort": "metrics"}]}));
    assert_eq!(places(&routed(&cluster, "10.96.0.1", 80)), [""; 0]);
}

#[test]
fn each_family_has_the_endpoints_of_its_own() {
    let cluster = cluster(&json!({"clusterIPs": ["10.96.0.1", "fd00:96::1"]}));
    assert_eq!(
        places(&routed(&cluster, "fd00:96::1", 80)),
        ["fd00::2 9090"]
    );
}

#[test]
fn slices_say_who_is_behind_a_service_whatever_its_selector_matches() {
    let mut cluster = cluster(&json!({}));
    slice(&mut cluster, "s1", &json!([{"addresses": ["10.9.9.9"]}]));
    assert_eq!(
        places(&routed(&cluster, "10.96.0.1", 80)),
        ["10.9.9.9 8080"]
    );
}

#[test]
fn an_endpoint_in_two_slices_is_one_and_ready_if_one_of_them_says_so() {
    let mut cluster = cluster(&json!({}));
    let unready = json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]);
    slice(&mut cluster, "s1", &unready);
    slice(&mut cluster, "s2", &json!([{"addresses": ["10.0.0.1"]}]));
    let route = routed(&cluster, "10.96.0.1", 80);
    assert_eq!(places(&route), ["10.0.0.1 8080"]);
}

#[test]
fn where_none_is_ready_those_that_end_and_still_serve_take_connections() {
    let mut cluster = cluster(&json!({}));
    let state = |ready: bool, serving: bool, terminating: bool| json!({"ready": ready, "serving": serving, "terminating": terminating});
    let ending = json!({"addresses": ["10.0.0.1"], "conditions": state(false, true, true)});
    let unready = json!({"addresses": ["10.0.0.2"], "conditions": state(false, false, false)});
    let dead = json!({"addresses": ["10.0.0.4"], "conditions": state(false, false, true)});
    let odd = json!({"addresses": ["10.0.0.5"], "conditions": state(false, true, false)});
    slice(&mut cluster, "s1", &json!([ending, unready, dead, odd]));
    let places_now = places(&routed(&cluster, "10.96.0.1", 80));
    assert_eq!(places_now, ["10.0.0.1 8080"]);
    slice(&mut cluster, "s2", &json!([{"addresses": ["10.0.0.3"]}]));
    let places_now = places(&routed(&cluster, "10.96.0.1", 80));
    assert_eq!(places_now, ["10.0.0.3 8080"]);
}

#[test]
fn unready_and_ended_pods_are_left_out_unless_the_service_publishes_the_unready() {
    let unready = json!({"conditions": [{"type": "Ready", "status": "False"}]});
    let changed = |spec: &Value| {
        let mut cluster = cluster(spec);
        let a = pod("a", &["10.0.0.1"], 8080, &unready);
        put(&mut cluster, "pod", &a);
        let b = pod("b", &["10.0.0.2"], 9090, &json!({"phase": "Failed"}));
        put(&mut cluster, "pod", &b);
        routed(&cluster, "10.96.0.1", 80)
    };
    let route = changed(&json!({}));
    assert_eq!(places(&route), [""; 0]);
    assert_eq!(route.without, NoBackend::Rejects);
    let published = changed(&json!({"publishNotReadyAddresses": true}));
    assert_eq!(places(&published), ["10.0.0.1 8080"]);
}

#[test]
fn the_internal_traffic_policy_local_keeps_to_the_node_and_drops_when_it_has_none() {
    let mut cluster = cluster(&json!({"internalTrafficPolicy": "Local"}));
    let on = |address: &str, node: &str| json!({"addresses": [address], "nodeName": node});
    slice(
        &mut cluster,
        "s1",
        &json!([on("10.0.0.1", "n1"), on("10.0.0.2", "n2")]),
    );
    let to = reach(&cluster, "10.96.0.1", 80).unwrap();
    let from = |node| route(&cluster, &to, Family::V4, node);
    assert_eq!(places(&from(Some("n1"))), ["10.0.0.1 8080"]);
    let nowhere = from(Some("n3"));
    assert_eq!(places(&nowhere), [""; 0]);
    assert_eq!(nowhere.without, NoBackend::Drops);
}

#[test]
fn addresses_from_outside_and_node_ports_are_masqueraded_unless_their_policy_is_local() {
    for (policy, masqueraded) in [("Cluster", true), ("Local", false)] {
        let cluster = cluster(&json!({
            "type": "NodePort", "externalIPs": ["192.0.2.1"], "externalTrafficPolicy": policy,
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}],
        }));
        for (address, port) in [("192.0.2.1", 80), ("192.168.0.1", 30080)] {
            let route = routed(&cluster, address, port);
            assert_eq!(route.masqueraded, masqueraded, "{policy} {address}");
            assert_eq!(route.backends.len(), 2);
        }
        assert!(!routed(&cluster, "10.96.0.1", 80).masqueraded);
    }
}

#[test]
fn an_address_means_a_service_only_with_one_of_its_ports() {
    let cluster = cluster(&json!({
        "type": "NodePort", "externalIPs": ["192.0.2.1"],
        "ports": [{"port": 80, "nodePort": 30080}],
    }));
    let via = |address, port| reach(&cluster, address, port).map(|one| one.via);
    assert_eq!(via("10.96.0.1", 80), Some(Via::ClusterIp));
    assert_eq!(via("192.0.2.1", 80), Some(Via::ExternalIp));
    assert_eq!(via("192.168.0.1", 30080), Some(Via::NodePort));
    for (address, port) in [
        ("10.96.0.1", 81),
        ("10.96.0.1", 30080),
        ("192.168.0.1", 80),
        ("192.168.0.2", 30080),
        ("10.96.0.2", 80),
    ] {
        assert_eq!(via(address, port), None, "{address} {port}");
    }
    let node: IpAddr = "192.168.0.1".parse().unwrap();
    let elsewhere = |node| {
        let address = "192.168.0.1".parse().unwrap();
        frontend(&cluster, address, Protocol::Tcp, 30080, node)
    };
    assert_eq!(elsewhere(Some("n2")), None, "{node} is another node's");
    assert_eq!(elsewhere(None), None);
    let udp = frontend(
        &cluster,
        "10.96.0.1".parse().unwrap(),
        Protocol::Udp,
        80,
        None,
    );
    assert_eq!(udp, None);
}

#[test]
fn the_first_service_by_name_has_what_several_claim() {
    let mut cluster = cluster(&json!({"externalIPs": ["192.0.2.1"]}));
    let second = json!({"metadata": {"name": "also"}, "spec": {
        "externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}});
    put(&mut cluster, "service", &second);
    let found = reach(&cluster, "192.0.2.1", 80).unwrap();
    assert_eq!(*found.key, key("also"));
}

#[test]
fn the_name_of_a_service_means_its_first_address_of_a_family_that_the_client_has() {
    let cluster = cluster(&json!({"clusterIPs": ["10.96.0.1", "fd00:96::1"]}));
    let (key, service) = cluster.services.first_key_value().unwrap();
    let found = |port, family| {
        let found = by_name(key, service, Protocol::Tcp, port, |one| one == family);
        found.map(|(address, _)| address.to_string())
    };
    assert_eq!(found(80, Family::V4).as_deref(), Some("10.96.0.1"));
    assert_eq!(found(80, Family::V6).as_deref(), Some("fd00:96::1"));
    assert_eq!(found(81, Family::V4), None);
}

#[test]
fn the_name_of_a_headless_service_means_its_ready_endpoints_at_the_port_of_the_client() {
    let mut cluster = cluster(&json!({"clusterIP": "None"}));
    let unready = json!({"conditions": [{"type": "Ready", "status": "False"}]});
    put(
        &mut cluster,
        "pod",
        &pod("b", &["10.0.0.2"], 9090, &unready),
    );
    let (key, service) = cluster.services.first_key_value().unwrap();
    let found = headless(&cluster, key, service, 5432, Family::V4);
    let places: Vec<_> = found.iter().map(|one| (one.address, one.port)).collect();
    assert_eq!(places, [("10.0.0.1".parse().unwrap(), 5432)]);
}
