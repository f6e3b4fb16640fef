//! What is told about a packet.

use crate::abi::{Direction, Event, EventKind};
use crate::packet::Packet;
use crate::parse::{NETWORK, number};
use crate::reason::Reason;

/// What an event tells beyond what stands in the packet.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// See [`Event::kind`].
    pub kind: EventKind,
    /// See [`Event::reason`].
    pub reason: Reason,
    /// See [`Event::hook`].
    pub hook: Direction,
    /// See [`Event::direction`].
    pub direction: Direction,
    /// See [`Event::protocol`].
    pub protocol: u8,
    /// Source port in the high half, destination port in the low half.
    pub ports: u32,
    /// See [`Event::ifindex`].
    pub ifindex: u32,
    /// See [`Event::endpoint`].
    pub endpoint: u32,
    /// See [`Event::identity`].
    pub identity: u32,
    /// See [`Event::set`].
    pub set: u32,
}

impl Report {
    /// Fills in the event, every field of it. In place, because the stack that BPF programs have is
    /// smaller than a copy is worth. Addresses are read from the packet again, so that nothing is
    /// kept for a report that is not made.
    #[inline(always)]
    pub fn fill(&self, packet: &impl Packet, event: &mut Event) {
        event.ifindex = self.ifindex;
        event.endpoint = self.endpoint;
        event.source_port = (self.ports >> 16) as u16;
        event.destination_port = self.ports as u16;
        event.identity = self.identity;
        event.set = self.set;
        event.length = packet.length();
        event.ethertype = packet.head_u16(12).unwrap_or(0);
        event.protocol = self.protocol;
        event.kind = self.kind as u8;
        event.reason = self.reason as u8;
        event.hook = self.hook as u8;
        event.direction = self.direction as u8;
        event.reserved = 0;
        event.source = [0; 4];
        event.destination = [0; 4];
        if event.ethertype == number::IPV4 {
            let [source, destination] = packet.head_words(NETWORK + 12).unwrap_or([0; 2]);
            event.source[0] = source;
            event.destination[0] = destination;
        } else if event.ethertype == number::IPV6 {
            for word in 0..4 {
                let at = NETWORK + 8 + 4 * word;
                event.source[word] = packet.head_words(at).map_or(0, |[word]| word);
                event.destination[word] = packet.head_words(at + 16).map_or(0, |[word]| word);
            }
        }
    }
}
