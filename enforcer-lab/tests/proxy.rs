//! The proxy's rules translate real packets, in every shape of node. Needs root, nftables and
//! iptables.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use enforcer_lab::probe::{reach, tcp_connect};
use enforcer_lab::proxy::{Backend, Mode, Proxy, Service, ServicePort, TrafficPolicy};
use enforcer_lab::{Families, Lab, Namespace, Outcome, Pod, Protocol, Server, Shape, Wire};

/// Enough for anything that works.
const LONG: Duration = Duration::from_secs(10);
/// Enough to see that something does not.
const SHORT: Duration = Duration::from_millis(300);
/// Where the backends listen.
const TARGET: u16 = 8080;
const NODE_PORT: u16 = 30080;

const SHAPES: [Shape; 3] = [
    Shape::Ptp,
    Shape::Bridge { netfilter: false },
    Shape::Bridge { netfilter: true },
];
const MODES: [Mode; 2] = [Mode::Nftables, Mode::Iptables];

/// A node with a client and two servers.
struct World {
    servers: [[Server; 2]; 2],
    client: Pod,
    pods: [Pod; 2],
    proxy: Proxy,
    lab: Lab,
}

impl World {
    fn new(shape: Shape, mode: Mode) -> Self {
        let lab = Lab::new(shape, Families::Dual).unwrap();
        let [client, one, two] = ["client", "one", "two"].map(|name| lab.add_pod(name).unwrap());
        let pods = [one, two];
        let serve = |protocol| pods.each_ref().map(|pod| start(pod, protocol));
        Self {
            servers: [Protocol::Tcp, Protocol::Udp].map(serve),
            proxy: Proxy {
                mode,
                pods: lab.cluster_pods(),
                node: lab.node_addresses(),
                // Answers to a pod on the same bridge never pass the rules otherwise.
                masquerade_all: shape == Shape::Bridge { netfilter: false },
                services: Vec::new(),
            },
            client,
            pods,
            lab,
        }
    }

    fn apply(&mut self, services: Vec<Service>) {
        self.proxy.services = services;
        self.proxy.apply(&self.lab.node).unwrap();
    }

    /// The same, once there were so many: each is counted a moment after it is connected.
    fn served_all(&self, protocol: Protocol, count: usize) -> [usize; 2] {
        let end = Instant::now() + LONG;
        loop {
            let served = self.served(protocol);
            if served.iter().sum::<usize>() == count {
                return served;
            }
            assert!(Instant::now() < end, "{served:?}, not {count} in all");
        }
    }

    /// How many connections or datagrams each pod has had.
    fn served(&self, protocol: Protocol) -> [usize; 2] {
        let servers = &self.servers[usize::from(protocol == Protocol::Udp)];
        servers.each_ref().map(Server::served)
    }

    fn backends(&self, wanted: &[usize]) -> Vec<Backend> {
        let pods = wanted.iter().map(|number| &self.pods[*number]);
        pods.flat_map(|pod| pod.addresses.iter())
            .map(|address| Backend {
                to: SocketAddr::new(*address, TARGET),
                ready: true,
                local: true,
            })
            .collect()
    }
}

fn start(at: &Namespace, protocol: Protocol) -> Server {
    Server::start(at, protocol, TARGET).unwrap()
}

/// The addresses of a service.
fn cluster_ips(number: u8) -> Vec<IpAddr> {
    let texts = [
        format!("10.96.0.{number}"),
        format!("fd00:10:96::{number:x}"),
    ];
    texts.map(|text| text.parse().unwrap()).to_vec()
}

/// A service with port 80 by TCP and UDP.
fn service(number: u8, backends: &[Backend]) -> Service {
    let port = |protocol| ServicePort {
        name: format!("{protocol:?}").to_lowercase(),
        protocol,
        port: 80,
        node_port: None,
        backends: backends.to_vec(),
    };
    Service {
        name: format!("default/service-{number}"),
        cluster_ips: cluster_ips(number),
        ports: vec![port(Protocol::Tcp), port(Protocol::Udp)],
        ..Service::default()
    }
}

/// The same with node ports.
fn with_node_port(mut service: Service) -> Service {
    for port in &mut service.ports {
        port.node_port = Some(NODE_PORT);
    }
    service
}

