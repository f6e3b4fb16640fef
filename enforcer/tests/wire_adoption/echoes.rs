//! ICMP and `ICMPv6` echoes.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::{LabError, Namespace, raw};
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

use crate::common::frames::mark;
use crate::common::{LONG, SHORT};
use crate::world::{isolate, tracked};

/// Sends an echo request with an identifier.
fn ask(from: &Namespace, own: IpAddr, to: IpAddr, identifier: u16) {
    let (domain, protocol, request) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128),
    };
    from.run(|| {
        let socket = |source| LabError::Socket {
            what: "send an echo request".to_owned(),
            source,
        };
        let pinger = Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(socket)?;
        pinger
            .bind(&SocketAddr::new(own, identifier).into())
            .map_err(socket)?;
        let target = SocketAddr::new(to, 0).into();
        let request = [request, 0, 0, 0, 0, 0, 0, 1];
        pinger.send_to(&request, &target).map_err(socket)?;
        Ok(())
    })
    .unwrap();
}

/// An echo reply with an identifier, with a checksum (RFC 1071) where the kernel adds none.
fn reply(to: IpAddr, identifier: u16) -> Vec<u8> {
    let kind = if to.is_ipv4() { 0 } else { 129 };
    let [high, low] = identifier.to_be_bytes();
    let mut bytes = [&[kind, 0, 0, 0, high, low, 0, 1], mark().as_slice()].concat();
    let words = bytes.chunks_exact(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn a_reply_in_flight_reaches_the_pod_that_asked_and_no_other_reply_does() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    // The replies are the test's.
    friend.sysctl("net/ipv4/icmp_echo_ignore_all", "1").unwrap();
    friend.sysctl("net/ipv6/icmp/echo_ignore_all", "1").unwrap();
    let ends: Vec<_> = db.addresses.iter().zip(&friend.addresses).collect();
    for (own, to) in &ends {
        ask(&db, **own, **to, 77);
    }
    node.put(&isolate("Ingress", &json!([])));
    node.settle();
    for (own, from) in ends {
        let protocol = if own.is_ipv4() { 1 } else { 58 };
        let arrives = |identifier, patience| {
            let payload = reply(*own, identifier);
            raw::arrives((&friend, *from), (&db, *own), protocol, &payload, patience).unwrap()
        };
        assert!(arrives(77, LONG), "the reply to {own}");
        assert!(!arrives(78, SHORT), "a reply that {own} did not ask for");
    }
}
