//! New pods, before their policy is known to apply to them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use enforcer_cluster::{Hook, RunningPod};

use super::common::{LONG, within};
use super::objects::{pod, policy};
use super::world::World;

/// Where pods send what policy forbids.
const FORBIDDEN: u16 = 5001;
/// Where pods send that no policy is about.
const FREE: u16 = 5002;
/// How many pods start.
const PODS: usize = 8;
/// How long they are watched after all of them are known.
const WATCHED: Duration = Duration::from_secs(2);

/// What pods send to, once it is known, and until when.
#[derive(Default)]
struct Target {
    address: Mutex<Option<IpAddr>>,
    end: AtomicBool,
}

/// Every pod sends from the moment it has an address, as containers do.
fn sends(target: &Arc<Target>) -> Hook {
    let target = Arc::clone(target);
    Box::new(move |pod: &RunningPod| {
        let Some(to) = *target.address.lock().unwrap() else {
            return;
        };
        let port = if pod.name.starts_with("late") {
            FORBIDDEN
        } else {
            FREE
        };
        let socket = pod
            .run(|| Ok(UdpSocket::bind("0.0.0.0:0").unwrap()))
            .unwrap();
        socket.connect(SocketAddr::new(to, port)).unwrap();
        let target = Arc::clone(&target);
        thread::spawn(move || {
            while !target.end.load(Ordering::Relaxed) {
                let _ = socket.send(b"early");
                thread::sleep(Duration::from_millis(1));
            }
        });
    })
}

/// How many datagrams came to a port so far.
struct Counter {
    socket: UdpSocket,
    count: usize,
}

impl Counter {
    fn new(at: &RunningPod, port: u16) -> Self {
        let address = SocketAddr::new(at.v4().unwrap(), port);
        let socket = at.run(|| Ok(UdpSocket::bind(address).unwrap())).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, count: 0 }
    }

    fn count(&mut self) -> usize {
        while self.socket.recv(&mut [0; 16]).is_ok() {
            self.count += 1;
        }
        self.count
    }
}

#[test]
fn with_pending_deny_a_new_pod_that_policy_isolates_sends_not_one_packet() {
    let target = Arc::new(Target::default());
    let world = World::with_hook(&["shop"], "--pending deny", || sends(&target));
    let objects = [
        policy("shop", "silent", "app: late", "policyTypes: [Egress]"),
        pod("shop", "witness", "node1", "app: witness"),
    ];
    world.apply(&objects.concat());
    let witness = world.pod(1, "shop", "witness");
    *target.address.lock().unwrap() = witness.v4();
    let mut forbidden = Counter::new(&witness, FORBIDDEN);
    let mut free = Counter::new(&witness, FREE);
    let names: Vec<String> = (0..PODS).map(|number| format!("late{number}")).collect();
    let late: String = names
        .iter()
        .map(|name| pod("shop", name, "node0", "app: late"))
        .collect();
    world.apply(&late);
    for name in &names {
        world.pod(0, "shop", name);
    }
    world.apply(&pod("shop", "free", "node0", "app: free"));
    world.pod(0, "shop", "free");
    within(LONG, "the pod without a policy sends", || free.count() > 10);
    thread::sleep(WATCHED);
    let forbidden = forbidden.count();
    target.end.store(true, Ordering::Relaxed);
    assert_eq!(forbidden, 0);
}
