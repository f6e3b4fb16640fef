//! The chains of nftables, which hold those of iptables on all but old nodes, too.
//!
//! Asked of the kernel itself (`linux/netfilter/nf_tables.h`): an image from scratch has no `nft`, and
//! a node may have another version. Chains of the old `iptables-legacy` are not seen.

use std::collections::BTreeSet;
use std::io;

use netlink_packet_core::{
    DefaultNla, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable, Nla as _, NlasIterator, Parseable as _,
};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;

/// `NFT_MSG_GETCHAIN` of the subsystem `NFNL_SUBSYS_NFTABLES`, which is in the high byte.
const GET_CHAIN: u16 = 0x0a04;
/// `NFT_MSG_NEWCHAIN`: a chain.
const CHAIN: u16 = 0x0a03;
/// `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
const TABLE: u16 = 1;
const NAME: u16 = 3;
/// A `struct nfgenmsg` comes before the attributes. All zeros: every family.
const HEADER: usize = 4;
/// The kernel fills at most this much at a time, if the reader offers as much.
const DATAGRAM: usize = 32 * 1024;

/// Why the chains cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChainsError {
    /// No socket for it, or it broke.
    #[error("netlink socket to netfilter: {0}")]
    Socket(#[from] io::Error),
    /// The kernel's answer is an error.
    #[error("the kernel refused the list of nftables chains: {0}")]
    Refused(#[source] io::Error),
    /// The kernel's answer cannot be understood.
    #[error("cannot read the list of nftables chains: {0}")]
    Decode(#[from] netlink_packet_core::DecodeError),
}

/// Table and name of every chain of the calling thread's network namespace; none where the kernel has no
/// nftables.
pub fn chains() -> Result<BTreeSet<(String, String)>, ChainsError> {
    let mut found = BTreeSet::new();
    let mut socket = match Socket::new(NETLINK_NETFILTER) {
        Err(error) if knows_none(&error) => return Ok(found),
        other => other?,
    };
    socket.bind_auto()?;
    socket.send(&question(), 0)?;
    let mut datagram = Vec::with_capacity(DATAGRAM);
    loop {
        datagram.clear();
        socket.recv(&mut datagram, 0)?;
        match take(&datagram, &mut found) {
            Ok(false) => {}
            Ok(true) => return Ok(found),
            Err(ChainsError::Refused(error)) if knows_none(&error) => return Ok(found),
            Err(error) => return Err(error),
        }
    }
}

/// What a kernel says that has no netfilter, or no nftables.
fn knows_none(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(
        number,
        Some(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT)
    )
}

fn question() -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(Question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

struct Question;

impl NetlinkSerializable for Question {
    fn message_type(&self) -> u16 {
        GET_CHAIN
    }
    fn buffer_len(&self) -> usize {
        HEADER
    }
    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// The messages of one datagram; whether the list is complete.
fn take(mut bytes: &[u8], found: &mut BTreeSet<(String, String)>) -> Result<bool, ChainsError> {
    while !bytes.is_empty() {
        let message = NetlinkBuffer::new_checked(&bytes)?;
        match message.message_type() {
            NLMSG_DONE | NLMSG_ERROR => return finish(message.payload()),
            CHAIN => found.extend(chain(message.payload())?),
            _ => {}
        }
        let length = (message.length() as usize).next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(false)
}

/// Both ends of a list begin with an error number, 0 for success.
fn finish(payload: &[u8]) -> Result<bool, ChainsError> {
    let code = payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code < 0 {
        return Err(ChainsError::Refused(io::Error::from_raw_os_error(-code)));
    }
    Ok(true)
}

fn chain(payload: &[u8]) -> Result<Option<(String, String)>, ChainsError> {
    let (mut table, mut name) = (None, None);
    for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = DefaultNla::parse(&attribute?)?;
        match attribute.kind() {
            TABLE => table = Some(text(&attribute)),
            NAME => name = Some(text(&attribute)),
            _ => {}
        }
    }
    Ok(table.zip(name))
}

/// A text that ends with a zero byte.
fn text(attribute: &DefaultNla) -> String {
    let mut bytes = vec![0; attribute.value_len()];
    attribute.emit_value(&mut bytes);
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    String::from_utf8_lossy(&bytes).into_owned()
}
