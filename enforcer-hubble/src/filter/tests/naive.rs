//! Filters as a reader of flows would apply them: on nothing but what the flow says, and sharing no code
//! with the filter.

use std::net::IpAddr;

use crate::proto::flow::layer4::Protocol;
use crate::proto::flow::{Endpoint, Flow, FlowFilter, Workload};

fn one_of<T>(all: &[T], holds: impl Fn(&T) -> bool) -> bool {
    all.is_empty() || all.iter().any(holds)
}

pub(super) fn matches(filter: &FlowFilter, flow: &Flow) -> bool {
    let (source, destination) = (
        flow.source.as_ref().unwrap(),
        flow.destination.as_ref().unwrap(),
    );
    let event = flow.event_type.unwrap();
    let drop = flow.verdict == 2;
    whole(filter, flow)
        && one_of(&filter.event_type, |one| {
            let is = |r#type: i32, sub_type: i32| {
                (one.r#type == 0 || one.r#type == r#type)
                    && (!one.match_sub_type || one.sub_type == sub_type)
            };
            is(event.r#type, event.sub_type) || drop && is(1, flow.drop_reason_desc)
        })
        && one_of(&filter.source_ip, |one| is_in(one, flow, true))
        && one_of(&filter.destination_ip, |one| is_in(one, flow, false))
        && one_of(&filter.source_port, |one| {
            ports(flow).is_some_and(|(port, _)| port == *one)
        })
        && one_of(&filter.destination_port, |one| {
            ports(flow).is_some_and(|(_, port)| port == *one)
        })
        && one_of(&filter.source_service, |one| {
            flow.source_service
                .as_ref()
                .is_some_and(|it| begins(one, &it.namespace, &it.name))
        })
        && one_of(&filter.destination_service, |one| {
            flow.destination_service
                .as_ref()
                .is_some_and(|it| begins(one, &it.namespace, &it.name))
        })
        && one_of(&filter.source_pod, |one| pod(one, source))
        && one_of(&filter.destination_pod, |one| pod(one, destination))
        && one_of(&filter.source_label, |one| selects(one, source))
        && one_of(&filter.destination_label, |one| selects(one, destination))
        && one_of(&filter.source_workload, |one| workload(one, source))
        && one_of(&filter.destination_workload, |one| {
            workload(one, destination)
        })
        && one_of(&filter.source_identity, |one| source.identity == *one)
        && one_of(&filter.destination_identity, |one| {
            destination.identity == *one
        })
        && one_of(&filter.source_cluster_name, |one| {
            source.cluster_name == *one
        })
        && one_of(&filter.destination_cluster_name, |one| {
            destination.cluster_name == *one
        })
}

fn whole(filter: &FlowFilter, flow: &Flow) -> bool {
    let version = flow.ip.as_ref().map_or(0, |ip| ip.ip_version);
    one_of(&filter.uuid, |one| flow.uuid == *one)
        && one_of(&filter.verdict, |one| flow.verdict == *one)
        && one_of(&filter.drop_reason_desc, |one| {
            flow.drop_reason_desc == *one
        })
        && one_of(&filter.reply, |one| flow.is_reply == Some(*one))
        && one_of(&filter.traffic_direction, |one| {
            flow.traffic_direction == *one
        })
        && one_of(&filter.ip_version, |one| version == *one)
        && one_of(&filter.protocol, |one| {
            protocol(flow).contains(&one.to_lowercase().as_str())
        })
        && one_of(&filter.node_name, |one| match one.as_str() {
            "n1" => flow.node_name == "default/n1",
            "default/*" => flow.node_name.starts_with("default/"),
            _ => flow.node_name.ends_with('2'),
        })
}

fn protocol(flow: &Flow) -> Vec<&'static str> {
    match flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref()) {
        Some(Protocol::Tcp(_)) => vec!["tcp"],
        Some(Protocol::Udp(_)) => vec!["udp"],
        Some(Protocol::Sctp(_)) => vec!["sctp"],
        Some(Protocol::IcmPv4(_)) => vec!["icmp", "icmpv4"],
        Some(Protocol::IcmPv6(_)) => vec!["icmp", "icmpv6"],
        None => vec![],
    }
}

fn ports(flow: &Flow) -> Option<(String, String)> {
    let (source, destination) = match flow.l4.as_ref()?.protocol.as_ref()? {
        Protocol::Tcp(one) => (one.source_port, one.destination_port),
        Protocol::Udp(one) => (one.source_port, one.destination_port),
        Protocol::Sctp(one) => (one.source_port, one.destination_port),
        _ => return None,
    };
    Some((source.to_string(), destination.to_string()))
}

fn is_in(wanted: &str, flow: &Flow, is_source: bool) -> bool {
    let Some(ip) = &flow.ip else { return false };
    let text = if is_source {
        &ip.source
    } else {
        &ip.destination
    };
    let Ok(address) = text.parse::<IpAddr>() else {
        return false;
    };
    match wanted {
        "::/0" => address.is_ipv6(),
        "10.244.0.0/16" => text.starts_with("10.244."),
        one => text == one,
    }
}

fn begins(wanted: &str, namespace: &str, name: &str) -> bool {
    let (within, beginning) = wanted.split_once('/').unwrap_or(("default", wanted));
    (within.is_empty() || within == namespace) && name.starts_with(beginning)
}

fn pod(wanted: &str, endpoint: &Endpoint) -> bool {
    !endpoint.pod_name.is_empty() && begins(wanted, &endpoint.namespace, &endpoint.pod_name)
}

fn workload(wanted: &Workload, endpoint: &Endpoint) -> bool {
    endpoint.workloads.iter().any(|one| {
        (wanted.kind.is_empty() || wanted.kind == one.kind)
            && (wanted.name.is_empty() || wanted.name == one.name)
    })
}

/// The selectors of the test, spelled out.
fn selects(wanted: &str, endpoint: &Endpoint) -> bool {
    let has = |label: &str| endpoint.labels.iter().any(|one| one == label);
    let has_app = endpoint
        .labels
        .iter()
        .any(|one| one.starts_with("k8s:app="));
    match wanted {
        "app=web" => has("k8s:app=web"),
        "reserved:world" => has("reserved:world"),
        "!app" => !has_app,
        "k8s:app,any:app!=db" => has_app && !has("k8s:app=db"),
        "app in (db,web)" => has("k8s:app=db") || has("k8s:app=web"),
        other => panic!("{other}"),
    }
}