#[track_caller]
fn gets(from: &Namespace, to: SocketAddr, protocol: Protocol, wanted: Outcome) {
    let patience = if wanted == Outcome::Timeout {
        SHORT
    } else {
        LONG
    };
    let outcome = reach(from, None, to, protocol, patience).unwrap();
    let from = from.path().display();
    assert_eq!(outcome, wanted, "{from} → {to} by {protocol:?}");
}

/// Runs a test in every mode and shape.
fn everywhere(test: impl Fn(&mut World)) {
    for mode in MODES {
        for shape in SHAPES {
            println!("{mode:?}, {shape:?}");
            test(&mut World::new(shape, mode));
        }
    }
}

#[test]
fn a_cluster_address_leads_to_all_of_its_backends() {
    everywhere(|world| {
        world.apply(vec![service(1, &world.backends(&[0, 1]))]);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for address in cluster_ips(1) {
                let before = world.served(protocol);
                // That one of two is never taken happens once in 2^29 runs.
                for _ in 0..30 {
                    let to = SocketAddr::new(address, 80);
                    gets(&world.client, to, protocol, Outcome::Connected);
                    gets(&world.lab.node, to, protocol, Outcome::Connected);
                }
                let after = world.served(protocol);
                assert!((0..2).all(|pod| after[pod] > before[pod]), "{after:?}");
            }
        }
    });
}

#[test]
fn a_pod_reaches_itself_by_its_service() {
    everywhere(|world| {
        world.apply(vec![service(1, &world.backends(&[0]))]);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for address in cluster_ips(1) {
                let to = SocketAddr::new(address, 80);
                gets(&world.pods[0], to, protocol, Outcome::Connected);
            }
        }
    });
}

#[test]
fn a_node_port_leads_to_backends_from_everywhere() {
    everywhere(|world| {
        world.apply(vec![with_node_port(service(1, &world.backends(&[0])))]);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for address in world.lab.node_addresses() {
                let to = SocketAddr::new(address, NODE_PORT);
                for from in [&*world.client, &world.lab.outside, &world.pods[0]] {
                    gets(from, to, protocol, Outcome::Connected);
                }
            }
        }
    });
}

