use enforcer_common::Reason;
use enforcer_flows::Kind;

use super::*;
use crate::proto::flow::layer4::Protocol as Layer;
use crate::proto::flow::{CiliumEventType, DropReason, IpVersion, TraceObservationPoint};
use crate::testing::{all, allowed, deferred, denied, frame, node, ping, spoofed};

fn shown(record: &Record) -> flow::Flow {
    flow(record, &node())
}

fn names(policies: &[flow::Policy]) -> Vec<String> {
    let name = |one: &flow::Policy| format!("{}/{}", one.namespace, one.name);
    policies.iter().map(name).collect()
}

fn event(r#type: i32, sub_type: i32) -> CiliumEventType {
    CiliumEventType { r#type, sub_type }
}

#[test]
fn a_flow_says_who_reached_whom_by_names_and_addresses() {
    let flow = shown(&allowed());
    let (source, destination) = (flow.source.unwrap(), flow.destination.unwrap());
    assert_eq!(
        (source.namespace.as_str(), source.pod_name.as_str()),
        ("default", "web")
    );
    assert_eq!(source.workloads[0].kind, "Deployment");
    assert_eq!(source.workloads[0].name, "web");
    assert_eq!(source.cluster_name, "default");
    assert_eq!(destination.pod_name, "db");
    let ip = flow.ip.unwrap();
    assert_eq!(
        (ip.source.as_str(), ip.destination.as_str()),
        ("10.244.0.2", "10.244.0.3")
    );
    assert_eq!(ip.ip_version(), IpVersion::IPv4);
    let Some(Layer::Tcp(tcp)) = flow.l4.unwrap().protocol else {
        panic!("no TCP");
    };
    assert_eq!((tcp.source_port, tcp.destination_port), (40000, 80));
    let flags = tcp.flags.unwrap();
    assert!(flags.syn && !flags.ack && !flags.fin);
    assert_eq!(flow.node_name, "default/n2");
    assert_eq!(flow.summary, "TCP Flags: SYN");
    assert_eq!(
        flow.time,
        Some(prost_types::Timestamp {
            seconds: 1_795_248_000,
            nanos: 123_456_789
        })
    );
}

#[test]
fn labels_have_their_source_and_are_sorted_and_the_namespace_is_one() {
    let source = shown(&allowed()).source.unwrap();
    let expected = [
        "k8s:app=web",
        "k8s:io.cilium.k8s.policy.cluster=default",
        "k8s:io.kubernetes.pod.namespace=default",
        "k8s:pod-template-hash=7d",
    ];
    assert_eq!(source.labels, expected);
}

#[test]
fn who_is_no_pod_has_a_reserved_label_and_number() {
    let ping = shown(&ping());
    let sides = |flow: flow::Flow| [flow.source.unwrap(), flow.destination.unwrap()];
    let [world, host] = sides(ping);
    assert_eq!(
        (world.labels, world.identity),
        (vec!["reserved:world".to_owned()], 2)
    );
    assert_eq!(
        (host.labels, host.identity),
        (vec!["reserved:host".to_owned()], 1)
    );
    let [remote, world] = sides(shown(&spoofed()));
    assert_eq!(
        (remote.labels, remote.identity),
        (vec!["reserved:remote-node".to_owned()], 6)
    );
    assert_eq!((world.identity, world.cluster_name.as_str()), (2, ""));
    for unknown in sides(shown(&frame())) {
        assert_eq!(
            (unknown.labels, unknown.identity),
            (vec!["reserved:unknown".to_owned()], 0)
        );
    }
}

#[test]
fn an_address_of_a_service_is_the_service_and_not_the_world() {
    let flow = shown(&deferred());
    let service = flow.destination_service.unwrap();
    assert_eq!(
        (service.namespace.as_str(), service.name.as_str()),
        ("kube-system", "dns")
    );
    assert_eq!(flow.destination.unwrap().labels, ["reserved:unknown"]);
    assert_eq!(flow.source_service, None);
}

#[test]
fn the_versions_of_one_workload_are_one_identity_on_every_node_and_others_are_not() {
    let identity = |record: &Record, node: &Node| endpoint::identity(&record.source, record, node);
    let (record, here) = (allowed(), node());
    let number = identity(&record, &here);
    assert!((256..1 << 24).contains(&number), "{number}");
    let elsewhere = Node {
        name: "n9".to_owned(),
        ..node()
    };
    let mut other = record.clone();
    let relabel = |record: &mut Record, key: &str, value: &str| {
        let mut who = (**record.source.who.as_ref().unwrap()).clone();
        let labels = who.labels.iter().map(|(one, old)| {
            let value = if one.as_str() == key {
                value
            } else {
                old.as_str()
            };
            (one.as_str(), value)
        });
        who.labels = labels.collect();
        record.source.who = Some(std::sync::Arc::new(who));
    };
    relabel(&mut other, "pod-template-hash", "8e");
    other.source.identity = Some(99);
    assert_eq!(identity(&other, &elsewhere), number);
    relabel(&mut other, "app", "api");
    assert_ne!(identity(&other, &here), number);
    assert_ne!(
        endpoint::identity(&record.destination, &record, &here),
        number
    );
}

#[test]
fn an_allowed_connection_names_the_policy_that_allowed_it() {
    let flow = shown(&allowed());
    assert_eq!(flow.verdict(), flow::Verdict::Forwarded);
    assert_eq!(names(&flow.ingress_allowed_by), ["prod/db"]);
    assert_eq!(flow.ingress_allowed_by[0].kind, "NetworkPolicy");
    assert!(
        flow.ingress_allowed_by[0]
            .labels
            .contains(&"k8s:io.cilium.k8s.policy.name=db".to_owned())
    );
    assert!(flow.ingress_denied_by.is_empty() && flow.egress_allowed_by.is_empty());
    assert_eq!(flow.event_type, Some(event(5, 0)));
    assert_eq!((flow.policy_match_type, flow.drop_reason), (2, 0));
    assert_eq!(flow.is_reply, Some(false));
}

#[test]
fn a_denial_names_all_policies_that_isolate_the_pod_and_what_the_nearest_rule_lacked() {
    let flow = shown(&denied());
    assert_eq!(flow.verdict(), flow::Verdict::Dropped);
    assert_eq!(flow.drop_reason_desc(), DropReason::PolicyDenied);
    assert_eq!(flow.drop_reason, 133);
    assert_eq!(names(&flow.ingress_denied_by), ["prod/db", "prod/deny"]);
    assert!(flow.ingress_allowed_by.is_empty() && flow.egress_denied_by.is_empty());
    let lacked = "nearest rule prod/db ingress[0]: peer has app=web, rule wants app=api";
    assert_eq!(flow.policy_log, [lacked]);
    assert_eq!(flow.summary, "TCP, 3 packets");
    assert_eq!(flow.policy_match_type, 0);
}

#[test]
fn an_audited_answer_is_no_drop_and_is_a_reply() {
    let flow = shown(&ping());
    assert_eq!(flow.verdict(), flow::Verdict::Audit);
    assert_eq!(flow.drop_reason_desc(), DropReason::Unknown);
    assert_eq!(names(&flow.egress_denied_by), ["prod/deny"]);
    assert_eq!(flow.traffic_direction(), flow::TrafficDirection::Egress);
    assert_eq!((flow.is_reply, flow.reply), (Some(true), true));
    assert_eq!(flow.summary, "ICMPv6 EchoReply");
    // The reporting node is this one, where the record does not say.
    assert_eq!(flow.node_name, "default/n2");
}

#[test]
fn a_denial_by_policy_is_also_found_as_the_drop_that_cilium_would_tell_of() {
    let events = |record: &Record| event::all(record).collect::<Vec<_>>();
    assert_eq!(events(&denied()), [event(5, 0), event(1, 133)]);
    assert_eq!(events(&allowed()), [event(5, 0)]);
    assert_eq!(events(&ping()), [event(5, 0)]);
    assert_eq!(events(&spoofed()), [event(1, 132)]);
    assert_eq!(events(&deferred()), [event(4, 5)]);
    let observed = shown(&deferred()).trace_observation_point();
    assert_eq!(observed, TraceObservationPoint::FromEndpoint);
}

#[test]
fn the_end_of_a_flow_asked_no_policy() {
    let mut record = allowed();
    record.kind = Kind::Closed;
    let flow = shown(&record);
    assert_eq!(flow.event_type, Some(event(4, 0)));
    assert_eq!(
        flow.trace_observation_point(),
        TraceObservationPoint::ToEndpoint
    );
}

#[test]
fn a_frame_that_is_not_ip_has_neither_addresses_nor_ports() {
    let flow = shown(&frame());
    assert_eq!(flow.drop_reason_desc(), DropReason::UnsupportedL3Protocol);
    assert_eq!((flow.ip, flow.l4), (None, None));
    assert_eq!(flow.summary, "ethertype 0x88cc");
}

#[test]
fn every_reason_of_a_drop_has_one_of_hubbles_and_no_other_reason_has() {
    use enforcer_common::reason::Action;
    for reason in Reason::ALL {
        let mut record = denied();
        record.reason = *reason;
        let drops = reason.action() == Action::Drop;
        let told = event::drop_reason(&record) != DropReason::Unknown;
        assert_eq!(told, drops, "{reason:?}");
    }
}

#[test]
fn a_record_has_one_uuid_that_no_other_has_and_that_is_valid() {
    let here = node();
    let mut seen = std::collections::BTreeSet::new();
    for record in all() {
        let uuid = uuid::uuid(&record, &here);
        assert_eq!(uuid, uuid::uuid(&record.clone(), &here));
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("8", "8"), "{uuid}");
        assert!(seen.insert(uuid));
    }
    let mut elsewhere = allowed();
    elsewhere.context = deferred().context;
    assert!(seen.insert(uuid::uuid(&elsewhere, &here)));
}

