use proptest::prelude::*;

use super::*;

/// An attribute with its padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    attribute(kind | NESTED, &attributes.concat())
}

/// The addresses and the transport of a direction.
fn direction(kind: u16, ends: [&str; 2], transport: &[Vec<u8>]) -> Vec<u8> {
    let [source, destination] = ends.map(|end| end.parse::<IpAddr>().unwrap());
    let address = |v4, v6, address| match address {
        IpAddr::V4(address) => attribute(v4, &address.octets()),
        IpAddr::V6(address) => attribute(v6, &address.octets()),
    };
    let addresses = [
        address(ip::V4_SRC, ip::V6_SRC, source),
        address(ip::V4_DST, ip::V6_DST, destination),
    ];
    nested(
        kind,
        &[
            nested(tuple::IP, &addresses),
            nested(tuple::PROTO, transport),
        ],
    )
}

fn transport(protocol: u8, source: u16, destination: u16) -> [Vec<u8>; 3] {
    [
        attribute(proto::NUM, &[protocol]),
        attribute(proto::SRC_PORT, &source.to_be_bytes()),
        attribute(proto::DST_PORT, &destination.to_be_bytes()),
    ]
}

fn echo(protocol: u8, identifier: u16, message: u8) -> [Vec<u8>; 3] {
    let (id, kind) = match protocol {
        number::ICMP => (proto::ICMP_ID, proto::ICMP_TYPE),
        _ => (proto::ICMPV6_ID, proto::ICMPV6_TYPE),
    };
    [
        attribute(proto::NUM, &[protocol]),
        attribute(id, &identifier.to_be_bytes()),
        attribute(kind, &[message]),
    ]
}

fn message(attributes: &[Vec<u8>]) -> Vec<u8> {
    [&[2, 0, 0, 0], attributes.concat().as_slice()].concat()
}

/// A connection from 10.0.0.1 to 10.0.0.2, with more attributes.
fn tcp(more: &[Vec<u8>]) -> Vec<u8> {
    let mut attributes = vec![
        direction(
            cta::TUPLE_ORIG,
            ["10.0.0.1", "10.0.0.2"],
            &transport(6, 5000, 80),
        ),
        direction(
            cta::TUPLE_REPLY,
            ["10.0.0.2", "10.0.0.1"],
            &transport(6, 80, 5000),
        ),
    ];
    attributes.extend_from_slice(more);
    message(&attributes)
}

fn tcp_info(state: u8, flags: [u8; 2]) -> Vec<u8> {
    let info = [
        attribute(protoinfo::STATE, &[state]),
        attribute(protoinfo::TCP_FLAGS_ORIGINAL, &[flags[0], 0xff]),
        attribute(protoinfo::TCP_FLAGS_REPLY, &[flags[1], 0xff]),
    ];
    nested(cta::PROTOINFO, &[nested(protoinfo::TCP, &info)])
}

fn sctp_info(state: u8) -> Vec<u8> {
    let info = [attribute(protoinfo::STATE, &[state])];
    nested(cta::PROTOINFO, &[nested(protoinfo::SCTP, &info)])
}

fn state_of(more: Vec<u8>) -> State {
    entry(&tcp(&[more])).unwrap().state
}

#[test]
fn both_directions_keep_what_translation_made_of_them() {
    let bytes = message(&[
        direction(
            cta::TUPLE_ORIG,
            ["10.0.0.1", "10.96.0.10"],
            &transport(6, 5000, 80),
        ),
        direction(
            cta::TUPLE_REPLY,
            ["10.0.0.2", "192.0.2.1"],
            &transport(6, 8080, 6000),
        ),
        tcp_info(3, [3, 3]),
    ]);
    let entry = entry(&bytes).unwrap();
    let tuple = |source: &str, destination: &str, ports| Tuple {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        ports,
    };
    let expected = Entry {
        protocol: 6,
        original: tuple("10.0.0.1", "10.96.0.10", Ports::Pair(5000, 80)),
        reply: tuple("10.0.0.2", "192.0.2.1", Ports::Pair(8080, 6000)),
        state: State::Open,
    };
    assert_eq!(entry, expected);
}

#[test]
fn an_echo_has_its_identifier_and_other_messages_are_no_connections() {
    for (protocol, request, answer, other, ends) in [
        (number::ICMP, 8, 0, 13, ["10.0.0.1", "10.0.0.2"]),
        (number::ICMPV6, 128, 129, 139, ["fd00::1", "fd00::2"]),
    ] {
        let [from, to] = ends;
        let of = |request, answer| {
            entry(&message(&[
                direction(cta::TUPLE_ORIG, [from, to], &echo(protocol, 77, request)),
                direction(cta::TUPLE_REPLY, [to, from], &echo(protocol, 77, answer)),
            ]))
        };
        let found = of(request, answer).unwrap();
        assert_eq!(found.original.ports, Ports::Echo(77));
        assert_eq!(found.reply.source, to.parse::<IpAddr>().unwrap());
        assert_eq!(of(other, other + 1), None);
    }
}

#[test]
fn a_protocol_without_ports_needs_none_and_one_with_ports_needs_both() {
    let of = |transport: &[Vec<u8>]| {
        entry(&message(&[
            direction(cta::TUPLE_ORIG, ["10.0.0.1", "10.0.0.2"], transport),
            direction(cta::TUPLE_REPLY, ["10.0.0.2", "10.0.0.1"], transport),
        ]))
    };
    let esp = of(&[attribute(proto::NUM, &[50])]).unwrap();
    assert_eq!((esp.protocol, esp.original.ports), (50, Ports::None));
    assert_eq!(of(&[attribute(proto::NUM, &[6])]), None);
    assert_eq!(of(&transport(17, 1, 2)[..2]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn the_state_tells_what_is_closing() {
    let tcp = (0..=10)
        .filter(|state| state_of(tcp_info(*state, [0, 0])) == State::Closing)
        .collect::<Vec<_>>();
    assert_eq!(tcp, [4, 5, 6, 7, 8]);
    let sctp = (0..=10)
        .filter(|state| state_of(sctp_info(*state)) == State::Closing)
        .collect::<Vec<_>>();
    assert_eq!(sctp, [1, 5, 6, 7]);
}

#[test]
fn a_connection_that_was_met_in_its_middle_is_marked_so() {
    assert_eq!(state_of(tcp_info(3, [0xa, 0xa])), State::PickedUp);
    assert_eq!(state_of(tcp_info(3, [0xb, 0x3])), State::Open);
    assert_eq!(state_of(sctp_info(8)), State::PickedUp);
}

#[test]
fn zones_are_other_tables() {
    assert!(entry(&tcp(&[])).is_some());
    assert_eq!(entry(&tcp(&[attribute(cta::ZONE, &[0, 7])])), None);
    let zoned = nested(
        cta::TUPLE_ORIG,
        &[attribute(tuple::ZONE, &7_u16.to_be_bytes())],
    );
    assert_eq!(entry(&tcp(&[zoned])), None);
}

#[test]
fn an_entry_that_is_cut_off_anywhere_is_none_or_whole() {
    let whole = tcp(&[]);
    for length in 0..whole.len() {
        assert_eq!(entry(&whole[..length]), None, "{length} bytes");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        entry(&bytes);
    }

    #[test]
    fn no_changed_byte_is_too_strange(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = tcp(&[tcp_info(3, [0, 0])]);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        entry(&bytes);
    }
}
