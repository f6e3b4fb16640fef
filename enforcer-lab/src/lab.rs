//! The node, its pods and the world outside.

use std::cell::Cell;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::{Home, LabError, Namespace};

/// How pods are joined to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each pod by a veth and a host route of its own, as the ptp plugin does.
    Ptp,
    /// All pods by one bridge, as Flannel and the bridge plugin do.
    Bridge {
        /// Bridged IP packets pass netfilter too (`bridge-nf-call-iptables`).
        netfilter: bool,
    },
}

/// Which families the node and its pods have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Dual,
}

impl Families {
    fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Dual => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    fn keep<const N: usize>(self, addresses: [IpAddr; N]) -> Vec<IpAddr> {
        addresses.into_iter().filter(|one| self.has(*one)).collect()
    }
}

/// The node's addresses towards its pods.
const GATEWAYS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 244, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 1)),
];
/// The node's addresses towards the world outside: of the networks for benchmarks (RFC 2544,
/// RFC 5180), so that those for documentation are free for what tests are about.
const NODE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1)),
];
/// The addresses of the world outside.
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2)),
];

/// A node with pods. Everything goes when it is dropped; drop pods, servers and daemons before.
#[derive(Debug)]
pub struct Lab {
    /// The node.
    pub node: Namespace,
    /// The world outside, behind the node's uplink `uplink0`.
    pub outside: Namespace,
    shape: Shape,
    families: Families,
    pods: Cell<u16>,
    home: Home,
}

/// A pod: a namespace below [`Lab::netns_dir`] with a link `eth0`.
#[derive(Debug)]
pub struct Pod {
    /// Its name, also that of its namespace file.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The name of the node's side of its link.
    pub host_link: String,
    namespace: Namespace,
}

impl Deref for Pod {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Pod {
    /// Its IPv4 address.
    pub fn v4(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(IpAddr::is_ipv4)
    }

    /// Its IPv6 address.
    pub fn v6(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(IpAddr::is_ipv6)
    }
}

impl Lab {
    /// Builds a node without pods.
    pub fn new(shape: Shape, families: Families) -> Result<Self, LabError> {
        let home = Home::create()?;
        for directory in ["netns", "manifests"] {
            let path = home.path().join(directory);
            fs::create_dir(&path).map_err(LabError::file(&path))?;
        }
        let lab = Self {
            node: Namespace::create(home.path().join("node"))?,
            outside: Namespace::create(home.path().join("outside"))?,
            shape,
            families,
            pods: Cell::new(0),
            home,
        };
        lab.node.sysctl("net/ipv4/ip_forward", "1")?;
        lab.node.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        lab.build_uplink()?;
        lab.build_bridge()?;
        Ok(lab)
    }

    fn build_uplink(&self) -> Result<(), LabError> {
        let outside = self.outside.path().display();
        self.node.ip(&format!(
            "link add uplink0 type veth peer name eth0 netns {outside}"
        ))?;
        self.node.ip("link set uplink0 up")?;
        self.outside.ip("link set eth0 up")?;
        for (near, far) in NODE.into_iter().zip(OUTSIDE) {
            if !self.families.has(near) {
                continue;
            }
            let length = if near.is_ipv4() { 24 } else { 64 };
            self.node
                .ip(&format!("address add {near}/{length} dev uplink0"))?;
            self.outside
                .ip(&format!("address add {far}/{length} dev eth0"))?;
            self.node.ip(&format!("route add default via {far}"))?;
            self.outside.ip(&format!("route add default via {near}"))?;
        }
        Ok(())
    }

    fn build_bridge(&self) -> Result<(), LabError> {
        let Shape::Bridge { netfilter } = self.shape else {
            return Ok(());
        };
        if self.node.has_sysctl("net/bridge/bridge-nf-call-iptables")? {
            for table in ["iptables", "ip6tables"] {
                let name = format!("net/bridge/bridge-nf-call-{table}");
                self.node.sysctl(&name, if netfilter { "1" } else { "0" })?;
            }
        } else if netfilter {
            return Err(LabError::Unsupported("br_netfilter"));
        }
        self.node.ip("link add cni0 type bridge")?;
        self.node.ip("link set cni0 up")?;
        for gateway in self.families.keep(GATEWAYS) {
            let length = if gateway.is_ipv4() { 24 } else { 64 };
            self.node
                .ip(&format!("address add {gateway}/{length} dev cni0"))?;
        }
        Ok(())
    }

    /// Adds a pod with the next free addresses, one of each family of the lab.
    pub fn add_pod(&self, name: &str) -> Result<Pod, LabError> {
        let number = self.pods.get() + 2;
        let [high, low] = number.to_be_bytes();
        let v4 = Ipv4Addr::new(10, 244, high, low);
        let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, number);
        self.add_pod_with(name, &self.families.keep([v4.into(), v6.into()]))
    }

    /// Adds a pod with these addresses, of which there may be none, and any.
    pub fn add_pod_with(&self, name: &str, addresses: &[IpAddr]) -> Result<Pod, LabError> {
        let number = self.pods.get() + 1;
        self.pods.set(number);
        let pod = Pod {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            host_link: format!("veth{number}"),
            namespace: Namespace::create(self.netns_dir().join(name))?,
        };
        let (link, file) = (&pod.host_link, pod.path().display());
        self.node.ip(&format!(
            "link add {link} type veth peer name eth0 netns {file}"
        ))?;
        self.node.ip(&format!("link set {link} up"))?;
        pod.ip("link set eth0 up")?;
        match self.shape {
            Shape::Ptp => self.plug_ptp(&pod)?,
            Shape::Bridge { .. } => self.plug_bridge(&pod)?,
        }
        Ok(pod)
    }

