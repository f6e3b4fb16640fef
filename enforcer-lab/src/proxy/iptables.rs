//! The iptables mode: chains in the tables `filter` and `nat`.

mod filter;

use std::net::SocketAddr;

use super::route::{Route, routes};
use super::{Family, MASQUERADE, Proxy};

/// Where the built-in chains of `nat` lead.
const NAT_JUMPS: &str = "\
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING";

const NODE_PORTS: &str = "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; \
    NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL \
    -j KUBE-NODEPORTS";

/// Both tables of one family, as `iptables-restore` takes them. Everything else that was in them
/// goes: a lab's node has no other rules there. Lists of session affinity are kept by the kernel,
/// because the new rules refer to them before the old ones go.
pub(super) fn rules(proxy: &Proxy, family: Family) -> String {
    let routes = routes(proxy, family);
    let mut lines = filter::table(&routes);
    lines.extend(Nat::new(proxy, family).fill(&routes));
    lines.join("\n") + "\n"
}

fn chain(name: &str) -> String {
    format!(":{name} - [0:0]")
}

struct Nat<'a> {
    proxy: &'a Proxy,
    family: Family,
    chains: Vec<String>,
    rules: Vec<String>,
}

impl<'a> Nat<'a> {
    fn new(proxy: &'a Proxy, family: Family) -> Self {
        Self {
            proxy,
            family,
            chains: Vec::new(),
            rules: Vec::new(),
        }
    }

