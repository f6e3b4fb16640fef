//! From `flow.FlowFilter` to tests.

use std::net::IpAddr;

use ipnet::IpNet;
use prost::Message as _;

use super::labels::Selector;
use super::names::{Beginning, NodePattern};
use super::side::{Side, SideTest};
use super::test::{LAYERS, Layer, Test};
use super::{Filter, FilterError, fields};
use crate::proto::flow::{FlowFilter, Workload};

const NAME: &str = "the beginning of a name, such as prod/web, prod/ for all of a namespace, \
                    or web for the namespace default";
const ADDRESS: &str = "an address or a CIDR, such as 10.0.0.1, 10.0.0.0/8 or fd00::/8";
const PORT: &str = "a number from 0 to 65535";
const NODE: &str = "NODE or CLUSTER/NODE, in which * stands for any characters";
const PROTOCOL: &str = "tcp, udp, sctp, icmp, icmpv4, icmpv6, vrrp or igmp";

/// Protocols that Hubble knows and that are seen by proxies only.
const LAYER_7: [&str; 2] = ["dns", "http"];

/// The fields of one side, and what they are called.
struct Fields {
    side: Side,
    names: [&'static str; 5],
    identities: Vec<u32>,
    workloads: Vec<Workload>,
    clusters: Vec<String>,
    ips: Vec<String>,
    pods: Vec<String>,
    services: Vec<String>,
    ports: Vec<String>,
    labels: Vec<String>,
}

impl Filter {
    pub(super) fn read(encoded: &[u8]) -> Result<Self, FilterError> {
        fields::check(encoded)?;
        let filter = FlowFilter::decode(encoded)?;
        let mut tests = Vec::new();
        let source = Fields {
            side: Side::Source,
            names: [
                "source_ip",
                "source_pod",
                "source_service",
                "source_port",
                "source_label",
            ],
            identities: filter.source_identity,
            workloads: filter.source_workload,
            clusters: filter.source_cluster_name,
            ips: filter.source_ip,
            pods: filter.source_pod,
            services: filter.source_service,
            ports: filter.source_port,
            labels: filter.source_label,
        };
        let destination = Fields {
            side: Side::Destination,
            names: [
                "destination_ip",
                "destination_pod",
                "destination_service",
                "destination_port",
                "destination_label",
            ],
            identities: filter.destination_identity,
            workloads: filter.destination_workload,
            clusters: filter.destination_cluster_name,
            ips: filter.destination_ip,
            pods: filter.destination_pod,
            services: filter.destination_service,
            ports: filter.destination_port,
            labels: filter.destination_label,
        };
        source.add_to(&mut tests)?;
        destination.add_to(&mut tests)?;
        let nodes = read("node_name", &filter.node_name, NodePattern::parse, NODE)?;
        add(&mut tests, lower(&filter.uuid), Test::Uuid);
        add(&mut tests, filter.traffic_direction, Test::Direction);
        add(&mut tests, filter.verdict, Test::Verdict);
        add(&mut tests, filter.drop_reason_desc, Test::DropReason);
        add(&mut tests, filter.event_type, Test::Event);
        add(&mut tests, filter.reply, Test::Reply);
        add(&mut tests, filter.ip_version, Test::Version);
        add(&mut tests, protocols(&filter.protocol)?, Test::Protocol);
        add(&mut tests, nodes, Test::Node);
        Ok(Self(tests))
    }
}

impl Fields {
    fn add_to(self, tests: &mut Vec<Test>) -> Result<(), FilterError> {
        let [ip, pod, service, port, label] = self.names;
        let ips = read(ip, &self.ips, net, ADDRESS)?;
        let pods = read(pod, &self.pods, Beginning::parse, NAME)?;
        let services = read(service, &self.services, Beginning::parse, NAME)?;
        let ports = read(port, &self.ports, |text| text.parse().ok(), PORT)?;
        let labels = selectors(label, &self.labels)?;
        let side = |test| Test::Side(self.side, test);
        add(tests, self.identities, |all| side(SideTest::Identity(all)));
        add(tests, self.workloads, |all| side(SideTest::Workload(all)));
        add(tests, self.clusters, |all| side(SideTest::Cluster(all)));
        add(tests, ips, |all| side(SideTest::Ip(all)));
        add(tests, pods, |all| side(SideTest::Pod(all)));
        add(tests, services, |all| side(SideTest::Service(all)));
        add(tests, ports, |all| side(SideTest::Port(all)));
        add(tests, labels, |all| side(SideTest::Label(all)));
        Ok(())
    }
}

/// A field without values tests nothing.
fn add<T>(tests: &mut Vec<Test>, values: Vec<T>, test: impl FnOnce(Vec<T>) -> Test) {
    if !values.is_empty() {
        tests.push(test(values));
    }
}

fn read<T>(
    field: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Option<T>,
    wanted: &'static str,
) -> Result<Vec<T>, FilterError> {
    let wrong = |value: &String| FilterError::Value {
        field,
        value: value.clone(),
        wanted,
    };
    let values = texts
        .iter()
        .map(|text| read(text).ok_or_else(|| wrong(text)));
    values.collect()
}

fn selectors(field: &'static str, texts: &[String]) -> Result<Vec<Selector>, FilterError> {
    let selector = |text: &String| {
        Selector::parse(text).map_err(|source| FilterError::Selector {
            field,
            value: text.clone(),
            source,
        })
    };
    texts.iter().map(selector).collect()
}

fn protocols(texts: &[String]) -> Result<Vec<Layer>, FilterError> {
    let is_among = |text: &&String| LAYER_7.iter().any(|one| one.eq_ignore_ascii_case(text));
    if let Some(above) = texts.iter().find(is_among) {
        return Err(FilterError::Layer7(above.clone()));
    }
    let layer = |text: &str| {
        let mut layers = LAYERS.into_iter();
        let found = layers.find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, layer)| layer)
    };
    read("protocol", texts, layer, PROTOCOL)
}

fn net(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.ok().or_else(|| text.parse().ok())
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}
