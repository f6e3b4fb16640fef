//! Services, whose endpoints the controllers write.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::common::eventually;
use super::judge::{Question, judge};
use super::objects::{pod, policy};
use super::proxied;
use super::world::{World, proxy};

fn service(name: &str) -> String {
    format!(
        "\
---
apiVersion: v1
kind: Service
metadata: {{namespace: shop, name: {name}}}
spec:
  selector: {{svc: {name}}}
  ports: [{{name: tcp, port: 80}}, {{name: udp, port: 53, protocol: UDP}}]
"
    )
}

/// The objects that kubectl prints.
fn list<T: DeserializeOwned>(world: &World, resource: &str) -> Vec<T> {
    let text = world.kubectl(&format!("get {resource} -n shop -o json"));
    let list: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(list["items"].clone()).unwrap()
}

/// Writes what kube-proxy would into a node, as soon as each service has so many ready backends.
fn run_proxy(world: &World, node: usize, backends: usize) -> Vec<IpAddr> {
    let services: Vec<Service> = list(world, "services");
    let mut known = Vec::new();
    eventually("all services have their backends", || {
        let slices: Vec<EndpointSlice> = list(world, "endpointslices");
        known = proxied::services(&services, &slices, |_| false);
        let mut ports = known.iter().flat_map(|service| &service.ports);
        ports.all(|port| port.backends.iter().filter(|one| one.ready).count() == backends)
    });
    let addresses = known.iter().map(|service| service.cluster_ips[0]).collect();
    proxy(&world.cluster.nodes[node], known);
    addresses
}

#[test]
fn egress_policy_by_way_of_a_service_is_about_the_pods_that_the_controllers_put_behind_it() {
    let world = World::new(&["shop"], "");
    let open =
        "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {tier: open}}}]}]";
    let objects = [
        policy("shop", "open-only", "app: client", open),
        pod("shop", "client", "node0", "app: client"),
        pod("shop", "blue", "node1", "svc: blue, tier: open"),
        pod("shop", "red", "node1", "svc: red, tier: closed"),
        service("blue"),
        service("red"),
    ];
    world.apply(&objects.concat());
    let client = world.pod(0, "shop", "client");
    for name in ["blue", "red"] {
        world.pod(1, "shop", name);
    }
    // In the order of their names.
    let addresses = run_proxy(&world, 0, 1);
    let step = |step: &str, allowed: [bool; 2]| {
        let question = |at: usize| Question {
            from: &client,
            to: addresses[at],
            allowed: allowed[at],
        };
        judge(step, &[0, 1].map(question));
    };
    step("blue is open", [true, false]);
    world.kubectl("label pod red -n shop tier=open --overwrite");
    step("both are open", [true, true]);
    world.kubectl("label pod blue -n shop tier=closed --overwrite");
    step("red is open", [false, true]);
    world.kubectl("label pod red -n shop tier=closed --overwrite");
    step("none is open", [false, false]);
    world.kubectl("delete pod red -n shop");
    world.apply(&pod("shop", "red2", "node1", "svc: red, tier: open"));
    world.pod(1, "shop", "red2");
    run_proxy(&world, 0, 1);
    step("red's new pod is open", [false, true]);
    world.kubectl("delete networkpolicy open-only -n shop");
    step("without the policy", [true, true]);
}