    fn fill(mut self, routes: &[Route<'_>]) -> Vec<String> {
        let mut lines = vec!["*nat".to_owned()];
        let built_in = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"];
        lines.extend(built_in.map(|name| format!(":{name} ACCEPT [0:0]")));
        for name in [
            "KUBE-NODEPORTS",
            "KUBE-SERVICES",
            "KUBE-MARK-MASQ",
            "KUBE-POSTROUTING",
        ] {
            self.chain(name);
        }
        for route in routes {
            self.addresses(route);
            self.ways(route);
        }
        lines.extend(self.chains);
        lines.extend([
            NAT_JUMPS.to_owned(),
            format!("-A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE}"),
            format!("-A KUBE-POSTROUTING -m mark ! --mark {MASQUERADE}/{MASQUERADE} -j RETURN"),
            format!("-A KUBE-POSTROUTING -j MARK --xor-mark {MASQUERADE}"),
            "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring \
             SNAT\" -j MASQUERADE --random-fully"
                .to_owned(),
        ]);
        lines.extend(self.rules);
        lines.extend([NODE_PORTS.to_owned(), "COMMIT".to_owned()]);
        lines
    }

    fn chain(&mut self, name: &str) {
        self.chains.push(chain(name));
    }

    fn rule(&mut self, chain: &str, comment: &str, matches: &str, target: &str) {
        let gap = if matches.is_empty() { "" } else { " " };
        self.rules.push(format!(
            "-A {chain} -m comment --comment \"{comment}\"{gap}{matches} -j {target}"
        ));
    }

    /// Which addresses and node ports lead where.
    fn addresses(&mut self, route: &Route<'_>) {
        let (name, protocol, port) = (route.name(), route.protocol(), route.port.port);
        let to = |address| format!("-m {protocol} -p {protocol} -d {address} --dport {port}");
        if route.internal_gap().is_none() {
            let matches = to(route.cluster_ip);
            let comment = format!("{name} cluster IP");
            self.rule("KUBE-SERVICES", &comment, &matches, &internal(route));
        }
        // Also when nobody of this node is ready: pods and the node reach the others.
        if route.cluster.is_empty() {
            return;
        }
        let external = chain_of("EXT", route);
        for (addresses, kind) in [
            (route.external_ips(), "external IP"),
            (route.load_balancer_ips(), "loadbalancer IP"),
        ] {
            for address in addresses {
                let comment = format!("{name} {kind}");
                self.rule("KUBE-SERVICES", &comment, &to(address), &external);
            }
        }
        if let Some(port) = route.port.node_port {
            let matches = format!("-m {protocol} -p {protocol} --dport {port}");
            self.rule("KUBE-NODEPORTS", &name, &matches, &external);
        }
    }

    /// From a service to its backends.
    fn ways(&mut self, route: &Route<'_>) {
        let (name, protocol) = (route.name(), route.protocol());
        let sets = [
            (route.uses_cluster(), chain_of("SVC", route), &route.cluster),
            (route.uses_local(), chain_of("SVL", route), &route.local),
        ];
        for (_, chain, _) in sets.iter().filter(|(used, ..)| *used) {
            self.chain(chain);
        }
        if route.is_external() && !route.cluster.is_empty() {
            self.external(route);
        }
        if route.internal_gap().is_none() {
            let (address, port) = (route.cluster_ip, route.port.port);
            let to = format!("-m {protocol} -p {protocol} -d {address} --dport {port}");
            let matches = match (self.proxy.masquerade_all, self.proxy.pods(self.family)) {
                (true, _) => Some(to),
                (false, Some(pods)) => Some(format!("{to} ! -s {pods}")),
                (false, None) => None,
            };
            if let Some(matches) = matches {
                let comment = format!("{name} cluster IP");
                self.rule(&internal(route), &comment, &matches, "KUBE-MARK-MASQ");
            }
        }
        for (_, chain, backends) in sets.iter().filter(|(used, ..)| *used) {
            self.balance(route, chain, backends);
        }
        for backend in route.reachable() {
            self.backend(route, *backend);
        }
    }

    /// For what comes by other than the cluster address.
    fn external(&mut self, route: &Route<'_>) {
        let (chain, cluster) = (chain_of("EXT", route), chain_of("SVC", route));
        let name = route.name();
        self.chain(&chain);
        let comment = |what: &str| format!("{what} for {name} external destinations");
        if !route.is_external_local() {
            let comment = comment("masquerade traffic");
            self.rule(&chain, &comment, "", "KUBE-MARK-MASQ");
            self.rules.push(format!("-A {chain} -j {cluster}"));
            return;
        }
        if let Some(pods) = self.proxy.pods(self.family) {
            let from = format!("-s {pods}");
            self.rule(&chain, &comment("pod traffic"), &from, &cluster);
        }
        let own = "-m addrtype --src-type LOCAL";
        let masquerade = comment("masquerade LOCAL traffic");
        self.rule(&chain, &masquerade, own, "KUBE-MARK-MASQ");
        self.rule(&chain, &comment("route LOCAL traffic"), own, &cluster);
        if route.external_gap().is_none() {
            let local = chain_of("SVL", route);
            self.rules.push(format!("-A {chain} -j {local}"));
        }
    }

    /// Chooses a backend.
    fn balance(&mut self, route: &Route<'_>, chain: &str, backends: &[SocketAddr]) {
        let name = route.name();
        if let Some(time) = route.affinity() {
            for backend in backends {
                let to = endpoint(route, *backend);
                let seconds = time.as_secs();
                let known = format!("-m recent --name {to} --rcheck --seconds {seconds} --reap");
                self.rule(chain, &name, &known, &to);
            }
        }
        for (index, backend) in backends.iter().enumerate() {
            let matches = match backends.len() - index {
                1 => String::new(),
                left => format!("-m statistic --mode random --probability {}", share(left)),
            };
            let comment = format!("{name} -> {backend}");
            self.rule(chain, &comment, &matches, &endpoint(route, *backend));
        }
    }

    /// Translates.
    fn backend(&mut self, route: &Route<'_>, backend: SocketAddr) {
        let (name, protocol) = (route.name(), route.protocol());
        let chain = endpoint(route, backend);
        self.chain(&chain);
        let own = format!("-s {}", backend.ip());
        self.rule(&chain, &name, &own, "KUBE-MARK-MASQ");
        let mut matches = format!("-m {protocol} -p {protocol}");
        if route.affinity().is_some() {
            matches = format!("-m recent --name {chain} --set {matches}");
        }
        let target = format!("DNAT --to-destination {backend}");
        self.rule(&chain, &name, &matches, &target);
    }
}

/// One part of so many (at least two), with ten digits.
fn share(parts: usize) -> String {
    const ONE: usize = 10_000_000_000;
    format!("0.{:010}", ONE / parts)
}

fn chain_of(kind: &str, route: &Route<'_>) -> String {
    format!("KUBE-{kind}-{}", route.hash())
}

fn internal(route: &Route<'_>) -> String {
    chain_of(
        if route.is_internal_local() {
            "SVL"
        } else {
            "SVC"
        },
        route,
    )
}

fn endpoint(route: &Route<'_>, backend: SocketAddr) -> String {
    format!("KUBE-SEP-{}", route.backend_hash(backend))
}
