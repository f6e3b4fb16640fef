//! Endpoint slices.

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1;

use super::choice::choice;
use super::{meta, syntax};
use crate::intern::Name;
use crate::invalid::{Invalid, Problem};
use crate::lower::protocol;
use crate::model::{
    EndpointSlice, Family, PodKey, SERVICE_NAME_LABEL, ServiceKey, SliceEndpoint, SliceKey,
    SlicePort,
};

/// An endpoint slice by name. Conditions that are not given mean what the API says: ready, serving,
/// not terminating.
///
/// # Errors
/// All that is wrong with its name, labels, addresses and ports.
pub fn endpoint_slice(
    object: &v1::EndpointSlice,
) -> Result<(SliceKey, EndpointSlice), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let key = SliceKey {
        namespace: meta::namespace(&object.metadata, &mut invalid),
        name: meta::name(&object.metadata, &mut invalid),
    };
    let labels = object.metadata.labels.as_ref();
    let labels = meta::labels(labels, "metadata.labels", &mut invalid);
    let service = labels.get(SERVICE_NAME_LABEL).map(|name| ServiceKey {
        namespace: key.namespace.clone(),
        name: name.clone(),
    });
    let family = family(&object.address_type, &mut invalid);
    let slice = EndpointSlice {
        service,
        family,
        endpoints: endpoints(object, &key.namespace, family, &mut invalid),
        ports: ports(object, &mut invalid),
    };
    meta::finish((key, slice), invalid)
}

fn family(name: &str, invalid: &mut Vec<Invalid>) -> Option<Family> {
    if name.is_empty() {
        invalid.push(Invalid::new("addressType", Problem::Missing));
    }
    let known = [
        ("IPv4", Some(Family::V4)),
        ("IPv6", Some(Family::V6)),
        ("FQDN", None),
    ];
    let names = &["IPv4", "IPv6", "FQDN"];
    choice(Some(name), &known, names, "addressType", invalid)?
}

fn endpoints(
    object: &v1::EndpointSlice,
    namespace: &str,
    family: Option<Family>,
    invalid: &mut Vec<Invalid>,
) -> Vec<SliceEndpoint> {
    let mut endpoints = Vec::new();
    for (index, entry) in object.endpoints.iter().enumerate() {
        let conditions = entry.conditions.as_ref();
        let ready = conditions.and_then(|it| it.ready).unwrap_or(true);
        endpoints.push(SliceEndpoint {
            addresses: addresses(entry, index, family, invalid),
            ready,
            serving: conditions.and_then(|it| it.serving).unwrap_or(ready),
            terminating: conditions.and_then(|it| it.terminating).unwrap_or(false),
            node: entry
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(Name::from),
            pod: pod(entry, namespace),
        });
    }
    endpoints
}

fn addresses(
    entry: &v1::Endpoint,
    index: usize,
    family: Option<Family>,
    invalid: &mut Vec<Invalid>,
) -> Vec<IpAddr> {
    let path = format!("endpoints[{index}].addresses");
    if entry.addresses.is_empty() {
        invalid.push(Invalid::new(path.clone(), Problem::Missing));
    }
    let Some(family) = family else {
        return Vec::new();
    };
    let mut addresses = Vec::new();
    for (index, text) in entry.addresses.iter().enumerate() {
        let field = format!("{path}[{index}]");
        match syntax::address(text) {
            Some(address) if Family::of(address) == family => addresses.push(address),
            Some(_) => {
                let address = text.clone();
                let problem = Problem::OtherFamily {
                    address,
                    family: family.name(),
                };
                invalid.push(Invalid::new(field, problem));
            }
            None => invalid.push(Invalid::new(field, Problem::NotAnAddress(text.clone()))),
        }
    }
    addresses
}

fn pod(entry: &v1::Endpoint, namespace: &str) -> Option<PodKey> {
    let target = entry.target_ref.as_ref()?;
    if target.kind.as_deref() != Some("Pod") {
        return None;
    }
    let there = target.namespace.as_deref().filter(|name| !name.is_empty());
    Some(PodKey {
        namespace: there.unwrap_or(namespace).into(),
        name: target.name.as_deref()?.into(),
    })
}

