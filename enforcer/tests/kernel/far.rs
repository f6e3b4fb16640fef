//! Endpoints whose ifindex is beyond the array.

use std::net::IpAddr;

use enforcer::datapath::frame;
use enforcer::datapath::judge::{Arrival, Judge, JudgeError, OTHER_LINK};
use enforcer::datapath::probe::Probe;
use enforcer::datapath::told;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint, Verdict, VerdictKey, address, limits};
use enforcer_lab::{Home, Namespace};
use enforcer_policy::tables::Op;

#[test]
fn a_link_with_a_high_ifindex_is_an_endpoint_like_any_other() {
    let home = Home::create().unwrap();
    let lab = Namespace::create(home.path().join("far")).unwrap();
    let ifindex = limits::NEAR_ENDPOINTS + 7;
    lab.ip(&format!(
        "link add enffar index {ifindex} type veth peer name enfnear"
    ))
    .unwrap();
    let mut probe = told::options()
        .map_err(JudgeError::from)
        .and_then(|options| Probe::load(&options))
        .unwrap_or_else(|error| panic!("{error}"));
    probe.set_link(ifindex);
    for (set, verdict) in [(1, Verdict::ALLOW_ALL), (2, Verdict::DENY_ALL)] {
        let key = VerdictKey { set, identity: 0 };
        probe.apply(&Op::PutVerdict(key, verdict)).unwrap();
    }
    let reasons = lab
        .run(|| Ok([1, 2].map(|set| incoming(&mut probe, set))))
        .unwrap();
    assert_eq!(reasons, [Reason::Allowed, Reason::PolicyDenied]);
}

fn incoming(probe: &mut Probe, set: u32) -> Reason {
    let own = [10, 0, 0, 1];
    let endpoint = Endpoint {
        id: set,
        flags: Endpoint::ISOLATED,
        sets: [set, 0],
        v4: address::v4(own.into()),
        ..Endpoint::default()
    };
    let frame = frame::opening(IpAddr::from([10, 0, 0, 2]), IpAddr::from(own), 6, 80).unwrap();
    let arrival = Arrival {
        hook: Direction::Ingress,
        leaving: false,
        ingress_ifindex: OTHER_LINK,
        segmented: false,
        bytes: &frame,
    };
    probe.judge(&endpoint, &arrival).unwrap()
}
