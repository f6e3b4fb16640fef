//! The nftables mode: one table `kube-proxy` for each family.

mod base;

use std::net::{IpAddr, SocketAddr};

use super::route::{Gap, Route, routes};
use super::{Family, Proxy};

/// One transaction that makes both tables those of a proxy. Sets of session affinity are kept, as
/// kube-proxy does; chains that are no longer used stay, without rules.
pub(super) fn rules(proxy: &Proxy) -> String {
    let tables = Family::BOTH.map(|family| Table::new(family).fill(proxy));
    tables.concat().join("\n") + "\n"
}

struct Table {
    family: Family,
    /// What must be there before it is referred to: sets, maps, chains.
    names: Vec<String>,
    contents: Vec<String>,
}

impl Table {
    fn new(family: Family) -> Self {
        Self {
            family,
            names: Vec::new(),
            contents: Vec::new(),
        }
    }

    fn fill(mut self, proxy: &Proxy) -> Vec<String> {
        self.base();
        for address in &proxy.node {
            if self.family.has(*address) {
                self.element("nodeport-ips", &address.to_string());
            }
        }
        let routes = routes(proxy, self.family);
        for route in &routes {
            self.addresses(route);
            self.chains(proxy, route);
        }
        self.names.extend(self.contents);
        self.names
    }

