//! Names of records that are the same whenever they are asked for.

use enforcer_flows::Record;

use super::node_name;
use crate::hash::hash;
use crate::node::Node;

/// A UUID of version 8 (RFC 9562: of our own making) out of node and number, which no two records
/// share.
pub(crate) fn uuid(record: &Record, node: &Node) -> String {
    let whose = u128::from(hash([node_name(record, node).as_str()]));
    let (high, low) = (whose >> 16, whose & 0x0fff);
    let number = u128::from(record.sequence) & ((1 << 62) - 1);
    let all = high << 80 | 8 << 76 | low << 64 | 0b10 << 62 | number;
    let digits = format!("{all:032x}");
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}
