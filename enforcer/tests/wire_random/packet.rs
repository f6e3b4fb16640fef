//! Packets that are made here and not by the kernel.

use crate::probe::Probe;
use crate::serve::token;

/// The kernel fills in identifier and checksum.
pub(crate) fn echo_request(probe: &Probe) -> Vec<u8> {
    let request = if probe.to.is_ipv6() { 128 } else { 8 };
    [&[request, 0, 0, 0, 0, 0, 0, 1], &token(probe.id)[..]].concat()
}

/// As good as new for each question: the kernel's own clients choose among these too.
pub(crate) fn sctp_client(id: u64) -> u16 {
    u16::try_from(32_768 + id % 28_000).unwrap()
}

/// The common header of SCTP and a chunk INIT, the last bytes of which are the token.
pub(crate) fn init(id: u64, port: u16) -> Vec<u8> {
    let client = sctp_client(id).to_be_bytes();
    let ports = [client, port.to_be_bytes()].concat();
    let rest = [0; 8];
    let chunk = [1, 0, 0, 20, 1, 2, 3, 4, 0, 0, 0x10, 0];
    let mut packet = [&ports[..], &rest, &chunk, &token(id)].concat();
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    packet
}

pub(crate) fn gre(id: u64) -> Vec<u8> {
    // A header without options that carries IPv4, which nobody unpacks.
    [&[0, 0, 8, 0], &token(id)[..]].concat()
}

/// The checksum of SCTP (RFC 9260, appendix A): the rules of a proxy drop packets without it.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 * (sum & 1))
        })
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn the_checksum_is_that_of_the_books() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}