#[test]
fn times_before_1970_count_their_nanoseconds_forwards() {
    let moment = "1969-12-31T23:59:58.25Z".parse().unwrap();
    let expected = prost_types::Timestamp {
        seconds: -2,
        nanos: 250_000_000,
    };
    assert_eq!(time(moment), expected);
}

const DOCUMENT: &str = include_str!("../../../docs/hubble.md");

#[test]
fn every_reason_of_a_drop_is_documented_with_the_one_that_is_shown() {
    use enforcer_common::reason::Action;
    let drops = Reason::ALL
        .iter()
        .filter(|one| one.action() == Action::Drop);
    for reason in drops {
        let mut record = denied();
        record.reason = *reason;
        let shown = format!("| `{}` |", event::drop_reason(&record).as_str_name());
        let name = format!("`{}`", reason.name());
        let mut lines = DOCUMENT.lines();
        let line = lines.find(|line| line.starts_with('|') && line.contains(&name));
        assert!(
            line.is_some_and(|line| line.ends_with(&shown)),
            "{reason:?}: {line:?}"
        );
    }
}

#[test]
fn every_filter_that_is_answered_is_documented() {
    for (_, field) in crate::filter::ANSWERED {
        assert!(DOCUMENT.contains(&format!("`{field}`")), "{field}");
    }
}
