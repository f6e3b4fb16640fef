//! The table `filter`.

use super::chain;
use crate::proxy::MASQUERADE;
use crate::proxy::route::{Gap, Route};

/// Where the built-in chains of `filter` lead. kube-proxy puts these first, each before the last.
const FILTER_JUMPS: &str = "\
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment \"kubernetes health check service ports\" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";

/// The table: refuses what has no backends.
pub(super) fn table(routes: &[Route<'_>]) -> Vec<String> {
    let mut lines = vec!["*filter".to_owned()];
    lines.extend(["INPUT", "FORWARD", "OUTPUT"].map(|name| format!(":{name} ACCEPT [0:0]")));
    lines.extend(
        [
            "KUBE-NODEPORTS",
            "KUBE-SERVICES",
            "KUBE-EXTERNAL-SERVICES",
            "KUBE-FORWARD",
            "KUBE-PROXY-FIREWALL",
        ]
        .map(chain),
    );
    lines.push(FILTER_JUMPS.to_owned());
    lines.extend(routes.iter().flat_map(refusals));
    lines.extend([
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP".to_owned(),
        format!(
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" \
             -m mark --mark {MASQUERADE}/{MASQUERADE} -j ACCEPT"
        ),
        "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" \
         -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
            .to_owned(),
        "COMMIT".to_owned(),
    ]);
    lines
}

fn refusals(route: &Route<'_>) -> Vec<String> {
    let (name, protocol) = (route.name(), route.protocol());
    let rule = |chain: &str, gap: Gap, to: &str, port: u16| {
        let (why, target) = match gap {
            Gap::Nobody => ("has no endpoints", "REJECT"),
            Gap::NobodyHere => ("has no local endpoints", "DROP"),
        };
        format!(
            "-A {chain} -m comment --comment \"{name} {why}\" {to} \
             -m {protocol} -p {protocol} --dport {port} -j {target}"
        )
    };
    let mut lines = Vec::new();
    if let Some(gap) = route.internal_gap() {
        let to = format!("-d {}", route.cluster_ip);
        lines.push(rule("KUBE-SERVICES", gap, &to, route.port.port));
    }
    if let Some(gap) = route.external_gap() {
        for address in [route.external_ips(), route.load_balancer_ips()].concat() {
            let to = format!("-d {address}");
            lines.push(rule("KUBE-EXTERNAL-SERVICES", gap, &to, route.port.port));
        }
        if let Some(port) = route.port.node_port {
            let to = "-m addrtype --dst-type LOCAL";
            lines.push(rule("KUBE-EXTERNAL-SERVICES", gap, to, port));
        }
    }
    lines
}
