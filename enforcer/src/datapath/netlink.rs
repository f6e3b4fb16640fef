//! Questions to rtnetlink, asked and answered at once.
//!
//! The kernel answers within the system call that asks, so a blocking socket never waits long. The
//! socket belongs to the namespace in which it was opened.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

/// How often a dump is begun again because the list changed while it was read.
const DUMP_ATTEMPTS: usize = 16;

/// What can go wrong with a question.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket does not work.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
    /// The kernel's answer is an error.
    #[error("the kernel refused {what}: {errno}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Why.
        errno: Errno,
    },
    /// The kernel's answer cannot be understood.
    #[error("cannot read the kernel's answer to {what}: {source}")]
    Decode {
        /// What was asked.
        what: &'static str,
        /// Why.
        source: DecodeError,
    },
    /// The list kept changing while it was read.
    #[error("{what} kept changing while it was read; will be read again")]
    Unstable {
        /// What was asked.
        what: &'static str,
    },
}

impl NetlinkError {
    /// The kernel's error number, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// A socket to rtnetlink.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Opens one in the namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        Ok(Self { socket })
    }

    /// All links.
    pub fn links(&self) -> Result<Vec<LinkMessage>, NetlinkError> {
        let answers = self.dump(
            "the list of links",
            &Message::GetLink(LinkMessage::default()),
        )?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                Message::NewLink(link) => Some(link),
                _ => None,
            })
            .collect())
    }

    /// All addresses of both families.
    pub fn addresses(&self) -> Result<Vec<AddressMessage>, NetlinkError> {
        let question = Message::GetAddress(AddressMessage::default());
        let answers = self.dump("the list of addresses", &question)?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                Message::NewAddress(address) => Some(address),
                _ => None,
            })
            .collect())
    }

    /// The number by which this socket's namespace knows another one, given on the spot if it had
    /// none. Only namespaces with a number are heard by a socket that listens to all.
    pub fn namespace_number(&self, namespace: impl AsFd) -> Result<i32, NetlinkError> {
        if let Some(number) = self.known_number(&namespace)? {
            return Ok(number);
        }
        let question = Message::NewNsId(about(&namespace, Some(NsidAttribute::Id(-1))));
        match self.ask("a number for a namespace", &question, NLM_F_ACK) {
            Err(error) if error.errno() != Some(Errno::EEXIST) => return Err(error),
            _ => {}
        }
        self.known_number(&namespace)?
            .ok_or(NetlinkError::Unstable {
                what: "the number of a namespace",
            })
    }

    fn known_number(&self, namespace: &impl AsFd) -> Result<Option<i32>, NetlinkError> {
        let question = Message::GetNsId(about(namespace, None));
        let answers = self.ask("the number of a namespace", &question, 0)?;
        Ok(answers.into_iter().find_map(|answer| match answer {
            Message::NewNsId(message) => message.attributes.into_iter().find_map(|a| match a {
                NsidAttribute::Id(number) if number >= 0 => Some(number),
                _ => None,
            }),
            _ => None,
        }))
    }

    /// Asks for a list; begins again when it changed meanwhile.
    pub fn dump(
        &self,
        what: &'static str,
        question: &Message,
    ) -> Result<Vec<Message>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            match self.ask(what, question, NLM_F_DUMP) {
                Err(NetlinkError::Unstable { .. }) => {}
                answer => return answer,
            }
        }
        Err(NetlinkError::Unstable { what })
    }

    /// Asks, with [`NLM_F_DUMP`], [`NLM_F_ACK`] or no flag, and reads until the answer is complete.
    pub fn ask(
        &self,
        what: &'static str,
        question: &Message,
        flags: u16,
    ) -> Result<Vec<Message>, NetlinkError> {
        self.send(question, NLM_F_REQUEST | flags)?;
        let mut answer = Answer::new(what, flags == 0);
        while !answer.complete {
            let (datagram, _) = self.socket.recv_from_full()?;
            answer.take(&datagram)?;
        }
        answer.finish()
    }

    fn send(&self, question: &Message, flags: u16) -> Result<(), NetlinkError> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut message =
            NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }
}

/// The attributes that name a namespace in a question. The descriptor outlives the question.
fn about(namespace: &impl AsFd, more: Option<NsidAttribute>) -> NsidMessage {
    let descriptor = namespace.as_fd().as_raw_fd().cast_unsigned();
    let mut message = NsidMessage::default();
    message.attributes = vec![NsidAttribute::Fd(descriptor)];
    message.attributes.extend(more);
    message
}

/// An answer while it is being read.
struct Answer {
    what: &'static str,
    /// The answer is one message without an end mark.
    single: bool,
    complete: bool,
    changed: bool,
    refused: Option<Errno>,
    messages: Vec<Message>,
}

impl Answer {
    fn new(what: &'static str, single: bool) -> Self {
        Self {
            what,
            single,
            complete: false,
            changed: false,
            refused: None,
            messages: Vec::new(),
        }
    }

    /// Takes one datagram of the answer, which holds one or more messages.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), NetlinkError> {
        let what = self.what;
        let undecodable = |source| NetlinkError::Decode { what, source };
        while !bytes.is_empty() {
            let buffer = NetlinkBuffer::new_checked(&bytes).map_err(undecodable)?;
            let length = (buffer.length() as usize).next_multiple_of(4);
            match NetlinkMessage::<Message>::deserialize(bytes) {
                Ok(message) => self.take_message(message),
                // One entry of a newer kernel that cannot be read must not hide all the others.
                Err(error) if !self.single => {
                    tracing::warn!(%error, list = what, "skipped an entry that cannot be read");
                }
                Err(error) => return Err(undecodable(error)),
            }
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn take_message(&mut self, message: NetlinkMessage<Message>) {
        self.changed |= message.header.flags & NLM_F_DUMP_INTR != 0;
        match message.payload {
            NetlinkPayload::Done(done) => {
                self.complete = true;
                self.refused = errno(done.code);
            }
            NetlinkPayload::Error(error) => {
                self.complete = true;
                self.refused = error.code.and_then(|code| errno(code.get()));
            }
            NetlinkPayload::InnerMessage(inner) => {
                self.complete |= self.single;
                self.messages.push(inner);
            }
            _ => {}
        }
    }

    fn finish(self) -> Result<Vec<Message>, NetlinkError> {
        let what = self.what;
        match self.refused {
            Some(errno) => Err(NetlinkError::Refused { what, errno }),
            None if self.changed => Err(NetlinkError::Unstable { what }),
            None => Ok(self.messages),
        }
    }
}

/// The kernel sends errors as negative numbers and 0 for success.
fn errno(code: i32) -> Option<Errno> {
    (code < 0).then(|| Errno::from_raw(-code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_loopback_link() {
        let links = Netlink::open().unwrap().links().unwrap();
        assert!(links.iter().any(|link| link.header.index == 1), "{links:?}");
    }

    #[test]
    fn a_refusal_carries_the_kernels_error_number() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let error = Netlink::open().unwrap().known_number(&file).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    }
}
