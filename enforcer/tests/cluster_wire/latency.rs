//! How long a policy takes from the API to the packets. Printed, not judged: that depends on the
//! machine.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::common::LONG;
use super::judge::{judge, may};
use super::objects::pod;
use super::world::World;

/// How often.
const ROUNDS: usize = 50;
/// An answer that takes longer was denied.
const LOST: Duration = Duration::from_millis(100);

/// Asks again and again until an answer comes, or does not; gives when the deciding question was
/// sent.
fn until(socket: &UdpSocket, answered: bool) -> Instant {
    let begin = Instant::now();
    let mut answer = [0; 64];
    socket.set_read_timeout(Some(LOST)).unwrap();
    for number in 0_u64.. {
        let sent = Instant::now();
        let question = number.to_be_bytes();
        let _ = socket.send(&question);
        let own = loop {
            match socket.recv(&mut answer) {
                Ok(8) if answer[..8] == question => break true,
                // What was late.
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        if own == answered {
            return sent;
        }
        assert!(begin.elapsed() < LONG, "answered: {answered}");
    }
    unreachable!("all numbers were used up")
}

#[test]
fn a_policy_that_is_made_and_deleted_by_the_api_counts_every_time() {
    let world = World::new(&["shop"], "");
    world.apply(
        &(pod("shop", "web", "node0", "app: web") + &pod("shop", "far", "node1", "app: far")),
    );
    let (web, far) = (world.pod(0, "shop", "web"), world.pod(1, "shop", "far"));
    judge("before", &[may(&far, &web, true)]);
    let socket = far
        .run(|| Ok(UdpSocket::bind("0.0.0.0:0").unwrap()))
        .unwrap();
    socket
        .connect(SocketAddr::new(web.v4().unwrap(), 53))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = runtime.block_on(world.plane.client()).unwrap();
    let policies: Api<NetworkPolicy> = Api::namespaced(client, "shop");
    let closed: NetworkPolicy = serde_json::from_value(json!({
        "metadata": {"name": "closed"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]},
    }))
    .unwrap();
    let mut times: [Vec<Duration>; 2] = Default::default();
    for _ in 0..ROUNDS {
        until(&socket, true);
        let begin = Instant::now();
        runtime
            .block_on(policies.create(&PostParams::default(), &closed))
            .unwrap();
        times[0].push(until(&socket, false) - begin);
        let begin = Instant::now();
        runtime
            .block_on(policies.delete("closed", &DeleteParams::default()))
            .unwrap();
        times[1].push(until(&socket, true) - begin);
    }
    for (what, times) in [
        "create → first packet denied",
        "delete → first packet allowed",
    ]
    .iter()
    .zip(&mut times)
    {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!(
            "{what}: p50 {:?}, p99 {:?}, {ROUNDS} rounds",
            at(50),
            at(99)
        );
    }
}
