//! SCTP by raw packets: the kernel need not have it, but its table tracks it.

use std::net::IpAddr;
use std::time::Duration;

use enforcer_lab::{Pod, raw};
use serde_json::json;

use crate::common::frames::mark;
use crate::common::{LONG, SHORT};
use crate::talk::{SIDES, Side, opposite};
use crate::world::{isolate, tracked};

const SCTP: u8 = 132;
/// RFC 9260 §3.2.
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// What each side calls the association.
const TAGS: [u32; 2] = [0x1111_1111, 0x2222_2222];

/// An association: pod, address and port of both sides.
struct Association<'a>([(&'a Pod, IpAddr, u16); 2]);

impl Association<'_> {
    /// Sends a packet of one chunk; whether it arrives. Checksums are not looked at in the lab.
    fn sends(&self, side: Side, tag: u32, chunk: u8, patience: Duration) -> bool {
        let [opener, other] = self.0;
        let (from, to, own) = match side {
            Side::Opener => (opener, other, TAGS[0]),
            Side::Other => (other, opener, TAGS[1]),
        };
        // An INIT has the tag first; the rest is never looked at.
        let value = [&own.to_be_bytes(), [0; 12].as_slice(), &mark()].concat();
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut packet = [from.2, to.2].map(u16::to_be_bytes).concat();
        packet.extend(tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend([chunk, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend(value);
        raw::arrives((from.0, from.1), (to.0, to.1), SCTP, &packet, patience).unwrap()
    }

    fn open(&self) {
        for (side, tag, chunk) in [
            (Side::Opener, 0, INIT),
            (Side::Other, TAGS[0], INIT_ACK),
            (Side::Opener, TAGS[1], COOKIE_ECHO),
            (Side::Other, TAGS[0], COOKIE_ACK),
        ] {
            assert!(self.sends(side, tag, chunk, LONG), "chunk {chunk}");
        }
    }

    fn carries(&self, side: Side, patience: Duration) -> bool {
        let tag = match side {
            Side::Opener => TAGS[1],
            Side::Other => TAGS[0],
        };
        self.sends(side, tag, DATA, patience)
    }
}

fn isolation_keeps_one_direction(isolated: &str) {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let checksum = "net/netfilter/nf_conntrack_checksum";
    node.lab.node.sysctl(checksum, "0").unwrap();
    let mut by_db = Vec::new();
    let mut to_db = Vec::new();
    for (own, to) in db.addresses.iter().zip(&friend.addresses) {
        for (turn, side) in (0..).zip(SIDES) {
            let ports = [40_000 + turn, 40_010 + turn];
            let mine = Association([(&db, *own, ports[0]), (&friend, *to, ports[1])]);
            let theirs = Association([(&friend, *to, ports[0]), (&db, *own, ports[1])]);
            for association in [&mine, &theirs] {
                association.open();
            }
            by_db.push((side, mine));
            to_db.push((side, theirs));
        }
    }
    node.put(&isolate(isolated, &json!([])));
    node.settle();
    let (allowed, forbidden) = match isolated {
        "Ingress" => (by_db, to_db),
        _ => (to_db, by_db),
    };
    for (side, association) in allowed {
        assert!(association.carries(side, LONG), "{side:?} speaks first");
        assert!(
            association.carries(opposite(side), LONG),
            "{side:?} spoke first"
        );
    }
    for (side, association) in forbidden {
        assert!(!association.carries(side, SHORT), "{side:?} speaks first");
    }
}

#[test]
fn sctp_that_the_pod_opened_outlives_ingress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction("Ingress");
}

#[test]
fn sctp_that_was_opened_to_the_pod_outlives_egress_isolation_and_nothing_else_does() {
    isolation_keeps_one_direction("Egress");
}
