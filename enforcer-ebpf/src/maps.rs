//! The maps. Sizes are defaults: the daemon may change them before loading.

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf};
use enforcer_common::abi::{
    Bucket, Continuation, Counter, Endpoint, Fragment, FragmentKey, Peer, PortRange, Verdict,
    VerdictKey, limits,
};
use enforcer_common::denials;
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6, buckets};

/// Jiffies in a second (`CONFIG_HZ`), measured by the daemon.
#[unsafe(no_mangle)]
pub(crate) static TICKS_PER_SECOND: Global<u32> = Global::new(1000);

/// The bit of `skb->mark` that says that a packet is deferred.
#[unsafe(no_mangle)]
pub(crate) static MARK: Global<u32> = Global::new(limits::MARK);

/// Events of each kind that a CPU may send in a second.
#[unsafe(no_mangle)]
pub(crate) static EVENTS_PER_SECOND: Global<u32> = Global::new(1000);

/// Every packet leaves a line in the log: 1, or 0.
#[unsafe(no_mangle)]
pub(crate) static TRACE: Global<u8> = Global::new(0);

/// Flows are remembered: 1. Without (0), a benchmark sees what a decision costs alone.
#[unsafe(no_mangle)]
pub(crate) static TRACK: Global<u8> = Global::new(1);

/// Buckets of `FLOWS_V4` that are in use, less one: they are a power of two.
#[unsafe(no_mangle)]
pub(crate) static FLOW_MASK_V4: Global<u32> = Global::new(buckets(limits::FLOWS_V4) - 1);

/// The same of `FLOWS_V6`.
#[unsafe(no_mangle)]
pub(crate) static FLOW_MASK_V6: Global<u32> = Global::new(buckets(limits::FLOWS_V6) - 1);

/// See [`enforcer_common::flow_table::Secrets`].
#[unsafe(no_mangle)]
pub(crate) static FLOW_SECRETS_V4: Global<[u64; 2]> = Global::new([1; 2]);

/// The same for IPv6.
#[unsafe(no_mangle)]
pub(crate) static FLOW_SECRETS_V6: Global<[u64; 5]> = Global::new([1; 5]);

/// Buckets of `DENIALS` that are in use, less one: they are a power of two.
#[unsafe(no_mangle)]
pub(crate) static DENIAL_MASK: Global<u32> = Global::new(limits::DENIALS - 1);

/// See [`enforcer_common::denials`].
#[unsafe(no_mangle)]
pub(crate) static DENIAL_SECRETS: Global<[u64; 4]> = Global::new([1; 4]);

/// Every denial is to be an event: 1. Else (0) those are counted that are like one of the last second.
#[unsafe(no_mangle)]
pub(crate) static EACH_DENIAL: Global<u8> = Global::new(0);

#[map]
pub(crate) static ENDPOINTS: Array<Endpoint> = Array::with_max_entries(limits::NEAR_ENDPOINTS, 0);
#[map]
pub(crate) static ENDPOINTS_FAR: HashMap<u32, Endpoint> =
    HashMap::with_max_entries(limits::FAR_ENDPOINTS, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static SENDERS: Array<u32> = Array::with_max_entries(limits::SENDERS, 0);

/// Programs that go on where another one ends, by [`enforcer_common::abi::Continuation`].
#[map]
pub(crate) static CONTINUATIONS: ProgramArray =
    ProgramArray::with_max_entries(Continuation::SLOTS, 0);

#[map]
pub(crate) static ADDRESSES_V4: HashMap<[u32; 1], Peer> =
    HashMap::with_max_entries(limits::ADDRESSES, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static ADDRESSES_V6: HashMap<[u32; 4], Peer> =
    HashMap::with_max_entries(limits::ADDRESSES, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static CIDRS_V4: LpmTrie<[u32; 1], Peer> =
    LpmTrie::with_max_entries(limits::CIDRS, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static CIDRS_V6: LpmTrie<[u32; 4], Peer> =
    LpmTrie::with_max_entries(limits::CIDRS, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static VERDICTS: HashMap<VerdictKey, Verdict> =
    HashMap::with_max_entries(limits::VERDICTS, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static PORTS: Array<PortRange> = Array::with_max_entries(limits::PORTS, 0);

#[map]
pub(crate) static FLOWS_V4: Array<[u64; BUCKET_V4]> =
    Array::with_max_entries(buckets(limits::FLOWS_V4), 0);
#[map]
pub(crate) static FLOWS_V6: Array<[u64; BUCKET_V6]> =
    Array::with_max_entries(buckets(limits::FLOWS_V6), 0);
#[map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, Fragment> =
    LruHashMap::with_max_entries(limits::FRAGMENTS, 0);

#[map]
pub(crate) static DENIALS: PerCpuArray<[u64; denials::BUCKET]> =
    PerCpuArray::with_max_entries(limits::DENIALS, 0);

#[map]
pub(crate) static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(Counter::SLOTS, 0);
#[map]
pub(crate) static BUCKETS: PerCpuArray<Bucket> = PerCpuArray::with_max_entries(Bucket::SLOTS, 0);
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(limits::EVENTS, 0);
