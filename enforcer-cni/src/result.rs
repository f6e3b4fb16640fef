//! The result of the plugins before this one.

use std::net::IpAddr;

use serde::Deserialize;

#[derive(Deserialize)]
struct Previous {
    #[serde(default)]
    interfaces: Vec<Interface>,
    #[serde(default)]
    ips: Vec<Ip>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    name: String,
    #[serde(default)]
    sandbox: String,
}

#[derive(Deserialize)]
struct Ip {
    address: String,
    interface: Option<usize>,
}

/// The addresses that a link got, the first of each family: Kubernetes knows no more of a pod.
/// Addresses that a result gives to no interface are the link's.
pub(crate) fn addresses(result: &str, ifname: &str) -> Result<Vec<IpAddr>, serde_json::Error> {
    let previous: Previous = serde_json::from_str(result)?;
    let is_ours = |ip: &&Ip| {
        let interface = ip
            .interface
            .and_then(|index| previous.interfaces.get(index));
        interface.is_none_or(|one| one.name == ifname && !one.sandbox.is_empty())
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in previous.ips.iter().filter(is_ours) {
        let text = ip.address.split('/').next().unwrap_or_default();
        let address: IpAddr = text.parse().map_err(serde::de::Error::custom)?;
        if !found
            .iter()
            .any(|other| other.is_ipv4() == address.is_ipv4())
        {
            found.push(address);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(result: &str) -> Vec<String> {
        let addresses = addresses(result, "eth0").unwrap();
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_of_the_links_side_in_the_container_count() {
        let result = r#"{"interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/n"}],
            "ips": [{"address": "10.0.0.1/24", "interface": 0},
                    {"address": "10.0.0.7/24", "interface": 1},
                    {"address": "fd00::7/64", "interface": 1}]}"#;
        assert_eq!(found(result), ["10.0.0.7", "fd00::7"]);
    }

    #[test]
    fn an_address_of_no_interface_is_the_links() {
        assert_eq!(
            found(r#"{"ips": [{"version": "4", "address": "10.0.0.7/32"}]}"#),
            ["10.0.0.7"]
        );
    }

    #[test]
    fn the_first_address_of_a_family_is_the_pods() {
        let result = r#"{"ips": [{"address": "10.0.0.7/32"}, {"address": "10.0.0.8/32"}]}"#;
        assert_eq!(found(result), ["10.0.0.7"]);
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        assert!(addresses(r#"{"ips": [{"address": "x/24"}]}"#, "eth0").is_err());
    }
}
