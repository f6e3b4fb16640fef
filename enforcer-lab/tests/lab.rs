//! The lab itself: without an enforcer everything connects. Needs root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use enforcer_lab::probe::{ping, reach, tcp_connect, udp_ask};
use enforcer_lab::{
    Connection, Families, Lab, LabError, Namespace, Outcome, Protocol, Server, Shape, Wire,
};

/// Enough for anything that works.
const LONG: Duration = Duration::from_secs(5);
/// Enough to see that something does not.
const SHORT: Duration = Duration::from_millis(300);

const BRIDGE: Shape = Shape::Bridge { netfilter: false };

/// Every host of a lab reaches every address of every other, by TCP, UDP and ping.
fn everything_connects(shape: Shape, families: Families) {
    let lab = Lab::new(shape, families).unwrap();
    let [web, db] = ["web", "db"].map(|name| lab.add_pod(name).unwrap());
    let hosts: [(&Namespace, Vec<IpAddr>); 4] = [
        (&web, web.addresses.clone()),
        (&db, db.addresses.clone()),
        (&lab.node, lab.node_addresses()),
        (&lab.outside, lab.outside_addresses()),
    ];
    let count = if families == Families::Dual { 2 } else { 1 };
    for (to, addresses) in &hosts {
        assert_eq!(addresses.len(), count);
        let _tcp = Server::start(to, Protocol::Tcp, 80).unwrap();
        let _udp = Server::start(to, Protocol::Udp, 53).unwrap();
        for (from, _) in &hosts {
            for address in addresses {
                let place = (from.path(), to.path(), address);
                let tcp = tcp_connect(from, SocketAddr::new(*address, 80), LONG).unwrap();
                assert_eq!(tcp, Outcome::Connected, "TCP {place:?}");
                let udp = udp_ask(from, SocketAddr::new(*address, 53), LONG).unwrap();
                assert_eq!(udp, Outcome::Connected, "UDP {place:?}");
                let echo = ping(from, *address, LONG).unwrap();
                assert_eq!(echo, Outcome::Connected, "ping {place:?}");
            }
        }
    }
}

#[test]
fn everything_connects_by_ptp_links_in_ipv4() {
    everything_connects(Shape::Ptp, Families::V4);
}

#[test]
fn everything_connects_by_ptp_links_in_ipv6() {
    everything_connects(Shape::Ptp, Families::V6);
}

#[test]
fn everything_connects_by_ptp_links_in_both() {
    everything_connects(Shape::Ptp, Families::Dual);
}

#[test]
fn everything_connects_by_a_bridge_in_ipv4() {
    everything_connects(BRIDGE, Families::V4);
}

#[test]
fn everything_connects_by_a_bridge_in_ipv6() {
    everything_connects(BRIDGE, Families::V6);
}

#[test]
fn everything_connects_by_a_bridge_in_both() {
    everything_connects(BRIDGE, Families::Dual);
}

#[test]
fn everything_connects_by_a_bridge_whose_packets_pass_netfilter() {
    everything_connects(Shape::Bridge { netfilter: true }, Families::Dual);
}

#[test]
fn pods_may_have_any_addresses() {
    for shape in [Shape::Ptp, BRIDGE] {
        let lab = Lab::new(shape, Families::Dual).unwrap();
        let strange = ["172.30.9.9", "2001:db8:77::9"].map(|text| text.parse().unwrap());
        let one = lab.add_pod_with("one", &strange).unwrap();
        let two = lab.add_pod("two").unwrap();
        let _serves = [&one, &two].map(|pod| Server::start(pod, Protocol::Tcp, 80).unwrap());
        for (from, to) in [(&one, &two), (&two, &one)] {
            for address in &to.addresses {
                let outcome = tcp_connect(from, SocketAddr::new(*address, 80), LONG).unwrap();
                assert_eq!(outcome, Outcome::Connected, "{shape:?} {address}");
            }
        }
    }
}

#[test]
fn the_world_outside_may_have_more_addresses_and_clients_may_choose_theirs() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let far: IpAddr = "198.51.100.7".parse().unwrap();
    lab.add_outside(far).unwrap();
    let web = lab.add_pod("web").unwrap();
    let server = Server::start(&web, Protocol::Tcp, 80).unwrap();
    let to = SocketAddr::new(web.v4().unwrap(), 80);
    let source = Some(SocketAddr::new(far, 4711));
    let outcome = reach(&lab.outside, source, to, Protocol::Tcp, LONG).unwrap();
    assert_eq!(outcome, Outcome::Connected);
    let _far = Server::start(&lab.outside, Protocol::Udp, 53).unwrap();
    assert_eq!(
        udp_ask(&web, SocketAddr::new(far, 53), LONG).unwrap(),
        Outcome::Connected
    );
    wait_until("it is served", || server.served() == 1);
}

#[test]
fn a_port_without_server_refuses_and_a_dropped_packet_is_a_timeout() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let [web, db] = ["web", "db"].map(|name| lab.add_pod(name).unwrap());
    let to = SocketAddr::new(db.v4().unwrap(), 80);
    assert_eq!(tcp_connect(&web, to, LONG).unwrap(), Outcome::Refused);
    assert_eq!(udp_ask(&web, to, LONG).unwrap(), Outcome::Refused);
    db.ip("route replace blackhole default").unwrap();
    assert_eq!(tcp_connect(&web, to, SHORT).unwrap(), Outcome::Timeout);
    assert_eq!(udp_ask(&web, to, SHORT).unwrap(), Outcome::Timeout);
    assert_eq!(ping(&web, to.ip(), SHORT).unwrap(), Outcome::Timeout);
}

