//! Which fields of a filter are answered.
//!
//! Decoding passes over fields that it does not know, and a filter without a field means more flows than
//! with it. So fields are looked at before: one that is not answered makes the request fail.

use bytes::Buf as _;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::FilterError;

/// The fields that are answered, as `proto/flow/flow.proto` has them.
pub const ANSWERED: [(u32, &str); 25] = [
    (1, "source_ip"),
    (2, "source_pod"),
    (3, "destination_ip"),
    (4, "destination_pod"),
    (5, "verdict"),
    (6, "event_type"),
    (10, "source_label"),
    (11, "destination_label"),
    (12, "protocol"),
    (13, "source_port"),
    (14, "destination_port"),
    (15, "reply"),
    (16, "source_service"),
    (17, "destination_service"),
    (19, "source_identity"),
    (20, "destination_identity"),
    (24, "node_name"),
    (25, "ip_version"),
    (26, "source_workload"),
    (27, "destination_workload"),
    (29, "uuid"),
    (30, "traffic_direction"),
    (33, "drop_reason_desc"),
    (37, "source_cluster_name"),
    (38, "destination_cluster_name"),
];

/// Cilium's other fields: they are about what enforcer does not see.
pub const REFUSED: [(u32, &str); 16] = [
    (7, "source_fqdn"),
    (8, "destination_fqdn"),
    (9, "http_status_code"),
    (18, "dns_query"),
    (21, "http_method"),
    (22, "http_path"),
    (23, "tcp_flags"),
    (28, "trace_id"),
    (31, "http_url"),
    (32, "http_header"),
    (34, "source_ip_xlated"),
    (35, "interface"),
    (36, "node_labels"),
    (39, "ip_trace_id"),
    (40, "encrypted"),
    (999, "experimental"),
];

/// Fails on the first field that is not answered.
pub(super) fn check(mut filter: &[u8]) -> Result<(), FilterError> {
    while filter.has_remaining() {
        let (number, wire) = decode_key(&mut filter)?;
        skip_field(wire, number, &mut filter, DecodeContext::default())?;
        if ANSWERED.iter().any(|(one, _)| *one == number) {
            continue;
        }
        let mut refused = REFUSED.into_iter();
        return Err(match refused.find(|(one, _)| *one == number) {
            Some((_, name)) => FilterError::Refused(name),
            None => FilterError::Unknown(number),
        });
    }
    Ok(())
}

/// The names of DNS in a filter.
#[derive(Message)]
struct Names {
    #[prost(string, repeated, tag = "7")]
    source: Vec<String>,
    #[prost(string, repeated, tag = "8")]
    destination: Vec<String>,
}

/// What Hubble UI leaves out of everything that it asks for: steps of DNS within the cluster.
const OWN_DOMAIN: &str = "*.cluster.local*";

/// Whether a filter is about names of the cluster's own domain alone. Flows are named by objects here, not by
/// DNS: so there are none to leave out. Other names are refused, for they could be of flows that are shown.
pub(super) fn is_own_domain(filter: &[u8]) -> Result<bool, FilterError> {
    let Names {
        source,
        destination,
    } = Names::decode(filter)?;
    let mut names = source.iter().chain(&destination).peekable();
    Ok(names.peek().is_some() && names.all(|name| name == OWN_DOMAIN))
}
