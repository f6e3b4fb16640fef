use serde_json::{Value, json};

use super::*;
use crate::rule::Protocol;

fn read(spec: &Value) -> Result<(ServiceKey, Service), Vec<Invalid>> {
    let value = json!({"metadata": {"name": "web"}, "spec": spec});
    service(&serde_json::from_value(value).unwrap())
}

fn good(spec: &Value) -> Service {
    read(spec).unwrap().1
}

fn fields(spec: &Value) -> Vec<String> {
    let invalid = read(spec).unwrap_err();
    invalid.into_iter().map(|one| one.field).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn cluster_ips_and_cluster_ip_are_one_list() {
    let service = good(&json!({
        "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"],
        "externalIPs": ["192.0.2.1"], "ports": [{"port": 80}],
    }));
    assert_eq!(
        service.addresses().collect::<Vec<_>>(),
        ["10.96.0.1", "fd00::1", "192.0.2.1"].map(address)
    );
    assert_eq!(service.families, Family::ALL);
}

#[test]
fn headless_and_external_services_have_no_addresses() {
    let headless = good(&json!({"clusterIP": "None", "externalIPs": ["192.0.2.1"]}));
    assert!(headless.headless && headless.addresses().next().is_none());
    let external = good(&json!({
        "type": "ExternalName", "externalName": "db.example", "externalIPs": ["192.0.2.1"],
    }));
    assert!(!external.headless && external.addresses().next().is_none());
}

#[test]
fn a_load_balancer_that_proxies_by_itself_is_not_translated() {
    let value = json!({
        "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
        "status": {"loadBalancer": {"ingress": [
            {"ip": "192.0.2.1"},
            {"ip": "192.0.2.2", "ipMode": "Proxy"},
            {"hostname": "lb.example"},
            {"ip": "192.0.2.3", "ipMode": "VIP"},
        ]}},
    });
    let (_, service) = service(&serde_json::from_value(value).unwrap()).unwrap();
    assert_eq!(
        service.balancer_ips,
        ["192.0.2.1", "192.0.2.3"].map(address)
    );
    assert_eq!(service.ports[0].node_port, Some(30080));
}

#[test]
fn a_target_port_is_a_number_a_name_or_the_port() {
    let service = good(&json!({"ports": [
        {"name": "a", "port": 80},
        {"name": "b", "port": 81, "targetPort": 8081, "protocol": "UDP"},
        {"name": "c", "port": 82, "targetPort": "web"},
        {"name": "d", "port": 83, "targetPort": 0, "nodePort": 30083},
    ]}));
    let targets: Vec<_> = service
        .ports
        .iter()
        .map(|port| port.target.clone())
        .collect();
    let name = TargetPort::Name("web".into());
    let [a, b, d] = [80, 8081, 83].map(TargetPort::Number);
    assert_eq!(targets, [a, b, name, d]);
    assert_eq!(service.ports[1].protocol, Protocol::Udp);
    assert_eq!(
        service.ports[3].node_port, None,
        "the type has no node ports"
    );
}

#[test]
fn the_policies_of_traffic_and_affinity_have_the_defaults_of_the_api() {
    let plain = good(&json!({"ports": [{"port": 80}]}));
    assert_eq!(
        (plain.internal, plain.external),
        (TrafficPolicy::Cluster, TrafficPolicy::Cluster)
    );
    assert_eq!((plain.affinity, plain.families), (None, Family::ALL.into()));
    let local = good(&json!({
        "ports": [{"port": 80}], "internalTrafficPolicy": "Local",
        "externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP", "ipFamilies": ["IPv6"],
    }));
    assert_eq!(
        (local.internal, local.external),
        (TrafficPolicy::Local, TrafficPolicy::Local)
    );
    assert_eq!(
        (local.affinity, local.families),
        (Some(10_800), vec![Family::V6])
    );
    let short = good(&json!({
        "ports": [{"port": 80}], "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}},
    }));
    assert_eq!(short.affinity, Some(10));
}

#[test]
fn all_mistakes_are_told_with_their_fields() {
    assert_eq!(fields(&json!({})), ["spec.ports"]);
    assert_eq!(
        fields(&json!({
            "type": "Cluster", "clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.1", "x"],
            "externalIPs": ["y"], "selector": {"a": "!"}, "internalTrafficPolicy": "local",
            "externalTrafficPolicy": "x", "sessionAffinity": "Client", "ipFamilies": ["v4"],
            "ports": [
                {"port": 0}, {"name": "a", "port": 80, "targetPort": 70000},
                {"name": "a", "port": 81, "targetPort": "A B", "protocol": "tcp"},
                {"name": "b", "port": 82}, {"name": "c", "port": 82},
            ],
        })),
        [
            "spec.type",
            "spec.clusterIPs[1]",
            "spec.clusterIP",
            "spec.ipFamilies[0]",
            "spec.externalIPs[0]",
            "spec.selector[a]",
            "spec.ports[0].name",
            "spec.ports[0].port",
            "spec.ports[1].targetPort",
            "spec.ports[2].name",
            "spec.ports[2].protocol",
            "spec.ports[2].targetPort",
            "spec.ports[4].port",
            "spec.internalTrafficPolicy",
            "spec.externalTrafficPolicy",
            "spec.sessionAffinity",
        ]
    );
}
