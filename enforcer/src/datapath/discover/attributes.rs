//! What the attributes of links and addresses say.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};

use super::LinkKind;

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

pub(super) fn name(link: &LinkMessage) -> &str {
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
        Some(other) => LinkKind::Other(other.to_string()),
    }
}

/// Other kinds have an `IFLA_LINK` too, which is a parent and no other side.
pub(super) fn is_pair(kind: &LinkKind) -> bool {
    matches!(kind, LinkKind::Veth | LinkKind::Netkit)
}

pub(super) fn far_end(link: &LinkMessage) -> Option<FarEnd> {
    let attributes = &link.attributes;
    let index = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    })?;
    let number = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkNetNsId(number) => Some(*number),
        _ => None,
    })?;
    Some((number, index))
}
