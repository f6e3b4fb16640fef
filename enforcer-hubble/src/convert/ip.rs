//! Addresses.

use std::net::IpAddr;

use enforcer_flows::Record;

use crate::proto::flow;

/// The addresses; `None` for frames without.
pub(crate) fn ip(record: &Record) -> Option<flow::Ip> {
    let version = version(record);
    let text = |address: Option<IpAddr>| address.map(|one| one.to_string()).unwrap_or_default();
    (version != flow::IpVersion::IpNotUsed).then(|| flow::Ip {
        source: text(record.source.address),
        destination: text(record.destination.address),
        ip_version: version.into(),
    })
}

/// The version of IP.
pub(crate) fn version(record: &Record) -> flow::IpVersion {
    match record.source.address.or(record.destination.address) {
        Some(IpAddr::V4(_)) => flow::IpVersion::IPv4,
        Some(IpAddr::V6(_)) => flow::IpVersion::IPv6,
        None => flow::IpVersion::IpNotUsed,
    }
}