fn ports(object: &v1::EndpointSlice, invalid: &mut Vec<Invalid>) -> Vec<SlicePort> {
    let mut ports = Vec::new();
    for (index, entry) in object.ports.iter().flatten().enumerate() {
        let path = format!("ports[{index}]");
        let protocol = protocol(entry.protocol.as_deref(), &path, invalid);
        let port = entry.port.map(|number| {
            let port = syntax::port_number(number);
            if port.is_none() {
                let problem = Problem::PortOutOfRange(number.into());
                invalid.push(Invalid::new(format!("{path}.port"), problem));
            }
            port
        });
        if let Some(protocol) = protocol {
            ports.push(SlicePort {
                name: entry.name.as_deref().unwrap_or_default().into(),
                protocol,
                port: port.flatten(),
            });
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::Protocol;

    fn read(value: Value) -> Result<(SliceKey, EndpointSlice), Vec<Invalid>> {
        endpoint_slice(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_slice_belongs_to_the_service_of_its_label_and_names_its_pods() {
        let (key, slice) = read(json!({
            "metadata": {"name": "web-1", "namespace": "shop",
                "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{
                "addresses": ["10.0.0.1"], "nodeName": "n1",
                "targetRef": {"kind": "Pod", "name": "a", "namespace": "shop"},
            }],
        }))
        .unwrap();
        assert_eq!(key.to_string(), "shop/web-1");
        assert_eq!(slice.service.unwrap().to_string(), "shop/web");
        assert_eq!(slice.family, Some(Family::V4));
        assert_eq!(
            slice.ports,
            [SlicePort {
                name: "http".into(),
                protocol: Protocol::Tcp,
                port: Some(8080)
            }]
        );
        let endpoint = &slice.endpoints[0];
        assert_eq!(endpoint.pod.as_ref().unwrap().to_string(), "shop/a");
        assert_eq!(endpoint.node.as_deref(), Some("n1"));
    }

    #[test]
    fn conditions_that_are_not_given_mean_ready() {
        let conditions = |value: Value| {
            let endpoints = json!([{"addresses": ["10.0.0.1"], "conditions": value}]);
            let (_, slice) = read(json!({
                "metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": endpoints,
            }))
            .unwrap();
            let one = &slice.endpoints[0];
            (one.ready, one.serving, one.terminating)
        };
        assert_eq!(conditions(json!({})), (true, true, false));
        assert_eq!(conditions(json!({"ready": false})), (false, false, false));
        assert_eq!(
            conditions(json!({"ready": false, "serving": true, "terminating": true})),
            (false, true, true)
        );
    }

    #[test]
    fn names_instead_of_addresses_are_not_looked_at() {
        let (_, slice) = read(json!({
            "metadata": {"name": "a"}, "addressType": "FQDN",
            "endpoints": [{"addresses": ["db.example"]}],
        }))
        .unwrap();
        assert_eq!(slice.family, None);
        assert!(slice.endpoints[0].addresses.is_empty());
    }

    #[test]
    fn all_mistakes_are_told_with_their_fields() {
        let invalid = read(json!({
            "metadata": {"name": "a"}, "addressType": "IPv6",
            "ports": [{"port": 0}, {"port": 1, "protocol": "tcp"}],
            "endpoints": [{"addresses": []}, {"addresses": ["x", "10.0.0.1"]}],
        }))
        .unwrap_err();
        let told: Vec<_> = invalid.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "endpoints[0].addresses: is missing",
                "endpoints[1].addresses[0]: \"x\" is not an IP address",
                "endpoints[1].addresses[1]: \"10.0.0.1\" is not an IPv6 address",
                "ports[0].port: 0 is not a port number",
                "ports[1].protocol: \"tcp\" is not known here; the API knows TCP, UDP, SCTP",
            ]
        );
        let family = read(json!({"metadata": {"name": "a"}, "addressType": "v4"}));
        assert_eq!(family.unwrap_err()[0].field, "addressType");
        let missing = read(json!({"metadata": {"name": "a"}, "addressType": ""}));
        assert_eq!(missing.unwrap_err().len(), 1);
    }
}
