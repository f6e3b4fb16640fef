//! The rules as text.

use std::time::Duration;

use super::*;
use crate::Protocol;

/// A service with a cluster address, everything else that leads to it, and session affinity; one
/// whose only backend is on another node; one without ready backends; and a headless one.
fn proxy(mode: Mode) -> Proxy {
    let backend = |to: &str, ready, local| Backend {
        to: to.parse().unwrap(),
        ready,
        local,
    };
    let port = |backends: &[Backend], node_port| ServicePort {
        name: "web".to_owned(),
        protocol: Protocol::Tcp,
        port: 80,
        node_port,
        backends: backends.to_vec(),
    };
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let here = backend("10.244.0.2:8080", true, true);
    let here6 = backend("[fd00:10:244::2]:8080", true, true);
    let there = backend("10.244.1.3:8080", true, false);
    Proxy {
        mode,
        pods: ["10.244.0.0/16", "fd00:10:244::/64"]
            .map(|text| text.parse().unwrap())
            .to_vec(),
        node: addresses(&["198.18.0.1", "2001:2::1"]),
        masquerade_all: false,
        services: vec![
            Service {
                name: "shop/all".to_owned(),
                cluster_ips: addresses(&["10.96.0.1", "fd00:10:96::1"]),
                external_ips: addresses(&["192.0.2.1"]),
                load_balancer_ips: addresses(&["192.0.2.2"]),
                affinity: Some(Duration::from_secs(60)),
                ports: vec![port(&[here, there, here6], Some(30080))],
                ..Service::default()
            },
            Service {
                name: "shop/far".to_owned(),
                cluster_ips: addresses(&["10.96.0.2"]),
                external_ips: addresses(&["192.0.2.3"]),
                external: TrafficPolicy::Local,
                ports: vec![port(&[there], None)],
                ..Service::default()
            },
            Service {
                name: "shop/none".to_owned(),
                cluster_ips: addresses(&["10.96.0.3"]),
                ports: vec![port(
                    &[backend("10.244.0.2:8080", false, true)],
                    Some(30081),
                )],
                ..Service::default()
            },
            Service {
                name: "shop/headless".to_owned(),
                ports: vec![port(&[here], None)],
                ..Service::default()
            },
        ],
    }
}

/// Asserts that these lines stand in the text, in this order.
#[track_caller]
fn has_in_order(text: &str, lines: &[&str]) {
    let mut rest = text.lines();
    for wanted in lines {
        assert!(
            rest.any(|line| line == *wanted),
            "not there, or not in order: {wanted}\n{text}"
        );
    }
}

/// The names that stand for services and backends, as readers know them.
fn readable(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, readable) in [
        ("shop/all/tcp/web", "ALL"),
        ("shop/all/tcp/web10.244.0.2:8080", "ALL-HERE"),
        ("shop/all/tcp/web10.244.1.3:8080", "ALL-THERE"),
        ("shop/all/tcp/web[fd00:10:244::2]:8080", "ALL-HERE"),
        ("shop/far/tcp/web", "FAR"),
        ("shop/far/tcp/web10.244.1.3:8080", "FAR-THERE"),
    ] {
        let hash = hash(name);
        text = text.replace(&hash, readable);
        text = text.replace(&format!("{}-{name}", &hash[..8]), readable);
        for backend in ["10.244.0.2/8080", "10.244.1.3/8080", "fd00.10.244..2/8080"] {
            let service = name.split("web").next().unwrap_or_default();
            let long = format!("{}-{service}web__{backend}", &hash[..8]);
            text = text.replace(&long, readable);
        }
    }
    text
}

#[test]
fn nftables_masquerades_what_is_marked_and_takes_the_mark_away() {
    let text = nftables::rules(&proxy(Mode::Nftables));
    has_in_order(
        &text,
        &[
            "add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }",
            "add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }",
            "add rule ip kube-proxy nat-prerouting jump services",
            "add rule ip kube-proxy nat-postrouting jump masquerading",
            "add rule ip kube-proxy mark-for-masquerade mark set mark or 0x4000",
            "add rule ip kube-proxy masquerading mark and 0x4000 == 0 return",
            "add rule ip kube-proxy masquerading mark set mark xor 0x4000",
            "add rule ip kube-proxy masquerading masquerade fully-random",
            "add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips",
            "add rule ip kube-proxy services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports",
            "add element ip kube-proxy nodeport-ips { 198.18.0.1 }",
        ],
    );
    let filter = "add rule ip kube-proxy filter-forward ct state new jump";
    has_in_order(
        &text,
        &[
            &format!("{filter} service-endpoints-check"),
            &format!("{filter} cluster-ips-check"),
            "add rule ip kube-proxy cluster-ips-check ip daddr @cluster-ips reject",
        ],
    );
}

