//! Several nodes, and links of all kinds: without an enforcer everything connects. Needs root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use enforcer_lab::probe::{ping, tcp_connect, udp_ask};
use enforcer_lab::{
    Cluster, Direct, Fabric, Families, Lab, LabError, Namespace, Outcome, Pod, Protocol, Server,
    Shape,
};

/// Enough for anything that works.
const LONG: Duration = Duration::from_secs(5);

const BRIDGE: Shape = Shape::Bridge { netfilter: true };

fn serve(at: &Namespace) -> [Server; 2] {
    [(Protocol::Tcp, 80), (Protocol::Udp, 53)]
        .map(|(protocol, port)| Server::start(at, protocol, port).unwrap())
}

/// By TCP, UDP and ping.
fn reaches(from: &Namespace, to: &[IpAddr]) {
    for address in to {
        let place = (from.path(), address);
        let tcp = tcp_connect(from, SocketAddr::new(*address, 80), LONG).unwrap();
        assert_eq!(tcp, Outcome::Connected, "TCP {place:?}");
        let udp = udp_ask(from, SocketAddr::new(*address, 53), LONG).unwrap();
        assert_eq!(udp, Outcome::Connected, "UDP {place:?}");
        let echo = ping(from, *address, LONG).unwrap();
        assert_eq!(echo, Outcome::Connected, "ping {place:?}");
    }
}

fn all_reach_all(hosts: &[(&Namespace, Vec<IpAddr>)]) {
    for (to, addresses) in hosts {
        let _servers = serve(to);
        for (from, _) in hosts {
            reaches(from, addresses);
        }
    }
}

/// Two nodes with two pods each: everybody reaches everybody.
fn everything_connects(shape: Shape, families: Families, fabric: Fabric) {
    let cluster = Cluster::new(2, shape, families, fabric).unwrap();
    let [one, two] = &cluster.nodes[..] else {
        unreachable!("two nodes")
    };
    let pods = [("a", one), ("b", one), ("c", two), ("d", two)]
        .map(|(name, node)| node.add_pod(name).unwrap());
    let mut hosts: Vec<(&Namespace, Vec<IpAddr>)> = pods
        .iter()
        .map(|pod| (&**pod, pod.addresses.clone()))
        .collect();
    hosts.extend([
        (&**one, one.addresses()),
        (&**two, two.addresses()),
        (&cluster.outside, cluster.outside_addresses()),
    ]);
    all_reach_all(&hosts);
}

#[test]
fn nodes_with_ptp_links_reach_each_others_pods_by_routes() {
    everything_connects(Shape::Ptp, Families::Dual, Fabric::HostGateway);
}

#[test]
fn nodes_with_bridges_reach_each_others_pods_by_routes() {
    everything_connects(BRIDGE, Families::V4, Fabric::HostGateway);
}

#[test]
fn nodes_with_bridges_reach_each_others_pods_in_vxlan_in_ipv4() {
    everything_connects(BRIDGE, Families::V4, Fabric::Vxlan);
}

#[test]
fn nodes_with_bridges_reach_each_others_pods_in_vxlan_in_ipv6() {
    everything_connects(BRIDGE, Families::V6, Fabric::Vxlan);
}

#[test]
fn nodes_with_bridges_reach_each_others_pods_in_vxlan_in_both() {
    everything_connects(BRIDGE, Families::Dual, Fabric::Vxlan);
}

#[test]
fn nodes_with_calicos_links_reach_each_others_pods_by_routes() {
    everything_connects(Shape::Calico, Families::Dual, Fabric::HostGateway);
}

#[test]
fn calicos_pods_know_no_neighbour_but_the_gateway_that_nobody_is() {
    let lab = Lab::new(Shape::Calico, Families::Dual).unwrap();
    let [web, db] = ["web", "db"].map(|name| lab.add_pod(name).unwrap());
    let _servers = serve(&db);
    reaches(&web, &db.addresses);
    for (family, gateway) in [("-4", "169.254.1.1"), ("-6", "fe80::ecee:eeff:feee:eeee")] {
        let routes = web.ip(&format!("{family} route show default")).unwrap();
        assert!(
            routes.contains(&format!("via {gateway} dev eth0")),
            "{routes}"
        );
    }
    let known = web.ip("-4 neighbor show").unwrap();
    assert!(
        known.contains("169.254.1.1 ") && known.contains("ee:ee:ee:ee:ee:ee"),
        "{known}"
    );
    assert!(!known.contains(&db.v4().unwrap().to_string()), "{known}");
    let addresses = lab
        .node
        .ip(&format!("-4 address show dev {}", web.host_link));
    assert_eq!(addresses.unwrap(), "");
}

