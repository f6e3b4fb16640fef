//! An `__sk_buff` as a [`Packet`].

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_skb_pull_data};
use aya_ebpf::programs::TcContext;
use enforcer_common::packet::{HEAD, Packet};
use enforcer_common::parse::NETWORK;

/// Where the transport header is in nearly every packet: behind an IPv4 header without options, or
/// behind an IPv6 header alone.
const USUAL_TRANSPORT: [usize; 2] = [NETWORK + 20, NETWORK + 40];

/// A packet at a tc hook.
pub(crate) struct Skb {
    skb: *mut __sk_buff,
}

impl Skb {
    /// The packet of this invocation, its first [`HEAD`] bytes within reach of direct loads.
    #[inline(always)]
    pub(crate) fn new(ctx: &TcContext) -> Self {
        let packet = Self {
            skb: ctx.as_ptr().cast(),
        };
        let linear = packet.data_end() - packet.data();
        let length = packet.length();
        if linear < HEAD && linear < length as usize {
            let wanted = if length < HEAD as u32 {
                length
            } else {
                HEAD as u32
            };
            // SAFETY: the context is this program's; where it fails, loads answer `None`.
            unsafe { bpf_skb_pull_data(packet.skb, wanted) };
        }
        packet
    }

    #[inline(always)]
    fn data(&self) -> usize {
        // SAFETY: the kernel hands the program a valid context.
        unsafe { (*self.skb).data as usize }
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).data_end as usize }
    }

    /// A direct load. BPF loads need no alignment on the architectures with efficient unaligned
    /// access, and elsewhere the verifier refuses them; `u32` in `T` keeps the compiler from
    /// going byte by byte.
    #[inline(always)]
    fn direct<T: Copy>(&self, offset: usize) -> Option<T> {
        let start = self.data() + offset;
        if start + size_of::<T>() > self.data_end() {
            return None;
        }
        // SAFETY: the bytes lie between data and data_end, as the verifier checks once more.
        Some(unsafe { *(start as *const T) })
    }

    #[inline(always)]
    fn load<T: Copy>(&self, offset: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let (to, length) = (value.as_mut_ptr().cast(), size_of::<T>() as u32);
        // SAFETY: the helper writes exactly the bytes of `value`, or fails and is not believed.
        if unsafe { bpf_skb_load_bytes(self.skb.cast(), offset, to, length) } != 0 {
            return None;
        }
        // SAFETY: written by the helper; every `T` used here is made of integers.
        Some(unsafe { value.assume_init() })
    }
}

impl Packet for Skb {
    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).len }
    }
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).ifindex }
    }
    #[inline(always)]
    fn ingress_ifindex(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).ingress_ifindex }
    }
    #[inline(always)]
    fn vlan_tagged(&self) -> bool {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).vlan_present != 0 }
    }
    #[inline(always)]
    fn segmented(&self) -> bool {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).gso_size != 0 }
    }
    #[inline(always)]
    fn head_u8(&self, offset: usize) -> Option<u8> {
        self.direct(offset)
    }
    #[inline(always)]
    fn head_u16(&self, offset: usize) -> Option<u16> {
        self.direct(offset).map(u16::from_be)
    }
    #[inline(always)]
    fn head_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        self.direct(offset)
    }
    #[inline(always)]
    fn u8_at(&self, offset: u32) -> Option<u8> {
        self.load(offset)
    }
    #[inline(always)]
    fn words_at<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.load(offset)
    }
    #[inline(always)]
    fn transport_words(&self, transport: u32) -> Option<[u32; 2]> {
        let [behind_v4, behind_v6] = USUAL_TRANSPORT;
        match transport as usize {
            at if at == behind_v4 => self.direct(behind_v4),
            at if at == behind_v6 => self.direct(behind_v6),
            _ => self.load(transport),
        }
    }
    #[inline(always)]
    fn transport_u8(&self, transport: u32, offset: usize) -> Option<u8> {
        let [behind_v4, behind_v6] = USUAL_TRANSPORT;
        match transport as usize {
            at if at == behind_v4 => self.direct(behind_v4 + offset),
            at if at == behind_v6 => self.direct(behind_v6 + offset),
            _ => self.load(transport + offset as u32),
        }
    }
}