#[test]
fn nftables_leads_all_addresses_of_a_service_to_its_backends() {
    let text = readable(&nftables::rules(&proxy(Mode::Nftables)));
    let chain = "add rule ip kube-proxy";
    has_in_order(
        &text,
        &[
            "add element ip kube-proxy cluster-ips { 10.96.0.1 }",
            "add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 80 : goto service-ALL }",
            "add element ip kube-proxy service-ips { 192.0.2.1 . tcp . 80 : goto external-ALL }",
            "add element ip kube-proxy service-ips { 192.0.2.2 . tcp . 80 : goto external-ALL }",
            "add element ip kube-proxy service-nodeports { tcp . 30080 : goto external-ALL }",
            &format!(
                "{chain} service-ALL ip daddr 10.96.0.1 tcp dport 80 ip saddr != 10.244.0.0/16 \
                 jump mark-for-masquerade"
            ),
            &format!("{chain} external-ALL jump mark-for-masquerade"),
            &format!("{chain} external-ALL goto service-ALL"),
            &format!("{chain} service-ALL ip saddr @affinity-ALL-HERE goto endpoint-ALL-HERE"),
            &format!("{chain} service-ALL ip saddr @affinity-ALL-THERE goto endpoint-ALL-THERE"),
            &format!(
                "{chain} service-ALL numgen random mod 2 vmap {{ 0 : goto endpoint-ALL-HERE , 1 \
                 : goto endpoint-ALL-THERE }}"
            ),
            &format!("{chain} endpoint-ALL-HERE ip saddr 10.244.0.2 jump mark-for-masquerade"),
            &format!("{chain} endpoint-ALL-HERE update @affinity-ALL-HERE {{ ip saddr }}"),
            &format!("{chain} endpoint-ALL-HERE meta l4proto tcp dnat to 10.244.0.2:8080"),
        ],
    );
    assert!(!text.contains("headless"), "{text}");
}

#[test]
fn nftables_has_a_table_for_ipv6_too() {
    let text = readable(&nftables::rules(&proxy(Mode::Nftables)));
    let chain = "add rule ip6 kube-proxy";
    has_in_order(
        &text,
        &[
            "add element ip6 kube-proxy nodeport-ips { 2001:2::1 }",
            "add element ip6 kube-proxy service-ips { fd00:10:96::1 . tcp . 80 : goto service-ALL }",
            &format!(
                "{chain} service-ALL numgen random mod 1 vmap {{ 0 : goto endpoint-ALL-HERE }}"
            ),
            &format!("{chain} endpoint-ALL-HERE ip6 saddr fd00:10:244::2 jump mark-for-masquerade"),
            &format!("{chain} endpoint-ALL-HERE meta l4proto tcp dnat to [fd00:10:244::2]:8080"),
        ],
    );
}

#[test]
fn nftables_drops_what_may_not_go_to_other_nodes_and_refuses_what_goes_nowhere() {
    let text = readable(&nftables::rules(&proxy(Mode::Nftables)));
    let chain = "add rule ip kube-proxy external-FAR";
    has_in_order(
        &text,
        &[
            "add element ip kube-proxy service-ips { 192.0.2.3 . tcp . 80 : goto external-FAR }",
            "add element ip kube-proxy no-endpoint-services { 192.0.2.3 . tcp . 80 : drop }",
            &format!("{chain} ip saddr 10.244.0.0/16 goto service-FAR"),
            &format!("{chain} fib saddr type local jump mark-for-masquerade"),
            &format!("{chain} fib saddr type local goto service-FAR"),
            "add element ip kube-proxy no-endpoint-services { 10.96.0.3 . tcp . 80 : goto reject-chain }",
            "add element ip kube-proxy no-endpoint-nodeports { tcp . 30081 : goto reject-chain }",
        ],
    );
    assert!(!text.contains("local-FAR"), "{text}");
}

#[test]
fn iptables_masquerades_what_is_marked_and_takes_the_mark_away() {
    let text = iptables::rules(&proxy(Mode::Iptables), Family::V4);
    has_in_order(
        &text,
        &[
            "*nat",
            "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING",
            "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
            "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully",
            "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
            "COMMIT",
        ],
    );
    has_in_order(
        &text,
        &[
            "*filter",
            "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "COMMIT",
        ],
    );
}

