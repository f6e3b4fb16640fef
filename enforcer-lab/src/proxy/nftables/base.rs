//! What the nftables mode has without any service.

use super::Table;
use crate::proxy::MASQUERADE;

/// Chains with a hook, and to where they jump for which packets.
const BASE: [(&str, &str, &[&str]); 8] = [
    (
        "filter-prerouting-pre-dnat",
        "type filter hook prerouting priority -110",
        &["ct state new jump firewall-check"],
    ),
    (
        "filter-output-pre-dnat",
        "type filter hook output priority -110",
        &["ct state new jump firewall-check"],
    ),
    (
        "filter-forward",
        "type filter hook forward priority 0",
        &[
            "ct state new jump service-endpoints-check",
            "ct state new jump cluster-ips-check",
        ],
    ),
    (
        "filter-input",
        "type filter hook input priority 0",
        &[
            "ct state new jump nodeport-endpoints-check",
            "ct state new jump service-endpoints-check",
        ],
    ),
    (
        "filter-output",
        "type filter hook output priority 0",
        &[
            "ct state new jump service-endpoints-check",
            "ct state new jump cluster-ips-check",
        ],
    ),
    (
        "nat-prerouting",
        "type nat hook prerouting priority -100",
        &["jump services"],
    ),
    (
        "nat-output",
        "type nat hook output priority -100",
        &["jump services"],
    ),
    (
        "nat-postrouting",
        "type nat hook postrouting priority 100",
        &["jump masquerading"],
    ),
];

/// Chains that every rule set has.
const CHAINS: [&str; 8] = [
    "cluster-ips-check",
    "firewall-check",
    "mark-for-masquerade",
    "masquerading",
    "nodeport-endpoints-check",
    "service-endpoints-check",
    "services",
    "reject-chain",
];

impl Table {
    /// What is there without any service.
    pub(super) fn base(&mut self) {
        let (ip, address) = (self.ip(), self.address_type());
        self.names.push(format!("add table {ip} kube-proxy"));
        self.names.push(format!("flush table {ip} kube-proxy"));
        for set in ["cluster-ips", "nodeport-ips"] {
            self.name("add set", &format!("{set} {{ type {address} ; }}"));
            self.name("flush set", set);
        }
        for (map, key) in [
            ("firewall-ips", format!("{address} . ")),
            ("no-endpoint-nodeports", String::new()),
            ("no-endpoint-services", format!("{address} . ")),
            ("service-ips", format!("{address} . ")),
            ("service-nodeports", String::new()),
        ] {
            let kind = format!("{key}inet_proto . inet_service : verdict");
            self.name("add map", &format!("{map} {{ type {kind} ; }}"));
            self.name("flush map", map);
        }
        for chain in CHAINS {
            self.chain(chain);
        }
        for (chain, hook, rules) in BASE {
            self.chain(&format!("{chain} {{ {hook} ; }}"));
            for rule in rules {
                self.rule(chain, rule);
            }
        }
        let service = format!("{ip} daddr . meta l4proto . th dport vmap");
        let node_port = format!("{ip} daddr @nodeport-ips meta l4proto . th dport vmap");
        for (chain, rule) in [
            (
                "cluster-ips-check",
                format!("{ip} daddr @cluster-ips reject"),
            ),
            ("firewall-check", format!("{service} @firewall-ips")),
            (
                "mark-for-masquerade",
                format!("mark set mark or {MASQUERADE}"),
            ),
            ("masquerading", format!("mark and {MASQUERADE} == 0 return")),
            ("masquerading", format!("mark set mark xor {MASQUERADE}")),
            ("masquerading", "masquerade fully-random".to_owned()),
            (
                "nodeport-endpoints-check",
                format!("{node_port} @no-endpoint-nodeports"),
            ),
            (
                "service-endpoints-check",
                format!("{service} @no-endpoint-services"),
            ),
            ("reject-chain", "reject".to_owned()),
            ("services", format!("{service} @service-ips")),
            ("services", format!("{node_port} @service-nodeports")),
        ] {
            self.rule(chain, &rule);
        }
    }
}
