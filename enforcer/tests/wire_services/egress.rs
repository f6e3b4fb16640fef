//! Egress policy holds for what is really behind a service's address.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use enforcer_lab::{Outcome, Pod};
use serde_json::json;

use crate::common::{LONG, app, pod_object};
use crate::world::{
    PORT, TARGET, World, all_get, at, egress, everywhere, ports, serve_both, service, slices,
};

/// client, which may only reach web at the target port; web and db, each behind a service.
fn trio(world: &mut World) -> [Pod; 3] {
    let pods = ["client", "web", "db"].map(|name| world.pod(name));
    world.service("web", 1, &[&pods[1]]);
    world.service("db", 2, &[&pods[2]]);
    let rule = json!([{"to": [app("web")], "ports": ports(&json!(TARGET))}]);
    world.put(&egress("client", "client", &rule));
    world.start("");
    pods
}

#[test]
fn the_port_that_counts_is_the_backends() {
    everywhere(|world| {
        let [client, web, db] = trio(world);
        let _servers = [&web, &db].map(|pod| serve_both(pod, TARGET));
        all_get(&client, &at(1), Outcome::Connected);
        all_get(&client, &at(2), Outcome::Timeout);
        // The same with a rule for the service's port, which no backend has.
        let rule = json!([{"to": [app("web")], "ports": ports(&json!(PORT))}]);
        world.put(&egress("client", "client", &rule));
        world.settle();
        all_get(&client, &at(1), Outcome::Timeout);
        // Others are free.
        all_get(&db, &at(1), Outcome::Connected);
        all_get(&web, &at(2), Outcome::Connected);
    });
}

#[test]
fn named_target_ports_are_each_backends_own() {
    everywhere(|world| {
        let client = world.pod("client");
        let backends = [("one", 8080), ("two", 9090)].map(|(name, port)| {
            let pod = world.lab.add_pod(name).unwrap();
            let mut object = pod_object(name, &[("app", name)], &pod.addresses);
            object["spec"]["containers"][0]["ports"] = json!([
                {"name": "http", "containerPort": port},
                {"name": "http-udp", "containerPort": port, "protocol": "UDP"},
            ]);
            world.put(&object);
            (pod, port)
        });
        let mut web = service("web", 1, &json!({}));
        web["spec"]["ports"][0]["targetPort"] = json!("http");
        web["spec"]["ports"][1]["targetPort"] = json!("http-udp");
        world.serve_objects([web]);
        for (pod, port) in &backends {
            let name = &pod.name;
            for mut slice in slices("web", &pod.addresses, *port, true) {
                let family = slice["addressType"].as_str().unwrap().to_lowercase();
                slice["metadata"]["name"] = json!(format!("web-{name}-{family}"));
                world.serve_objects([slice]);
            }
        }
        let named = json!([{
            "to": [app("one"), app("two")],
            "ports": [{"port": "http"}, {"protocol": "UDP", "port": "http-udp"}],
        }]);
        world.put(&egress("client", "client", &named));
        world.start("");
        let servers = backends
            .each_ref()
            .map(|(pod, port)| serve_both(pod, *port));
        // That one of two is never taken happens once in 2^19 runs.
        for _ in 0..20 {
            all_get(&client, &at(1), Outcome::Connected);
        }
        for [tcp, udp] in &servers {
            assert!(tcp.served() > 0 && udp.served() > 0);
        }
        let others = json!([{
            "to": [app("one"), app("two")],
            "ports": [{"port": "dns"}, {"protocol": "UDP", "port": "dns"}],
        }]);
        world.put(&egress("client", "client", &others));
        world.settle();
        all_get(&client, &at(1), Outcome::Timeout);
    });
}

#[test]
fn a_service_without_ready_backends_refuses_the_isolated_too() {
    everywhere(|world| {
        let client = world.pod("client");
        let web = world.pod("web");
        world.serve_objects([service("web", 1, &json!({}))]);
        world.serve_objects(slices("web", &web.addresses, TARGET, false));
        world.put(&egress("client", "client", &json!([])));
        world.start("");
        let begin = Instant::now();
        all_get(&client, &at(1), Outcome::Refused);
        assert!(begin.elapsed() < LONG);
    });
}

