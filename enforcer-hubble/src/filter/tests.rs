use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::convert::flow;
use crate::proto::flow::{EventTypeFilter, FlowFilter, Workload};
use crate::testing::{all, node};

mod naive;

const NONE: [u64; 0] = [];

fn read(filter: &FlowFilter) -> Result<Filters, FilterError> {
    Filters::read(&[filter.encode_to_vec()], &[])
}

/// The numbers of the records of [`all`] that a filter means.
fn meant(filter: &FlowFilter) -> Vec<u64> {
    let filters = read(filter).unwrap();
    let records = all();
    let meant = records.iter().filter(|one| filters.matches(one, &node()));
    meant.map(|one| one.sequence).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

macro_rules! filter {
    ($($field:ident: $value:expr),* $(,)?) => {
        FlowFilter { $($field: $value,)* ..FlowFilter::default() }
    };
}

#[test]
fn an_empty_filter_means_every_flow() {
    assert_eq!(meant(&FlowFilter::default()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn addresses_are_meant_by_themselves_or_by_a_cidr() {
    assert_eq!(
        meant(&filter!(source_ip: texts(&["10.244.0.2"]))),
        [1, 2, 4]
    );
    assert_eq!(
        meant(&filter!(destination_ip: texts(&["10.96.0.0/12", "fd00::/8"]))),
        [3, 4]
    );
    assert_eq!(
        meant(&filter!(source_ip: texts(&["0.0.0.0/0", "::/0"]))),
        [1, 2, 3, 4, 6]
    );
}

#[test]
fn pods_and_services_are_meant_by_the_beginning_of_their_names() {
    assert_eq!(meant(&filter!(source_pod: texts(&["w"]))), [1, 2, 4]);
    assert_eq!(meant(&filter!(destination_pod: texts(&["db"]))), NONE);
    assert_eq!(meant(&filter!(destination_pod: texts(&["prod/"]))), [1, 2]);
    assert_eq!(
        meant(&filter!(destination_service: texts(&["kube-system/d"]))),
        [4]
    );
    assert_eq!(
        meant(&filter!(source_service: texts(&["kube-system/d"]))),
        NONE
    );
}

#[test]
fn labels_are_meant_with_or_without_their_source() {
    let by = |selector: &str| meant(&filter!(source_label: texts(&[selector])));
    assert_eq!(by("app=web"), [1, 2, 4]);
    assert_eq!(by("k8s:app in (web, x),k8s:pod-template-hash"), [1, 2, 4]);
    assert_eq!(by("k8s:io.kubernetes.pod.namespace=default"), [1, 2, 4]);
    assert_eq!(by("reserved:world"), [3]);
    assert_eq!(by("!reserved:world,!app"), [5, 6]);
    assert_eq!(by("remote-node"), [6]);
    assert_eq!(by("k8s:world"), NONE);
    assert_eq!(by("container:app"), NONE);
    assert_eq!(by("any:app!=web"), [3, 5, 6]);
    assert_eq!(by("app notin (web)"), [3, 5, 6]);
}

#[test]
fn workloads_identities_ports_and_clusters_are_meant_by_side() {
    let kind = Workload {
        kind: "StatefulSet".to_owned(),
        name: String::new(),
    };
    assert_eq!(meant(&filter!(destination_workload: vec![kind])), [1, 2]);
    assert_eq!(meant(&filter!(source_identity: vec![2, 6])), [3, 6]);
    assert_eq!(meant(&filter!(destination_identity: vec![0, 1])), [3, 4, 5]);
    assert_eq!(
        meant(&filter!(destination_port: texts(&["80", "99"]))),
        [1, 2, 6]
    );
    assert_eq!(meant(&filter!(source_port: texts(&["80"]))), NONE);
    assert_eq!(
        meant(&filter!(source_cluster_name: texts(&["default"]))),
        [1, 2, 4, 6]
    );
    assert_eq!(
        meant(&filter!(destination_cluster_name: texts(&["east"]))),
        NONE
    );
}

#[test]
fn verdicts_reasons_directions_and_replies_are_meant_by_number() {
    assert_eq!(meant(&filter!(verdict: vec![2, 4])), [2, 3, 5, 6]);
    assert_eq!(meant(&filter!(verdict: vec![7])), NONE);
    assert_eq!(meant(&filter!(drop_reason_desc: vec![133])), [2]);
    assert_eq!(meant(&filter!(traffic_direction: vec![1])), [1, 2]);
    assert_eq!(meant(&filter!(reply: vec![true])), [3]);
    assert_eq!(
        meant(&filter!(reply: vec![true, false])),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(meant(&filter!(ip_version: vec![2])), [3]);
}

#[test]
fn protocols_are_meant_by_name() {
    assert_eq!(
        meant(&filter!(protocol: texts(&["TCP", "sctp"]))),
        [1, 2, 6]
    );
    assert_eq!(meant(&filter!(protocol: texts(&["icmp"]))), [3]);
    assert_eq!(
        meant(&filter!(protocol: texts(&["icmpv4", "vrrp", "igmp"]))),
        NONE
    );
}

#[test]
fn events_are_meant_by_type_and_where_asked_by_sub_type() {
    let event = |r#type, sub_type: Option<i32>| EventTypeFilter {
        r#type,
        match_sub_type: sub_type.is_some(),
        sub_type: sub_type.unwrap_or_default(),
    };
    let by = |event| meant(&filter!(event_type: vec![event]));
    assert_eq!(by(event(1, None)), [2, 5, 6]);
    assert_eq!(by(event(1, Some(133))), [2]);
    assert_eq!(by(event(5, None)), [1, 2, 3]);
    assert_eq!(by(event(4, Some(5))), [4]);
    assert_eq!(by(event(129, None)), NONE);
    assert_eq!(by(event(0, None)), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn nodes_are_meant_by_pattern_and_records_by_uuid() {
    assert_eq!(meant(&filter!(node_name: texts(&["n1"]))), [4, 5, 6]);
    assert_eq!(
        meant(&filter!(node_name: texts(&["default/*2", "east/"]))),
        [1, 2, 3]
    );
    let uuid = flow(&all()[3], &node()).uuid.to_uppercase();
    assert_eq!(meant(&filter!(uuid: vec![uuid])), [4]);
}

#[test]
fn fields_must_all_hold_and_filters_are_alternatives_that_others_take_away() {
    let both = filter!(source_pod: texts(&["web"]), verdict: vec![2]);
    assert_eq!(meant(&both), [2]);
    let wanted = [both, filter!(protocol: texts(&["icmp"]))];
    let unwanted = [filter!(reply: vec![true])];
    let encode = |all: &[FlowFilter]| {
        all.iter()
            .map(FlowFilter::encode_to_vec)
            .collect::<Vec<_>>()
    };
    let filters = Filters::read(&encode(&wanted), &encode(&unwanted)).unwrap();
    let records = all();
    let meant = records.iter().filter(|one| filters.matches(one, &node()));
    assert_eq!(meant.map(|one| one.sequence).collect::<Vec<_>>(), [2]);
}

/// A filter by these names of DNS, as `source_fqdn`.
fn named(names: &[&str]) -> Vec<u8> {
    let fields = names.iter().map(|name| {
        let mut encoded = Vec::new();
        prost::encoding::string::encode(7, &(*name).to_owned(), &mut encoded);
        encoded
    });
    fields.collect::<Vec<_>>().concat()
}

#[test]
fn the_clusters_own_names_take_nothing_away_and_other_names_are_refused() {
    let own = "*.cluster.local*";
    let read = |wanted: &[Vec<u8>], unwanted: &[Vec<u8>]| Filters::read(wanted, unwanted);
    let filters = read(&[], &[named(&[own])]).unwrap();
    assert!(all().iter().all(|one| filters.matches(one, &node())));
    for refused in [
        read(&[], &[named(&["*.example.com"])]),
        read(&[], &[named(&[own, "*.example.com"])]),
        read(&[named(&[own])], &[]),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error, FilterError::Refused("source_fqdn"));
    }
}

/// An encoded field of bytes with this number.
fn field(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::bytes::encode(number, &b"x".to_vec(), &mut bytes);
    bytes
}

#[test]
fn a_field_that_is_not_answered_is_an_error_that_names_it_and_not_a_wider_filter() {
    for (number, name) in REFUSED {
        let error = Filters::read(&[field(number)], &[]).unwrap_err();
        assert_eq!(error, FilterError::Refused(name));
        assert!(error.to_string().contains(name), "{error}");
        let error = Filters::read(&[], &[field(number)]).unwrap_err();
        assert_eq!(error, FilterError::Refused(name));
    }
    let error = Filters::read(&[field(4711)], &[]).unwrap_err();
    assert_eq!(error, FilterError::Unknown(4711));
    assert!(matches!(
        Filters::read(&[b"\xff"], &[]),
        Err(FilterError::Malformed(_))
    ));
}

#[test]
fn values_that_cannot_be_read_are_errors_that_name_field_and_value() {
    for (filter, said) in [
        (
            filter!(source_ip: texts(&["10.0.0"])),
            "\"10.0.0\" is no source_ip",
        ),
        (
            filter!(destination_ip: texts(&["10.0.0.0/33"])),
            "destination_ip",
        ),
        (filter!(source_pod: texts(&[""])), "source_pod"),
        (
            filter!(destination_service: texts(&["a/b/c"])),
            "destination_service",
        ),
        (filter!(source_port: texts(&["http"])), "0 to 65535"),
        (
            filter!(destination_port: texts(&["65536"])),
            "destination_port",
        ),
        (filter!(protocol: texts(&["tcpp"])), "tcp, udp"),
        (filter!(protocol: texts(&["tcp", "HTTP"])), "protocol HTTP"),
        (filter!(node_name: texts(&["a/b/c"])), "CLUSTER/NODE"),
        (
            filter!(source_label: texts(&["=web"])),
            "a label is missing",
        ),
        (filter!(source_label: texts(&["app in web"])), "a list"),
        (filter!(source_label: texts(&["app > 1"])), "no operator"),
        (filter!(destination_label: texts(&["-app"])), "no key"),
        (filter!(destination_label: texts(&["app=a b"])), "no value"),
        (
            filter!(destination_label: texts(&["!app=b"])),
            "no operator",
        ),
    ] {
        let error = read(&filter).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn some<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    // Most fields of most filters are empty, so that something is meant.
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(all), 1..3),
    ]
}

fn words(all: &[&'static str]) -> impl Strategy<Value = Vec<String>> + use<> {
    some(all.to_vec()).prop_map(|all| all.into_iter().map(str::to_owned).collect())
}

fn whole() -> impl Strategy<Value = FlowFilter> {
    let uuids = all().map(|record| flow(&record, &node()).uuid).to_vec();
    let event = (
        0..6_i32,
        any::<bool>(),
        prop::sample::select(vec![0, 5, 132, 133]),
    );
    let event = event.prop_map(|(r#type, match_sub_type, sub_type)| EventTypeFilter {
        r#type,
        match_sub_type,
        sub_type,
    });
    let events = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(event, 1..3)];
    let numbers = (
        some(vec![1, 2]),
        some(vec![1, 2, 4]),
        some(vec![132, 133]),
        some(vec![true, false]),
        some(vec![0, 1, 2]),
    );
    let names = (
        words(&["tcp", "udp", "icmp", "ICMPv6", "sctp"]),
        words(&["n1", "default/*", "*2"]),
    );
    (some(uuids), events, numbers, names).prop_map(
        |(uuid, event_type, numbers, (protocol, node_name))| FlowFilter {
            uuid,
            event_type,
            protocol,
            node_name,
            traffic_direction: numbers.0,
            verdict: numbers.1,
            drop_reason_desc: numbers.2,
            reply: numbers.3,
            ip_version: numbers.4,
            ..FlowFilter::default()
        },
    )
}

/// Of a side, given to both.
fn side() -> impl Strategy<Value = FlowFilter> {
    let workload = |kind: &str, name: &str| Workload {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let workloads = vec![
        workload("Deployment", ""),
        workload("", "db"),
        workload("", ""),
    ];
    let identities = all().map(|record| flow(&record, &node()).source.unwrap().identity);
    (
        words(&["10.244.0.0/16", "10.244.0.3", "::/0", "192.0.2.1"]),
        words(&["web", "/d", "prod/", "prod/web", "/"]),
        words(&["kube-system/", "dns", "/d"]),
        words(&[
            "app=web",
            "reserved:world",
            "!app",
            "k8s:app,any:app!=db",
            "app in (db,web)",
        ]),
        words(&["80", "53", "40000"]),
        words(&["default", "east"]),
        some(workloads),
        some(identities.to_vec()),
    )
        .prop_map(
            |(ip, pod, service, label, port, cluster, workload, identity)| FlowFilter {
                source_ip: ip,
                source_pod: pod,
                source_service: service,
                source_label: label,
                source_port: port,
                source_cluster_name: cluster,
                source_workload: workload,
                source_identity: identity,
                ..FlowFilter::default()
            },
        )
}

fn filters() -> impl Strategy<Value = FlowFilter> {
    (whole(), side(), side()).prop_map(|(whole, source, destination)| FlowFilter {
        source_ip: source.source_ip,
        source_pod: source.source_pod,
        source_service: source.source_service,
        source_label: source.source_label,
        source_port: source.source_port,
        source_cluster_name: source.source_cluster_name,
        source_workload: source.source_workload,
        source_identity: source.source_identity,
        destination_ip: destination.source_ip,
        destination_pod: destination.source_pod,
        destination_service: destination.source_service,
        destination_label: destination.source_label,
        destination_port: destination.source_port,
        destination_cluster_name: destination.source_cluster_name,
        destination_workload: destination.source_workload,
        destination_identity: destination.source_identity,
        ..whole
    })
}

proptest! {
    /// The filter looks at records; who reads the flow that a client gets must come to the same.
    #[test]
    fn a_filter_means_what_a_reader_of_the_flow_would_say(filter in filters(), which in 0_usize..6) {
        let record = &all()[which];
        let expected = naive::matches(&filter, &flow(record, &node()));
        prop_assert_eq!(read(&filter).unwrap().matches(record, &node()), expected);
    }
}