#[test]
fn iptables_leads_all_addresses_of_a_service_to_its_backends() {
    let text = readable(&iptables::rules(&proxy(Mode::Iptables), Family::V4));
    let services = "-A KUBE-SERVICES -m comment --comment \"shop/all:web";
    let service = "-A KUBE-SVC-ALL -m comment --comment \"shop/all:web";
    let backend = "-A KUBE-SEP-ALL-HERE -m comment --comment \"shop/all:web\"";
    has_in_order(
        &text,
        &[
            ":KUBE-SVC-ALL - [0:0]",
            &format!(
                "{services} cluster IP\" -m tcp -p tcp -d 10.96.0.1 --dport 80 -j KUBE-SVC-ALL"
            ),
            &format!(
                "{services} external IP\" -m tcp -p tcp -d 192.0.2.1 --dport 80 -j KUBE-EXT-ALL"
            ),
            &format!(
                "{services} loadbalancer IP\" -m tcp -p tcp -d 192.0.2.2 --dport 80 -j KUBE-EXT-ALL"
            ),
            "-A KUBE-NODEPORTS -m comment --comment \"shop/all:web\" -m tcp -p tcp --dport 30080 -j KUBE-EXT-ALL",
            "-A KUBE-EXT-ALL -m comment --comment \"masquerade traffic for shop/all:web external destinations\" -j KUBE-MARK-MASQ",
            "-A KUBE-EXT-ALL -j KUBE-SVC-ALL",
            &format!(
                "{service} cluster IP\" -m tcp -p tcp -d 10.96.0.1 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ"
            ),
            &format!(
                "{service}\" -m recent --name KUBE-SEP-ALL-HERE --rcheck --seconds 60 --reap -j KUBE-SEP-ALL-HERE"
            ),
            &format!(
                "{service} -> 10.244.0.2:8080\" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-ALL-HERE"
            ),
            &format!("{service} -> 10.244.1.3:8080\" -j KUBE-SEP-ALL-THERE"),
            &format!("{backend} -s 10.244.0.2 -j KUBE-MARK-MASQ"),
            &format!(
                "{backend} -m recent --name KUBE-SEP-ALL-HERE --set -m tcp -p tcp -j DNAT --to-destination 10.244.0.2:8080"
            ),
        ],
    );
    assert!(!text.contains("headless"), "{text}");
}

#[test]
fn iptables_drops_what_may_not_go_to_other_nodes_and_refuses_what_goes_nowhere() {
    let text = readable(&iptables::rules(&proxy(Mode::Iptables), Family::V4));
    let none = "-m comment --comment \"shop/none:web has no endpoints\"";
    let external = "-A KUBE-EXT-FAR -m comment --comment";
    has_in_order(
        &text,
        &[
            "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"shop/far:web has no local endpoints\" -d 192.0.2.3 -m tcp -p tcp --dport 80 -j DROP",
            &format!("-A KUBE-SERVICES {none} -d 10.96.0.3 -m tcp -p tcp --dport 80 -j REJECT"),
            &format!(
                "-A KUBE-EXTERNAL-SERVICES {none} -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30081 -j REJECT"
            ),
            "*nat",
            &format!(
                "{external} \"pod traffic for shop/far:web external destinations\" -s 10.244.0.0/16 -j KUBE-SVC-FAR"
            ),
            &format!(
                "{external} \"masquerade LOCAL traffic for shop/far:web external destinations\" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
            ),
            &format!(
                "{external} \"route LOCAL traffic for shop/far:web external destinations\" -m addrtype --src-type LOCAL -j KUBE-SVC-FAR"
            ),
        ],
    );
    assert!(!text.contains("KUBE-SVL-FAR"), "{text}");
}

#[test]
fn masquerade_all_spares_nobody() {
    for mode in [Mode::Nftables, Mode::Iptables] {
        let all = Proxy {
            masquerade_all: true,
            ..proxy(mode)
        };
        let (text, rule) = match mode {
            Mode::Nftables => (
                nftables::rules(&all),
                "add rule ip kube-proxy service-ALL ip daddr 10.96.0.1 tcp dport 80 jump \
                 mark-for-masquerade",
            ),
            Mode::Iptables => (
                iptables::rules(&all, Family::V4),
                "-A KUBE-SVC-ALL -m comment --comment \"shop/all:web cluster IP\" -m tcp -p tcp \
                 -d 10.96.0.1 --dport 80 -j KUBE-MARK-MASQ",
            ),
        };
        has_in_order(&readable(&text), &[rule]);
    }
}
