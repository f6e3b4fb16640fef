//! What the attributes of links and addresses say.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage};

use super::{LinkKind, Why};

/// The other side of a link: its namespace's number and its index there.
pub(super) type FarEnd = (i32, u32);

/// The address of a message if it is one that identifies its holder. On a point-to-point link
/// `IFA_ADDRESS` is the peer's and `IFA_LOCAL` the own.
pub(super) fn address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
    .filter(|address| identifies(*address))
}

fn identifies(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

pub(crate) fn name(link: &LinkMessage) -> &str {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

pub(super) fn kind(link: &LinkMessage) -> LinkKind {
    let kind = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Kind(kind) => Some(kind),
                _ => None,
            }),
            _ => None,
        });
    match kind {
        None => LinkKind::Other("physical".to_owned()),
        Some(InfoKind::Veth) => LinkKind::Veth,
        Some(InfoKind::Netkit) => LinkKind::Netkit,
        Some(InfoKind::IpVlan | InfoKind::IpVtap) => LinkKind::Ipvlan,
        Some(InfoKind::MacVlan | InfoKind::MacVtap) => LinkKind::Macvlan,
        Some(InfoKind::Vlan) => LinkKind::Vlan,
        Some(other) => LinkKind::Other(other.to_string()),
    }
}

/// Other kinds have an `IFLA_LINK` too, which is a parent and no other side.
pub(super) fn is_pair(kind: &LinkKind) -> bool {
    matches!(kind, LinkKind::Veth | LinkKind::Netkit)
}

pub(super) fn far_end(link: &LinkMessage) -> Option<FarEnd> {
    let index = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Link(index) => Some(*index),
            _ => None,
        })?;
    Some((far_namespace(link)?, index))
}

/// The number of the namespace that the other side, the parent or the tunnel's underlay is in, when
/// that is not the link's own.
fn far_namespace(link: &LinkMessage) -> Option<i32> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkNetNsId(number) => Some(*number),
            _ => None,
        })
}

/// Why a link without a side on the node cannot be enforced.
pub(super) fn why(link: &LinkMessage, kind: &LinkKind) -> Why {
    let leads_out = far_namespace(link).is_some() || is_device(link);
    match kind {
        _ if !leads_out => Why::Inside,
        LinkKind::Ipvlan | LinkKind::Macvlan | LinkKind::Vlan => Why::SharesParent,
        _ => Why::NoHostSide,
    }
}

/// Whether it is a device and nothing that the kernel made up; only the latter have a kind.
fn is_device(link: &LinkMessage) -> bool {
    let made_up = link
        .attributes
        .iter()
        .any(|attribute| matches!(attribute, LinkAttribute::LinkInfo(_)));
    !made_up && link.header.link_layer_type != LinkLayerType::Loopback
}