#[test]
fn external_and_load_balancer_addresses_are_a_services_too() {
    everywhere(|world| {
        let [client, web, db] = trio(world);
        let _servers = [&web, &db].map(|pod| serve_both(pod, TARGET));
        let external: [IpAddr; 2] =
            ["203.0.113.10", "2001:db8::10"].map(|text| text.parse().unwrap());
        let balancer: [IpAddr; 2] =
            ["203.0.113.20", "2001:db8::20"].map(|text| text.parse().unwrap());
        let mut both = service("web", 1, &json!({"externalIPs": external}));
        both["spec"]["type"] = json!("LoadBalancer");
        let ingress = balancer.map(|address| json!({"ip": address}));
        both["status"] = json!({"loadBalancer": {"ingress": ingress}});
        world.serve_objects([both]);
        world.settle();
        let places: Vec<SocketAddr> = external
            .into_iter()
            .chain(balancer)
            .map(|address| SocketAddr::new(address, PORT))
            .collect();
        all_get(&client, &places, Outcome::Connected);
        // An ipBlock with those addresses does not mean what is behind them.
        let blocks = json!([{"to": [
            {"ipBlock": {"cidr": "203.0.113.0/24"}}, {"ipBlock": {"cidr": "2001:db8::/64"}},
        ]}]);
        world.put(&egress("client", "client", &blocks));
        world.settle();
        all_get(&client, &places, Outcome::Timeout);
    });
}

#[test]
fn what_nobody_translates_is_judged_by_the_blocks_that_cover_it() {
    everywhere(|world| {
        let client = world.pod("client");
        let external: [IpAddr; 2] =
            ["203.0.113.10", "2001:db8::10"].map(|text| text.parse().unwrap());
        for address in external {
            world.lab.add_outside(address).unwrap();
        }
        let web = world.pod("web");
        world.serve_objects([service("web", 1, &json!({"externalIPs": external}))]);
        world.backends("web", &[&web]);
        // The host that really has these addresses serves what the service does not.
        let _servers = serve_both(&world.lab.outside, 4711);
        world.put(&egress("client", "client", &json!([{"to": [app("web")]}])));
        world.start("");
        let places = external.map(|address| SocketAddr::new(address, 4711));
        all_get(&client, &places, Outcome::Timeout);
        let blocks = json!([{"to": [
            {"ipBlock": {"cidr": "203.0.113.0/24"}}, {"ipBlock": {"cidr": "2001:db8::/64"}},
        ]}]);
        world.put(&egress("client", "client", &blocks));
        world.settle();
        all_get(&client, &places, Outcome::Connected);
    });
}

#[test]
fn backends_outside_are_decided_at_the_uplink() {
    everywhere(|world| {
        let client = world.pod("client");
        let far = world.lab.outside_addresses();
        world.serve_objects([service("far", 1, &json!({}))]);
        world.serve_objects(slices("far", &far, TARGET, true));
        let _servers = serve_both(&world.lab.outside, TARGET);
        let rule = |blocks: [String; 2], port: u16| {
            let blocks = blocks.map(|cidr| json!({"ipBlock": {"cidr": cidr}}));
            let rule = json!([{"to": blocks, "ports": ports(&json!(port))}]);
            egress("client", "client", &rule)
        };
        let of_far = [format!("{}/32", far[0]), format!("{}/128", far[1])];
        world.put(&rule(of_far.clone(), TARGET));
        world.start("");
        all_get(&client, &at(1), Outcome::Connected);
        world.put(&rule(of_far, PORT));
        world.settle();
        all_get(&client, &at(1), Outcome::Timeout);
        // Blocks with the cluster addresses do not mean what is behind them.
        world.put(&rule(
            ["10.96.0.0/16".to_owned(), "fd00:10:96::/64".to_owned()],
            TARGET,
        ));
        world.settle();
        all_get(&client, &at(1), Outcome::Timeout);
    });
}

#[test]
fn headless_services_are_nothing_on_the_way() {
    everywhere(|world| {
        let [client, web, db] = trio(world);
        let _servers = [&web, &db].map(|pod| serve_both(pod, TARGET));
        world.serve_objects([json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"clusterIP": "None", "ports": [{"name": "tcp", "port": TARGET}]},
        })]);
        world.settle();
        let of = |pod: &Pod| -> Vec<SocketAddr> {
            let addresses = pod.addresses.iter();
            addresses.map(|ip| SocketAddr::new(*ip, TARGET)).collect()
        };
        all_get(&client, &of(&web), Outcome::Connected);
        all_get(&client, &of(&db), Outcome::Timeout);
    });
}
