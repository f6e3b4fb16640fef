//! Every way in which an allowance goes.

use std::net::IpAddr;

use enforcer_lab::Pod;
use serde_json::{Value, json};

use crate::talk::addresses;
use crate::world::{Isolated, TEAM, World, both_ways, labelled, pod, team};

/// Blocks around the addresses of a pod, of these lengths, without some.
fn blocks(pod: &Pod, lengths: [u8; 2], except: impl Fn(IpAddr) -> Vec<String>) -> Value {
    let blocks = addresses(pod).into_iter().zip(lengths);
    blocks
        .map(|(address, length)| {
            let cidr = ipnet::IpNet::new(address, length).unwrap().trunc();
            json!({"ipBlock": {"cidr": cidr.to_string(), "except": except(address)}})
        })
        .collect()
}

fn whole(pod: &Pod) -> Value {
    blocks(pod, [24, 112], |_| Vec::new())
}

fn by_label(_: &Pod) -> Value {
    both_ways("api", &labelled("api"), &Value::Null)
}

fn by_namespace(_: &Pod) -> Value {
    let prod = json!([{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]);
    both_ways("api", &prod, &Value::Null)
}

/// Only api's own addresses and its neighbours': db and web are in the block too, but no
/// conversation needs it.
fn by_block(api: &Pod) -> Value {
    both_ways("api", &whole(api), &Value::Null)
}

fn by_port_name(_: &Pod) -> Value {
    let main = |protocol| json!({"protocol": protocol, "port": "main"});
    let ports = ["TCP", "UDP", "SCTP"].map(main);
    both_ways("api", &labelled("api"), &json!(ports))
}

fn deleted_policy(isolated: Isolated) {
    let world = World::new(isolated, by_label);
    world.cuts_db_and_api(|world| world.node.delete(&by_label(&world.api)));
}

fn removed_rule(isolated: Isolated) {
    let world = World::new(isolated, by_label);
    world.cuts_db_and_api(|world| {
        let mut none = by_label(&world.api);
        none["spec"]["ingress"] = json!([]);
        none["spec"]["egress"] = json!([]);
        world.node.put(&none);
    });
}

fn removed_label(isolated: Isolated) {
    let world = World::new(isolated, by_label);
    world.cuts_db_and_api(|world| {
        let mut bare = pod("api", TEAM, &world.api, 80);
        bare["metadata"]["labels"] = json!({});
        world.node.put(&bare);
    });
}

fn relabelled_namespace(isolated: Isolated) {
    let world = World::new(isolated, by_namespace);
    world.cuts_db_and_api(|world| world.node.put(&team("test")));
}

fn shrunk_block(isolated: Isolated) {
    let world = World::new(isolated, by_block);
    world.cuts_db_and_api(|world| {
        // Its neighbour's addresses are what is left.
        let less = blocks(&world.web, [32, 128], |_| Vec::new());
        world.node.put(&both_ways("api", &less, &Value::Null));
    });
}

fn more_exceptions(isolated: Isolated) {
    let world = World::new(isolated, by_block);
    world.cuts_db_and_api(|world| {
        let single = |address: IpAddr| vec![ipnet::IpNet::from(address).to_string()];
        let less = blocks(&world.api, [24, 112], single);
        world.node.put(&both_ways("api", &less, &Value::Null));
    });
}

fn moved_port(isolated: Isolated) {
    let world = World::new(isolated, by_port_name);
    world.cuts_db_and_api(|world| {
        world.node.put(&pod("db", "default", &world.db, 81));
        world.node.put(&pod("api", TEAM, &world.api, 81));
    });
}

macro_rules! cut_exactly {
    ($($name:ident: $change:ident;)*) => {$(
        mod $name {
            use crate::world::Isolated;

            #[test]
            fn cuts_exactly_its_connections() {
                super::$change(Isolated::Db);
            }

            #[test]
            fn cuts_exactly_its_connections_when_both_ends_are_isolated() {
                super::$change(Isolated::Both);
            }
        }
    )*};
}

cut_exactly! {
    a_deleted_policy: deleted_policy;
    a_removed_rule: removed_rule;
    a_removed_label: removed_label;
    a_relabelled_namespace: relabelled_namespace;
    a_shrunk_block: shrunk_block;
    one_more_exception: more_exceptions;
    a_moved_port: moved_port;
}
