//! Single connections of the table: asking for one, and removing one.

use netlink_packet_core::{NLMSG_ERROR, NetlinkBuffer};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;

use super::dump::{DumpError, NEW, code};
use super::{Answers, Entry, parse, question};

/// Room for the kernel's answer about one connection.
const ANSWER: usize = 4 * 1024;

/// The table of the network namespace of the thread that opened it.
pub struct Table {
    socket: Socket,
    answer: Vec<u8>,
}

impl Table {
    /// Opens it.
    pub fn open() -> Result<Self, DumpError> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // The kernel has answered when sending is over. An answer for which it had no memory is
        // not waited for.
        socket.set_non_blocking(true)?;
        Ok(Self {
            socket,
            answer: Vec::with_capacity(ANSWER),
        })
    }

    /// The connection with these answers.
    pub fn find(&mut self, answers: &Answers) -> Result<Option<Entry>, DumpError> {
        self.ask(&question::find(answers), |message| match message {
            Ok(bytes) => Ok(parse::entry(bytes)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Removes it, and says whether it was there. Its next packet, from either side, is one of a
    /// connection that nobody knows.
    pub fn remove(&mut self, answers: &Answers) -> Result<bool, DumpError> {
        self.ask(&question::remove(answers), |message| match message {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn ask<T>(
        &mut self,
        question: &[u8],
        read: impl FnOnce(Result<&[u8], Errno>) -> Result<T, Errno>,
    ) -> Result<T, DumpError> {
        self.forget_earlier();
        self.socket.send(question, 0)?;
        self.answer.clear();
        self.socket.recv(&mut self.answer, 0)?;
        let message = NetlinkBuffer::new_checked(&self.answer)?;
        let outcome = match message.message_type() {
            NEW => Ok(message.payload()),
            NLMSG_ERROR => match code(message.payload()) {
                0 => Ok(message.payload()),
                code => Err(Errno::from_raw(-code)),
            },
            _ => Err(Errno::EPROTO),
        };
        read(outcome).map_err(DumpError::Refused)
    }

    /// What came after an error is no answer to the next question.
    fn forget_earlier(&mut self) {
        self.answer.clear();
        while self.socket.recv(&mut self.answer, 0).is_ok() {
            self.answer.clear();
        }
    }
}
