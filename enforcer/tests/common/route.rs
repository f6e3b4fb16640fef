//! A way out of the lab: two routers, with a narrow link between them, and a host behind.

use std::net::IpAddr;

use enforcer_lab::{Lab, Namespace};

/// What the narrow link carries: the least that IPv6 allows (RFC 8200 §5).
pub(crate) const NARROW: u32 = 1280;

/// The world outside as a router, one more router, and a host.
pub(crate) struct Route {
    /// The second router; held for its namespace alone.
    _router: Namespace,
    pub(crate) far: Namespace,
    /// The host's addresses.
    pub(crate) addresses: [IpAddr; 2],
    /// The second router's addresses on the narrow link.
    pub(crate) routers: [IpAddr; 2],
}

impl Route {
    /// Builds it behind the world outside.
    pub(crate) fn build(lab: &Lab) -> Self {
        let [router, far] =
            ["router", "far"].map(|name| Namespace::create(lab.home().join(name)).unwrap());
        for namespace in [&lab.outside, &router] {
            namespace.sysctl("net/ipv4/ip_forward", "1").unwrap();
            namespace
                .sysctl("net/ipv6/conf/all/forwarding", "1")
                .unwrap();
            // Errors are not rationed, so that tools need not wait for them.
            namespace.sysctl("net/ipv4/icmp_ratelimit", "0").unwrap();
            namespace.sysctl("net/ipv6/icmp/ratelimit", "0").unwrap();
        }
        join(&lab.outside, "narrow0", &router, "up0");
        join(&router, "down0", &far, "eth0");
        for (at, link, address) in [
            (&lab.outside, "narrow0", "198.51.100.1/24"),
            (&lab.outside, "narrow0", "2001:db8:1::1/64"),
            (&router, "up0", "198.51.100.2/24"),
            (&router, "up0", "2001:db8:1::2/64"),
            (&router, "down0", "203.0.113.1/24"),
            (&router, "down0", "2001:db8:2::1/64"),
            (&far, "eth0", "203.0.113.2/24"),
            (&far, "eth0", "2001:db8:2::2/64"),
        ] {
            at.ip(&format!("address add {address} dev {link}")).unwrap();
        }
        for (at, route) in [
            (&lab.outside, "203.0.113.0/24 via 198.51.100.2"),
            (&lab.outside, "2001:db8:2::/64 via 2001:db8:1::2"),
            (&router, "default via 198.51.100.1"),
            (&router, "default via 2001:db8:1::1"),
            (&far, "default via 203.0.113.1"),
            (&far, "default via 2001:db8:2::1"),
        ] {
            at.ip(&format!("route add {route}")).unwrap();
        }
        for (at, link) in [(&lab.outside, "narrow0"), (&router, "up0")] {
            at.ip(&format!("link set {link} mtu {NARROW}")).unwrap();
        }
        Self {
            _router: router,
            far,
            addresses: ["203.0.113.2", "2001:db8:2::2"].map(|text| text.parse().unwrap()),
            routers: ["198.51.100.2", "2001:db8:1::2"].map(|text| text.parse().unwrap()),
        }
    }
}

fn join(near: &Namespace, near_link: &str, far: &Namespace, far_link: &str) {
    let file = far.path().display();
    near.ip(&format!(
        "link add {near_link} type veth peer name {far_link} netns {file}"
    ))
    .unwrap();
    near.ip(&format!("link set {near_link} up")).unwrap();
    far.ip(&format!("link set {far_link} up")).unwrap();
}