    /// `ip` or `ip6`.
    fn ip(&self) -> &'static str {
        match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    fn address_type(&self) -> &'static str {
        match self.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        }
    }

    fn name(&mut self, verb: &str, rest: &str) {
        self.names
            .push(format!("{verb} {} kube-proxy {rest}", self.ip()));
    }

    fn chain(&mut self, name: &str) {
        self.name("add chain", name);
    }

    fn rule(&mut self, chain: &str, rule: &str) {
        self.contents
            .push(format!("add rule {} kube-proxy {chain} {rule}", self.ip()));
    }

    fn element(&mut self, set: &str, element: &str) {
        let line = format!("add element {} kube-proxy {set} {{ {element} }}", self.ip());
        // Services may share an address.
        if !self.contents.contains(&line) {
            self.contents.push(line);
        }
    }

    /// Which addresses and node ports lead where.
    fn addresses(&mut self, route: &Route<'_>) {
        let (protocol, port) = (route.protocol(), route.port.port);
        let at = |address: IpAddr| format!("{address} . {protocol} . {port}");
        let goto = |chain: String| format!("goto {chain}");
        let gap = |gap| match gap {
            Gap::Nobody => "goto reject-chain",
            Gap::NobodyHere => "drop",
        };
        let external = goto(external_chain(route));

        let cluster = at(route.cluster_ip);
        self.element("cluster-ips", &route.cluster_ip.to_string());
        match route.internal_gap() {
            None => {
                let to = goto(internal_chain(route));
                self.element("service-ips", &format!("{cluster} : {to}"));
            }
            Some(why) => {
                self.element("no-endpoint-services", &format!("{cluster} : {}", gap(why)));
            }
        }
        let mut places: Vec<(&str, &str, String)> = Vec::new();
        for address in [route.external_ips(), route.load_balancer_ips()].concat() {
            places.push(("service-ips", "no-endpoint-services", at(address)));
        }
        if let Some(port) = route.port.node_port {
            let key = format!("{protocol} . {port}");
            places.push(("service-nodeports", "no-endpoint-nodeports", key));
        }
        for (map, missing, key) in places {
            // Also when nobody of this node is ready: pods and the node reach the others.
            if !route.cluster.is_empty() {
                self.element(map, &format!("{key} : {external}"));
            }
            if let Some(why) = route.external_gap() {
                self.element(missing, &format!("{key} : {}", gap(why)));
            }
        }
    }

    /// From a service to its backends.
    fn chains(&mut self, proxy: &Proxy, route: &Route<'_>) {
        let ip = self.ip();
        let sets = [
            (route.uses_cluster(), cluster_chain(route), &route.cluster),
            (route.uses_local(), local_chain(route), &route.local),
        ];
        for (_, chain, _) in sets.iter().filter(|(used, ..)| *used) {
            self.chain(chain);
        }
        if route.internal_gap().is_none() {
            let (address, protocol) = (route.cluster_ip, route.protocol());
            let to = format!("{ip} daddr {address} {protocol} dport {}", route.port.port);
            let rule = match (proxy.masquerade_all, proxy.pods(self.family)) {
                (true, _) => Some(to),
                (false, Some(pods)) => Some(format!("{to} {ip} saddr != {pods}")),
                (false, None) => None,
            };
            if let Some(rule) = rule {
                let chain = internal_chain(route);
                self.rule(&chain, &format!("{rule} jump mark-for-masquerade"));
            }
        }
        if route.is_external() && !route.cluster.is_empty() {
            self.external(proxy, route);
        }
        for (_, chain, backends) in sets.iter().filter(|(used, ..)| *used) {
            self.balance(route, chain, backends);
        }
        for backend in route.reachable() {
            self.backend(route, *backend);
        }
    }

    /// For what comes by other than the cluster address.
    fn external(&mut self, proxy: &Proxy, route: &Route<'_>) {
        let chain = external_chain(route);
        self.chain(&chain);
        if !route.is_external_local() {
            self.rule(&chain, "jump mark-for-masquerade");
            self.rule(&chain, &format!("goto {}", cluster_chain(route)));
            return;
        }
        let cluster = cluster_chain(route);
        if let Some(pods) = proxy.pods(self.family) {
            let from = format!("{} saddr {pods} goto {cluster}", self.ip());
            self.rule(&chain, &from);
        }
        self.rule(&chain, "fib saddr type local jump mark-for-masquerade");
        self.rule(&chain, &format!("fib saddr type local goto {cluster}"));
        if route.external_gap().is_none() {
            self.rule(&chain, &format!("goto {}", local_chain(route)));
        }
    }

    /// Chooses a backend.
    fn balance(&mut self, route: &Route<'_>, chain: &str, backends: &[SocketAddr]) {
        let ip = self.ip();
        if route.affinity().is_some() {
            for backend in backends {
                let (set, to) = (affinity_set(route, *backend), endpoint(route, *backend));
                self.rule(chain, &format!("{ip} saddr @{set} goto {to}"));
            }
        }
        let ways: Vec<String> = backends
            .iter()
            .enumerate()
            .map(|(number, backend)| format!("{number} : goto {}", endpoint(route, *backend)))
            .collect();
        let (count, ways) = (backends.len(), ways.join(" , "));
        self.rule(
            chain,
            &format!("numgen random mod {count} vmap {{ {ways} }}"),
        );
    }

    /// Translates.
    fn backend(&mut self, route: &Route<'_>, backend: SocketAddr) {
        let (ip, chain) = (self.ip(), endpoint(route, backend));
        self.chain(&chain);
        let own = format!("{ip} saddr {} jump mark-for-masquerade", backend.ip());
        self.rule(&chain, &own);
        if let Some(time) = route.affinity() {
            let set = affinity_set(route, backend);
            let (kind, seconds) = (self.address_type(), time.as_secs());
            let flags = format!("type {kind} ; flags dynamic,timeout ; timeout {seconds}s ;");
            self.name("add set", &format!("{set} {{ {flags} }}"));
            self.rule(&chain, &format!("update @{set} {{ {ip} saddr }}"));
        }
        let protocol = route.protocol();
        self.rule(
            &chain,
            &format!("meta l4proto {protocol} dnat to {backend}"),
        );
    }
}

/// A chain's or set's name: nftables takes no colons.
fn named(kind: &str, hash: &str, key: &str) -> String {
    format!("{kind}-{}-{}", &hash[..8], key.replace(':', "."))
}

fn cluster_chain(route: &Route<'_>) -> String {
    named("service", &route.hash(), &route.key())
}

fn local_chain(route: &Route<'_>) -> String {
    named("local", &route.hash(), &route.key())
}

fn external_chain(route: &Route<'_>) -> String {
    named("external", &route.hash(), &route.key())
}

fn internal_chain(route: &Route<'_>) -> String {
    if route.is_internal_local() {
        local_chain(route)
    } else {
        cluster_chain(route)
    }
}

fn backend_name(kind: &str, route: &Route<'_>, backend: SocketAddr) -> String {
    let key = format!("{}__{}/{}", route.key(), backend.ip(), backend.port());
    named(kind, &route.backend_hash(backend), &key)
}

fn endpoint(route: &Route<'_>, backend: SocketAddr) -> String {
    backend_name("endpoint", route, backend)
}

fn affinity_set(route: &Route<'_>, backend: SocketAddr) -> String {
    backend_name("affinity", route, backend)
}
