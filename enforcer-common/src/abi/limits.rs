//! Sizes and limits that both sides must agree on.

/// Endpoints with an ifindex below this are in an array, the others in a hash.
pub const NEAR_ENDPOINTS: u32 = 65_536;

/// Entries of `ENDPOINTS_FAR`.
pub const FAR_ENDPOINTS: u32 = 16_384;

/// The bit of `skb->mark` that deferred packets carry, unless the operator chooses another. Not one
/// of those of kube-proxy (0x4000, 0x8000), the portmap plugin (0x2000), Cilium (0x0f00 and the upper
/// half), Calico (the upper half), the AWS VPC CNI (0x80) or Istio (0x0fff).
pub const MARK: u32 = 0x1000;

/// Slots of `SENDERS`: what fits into the 16 bits of `skb->tc_index`.
pub const SENDERS: u32 = 65_536;

/// Default entries of `ADDRESSES_V4` and `ADDRESSES_V6` each.
pub const ADDRESSES: u32 = 262_144;

/// Default entries of `CIDRS_V4` and `CIDRS_V6` each. Tries take memory only for what is in them.
pub const CIDRS: u32 = 4_194_304;

/// Default entries of `VERDICTS`.
pub const VERDICTS: u32 = 524_288;

/// Default entries of `PORTS`; a power of two. [`PORT_SEARCH_STEPS`] halvings reach all of them.
pub const PORTS: u32 = 1_048_576;

/// Steps of the binary search in a port list. The longest possible list has every second port of
/// three protocols, 98,304 intervals; 17 halvings find an interval in 131,071.
pub const PORT_SEARCH_STEPS: u32 = 17;

/// Connections for which `FLOWS_V4` has room by default; [`crate::flow_table::buckets`] says how much
/// memory that is.
pub const FLOWS_V4: u32 = 131_072;

/// Connections for which `FLOWS_V6` has room by default.
pub const FLOWS_V6: u32 = 65_536;

/// Entries of `FRAGMENTS`.
pub const FRAGMENTS: u32 = 8_192;

/// Default buckets of `DENIALS` on each CPU; a power of two. See [`crate::denials`].
pub const DENIALS: u32 = 1024;

/// Bytes of the `EVENTS` ring buffer; a power of two and a multiple of the page size.
pub const EVENTS: u32 = 1 << 20;

/// IPv6 extension headers that are walked; a packet with more is dropped.
pub const EXTENSION_HEADERS: u32 = 6;

/// IPv4 options that are walked, padding included; a packet with more is dropped.
pub const IPV4_OPTIONS: u32 = 6;