#[test]
fn other_addresses_lead_to_backends_too() {
    everywhere(|world| {
        let external: Vec<IpAddr> = ["203.0.113.10", "2001:db8::10"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let balancer: Vec<IpAddr> = ["203.0.113.20", "2001:db8::20"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        world.apply(vec![Service {
            external_ips: external.clone(),
            load_balancer_ips: balancer.clone(),
            ..service(1, &world.backends(&[0]))
        }]);
        for address in external.into_iter().chain(balancer) {
            let to = SocketAddr::new(address, 80);
            for from in [&*world.client, &world.lab.outside, &world.pods[0]] {
                gets(from, to, Protocol::Tcp, Outcome::Connected);
            }
        }
    });
}

#[test]
fn a_service_without_ready_backends_refuses() {
    everywhere(|world| {
        let mut backends = world.backends(&[0]);
        for backend in &mut backends {
            backend.ready = false;
        }
        world.apply(vec![with_node_port(service(1, &backends))]);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let node = world.lab.node_addresses();
            let node = node.iter().map(|ip| SocketAddr::new(*ip, NODE_PORT));
            let cluster = cluster_ips(1).into_iter().map(|ip| SocketAddr::new(ip, 80));
            for to in cluster.chain(node) {
                gets(&world.client, to, protocol, Outcome::Refused);
            }
        }
    });
}

#[test]
fn a_port_that_the_service_does_not_have_leads_nowhere() {
    everywhere(|world| {
        world.apply(vec![service(1, &world.backends(&[0]))]);
        for address in cluster_ips(1) {
            let to = SocketAddr::new(address, TARGET);
            match world.proxy.mode {
                Mode::Nftables => gets(&world.client, to, Protocol::Tcp, Outcome::Refused),
                // Nobody translates it: it goes where such an address is routed to.
                Mode::Iptables => {
                    let outcome = tcp_connect(&world.client, to, SHORT).unwrap();
                    assert_ne!(outcome, Outcome::Connected);
                }
            }
        }
    });
}

#[test]
fn affinity_keeps_a_client_at_its_backend_over_reloads() {
    everywhere(|world| {
        let sticky = Service {
            affinity: Some(Duration::from_secs(10_800)),
            ..service(1, &world.backends(&[0, 1]))
        };
        world.apply(vec![sticky.clone()]);
        for address in cluster_ips(1) {
            let before = world.served(Protocol::Tcp);
            let count = before.iter().sum::<usize>() + 30;
            for attempt in 0..30 {
                let to = SocketAddr::new(address, 80);
                gets(&world.client, to, Protocol::Tcp, Outcome::Connected);
                if attempt == 15 {
                    world.apply(vec![sticky.clone(), service(2, &[])]);
                }
            }
            let after = world.served_all(Protocol::Tcp, count);
            let taken = (0..2).filter(|pod| after[*pod] > before[*pod]).count();
            assert_eq!(taken, 1, "{before:?} {after:?}");
        }
    });
}

#[test]
fn a_local_traffic_policy_lets_nobody_from_outside_go_to_other_nodes() {
    everywhere(|world| {
        let _far = start(&world.lab.outside, Protocol::Tcp);
        let outside = world.lab.outside_addresses();
        let far: Vec<Backend> = outside
            .iter()
            .map(|address| Backend {
                to: SocketAddr::new(*address, TARGET),
                ready: true,
                local: false,
            })
            .collect();
        let local = |mut service: Service| {
            service.external = TrafficPolicy::Local;
            with_node_port(service)
        };
        world.apply(vec![local(service(1, &far))]);
        for address in world.lab.node_addresses() {
            let to = SocketAddr::new(address, NODE_PORT);
            gets(&world.lab.outside, to, Protocol::Tcp, Outcome::Timeout);
            gets(&world.client, to, Protocol::Tcp, Outcome::Connected);
        }
        let all = [world.backends(&[0]), far.clone()].concat();
        world.apply(vec![local(service(1, &all))]);
        let before: usize = world.served(Protocol::Tcp).iter().sum();
        for address in world.lab.node_addresses() {
            for _ in 0..10 {
                let to = SocketAddr::new(address, NODE_PORT);
                gets(&world.lab.outside, to, Protocol::Tcp, Outcome::Connected);
            }
        }
        world.served_all(Protocol::Tcp, before + 20);

        let mut inside = service(2, &far);
        inside.internal = TrafficPolicy::Local;
        world.apply(vec![inside]);
        for address in cluster_ips(2) {
            let to = SocketAddr::new(address, 80);
            gets(&world.client, to, Protocol::Tcp, Outcome::Timeout);
        }
    });
}

/// The IPv4 source address that a pod sees of the next TCP connection.
fn source_seen(wire: &Wire) -> IpAddr {
    let [high, low] = TARGET.to_be_bytes();
    let is_first = |frame: &[u8]| {
        frame.len() >= 54
            && frame[12..14] == [8, 0]
            && frame[36..38] == [high, low]
            && frame[47] & 0x12 == 2
    };
    let frame = wire.receive(LONG, is_first).unwrap().unwrap();
    IpAddr::from([frame[26], frame[27], frame[28], frame[29]])
}

#[test]
fn only_what_kube_proxy_masquerades_is_masqueraded() {
    everywhere(|world| {
        world.apply(vec![with_node_port(service(1, &world.backends(&[0])))]);
        let cluster = SocketAddr::new(cluster_ips(1)[0], 80);
        let node = SocketAddr::new(world.lab.node_addresses()[0], NODE_PORT);
        let gateway = IpAddr::from([10, 244, 0, 1]);
        let client = world.client.v4().unwrap();
        let all = world.proxy.masquerade_all;
        let wire = Wire::open(&world.pods[0], "eth0").unwrap();
        for (from, to, source) in [
            (&*world.client, cluster, if all { gateway } else { client }),
            (&*world.pods[0], cluster, gateway),
            (&*world.client, node, gateway),
            (&world.lab.outside, node, gateway),
        ] {
            gets(from, to, Protocol::Tcp, Outcome::Connected);
            let seen = loop {
                let seen = source_seen(&wire);
                // What the pod sends to itself leaves by this link first.
                if !(from.path() == world.pods[0].path() && seen == world.pods[0].v4().unwrap()) {
                    break seen;
                }
            };
            assert_eq!(seen, source, "{} → {to}", from.path().display());
        }
        let mut kept = with_node_port(service(1, &world.backends(&[0])));
        kept.external = TrafficPolicy::Local;
        world.apply(vec![kept]);
        gets(&world.lab.outside, node, Protocol::Tcp, Outcome::Connected);
        assert_eq!(source_seen(&wire), world.lab.outside_addresses()[0]);
    });
}
