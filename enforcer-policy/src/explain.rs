//! Stub until merge.
use crate::model::*;
use crate::rule::*;
use enforcer_common::abi::Direction;
use std::net::IpAddr;
#[allow(missing_docs, reason = "stub")]
pub struct Explanation {
    pub isolating: Vec<PolicyKey>,
    pub allowed_by: Option<String>,
    pub nearest: Option<String>,
}
#[allow(missing_docs, reason = "stub")]
pub enum PeerSide {
    Outside(IpAddr),
}
impl PeerSide {
    #[allow(missing_docs, reason = "stub")]
    pub fn of(_: &Cluster, a: IpAddr) -> Self {
        Self::Outside(a)
    }
}
#[allow(missing_docs, reason = "stub")]
pub fn explain(_: &Cluster, _: &PodKey, _: Direction, _: &PeerSide, _: u8, _: u16) -> Explanation {
    Explanation {
        isolating: vec![],
        allowed_by: None,
        nearest: None,
    }
}
