//! Numbers of attributes (`linux/netfilter/nfnetlink_conntrack.h`).

/// `enum ctattr_type`.
pub(crate) mod cta {
    pub(crate) const TUPLE_ORIG: u16 = 1;
    pub(crate) const TUPLE_REPLY: u16 = 2;
    pub(crate) const PROTOINFO: u16 = 4;
    pub(crate) const ZONE: u16 = 18;
    pub(crate) const FILTER: u16 = 25;
}

/// `enum ctattr_tuple`.
pub(crate) mod tuple {
    pub(crate) const IP: u16 = 1;
    pub(crate) const PROTO: u16 = 2;
    pub(crate) const ZONE: u16 = 3;
}

/// `enum ctattr_ip`.
pub(crate) mod ip {
    pub(crate) const V4_SRC: u16 = 1;
    pub(crate) const V4_DST: u16 = 2;
    pub(crate) const V6_SRC: u16 = 3;
    pub(crate) const V6_DST: u16 = 4;
}

/// `enum ctattr_l4proto`.
pub(crate) mod proto {
    pub(crate) const NUM: u16 = 1;
    pub(crate) const SRC_PORT: u16 = 2;
    pub(crate) const DST_PORT: u16 = 3;
    pub(crate) const ICMP_ID: u16 = 4;
    pub(crate) const ICMP_TYPE: u16 = 5;
    pub(crate) const ICMPV6_ID: u16 = 7;
    pub(crate) const ICMPV6_TYPE: u16 = 8;
}

/// `enum ctattr_protoinfo`, and in it `_tcp` and `_sctp`.
pub(crate) mod protoinfo {
    pub(crate) const TCP: u16 = 1;
    pub(crate) const SCTP: u16 = 3;
    pub(crate) const STATE: u16 = 1;
    pub(crate) const TCP_FLAGS_ORIGINAL: u16 = 4;
    pub(crate) const TCP_FLAGS_REPLY: u16 = 5;
}

/// `enum ctattr_filter`: what of each direction must be equal, as a set of bits.
pub(crate) mod filter {
    pub(crate) const ORIG_FLAGS: u16 = 1;
    pub(crate) const REPLY_FLAGS: u16 = 2;
    /// The source address, one of these bits.
    pub(crate) const SOURCE: u32 = 1;
}
