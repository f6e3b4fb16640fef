//! Frames, byte by byte.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use enforcer_lab::{Lab, Pod, Wire};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const ARP: u16 = 0x0806;

/// A pod's link from inside, and the MAC address at its other end.
pub(crate) struct Link {
    pub(crate) wire: Wire,
    pub(crate) far: [u8; 6],
}

impl Link {
    pub(crate) fn open(lab: &Lab, pod: &Pod) -> Self {
        Self {
            wire: Wire::open(pod, "eth0").unwrap(),
            far: Wire::open(&lab.node, &pod.host_link).unwrap().mac,
        }
    }

    /// Sends to a MAC address; the node's side takes what is for itself.
    pub(crate) fn send_to(&self, to: [u8; 6], ethertype: u16, payload: &[u8]) {
        let head = [to.as_slice(), &self.wire.mac, &ethertype.to_be_bytes()].concat();
        self.wire.send(&[&head, payload].concat()).unwrap();
    }

    pub(crate) fn send(&self, ethertype: u16, payload: &[u8]) {
        self.send_to(self.far, ethertype, payload);
    }

    /// Whether a frame with this mark comes within the time.
    pub(crate) fn sees(&self, mark: [u8; 8], patience: Duration) -> bool {
        let is_it = |frame: &[u8]| frame.windows(8).any(|window| window == mark);
        self.wire.receive(patience, is_it).unwrap().is_some()
    }
}

/// Bytes like no others.
pub(crate) fn mark() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(0x656e_666f_7263_6572);
    NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

/// The bytes of an address.
pub(crate) fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn length(payload: &[u8]) -> u16 {
    payload.len().try_into().unwrap()
}

/// A packet of either family; gives its ethertype too. In IPv6 `protocol` is the next header.
pub(crate) fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> (u16, Vec<u8>) {
    let (from_bytes, to_bytes) = (bytes(from), bytes(to));
    if from.is_ipv6() {
        let [high, low] = length(payload).to_be_bytes();
        let head = [0x60, 0, 0, 0, high, low, protocol, 64];
        return (IPV6, [&head, &*from_bytes, &to_bytes, payload].concat());
    }
    let [high, low] = (20 + length(payload)).to_be_bytes();
    let head = [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0];
    let mut packet = [&head, &*from_bytes, &to_bytes].concat();
    let sum = checksum(&packet).to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
    packet.extend(payload);
    (IPV4, packet)
}

/// A datagram; without a checksum, which only the receiving socket would miss.
pub(crate) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let head = [from, to, 8 + length(payload), 0].map(u16::to_be_bytes);
    [head.as_flattened(), payload].concat()
}

/// An ARP announcement of an IPv4 address.
pub(crate) fn arp(mac: [u8; 6], sender: IpAddr, target: IpAddr, mark: [u8; 8]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    [
        &head,
        &mac[..],
        &bytes(sender),
        &[0; 6],
        &bytes(target),
        &mark,
    ]
    .concat()
}

/// The checksum of the IPv4 header (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}
