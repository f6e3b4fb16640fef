//! The value of a term, as it is read.

use std::net::IpAddr;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_policy::api::DEFAULT_NAMESPACE;
use ipnet::IpNet;

use super::glob::Glob;
use super::test::{Named, Test, reason};
use super::{TermError, What};
use crate::record::{Kind, Protocol, Verdict, direction_name};

pub(super) fn read(what: What, value: &str) -> Result<Test, TermError> {
    if what == What::Label {
        let selector = value.parse().map_err(|source| TermError::Selector {
            value: value.to_owned(),
            source,
        })?;
        return Ok(Test::Label(selector));
    }
    plain(what, value).ok_or_else(|| TermError::Value {
        what,
        value: value.to_owned(),
        wanted: wanted(what),
    })
}

fn plain(what: What, value: &str) -> Option<Test> {
    let default = || Glob::parse(DEFAULT_NAMESPACE);
    Some(match what {
        What::Namespace => Test::Namespace(Glob::parse(value)?),
        What::Node => Test::Node(Glob::parse(value)?),
        What::Pod => Test::Pod(named(value, default()?)?),
        What::Service => Test::Service(named(value, default()?)?),
        What::Policy => Test::Policy(named(value, default()?)?),
        What::Workload => Test::Workload(named(value, Glob::any())?),
        What::Ip => Test::Ip(net(value)?),
        What::Port => ports(value)?,
        What::Identity => Test::Identity(value.parse().ok()?),
        What::Protocol => Test::Protocol(Protocol::parse(value)?),
        What::Verdict => Test::Verdict(verdict(value)?),
        What::Kind => Test::Kind(find(Kind::ALL, Kind::name, value)?),
        What::Reason => Test::Reason(reason(value)?),
        What::Direction => Test::Direction(find(Direction::ALL, direction_name, value)? as u8),
        What::Label => return None,
    })
}

fn find<T: Copy, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    text: &str,
) -> Option<T> {
    let mut all = all.into_iter();
    all.find(|one| name(*one).eq_ignore_ascii_case(text))
}

fn named(text: &str, within: Glob) -> Option<Named> {
    Some(match text.split_once('/') {
        // `namespace/` is all of it.
        Some((within, name)) => Named {
            within: Glob::parse(within)?,
            name: if name.is_empty() {
                Glob::any()
            } else {
                Glob::parse(name)?
            },
        },
        None => Named {
            within,
            name: Glob::parse(text)?,
        },
    })
}

fn net(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    let net = text.parse::<IpNet>().ok()?.trunc();
    let is_address = net.prefix_len() == net.max_prefix_len();
    Some(if is_address {
        IpNet::from(net.addr().to_canonical())
    } else {
        net
    })
}

fn ports(text: &str) -> Option<Test> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some(Test::Port(low, high))
}

fn verdict(text: &str) -> Option<Verdict> {
    match text.to_ascii_lowercase().as_str() {
        "deny" | "dropped" => Some(Verdict::Denied),
        "allow" => Some(Verdict::Allowed),
        name => find(Verdict::ALL, Verdict::name, name),
    }
}

fn wanted(what: What) -> String {
    let text = match what {
        What::Namespace | What::Node => "a name, with * for any characters and ? for any one",
        What::Pod | What::Service | What::Policy => {
            "NAMESPACE/NAME, or NAME for one in the namespace default; * is any characters, ? any one"
        }
        What::Workload => {
            "KIND/NAME or NAME, such as Deployment/api; * is any characters, ? any one"
        }
        What::Label => "a label selector, such as app=db,tier!=a",
        What::Ip => "an address or a CIDR, such as 10.0.0.1, 10.0.0.0/8 or fd00::/8",
        What::Port => "a number from 0 to 65535, or two with a dash, such as 8000-8100",
        What::Identity => "a number, as --output wide shows it",
        What::Protocol => "TCP, UDP, SCTP, ICMP, ICMPv6, ARP, or the number of an IP protocol",
        What::Verdict => "allowed, denied or audit",
        What::Kind => "opened, denied, audited or closed",
        What::Direction => "ingress or egress",
        What::Reason => return format!("one of {}", reasons()),
    };
    text.to_owned()
}

fn reasons() -> String {
    let names: Vec<&str> = Reason::ALL.iter().map(|one| one.name()).collect();
    names.join(", ")
}
