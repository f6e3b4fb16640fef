//! The objects of a big cluster, read as the product reads them.

use enforcer_policy::model::Change;
use enforcer_policy::{api, lower};
use enforcer_testing::big::{self, Size};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn read<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

pub(crate) fn nodes(size: &Size) -> Vec<Change> {
    let node = |number| {
        let (name, node) = api::node(&read(big::node(number))).unwrap();
        Change::Node(name, Some(node))
    };
    (0..size.nodes).map(node).collect()
}

pub(crate) fn namespaces(size: &Size) -> Vec<Change> {
    let namespace = |number| {
        let (name, namespace) = api::namespace(&read(big::namespace(number))).unwrap();
        Change::Namespace(name, Some(namespace))
    };
    (0..size.namespaces).map(namespace).collect()
}

pub(crate) fn pods(size: &Size) -> Vec<Change> {
    let pod = |number| {
        let (key, pod) = api::pod(&read(big::pod(size, number))).unwrap();
        Change::Pod(key, Some(pod))
    };
    (0..size.pods).map(pod).collect()
}

pub(crate) fn policies(size: &Size) -> Vec<Change> {
    let policy = |controller| {
        let policy = lower::network_policy(&read(big::policy(size, controller))).unwrap();
        Change::Policy(policy.key.clone(), Some(policy.into()))
    };
    (0..size.policies).map(policy).collect()
}

pub(crate) fn services(size: &Size) -> Vec<Change> {
    let service = |controller| {
        let (key, service) = api::service(&read(big::service(size, controller))).unwrap();
        Change::Service(key, Some(service))
    };
    (0..size.services).map(service).collect()
}

pub(crate) fn slices(size: &Size) -> Vec<Change> {
    let slice = |controller| {
        let (key, slice) = api::endpoint_slice(&read(big::slice(size, controller))).unwrap();
        Change::EndpointSlice(key, Some(slice))
    };
    (0..size.services).map(slice).collect()
}
