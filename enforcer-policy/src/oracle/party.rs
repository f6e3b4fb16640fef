//! The two ends of a connection: who they are and which addresses they use.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;

use super::objects::{
    is_host_network, is_selectable, name_of, node_addresses, node_of, pod_addresses,
};
use super::{Objects, Side, Unanswerable};

/// One end of a connection.
pub(super) struct Party<'a> {
    who: Who<'a>,
    /// The address it uses here; `None` when it has no address at all.
    pub(super) address: Option<IpAddr>,
}

#[derive(Clone, Copy)]
enum Who<'a> {
    Pod(&'a Pod),
    Node(&'a str),
    Outside,
}

impl<'a> Party<'a> {
    /// Somebody behind an address that is not said to be anybody's.
    pub(super) fn unknown(address: Option<IpAddr>) -> Self {
        let who = Who::Outside;
        Self { who, address }
    }

    /// The pod, when policies can mean it.
    pub(super) fn pod(&self) -> Option<&'a Pod> {
        match self.who {
            Who::Pod(pod) => Some(pod),
            Who::Node(_) | Who::Outside => None,
        }
    }

    /// Whether it is this pod.
    pub(super) fn is_pod(&self, other: &Pod) -> bool {
        self.pod().is_some_and(|pod| name_of(pod) == name_of(other))
    }

    /// Whether it is the node on which the pod runs.
    pub(super) fn is_node_of(&self, pod: &Pod) -> bool {
        match self.who {
            Who::Node(name) => node_of(pod) == Some(name),
            Who::Pod(_) | Who::Outside => false,
        }
    }
}

/// Both ends, with addresses of one family.
pub(super) fn ends<'a>(
    objects: &'a Objects,
    from: &Side,
    to: &Side,
) -> Result<(Party<'a>, Party<'a>), Unanswerable> {
    let (from_address, to_address) = common_family(
        &possible_addresses(objects, from)?,
        &possible_addresses(objects, to)?,
    )?;
    Ok((
        party(objects, from, from_address)?,
        party(objects, to, to_address)?,
    ))
}

fn common_family(
    from: &[IpAddr],
    to: &[IpAddr],
) -> Result<(Option<IpAddr>, Option<IpAddr>), Unanswerable> {
    if from.is_empty() || to.is_empty() {
        return Ok((from.first().copied(), to.first().copied()));
    }
    for to in to {
        if let Some(from) = from.iter().find(|from| from.is_ipv4() == to.is_ipv4()) {
            return Ok((Some(*from), Some(*to)));
        }
    }
    Err(Unanswerable::NoCommonFamily)
}

fn possible_addresses(objects: &Objects, side: &Side) -> Result<Vec<IpAddr>, Unanswerable> {
    let pod = match side {
        Side::Address(address) => return Ok(vec![*address]),
        Side::Pod(namespace, name) => find_pod(objects, namespace, name)?,
    };
    let addresses = pod_addresses(pod);
    if !addresses.is_empty() || !is_host_network(pod) {
        return Ok(addresses);
    }
    let node = objects
        .nodes
        .iter()
        .find(|node| node.metadata.name.as_deref() == node_of(pod));
    Ok(node.map(node_addresses).unwrap_or_default())
}

fn party<'a>(
    objects: &'a Objects,
    side: &Side,
    address: Option<IpAddr>,
) -> Result<Party<'a>, Unanswerable> {
    let by_address = || address.map_or(Who::Outside, |address| owner(objects, address));
    let who = match side {
        Side::Address(_) => by_address(),
        Side::Pod(namespace, name) => {
            let pod = find_pod(objects, namespace, name)?;
            if is_selectable(pod) {
                Who::Pod(pod)
            } else if is_host_network(pod) {
                node_of(pod).map_or_else(by_address, Who::Node)
            } else {
                // It has ended: its address may be another's by now.
                by_address()
            }
        }
    };
    Ok(Party { who, address })
}

pub(super) fn find_pod<'a>(
    objects: &'a Objects,
    namespace: &str,
    name: &str,
) -> Result<&'a Pod, Unanswerable> {
    let found = objects
        .pods
        .iter()
        .find(|pod| name_of(pod) == (namespace, name));
    found.ok_or_else(|| Unanswerable::NoSuchPod(namespace.to_owned(), name.to_owned()))
}

/// The pod that has an address and that policies can mean.
pub(super) fn pod_of(objects: &Objects, address: IpAddr) -> Option<&Pod> {
    let pods = objects.pods.iter();
    pods.filter(|pod| is_selectable(pod) && pod_addresses(pod).contains(&address))
        .min_by_key(|pod| name_of(pod))
}

fn owner(objects: &Objects, address: IpAddr) -> Who<'_> {
    if let Some(pod) = pod_of(objects, address) {
        return Who::Pod(pod);
    }
    objects
        .nodes
        .iter()
        .filter(|node| node_addresses(node).contains(&address))
        .filter_map(|node| node.metadata.name.as_deref())
        .min()
        .map_or(Who::Outside, Who::Node)
}
