//! The API server and etcd go and come back while packets are watched.

use std::thread;
use std::time::{Duration, Instant};

use enforcer::api::client;
use enforcer_cluster::{BY_HAND, Part};
use enforcer_lab::{Pod, Protocol, Server};
use serde_json::{Value, json};

use super::common::{LONG, eventually};
use super::judge::{Question, judge, may, stays};
use super::load::{Allowed, Hammer};
use super::objects::{FRIENDS, PodSpec, pod, policy};
use super::world::World;

/// How long the long outage lasts.
const OUTAGE: Duration = Duration::from_secs(20);

/// A web server on node0 for friends alone, and a friend and a foe on each node.
fn shop(world: &World) {
    let objects = [
        policy("shop", "friends", "app: web", FRIENDS),
        pod("shop", "web", "node0", "app: web"),
        pod("shop", "near", "node0", "role: friend"),
        pod("shop", "far", "node1", "role: friend"),
        pod("shop", "foe", "node0", "role: foe"),
        pod("shop", "far-foe", "node1", "role: foe"),
    ];
    world.apply(&objects.concat());
}

fn bring_back(world: &mut World) {
    for part in [Part::Etcd, Part::ApiServer, Part::Controllers] {
        world.plane.start_part(part).unwrap();
    }
}

/// Tells the API server of a pod that only the container runtime knows.
fn tell(world: &World, late: &Pod) {
    let by_hand = PodSpec {
        namespace: "shop",
        name: "late",
        node: "node0",
        labels: "role: friend",
        annotations: &format!("{BY_HAND}: \"\""),
    };
    world.apply(&by_hand.manifest());
    let addresses: Vec<Value> = late
        .addresses
        .iter()
        .map(|ip| json!({ "ip": ip }))
        .collect();
    let status = json!({"status": {"phase": "Running", "podIPs": addresses}}).to_string();
    let words = ["patch", "pod", "late", "-n", "shop", "--subresource=status"];
    let patch = ["--type=merge", "-p", &status];
    world.plane.kubectl(&[&words[..], &patch].concat()).unwrap();
}

#[test]
fn nothing_is_lifted_or_cut_while_api_server_and_etcd_are_killed_and_new_policies_count_afterwards()
{
    let mut world = World::new(&["shop"], "");
    shop(&world);
    let [web, near, foe] = ["web", "near", "foe"].map(|name| world.pod(0, "shop", name));
    let [far, far_foe] = ["far", "far-foe"].map(|name| world.pod(1, "shop", name));
    judge(
        "before",
        &[
            may(&near, &web, true),
            may(&far, &web, true),
            may(&foe, &web, false),
            may(&far_foe, &web, false),
        ],
    );
    let allowed = Allowed::start(&[&near, &far], web.v4().unwrap());
    let hammers = [&foe, &far_foe].map(|pod| Hammer::start(pod, web.v4().unwrap()));
    let check = || {
        allowed.go_on();
        hammers.iter().for_each(Hammer::got_nothing);
    };
    let rounds = [
        &[Part::ApiServer][..],
        &[Part::Etcd, Part::ApiServer],
        &[Part::Etcd],
        &[Part::ApiServer, Part::Etcd, Part::Controllers],
    ];
    for (number, parts) in rounds.iter().enumerate() {
        for part in *parts {
            world.plane.kill_part(*part);
        }
        check();
        bring_back(&mut world);
        // A policy of far's, for and against everybody.
        if number % 2 == 0 {
            world.apply(&policy(
                "shop",
                "closed",
                "role: friend",
                "policyTypes: [Ingress]",
            ));
        } else {
            world.kubectl("delete networkpolicy closed -n shop");
        }
        let open = number % 2 == 1;
        let step = format!("after {parts:?} were killed");
        judge(&step, &[may(&foe, &far, open), may(&far_foe, &near, open)]);
        check();
    }
}

#[test]
fn a_daemon_that_starts_while_the_api_server_is_away_keeps_what_is_in_force_and_lets_new_pods_wait()
{
    let mut world = World::new(&["shop"], "--pending deny");
    shop(&world);
    let [web, near, foe] = ["web", "near", "foe"].map(|name| world.pod(0, "shop", name));
    let far = world.pod(1, "shop", "far");
    judge(
        "before",
        &[
            may(&near, &web, true),
            may(&far, &web, true),
            may(&foe, &web, false),
        ],
    );
    let allowed = Allowed::start(&[&near, &far], web.v4().unwrap());
    let hammer = Hammer::start(&foe, web.v4().unwrap());
    let check = || {
        allowed.go_on();
        hammer.got_nothing();
    };
    world.plane.kill_part(Part::ApiServer);
    world.plane.kill_part(Part::Etcd);
    let begin = Instant::now();
    check();
    world.launch(0, "--pending deny");
    let socket = world.daemons[0].as_ref().unwrap().socket().to_owned();
    eventually("the new daemon answers", || {
        client::status(&socket, false).is_ok()
    });
    check();
    // What a container runtime made and no kubelet could report.
    let late = world.cluster.nodes[0].add_pod("cni-late").unwrap();
    let _servers = [(Protocol::Tcp, 80), (Protocol::Udp, 53)]
        .map(|(protocol, port)| Server::start(&late, protocol, port).unwrap());
    let questions = |allowed: bool| {
        let to = late.v4().unwrap();
        [
            Question {
                from: &late,
                to: web.v4().unwrap(),
                allowed,
            },
            Question {
                from: &near,
                to,
                allowed,
            },
            Question {
                from: &far,
                to,
                allowed,
            },
        ]
    };
    judge("a new pod while the API server is away", &questions(false));
    stays(
        "old pods while the API server is away",
        &[may(&near, &web, true), may(&foe, &web, false)],
    );
    while begin.elapsed() < OUTAGE {
        check();
        stays("still away", &questions(false));
        thread::sleep(Duration::from_millis(200));
    }
    assert!(!client::status(&socket, false).unwrap().synced);
    bring_back(&mut world);
    world.daemons[0]
        .as_ref()
        .unwrap()
        .wait_ready(LONG * 2)
        .unwrap();
    stays("nobody has told of the pod yet", &questions(false));
    tell(&world, &late);
    judge("the new pod is known", &questions(true));
    judge("the foe is a foe", &[may(&foe, &web, false)]);
    check();
}
