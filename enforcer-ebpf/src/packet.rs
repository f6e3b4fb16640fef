//! An `__sk_buff` as a [`Packet`].

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_skb_pull_data};
use aya_ebpf::programs::TcContext;
use bytemuck::Pod;
use enforcer_common::packet::{HEAD, Packet};
use enforcer_common::parse::NETWORK;

use crate::maps;

/// Where the transport header is in nearly every packet: behind an IPv4 header without options, or
/// behind an IPv6 header alone.
const USUAL_TRANSPORT: [usize; 2] = [NETWORK + 20, NETWORK + 40];

/// Bytes that a packet lacks on links without Ethernet headers: tunnels of IP in something.
pub(crate) const BARE: usize = NETWORK;

/// A packet at a tc hook of a link whose packets lack `MISSING` bytes of an Ethernet header: none, or
/// [`BARE`]. Offsets count from where the whole header would begin.
pub(crate) struct Skb<const MISSING: usize> {
    skb: *mut __sk_buff,
}

impl<const MISSING: usize> Skb<MISSING> {
    /// The packet of this invocation, as its first bytes lie.
    #[inline(always)]
    pub(crate) fn new(ctx: &TcContext) -> Self {
        Self::of(ctx.as_ptr().cast())
    }

    /// The packet of a context.
    #[inline(always)]
    pub(crate) fn of(skb: *mut __sk_buff) -> Self {
        Self { skb }
    }

    /// Brings the first [`HEAD`] bytes within reach of direct loads.
    #[inline(always)]
    pub(crate) fn pull(&self) {
        let head = HEAD - MISSING;
        let linear = self.data_end() - self.data();
        // SAFETY: as in `data`.
        let length = unsafe { (*self.skb).len };
        if linear < head && linear < length as usize {
            let wanted = if length < head as u32 {
                length
            } else {
                head as u32
            };
            // SAFETY: the context is this program's; where it fails, loads answer `None`.
            unsafe { bpf_skb_pull_data(self.skb, wanted) };
        }
    }

    /// The link by which the packet came to this host; 0 when the host made it.
    #[inline(always)]
    fn came_by(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe {
            if cfg!(feature = "link-in-cb") {
                (*self.skb).cb[0]
            } else {
                (*self.skb).ingress_ifindex
            }
        }
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
        self.within(offset, offset + size_of::<T>())
    }

    /// The same of a packet of at least `reach` bytes, among which they are.
    #[inline(always)]
    fn within<T: Copy>(&self, offset: usize, reach: usize) -> Option<T> {
        let begin = self.data();
        if begin + reach - MISSING > self.data_end() {
            return None;
        }
        // SAFETY: the bytes lie between data and data_end, as the verifier checks once more.
        Some(unsafe { *((begin + offset - MISSING) as *const T) })
    }

    #[inline(always)]
    fn load<T: Copy>(&self, offset: u32) -> Option<T> {
        let offset = offset - MISSING as u32;
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

impl<const MISSING: usize> Packet for Skb<MISSING> {
    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).len + MISSING as u32 }
    }
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).ifindex }
    }
    #[inline(always)]
    fn ingress_ifindex(&self) -> u32 {
        self.came_by()
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
    fn deferred(&self) -> bool {
        // SAFETY: as in `data`.
        unsafe {
            // In 64 bits, which BPF compares without ado.
            let marked = u64::from((*self.skb).mark) & u64::from(maps::MARK.load());
            marked != 0 && self.came_by() != 0
        }
    }
    #[inline(always)]
    fn sender(&self) -> u32 {
        // SAFETY: as in `data`.
        unsafe { (*self.skb).tc_index }
    }
    #[inline(always)]
    fn defer(&self, sender: u32) {
        // SAFETY: as in `data`; programs of this type may write both fields.
        unsafe {
            (*self.skb).mark |= maps::MARK.load();
            (*self.skb).tc_index = sender;
        }
    }
    #[inline(always)]
    fn settle(&self) {
        // SAFETY: as in `defer`.
        unsafe {
            (*self.skb).mark &= !maps::MARK.load();
            (*self.skb).tc_index = 0;
        }
    }
    #[inline(always)]
    fn head_u8(&self, offset: usize) -> Option<u8> {
        if MISSING != 0 {
            // The verifier learns nothing of "data < data_end" alone, which is what a check of the
            // very first byte becomes. No packet ends behind that byte.
            return self.direct::<[u8; 2]>(offset).map(|[byte, _]| byte);
        }
        self.direct(offset)
    }
    #[inline(always)]
    fn head_u16(&self, offset: usize) -> Option<u16> {
        if offset < MISSING {
            // The ethertype; nothing else of the missing header is ever asked for.
            // SAFETY: as in `data`.
            return Some(u16::from_be(unsafe { (*self.skb).protocol } as u16));
        }
        self.direct(offset).map(u16::from_be)
    }
    #[inline(always)]
    fn head_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        self.direct(offset)
    }
    #[inline(always)]
    fn head<T: Pod>(&self, offset: usize, reach: usize) -> Option<T> {
        self.within(offset, reach)
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