#[test]
fn an_open_connection_lives_until_its_packets_are_dropped() {
    let lab = Lab::new(BRIDGE, Families::V4).unwrap();
    let [web, db] = ["web", "db"].map(|name| lab.add_pod(name).unwrap());
    let _server = Server::start(&db, Protocol::Tcp, 80).unwrap();
    let to = SocketAddr::new(db.v4().unwrap(), 80);
    let mut connection = Connection::open(&web, to, LONG).unwrap();
    assert_eq!(connection.exchange(LONG), Outcome::Connected);
    assert_eq!(connection.exchange(LONG), Outcome::Connected);
    lab.node
        .ip(&format!("link set {} down", db.host_link))
        .unwrap();
    assert_eq!(connection.exchange(SHORT), Outcome::Timeout);
    assert_eq!(connection.exchanges(), 2);
}

#[test]
fn sctp_connects_or_is_said_to_be_missing() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let web = lab.add_pod("web").unwrap();
    let server = Server::start(&web, Protocol::Sctp, 80);
    if Protocol::Sctp.is_supported() {
        let _server = server.unwrap();
        let to = SocketAddr::new(web.v4().unwrap(), 80);
        let outcome = reach(&lab.node, None, to, Protocol::Sctp, LONG).unwrap();
        assert_eq!(outcome, Outcome::Connected);
    } else {
        assert!(matches!(server, Err(LabError::Unsupported("SCTP"))));
    }
}

#[test]
fn a_frame_that_is_put_on_a_link_comes_out_as_it_is() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let web = lab.add_pod("web").unwrap();
    let inside = Wire::open(&web, "eth0").unwrap();
    let outside = Wire::open(&lab.node, &web.host_link).unwrap();
    let mut frame = [&[0xff; 6][..], &inside.mac, &[0x88, 0xb5], b"experiment"].concat();
    frame.resize(60, 0);
    inside.send(&frame).unwrap();
    let seen = outside
        .receive(LONG, |seen| seen[12..14] == [0x88, 0xb5])
        .unwrap();
    assert_eq!(seen, Some(frame));
    assert_eq!(
        outside
            .receive(SHORT, |seen| seen[12..14] == [0x88, 0xb5])
            .unwrap(),
        None
    );
}

#[test]
fn nothing_is_left_behind_even_after_a_panic() {
    let home = std::thread::spawn(|| {
        let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
        let _web = lab.add_pod("web").unwrap();
        let home = lab.home().to_owned();
        // What a daemon mounts there goes too.
        std::fs::create_dir(lab.bpffs()).unwrap();
        let mount = format!("-t tmpfs none {}", lab.bpffs().display());
        lab.node.command("mount", &mount).unwrap();
        std::panic::panic_any(home);
    })
    .join()
    .unwrap_err();
    let home = home.downcast::<PathBuf>().unwrap();
    assert!(!home.exists(), "{} is left", home.display());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(home.to_str().unwrap()), "{mounts}");
}

#[test]
fn what_a_killed_process_left_is_swept_by_the_next_lab() {
    let made = std::env::temp_dir().join(format!("enf-left-{}", std::process::id()));
    std::fs::create_dir(&made).unwrap();
    let pod = Namespace::create(made.join("pod")).unwrap();
    std::mem::forget(pod);
    // No process has this id: it is beyond the kernel's limit.
    let dead = std::env::temp_dir().join("enf-lab-4194999-left");
    std::fs::rename(&made, &dead).unwrap();
    let _lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    assert!(!dead.exists());
}

/// Stands for a daemon: writes what it was started with, and where, and waits.
const PLAY: &str = r#"#!/bin/sh
case "$1" in
run) echo "$@"; ip -o link show dev uplink0; trap 'echo told to end; exit 7' TERM
     while :; do sleep 0.01; done;;
status) echo "ready: $*";;
*) echo "no such verb" >&2; exit 2;;
esac
"#;

fn play(lab: &Lab) -> PathBuf {
    let program = lab.home().join("play");
    std::fs::write(&program, PLAY).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !holds() {
        assert!(std::time::Instant::now() < end, "not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_for(what: &str, log: impl Fn() -> String) {
    wait_until(&format!("the log has {what:?}"), || log().contains(what));
}

#[test]
fn a_daemon_runs_inside_the_node_with_the_labs_directories() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let daemon = lab.start(&play(&lab), "--hook clsact").unwrap();
    // Only the node has this link.
    wait_for("uplink0@", || daemon.log());
    for directory in [lab.manifests(), lab.netns_dir(), lab.bpffs()] {
        assert!(
            daemon.log().contains(directory.to_str().unwrap()),
            "{}",
            daemon.log()
        );
    }
    assert!(daemon.log().contains("--hook clsact"));
    daemon.wait_ready(LONG).unwrap();
    let ended = daemon.stop(LONG).unwrap().unwrap();
    assert_eq!(ended.code(), Some(7));
}

#[test]
fn a_question_that_fails_is_reported_with_the_daemons_log() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let daemon = lab.start(&play(&lab), "").unwrap();
    wait_for("uplink0@", || daemon.log());
    let error = daemon.ask(&["dance"]).unwrap_err().to_string();
    assert!(
        error.contains("no such verb") && error.contains("uplink0@"),
        "{error}"
    );
}

#[test]
fn a_daemon_that_is_dropped_is_gone() {
    let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
    let daemon = lab.start(&play(&lab), "").unwrap();
    let process = PathBuf::from(format!("/proc/{}", daemon.id()));
    assert!(process.exists());
    drop(daemon);
    assert!(!process.exists());
}
