//! What a node and its pods do with each other, and who does not pass as the node.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use enforcer_lab::{Namespace, Outcome, Protocol};
use serde_json::json;

use crate::common::{LONG, SHORT, app, deny_all, ingress};
use crate::world::{
    PORT, TARGET, World, all_get, at, cluster_ips, egress, everywhere, gets, serve_both, service,
    slices,
};

/// Where a node-local DNS cache listens besides the address of the DNS service.
const CACHE: &str = "169.254.20.10";
/// Number of the DNS service.
const DNS: u8 = 10;

/// Whether a host process of this user connects, as a probe does.
fn probes(at: &Namespace, user: u32, to: SocketAddr, expected: bool) {
    let seconds = if expected { LONG } else { SHORT }.as_secs_f32();
    let connect = format!(": > /dev/tcp/{}/{}", to.ip(), to.port());
    let mut command = Command::new("timeout");
    command
        .arg(seconds.to_string())
        .args(["bash", "-c", &connect])
        .uid(user)
        .gid(user)
        .stderr(Stdio::null());
    let status = at.spawn(&mut command).unwrap().wait().unwrap();
    assert_eq!(status.success(), expected, "user {user} → {to}");
}

#[test]
fn host_processes_of_any_user_reach_pods() {
    everywhere(|world| {
        let web = world.pod("web");
        let _server = serve_both(&web, TARGET);
        world.service("web", 1, &[&web]);
        world.put(&deny_all());
        world.start("");
        for address in &web.addresses {
            let to = SocketAddr::new(*address, TARGET);
            for user in [0, 1000, 65_534] {
                probes(&world.lab.node, user, to, true);
            }
            probes(&world.lab.outside, 0, to, false);
        }
        for to in at(1) {
            probes(&world.lab.node, 65_534, to, true);
        }
    });
}

#[test]
fn pods_reach_their_nodes_own_servers() {
    everywhere(|world| {
        let web = world.pod("web");
        let _host = serve_both(&world.lab.node, 10_250);
        // Behind a service, too: a hostNetwork backend.
        let node = world.lab.node_addresses();
        world.serve_objects([service("host", 1, &json!({}))]);
        world.serve_objects(slices("host", &node, 10_250, true));
        world.put(&deny_all());
        world.start("");
        let direct: Vec<SocketAddr> = node
            .iter()
            .map(|address| SocketAddr::new(*address, 10_250))
            .collect();
        all_get(&web, &direct, Outcome::Connected);
        all_get(&web, &at(1), Outcome::Connected);
    });
}

/// Runs an nftables command in the node.
fn nft(world: &World, rules: &str) {
    let mut command = Command::new("nft");
    command.arg(rules);
    let mut child = world.lab.node.spawn(&mut command).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A node-local DNS cache as it is installed: a link with its own address and the service's, whose
/// packets the connection table, and so the proxy, does not see.
fn add_cache(world: &World) -> Vec<IpAddr> {
    let [v4, v6] = cluster_ips(DNS);
    let cache: IpAddr = CACHE.parse().unwrap();
    let node = &world.lab.node;
    // A bridge without ports does what a dummy link does, which not every kernel has.
    node.ip("link add nodelocaldns type bridge").unwrap();
    node.ip("link set nodelocaldns up").unwrap();
    for address in [cache, v4, v6] {
        let length = if address.is_ipv4() { 32 } else { 128 };
        node.ip(&format!("address add {address}/{length} dev nodelocaldns"))
            .unwrap();
    }
    let hook = |name: &str| format!("chain {name} {{ type filter hook {name} priority raw ;");
    let rules = format!(
        "ip daddr {{ {cache}, {v4} }} notrack ; ip saddr {{ {cache}, {v4} }} notrack ; \
         ip6 daddr {v6} notrack ; ip6 saddr {v6} notrack ;"
    );
    nft(
        world,
        &format!(
            "table inet nodelocaldns {{ {} {rules} }} ; {} {rules} }} ; }}",
            hook("prerouting"),
            hook("output")
        ),
    );
    vec![cache, v4, v6]
}

#[test]
fn pods_reach_a_node_local_dns_cache() {
    everywhere(|world| {
        let [web, dns] = ["web", "dns"].map(|name| world.pod(name));
        let mut object = service("dns", DNS, &json!({}));
        for port in 0..2 {
            object["spec"]["ports"][port]["port"] = json!(53);
        }
        world.serve_objects([object]);
        world.backends("dns", &[&dns]);
        let addresses = add_cache(world);
        let _cache = serve_both(&world.lab.node, 53);
        world.put(&deny_all());
        world.start("");
        for address in addresses {
            let to = SocketAddr::new(address, 53);
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                gets(&web, to, protocol, Outcome::Connected);
            }
        }
    });
}

#[test]
fn another_node_is_not_the_own_one() {
    everywhere(|world| {
        let web = world.pod("web");
        let _server = serve_both(&web, TARGET);
        let _far = serve_both(&world.lab.outside, PORT);
        let addresses = world.lab.outside_addresses();
        let listed: Vec<_> = addresses
            .iter()
            .map(|address| json!({"type": "InternalIP", "address": address}))
            .collect();
        world.put(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"},
            "status": {"addresses": listed},
        }));
        world.put(&deny_all());
        world.start("");
        for (address, other) in web.addresses.iter().zip(&addresses) {
            let (there, back) = (
                SocketAddr::new(*address, TARGET),
                SocketAddr::new(*other, PORT),
            );
            all_get(&world.lab.outside, &[there], Outcome::Timeout);
            all_get(&web, &[back], Outcome::Timeout);
        }
    });
}

#[test]
fn what_the_node_only_forwards_is_not_its_own() {
    everywhere(|world| {
        let [web, client] = ["web", "client"].map(|name| world.pod(name));
        let _server = serve_both(&web, TARGET);
        world.put(&ingress("web", "web", &json!([{"from": [app("nobody")]}])));
        world.start("");
        let to: Vec<SocketAddr> = web
            .addresses
            .iter()
            .map(|address| SocketAddr::new(*address, TARGET))
            .collect();
        // Everything that the node forwards gets its address.
        nft(
            world,
            "table inet forwarded { chain post { type nat hook postrouting priority 90 ; \
             masquerade ; } ; }",
        );
        all_get(&world.lab.outside, &to, Outcome::Timeout);
        all_get(&client, &to, Outcome::Timeout);
        all_get(&world.lab.node, &to, Outcome::Connected);
        world.put(&egress("web-egress", "web", &json!([])));
        world.settle();
        all_get(&world.lab.outside, &to, Outcome::Timeout);
        world.delete(&ingress("web", "web", &json!([])));
        world.settle();
        // Only isolated from it, it answers those clients.
        all_get(&world.lab.outside, &to, Outcome::Connected);
    });
}
