//! Nodes.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1;

use super::{meta, syntax};
use crate::invalid::{Invalid, Problem};
use crate::model::Node;

/// A node by name, with its addresses of the types `InternalIP` and `ExternalIP`.
///
/// # Errors
/// All that is wrong with its name and those addresses.
pub fn node(object: &v1::Node) -> Result<(String, Node), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let name = meta::name(&object.metadata, &mut invalid);
    let listed = object
        .status
        .iter()
        .flat_map(|status| status.addresses.iter().flatten())
        .enumerate()
        .filter(|(_, entry)| matches!(entry.type_.as_str(), "InternalIP" | "ExternalIP"));
    let mut addresses = BTreeSet::new();
    let mut internal = Vec::new();
    for (index, entry) in listed {
        match syntax::address(&entry.address) {
            Some(address) => {
                addresses.insert(address);
                if entry.type_ == "InternalIP" {
                    internal.push(address);
                }
            }
            None => invalid.push(Invalid::new(
                format!("status.addresses[{index}].address"),
                Problem::NotAnAddress(entry.address.clone()),
            )),
        }
    }
    let node = Node {
        addresses: addresses.into_iter().collect(),
        internal,
    };
    meta::finish((name.into(), node), invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nodes_ip_addresses_are_kept_and_its_names_are_not() {
        let object = serde_json::from_value(json!({
            "metadata": {"name": "n1"},
            "status": {"addresses": [
                {"type": "Hostname", "address": "n1"},
                {"type": "InternalIP", "address": "fd00::1"},
                {"type": "ExternalIP", "address": "192.0.2.1"},
                {"type": "InternalIP", "address": "192.0.2.1"}
            ]}
        }))
        .unwrap();
        let (name, node) = node(&object).unwrap();
        assert_eq!(name, "n1");
        assert_eq!(
            node.addresses,
            [
                "192.0.2.1".parse::<std::net::IpAddr>().unwrap(),
                "fd00::1".parse().unwrap()
            ]
        );
        let internal: [std::net::IpAddr; 2] =
            ["fd00::1", "192.0.2.1"].map(|text| text.parse().unwrap());
        assert_eq!(node.internal, internal, "as the status has them");
    }

    #[test]
    fn an_address_that_is_none_is_told_with_its_index() {
        let object = serde_json::from_value(json!({
            "metadata": {"name": "n1"},
            "status": {"addresses": [
                {"type": "Hostname", "address": "n1"},
                {"type": "InternalIP", "address": "n1.example"}
            ]}
        }))
        .unwrap();
        let invalid = node(&object).unwrap_err();
        assert_eq!(
            invalid,
            [Invalid::new(
                "status.addresses[1].address",
                Problem::NotAnAddress("n1.example".into())
            )]
        );
    }
}