/// The source that a server at `to` sees when a connection is made to it.
fn seen_by(to: &Namespace, from: &Namespace, address: IpAddr) -> IpAddr {
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let listener = to.run(|| Ok(TcpListener::bind(any).unwrap())).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = || Ok(TcpStream::connect((address, port)).unwrap());
    let _client = from.run(connect).unwrap();
    listener.accept().unwrap().1.ip()
}

#[test]
fn a_node_speaks_to_another_nodes_pods_with_its_uplinks_or_its_tunnels_address() {
    for fabric in [Fabric::HostGateway, Fabric::Vxlan] {
        let cluster = Cluster::new(2, BRIDGE, Families::Dual, fabric).unwrap();
        let [one, two] = &cluster.nodes[..] else {
            unreachable!("two nodes")
        };
        let [own, pod] = [one, two].map(|node| node.add_pod("pod").unwrap());
        let expected = match fabric {
            Fabric::HostGateway => one.addresses(),
            Fabric::Vxlan => one.tunnel_addresses(),
        };
        for (address, expected) in pod.addresses.iter().zip(expected) {
            assert_eq!(seen_by(&pod, one, *address), expected, "{fabric:?}");
        }
        for (address, expected) in pod.addresses.iter().zip(&own.addresses) {
            assert_eq!(seen_by(&pod, &own, *address), *expected, "{fabric:?}");
        }
    }
}

#[test]
fn what_leaves_the_cluster_is_masqueraded_and_what_stays_is_not() {
    let cluster = Cluster::new(2, BRIDGE, Families::Dual, Fabric::Vxlan).unwrap();
    let [one, two] = &cluster.nodes[..] else {
        unreachable!("two nodes")
    };
    let [own, pod] = [one, two].map(|node| node.add_pod("pod").unwrap());
    let outside = cluster.outside_addresses();
    for (address, expected) in outside.iter().zip(&own.addresses) {
        assert_eq!(seen_by(&cluster.outside, &own, *address), *expected);
    }
    for node in [one, two] {
        node.masquerade().unwrap();
    }
    for (address, expected) in outside.iter().zip(one.addresses()) {
        assert_eq!(seen_by(&cluster.outside, &own, *address), expected);
    }
    for (address, expected) in pod.addresses.iter().zip(&own.addresses) {
        assert_eq!(seen_by(&pod, &own, *address), *expected);
    }
    for (address, expected) in pod.addresses.iter().zip(&outside) {
        assert_eq!(seen_by(&pod, &cluster.outside, *address), *expected);
    }
}

#[test]
fn pods_reach_each_other_by_a_second_network_too() {
    let lab = Lab::new(BRIDGE, Families::Dual).unwrap();
    let [web, db] = ["web", "db"].map(|name| lab.add_pod(name).unwrap());
    let network = lab.add_network().unwrap();
    let [_, second] = [&web, &db].map(|pod| lab.plug(pod, &network, "net1").unwrap());
    assert_eq!(second.addresses.len(), 2);
    let _servers = serve(&db);
    for from in [&*web, &lab.node] {
        reaches(from, &second.addresses);
        reaches(from, &db.addresses);
    }
}

fn is_outside(lab: &Lab, pod: &Pod) {
    assert!(pod.host_link.is_empty());
    let hosts = [
        (&**pod, pod.addresses.clone()),
        (&lab.outside, lab.outside_addresses()),
    ];
    all_reach_all(&hosts);
}

#[test]
fn a_pod_with_macvlan_is_reached_from_outside() {
    let lab = Lab::new(Shape::Ptp, Families::Dual).unwrap();
    let pod = lab.add_direct_pod("pod", Direct::Macvlan).unwrap();
    is_outside(&lab, &pod);
    lab.remove_pod(pod).unwrap();
}

#[test]
fn kinds_of_links_that_the_kernel_lacks_are_said_to_be_missing() {
    let lab = Lab::new(Shape::Netkit, Families::Dual).unwrap();
    for (pod, kind) in [
        (lab.add_pod("netkit"), "netkit"),
        (lab.add_direct_pod("ipvlan", Direct::Ipvlan), "ipvlan"),
    ] {
        match pod {
            Ok(pod) => {
                let _servers = serve(&pod);
                let from = if kind == "netkit" {
                    &lab.node
                } else {
                    &lab.outside
                };
                reaches(from, &pod.addresses);
            }
            Err(LabError::Unsupported(what)) => assert_eq!(what, kind),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_pod_with_a_device_of_its_own_is_reached_from_outside() {
    let lab = Lab::new(Shape::Ptp, Families::Dual).unwrap();
    let pod = lab.add_host_device_pod("pod").unwrap();
    is_outside(&lab, &pod);
}
