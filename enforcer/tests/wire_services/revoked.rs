//! An edit of a policy cuts the connections by a service that it concerns, and no others.

use std::net::IpAddr;

use enforcer_common::Reason;
use enforcer_lab::{Pod, Protocol, Server};
use serde_json::json;

use crate::common::live::Live;
use crate::common::{LONG, app, eventually};
use crate::world::{PORT, TARGET, cluster_ips, egress, everywhere};

/// Connections by a service that has two backends, at least one to each; first those to the first.
fn connections(client: &Pod, to: IpAddr, servers: &[Server; 2]) -> [Vec<Live>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    while found.iter().any(Vec::is_empty) {
        let before = servers.each_ref().map(Server::served);
        let live = Live::open("client", client, to, PORT);
        let mut taken = None;
        eventually("the connection is counted", || {
            let after = servers.each_ref().map(Server::served);
            taken = (0..2).find(|backend| after[*backend] > before[*backend]);
            taken.is_some()
        });
        found[taken.unwrap()].push(live);
    }
    found
}

fn one_backend_is_revoked(also_leaves: bool) {
    everywhere(|world| {
        let client = world.pod("client");
        let pods = ["kept", "revoked"].map(|name| world.pod(name));
        world.service("web", 1, &pods.each_ref());
        let servers = pods
            .each_ref()
            .map(|pod| Server::start(pod, Protocol::Tcp, TARGET).unwrap());
        let both = json!([{"to": [app("kept"), app("revoked")]}]);
        world.put(&egress("client", "client", &both));
        world.start("");
        let lives = cluster_ips(1).map(|to| connections(&client, to, &servers));
        if also_leaves {
            // Connections that are there stay where they are.
            world.backends("web", &[&pods[0]]);
            world.settle();
        }
        for [kept, revoked] in &lives {
            kept.iter().chain(revoked).for_each(Live::goes_on);
        }
        world.put(&egress("client", "client", &json!([{"to": [app("kept")]}])));
        for [kept, revoked] in &lives {
            for live in revoked {
                live.is_cut_within(LONG);
            }
            kept.iter().for_each(Live::goes_on);
        }
        world.settle();
        eventually("the cut is reported", || {
            world.denials().iter().any(|record| {
                record.reason == Reason::Revoked
                    && record.is_at("default/client")
                    && record.destination.is_pod("default/revoked")
            })
        });
    });
}

#[test]
fn the_connections_to_a_revoked_backend_are_cut_and_no_others() {
    one_backend_is_revoked(false);
}

#[test]
fn they_are_cut_after_the_backend_has_left_the_service_too() {
    one_backend_is_revoked(true);
}

#[test]
fn a_pod_that_becomes_isolated_keeps_what_policy_allows_by_a_service() {
    everywhere(|world| {
        let client = world.pod("client");
        let pods = ["kept", "revoked"].map(|name| world.pod(name));
        world.service("web", 1, &pods.each_ref());
        let servers = pods
            .each_ref()
            .map(|pod| Server::start(pod, Protocol::Tcp, TARGET).unwrap());
        world.start("");
        let lives = cluster_ips(1).map(|to| connections(&client, to, &servers));
        world.put(&egress("client", "client", &json!([{"to": [app("kept")]}])));
        for [kept, revoked] in &lives {
            for live in revoked {
                live.is_cut_within(LONG);
            }
            kept.iter().for_each(Live::goes_on);
        }
    });
}
