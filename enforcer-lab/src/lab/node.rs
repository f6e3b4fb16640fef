//! A node and its pods.

use std::fs;
use std::net::IpAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use ipnet::IpNet;

use super::shape::{PODS, Plan, SEGMENT, of_family, single, subnet};
use super::{Families, OUTSIDE, Pod, Shape};
use crate::{LabError, Namespace};

/// What the pods' bridge goes by, as CNI plugins give theirs one: without, a bridge takes the lowest
/// address of its ports, and a new pod makes the others' neighbour entries for the node wrong.
const BRIDGE_MAC: &str = "02:45:4e:46:00:01";

/// A node: a namespace with the uplink `uplink0`, and the directories of its daemon.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    namespace: Namespace,
    pub(super) shape: Shape,
    pub(super) families: Families,
    pub(super) plan: Plan,
    /// Size of the largest packet of a pod.
    pub(super) mtu: u16,
    pods: AtomicU16,
    pub(super) networks: AtomicU8,
    home: PathBuf,
    manifests: PathBuf,
}

impl Deref for Node {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

/// What a node is made from.
pub(super) struct Blueprint<'a> {
    pub(super) name: &'a str,
    pub(super) home: PathBuf,
    pub(super) manifests: PathBuf,
    pub(super) shape: Shape,
    pub(super) families: Families,
    pub(super) plan: Plan,
    pub(super) mtu: u16,
}

impl Node {
    /// Builds a node without pods and without uplink.
    pub(super) fn build(from: Blueprint<'_>) -> Result<Self, LabError> {
        let netns = from.home.join("netns");
        fs::create_dir_all(&netns).map_err(LabError::file(&netns))?;
        let node = Self {
            name: from.name.to_owned(),
            namespace: Namespace::create(from.home.join("node"))?,
            shape: from.shape,
            families: from.families,
            plan: from.plan,
            mtu: from.mtu,
            pods: AtomicU16::new(0),
            networks: AtomicU8::new(0),
            home: from.home,
            manifests: from.manifests,
        };
        node.sysctl("net/ipv4/ip_forward", "1")?;
        node.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        if let Shape::Bridge { netfilter } = node.shape {
            node.build_bridge(netfilter)?;
        }
        Ok(node)
    }

    /// Joins the node to the world outside, where the link's other side gets this name.
    pub(super) fn join(&self, outside: &Namespace, far: &str) -> Result<(), LabError> {
        let place = outside.path().display();
        self.ip(&format!(
            "link add uplink0 type veth peer name {far} netns {place}"
        ))?;
        self.ip("link set uplink0 up")?;
        outside.ip(&format!("link set {far} up"))?;
        for near in self.addresses() {
            let (address, via) = (subnet(near, SEGMENT), of_family(OUTSIDE, near));
            self.ip(&format!("address add {address} dev uplink0"))?;
            self.ip(&format!("route add default via {via}"))?;
        }
        Ok(())
    }

    fn build_bridge(&self, netfilter: bool) -> Result<(), LabError> {
        if self.has_sysctl("net/bridge/bridge-nf-call-iptables")? {
            for table in ["iptables", "ip6tables"] {
                let name = format!("net/bridge/bridge-nf-call-{table}");
                self.sysctl(&name, if netfilter { "1" } else { "0" })?;
            }
        } else if netfilter {
            return Err(LabError::Unsupported("br_netfilter"));
        }
        let mtu = self.mtu;
        self.ip(&format!(
            "link add cni0 mtu {mtu} address {BRIDGE_MAC} type bridge"
        ))?;
        self.ip("link set cni0 up")?;
        for gateway in self.gateways() {
            let address = subnet(gateway, [24, 64]);
            self.ip(&format!("address add {address} dev cni0"))?;
        }
        Ok(())
    }

    /// The node's addresses towards its pods; in Calico's shape nobody has them.
    pub fn gateways(&self) -> Vec<IpAddr> {
        self.families.keep(self.plan.gateways())
    }

    /// Adds a pod with the next free addresses, one of each family of the lab.
    pub fn add_pod(&self, name: &str) -> Result<Pod, LabError> {
        let addresses = self.plan.pod(self.pods.load(Ordering::Relaxed) + 2);
        self.add_pod_with(name, &self.families.keep(addresses))
    }

    /// Counts one more pod and gives its number, from 1 on.
    pub(super) fn next_pod(&self) -> u16 {
        self.pods.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A pod's namespace, without any link.
    pub(super) fn new_pod(
        &self,
        name: &str,
        addresses: &[IpAddr],
        host_link: String,
    ) -> Result<Pod, LabError> {
        Ok(Pod {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            host_link,
            namespace: Namespace::create(self.netns_dir().join(name))?,
        })
    }

    /// Removes a pod at once: its link, its routes and what others know of its MAC address, as a
    /// CNI plugin does. Just dropping it leaves all that to the kernel, which takes its time.
    pub fn remove_pod(&self, pod: Pod) -> Result<(), LabError> {
        let unplugged = self.unplug(&pod);
        drop(pod);
        unplugged
    }

    /// The same for a pod that somebody holds: its namespace stays as long, without its link.
    pub fn unplug(&self, pod: &Pod) -> Result<(), LabError> {
        if pod.host_link.is_empty() {
            pod.ip("link delete eth0")?;
        } else {
            self.ip(&format!("link delete {}", pod.host_link))?;
        }
        for address in &pod.addresses {
            let bridged = matches!(self.shape, Shape::Bridge { .. });
            if bridged && !pod.host_link.is_empty() && !self.plan.is_on_bridge(*address) {
                self.ip(&format!("route delete {} dev cni0", single(*address)))?;
            }
        }
        self.ip("neighbor flush all").map(drop)
    }

    /// Gives the node one more address.
    pub fn add_address(&self, address: IpAddr) -> Result<(), LabError> {
        self.ip(&format!("address add {} dev lo", single(address)))
            .map(drop)
    }

    /// The node's addresses towards other nodes and the world outside.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.families.keep(self.plan.node())
    }

    /// The subnets of all pods, this node's and others'.
    pub fn cluster_pods(&self) -> Vec<IpNet> {
        let subnets = PODS
            .iter()
            .filter_map(|subnet| subnet.parse::<IpNet>().ok());
        subnets
            .filter(|subnet| self.families.has(subnet.addr()))
            .collect()
    }

    /// A directory of the node's own; a lab's only node has the lab's.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The directory of its pods' namespaces; nothing else is in it.
    pub fn netns_dir(&self) -> PathBuf {
        self.home.join("netns")
    }

    /// The directory of manifests, empty at first; nodes of a cluster share it.
    pub fn manifests(&self) -> PathBuf {
        self.manifests.clone()
    }

    /// Writes a manifest, at once and as a whole.
    pub fn write_manifest(&self, name: &str, text: &str) -> Result<(), LabError> {
        let (new, path) = (self.home.join("new"), self.manifests.join(name));
        fs::write(&new, text).map_err(LabError::file(&new))?;
        fs::rename(&new, &path).map_err(LabError::file(&path))
    }
}