    fn plug_ptp(&self, pod: &Pod) -> Result<(), LabError> {
        let link = &pod.host_link;
        for gateway in self.families.keep(GATEWAYS) {
            self.node
                .ip(&format!("address add {} dev {link}", single(gateway)))?;
        }
        for address in &pod.addresses {
            add_address(pod, *address, &single(*address))?;
            route_by_gateway(pod, *address)?;
            self.node
                .ip(&format!("route add {} dev {link}", single(*address)))?;
        }
        Ok(())
    }

    fn plug_bridge(&self, pod: &Pod) -> Result<(), LabError> {
        self.node
            .ip(&format!("link set {} master cni0", pod.host_link))?;
        for address in &pod.addresses {
            if is_on_bridge(*address) {
                let length = if address.is_ipv4() { 24 } else { 64 };
                add_address(pod, *address, &format!("{address}/{length}"))?;
                pod.ip(&format!("route add default via {}", gateway(*address)))?;
            } else {
                add_address(pod, *address, &single(*address))?;
                route_by_gateway(pod, *address)?;
                self.node
                    .ip(&format!("route add {} dev cni0", single(*address)))?;
            }
        }
        Ok(())
    }

    /// Removes a pod at once: its link, its routes and what others know of its MAC address, as a
    /// CNI plugin does. Just dropping it leaves all that to the kernel, which takes its time.
    pub fn remove_pod(&self, pod: Pod) -> Result<(), LabError> {
        self.node.ip(&format!("link delete {}", pod.host_link))?;
        for address in &pod.addresses {
            if matches!(self.shape, Shape::Bridge { .. }) && !is_on_bridge(*address) {
                self.node
                    .ip(&format!("route delete {} dev cni0", single(*address)))?;
            }
        }
        drop(pod);
        self.node.ip("neighbor flush all").map(drop)
    }

    /// Gives the world outside one more address, which the node and its pods reach by the uplink,
    /// even when it lies in the pods' subnet.
    pub fn add_outside(&self, address: IpAddr) -> Result<(), LabError> {
        self.outside
            .ip(&format!("address add {} dev lo", single(address)))?;
        let via = OUTSIDE[usize::from(address.is_ipv6())];
        let (node, prefix) = (&self.node, single(address));
        if matches!(self.shape, Shape::Bridge { .. }) && is_on_bridge(address) {
            // The node answers for it on the bridge, at once.
            node.sysctl("net/ipv4/conf/cni0/proxy_arp", "1")?;
            node.sysctl("net/ipv4/neigh/cni0/proxy_delay", "0")?;
            node.ip(&format!("route add {prefix} via {via}"))?;
        }
        Ok(())
    }

    /// Takes an address of [`Lab::add_outside`] away again.
    pub fn remove_outside(&self, address: IpAddr) -> Result<(), LabError> {
        let prefix = single(address);
        self.outside
            .ip(&format!("address delete {prefix} dev lo"))?;
        if matches!(self.shape, Shape::Bridge { .. }) && is_on_bridge(address) {
            self.node.ip(&format!("route delete {prefix}"))?;
        }
        Ok(())
    }

    /// Gives the node one more address.
    pub fn add_node_address(&self, address: IpAddr) -> Result<(), LabError> {
        self.node
            .ip(&format!("address add {} dev lo", single(address)))
            .map(drop)
    }

    /// The node's addresses towards the world outside.
    pub fn node_addresses(&self) -> Vec<IpAddr> {
        self.families.keep(NODE)
    }

    /// The first addresses of the world outside.
    pub fn outside_addresses(&self) -> Vec<IpAddr> {
        self.families.keep(OUTSIDE)
    }

    /// A directory of the lab's own.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The directory of the pods' namespaces; nothing else is in it.
    pub fn netns_dir(&self) -> PathBuf {
        self.home().join("netns")
    }

    /// The directory of manifests, empty at first.
    pub fn manifests(&self) -> PathBuf {
        self.home().join("manifests")
    }

    /// Writes a manifest, at once and as a whole.
    pub fn write_manifest(&self, name: &str, text: &str) -> Result<(), LabError> {
        let (new, path) = (self.home().join("new"), self.manifests().join(name));
        fs::write(&new, text).map_err(LabError::file(&new))?;
        fs::rename(&new, &path).map_err(LabError::file(&path))
    }
}

/// Gives a pod an address that it can use at once: without looking whether others have it, for which
/// the kernel takes a moment even where it was told not to.
fn add_address(pod: &Pod, address: IpAddr, prefix: &str) -> Result<(), LabError> {
    let at_once = if address.is_ipv6() { "nodad" } else { "" };
    pod.ip(&format!("address add {prefix} dev eth0 {at_once}"))
        .map(drop)
}

/// A default route by a gateway that is on no subnet of the pod's.
fn route_by_gateway(pod: &Pod, address: IpAddr) -> Result<(), LabError> {
    let gateway = gateway(address);
    pod.ip(&format!("route add {} dev eth0", single(gateway)))?;
    pod.ip(&format!("route add default via {gateway} dev eth0"))
        .map(drop)
}

fn gateway(address: IpAddr) -> IpAddr {
    GATEWAYS[usize::from(address.is_ipv6())]
}

fn is_on_bridge(address: IpAddr) -> bool {
    match (address, gateway(address)) {
        (IpAddr::V4(v4), IpAddr::V4(gateway)) => v4.octets()[..3] == gateway.octets()[..3],
        (IpAddr::V6(v6), IpAddr::V6(gateway)) => v6.octets()[..8] == gateway.octets()[..8],
        _ => false,
    }
}

/// An address as a prefix of full length.
fn single(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}
