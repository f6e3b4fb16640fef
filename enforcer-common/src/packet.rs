//! Reading a packet, wherever its bytes are.

use core::cell::Cell;

use bytemuck::Pod;

/// A packet at a tc hook, Ethernet header first.
///
/// The `head_*` methods are for offsets that are constants once inlined, within the first
/// [`HEAD`] bytes: in the kernel they become direct loads. The others take any offset and may cost
/// a helper call. All of them answer `None` beyond the end of the packet.
pub trait Packet {
    /// Length in bytes, Ethernet header included.
    fn length(&self) -> u32;
    /// The host-side link on whose hook the packet is.
    fn ifindex(&self) -> u32;
    /// The link through which the packet came to this host, 0 when the host made it.
    fn ingress_ifindex(&self) -> u32;
    /// Whether it carries a VLAN tag that is not among its bytes (offloaded).
    fn vlan_tagged(&self) -> bool;
    /// Whether it stands for several packets on the wire (GSO): its length fields may be 0.
    fn segmented(&self) -> bool;
    /// Whether a `from_pod` of this node left its sender's policy to be decided on the way. Never so
    /// of what the host made, whose packets may carry the same mark for other reasons.
    fn deferred(&self) -> bool;
    /// Of a deferred packet: the sender's [`crate::abi::Endpoint::tag`], 0 when it was lost.
    fn sender(&self) -> u32;
    /// Leaves the sender's policy to be decided on the way.
    fn defer(&self, sender: u32);
    /// Takes back [`Packet::defer`]: decided.
    fn settle(&self);

    /// The byte at a constant offset.
    fn head_u8(&self, offset: usize) -> Option<u8>;
    /// The big-endian 16-bit number at a constant offset.
    fn head_u16(&self, offset: usize) -> Option<u16>;
    /// The 32-bit words at a constant offset, bytes in the order of the wire.
    fn head_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]>;
    /// The numbers at a constant offset, bytes in the order of the wire, of a packet of at least `reach`
    /// bytes, among which they are. Questions of one reach are one comparison.
    fn head<T: Pod>(&self, offset: usize, reach: usize) -> Option<T>;

    /// The byte at any offset.
    fn u8_at(&self, offset: u32) -> Option<u8>;
    /// The 32-bit words at any offset, bytes in the order of the wire.
    fn words_at<const N: usize>(&self, offset: u32) -> Option<[u32; N]>;
    /// The first two words of the transport header, wherever it is; quick where it usually is.
    fn transport_words(&self, transport: u32) -> Option<[u32; 2]> {
        self.words_at(transport)
    }
    /// A byte of the transport header at a constant offset within it, likewise.
    fn transport_u8(&self, transport: u32, offset: usize) -> Option<u8> {
        self.u8_at(transport + offset as u32)
    }
}

/// Bytes that direct loads may reach: Ethernet, an IPv6 header and a TCP header.
pub const HEAD: usize = 74;

/// The numbers in a 32-bit word of the wire, in host order.
#[inline(always)]
pub const fn halves(word: u32) -> (u16, u16) {
    let word = u32::from_be(word);
    ((word >> 16) as u16, word as u16)
}

/// A packet in memory: what tests, `trace` and the fuzzers run through the same code as the kernel.
#[derive(Clone, Debug, Default)]
pub struct Frame<'a> {
    /// The bytes, Ethernet header first.
    pub bytes: &'a [u8],
    /// See [`Packet::ifindex`].
    pub ifindex: u32,
    /// See [`Packet::ingress_ifindex`].
    pub ingress_ifindex: u32,
    /// See [`Packet::vlan_tagged`].
    pub vlan_tagged: bool,
    /// See [`Packet::segmented`].
    pub segmented: bool,
    /// The sender's tag when the packet is deferred: see [`Packet::defer`].
    pub deferred: Cell<Option<u32>>,
}

impl Frame<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }
}

impl Packet for Frame<'_> {
    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }
    fn ifindex(&self) -> u32 {
        self.ifindex
    }
    fn ingress_ifindex(&self) -> u32 {
        self.ingress_ifindex
    }
    fn vlan_tagged(&self) -> bool {
        self.vlan_tagged
    }
    fn segmented(&self) -> bool {
        self.segmented
    }
    fn deferred(&self) -> bool {
        self.deferred.get().is_some()
    }
    fn sender(&self) -> u32 {
        self.deferred.get().unwrap_or(0)
    }
    fn defer(&self, sender: u32) {
        self.deferred.set(Some(sender));
    }
    fn settle(&self) {
        self.deferred.set(None);
    }
    fn head_u8(&self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }
    fn head_u16(&self, offset: usize) -> Option<u16> {
        self.load(offset).map(u16::from_be_bytes)
    }
    fn head_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u32::from_ne_bytes(self.load(offset + 4 * index)?);
        }
        Some(words)
    }
    fn head<T: Pod>(&self, offset: usize, reach: usize) -> Option<T> {
        let bytes = self.bytes.get(..reach)?;
        let bytes = bytes.get(offset..offset + size_of::<T>())?;
        Some(bytemuck::pod_read_unaligned(bytes))
    }
    fn u8_at(&self, offset: u32) -> Option<u8> {
        self.head_u8(offset as usize)
    }
    fn words_at<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.head_words(offset as usize)
    }
}
