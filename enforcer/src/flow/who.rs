//! Who has an address.

use std::net::IpAddr;

use enforcer_flows::{Protocol, Who};
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::ServiceKey;

/// Who has an address, in the cluster as it is now. Which service it is may depend on the port.
pub(super) fn who(
    address: IpAddr,
    port: Option<u16>,
    protocol: Protocol,
    compiler: &Compiler,
) -> Who {
    let service = service(address, port, protocol, compiler).cloned();
    match compiler.owner(address) {
        PeerIdentity::Pod(key) => {
            let pod = compiler.cluster().pods.get(&key);
            Who {
                workload: pod.and_then(|pod| pod.workload.clone()),
                labels: pod.map(|pod| pod.labels.clone()).unwrap_or_default(),
                node: pod.and_then(|pod| pod.node.clone()),
                pod: Some(key),
                service,
            }
        }
        PeerIdentity::Node(name) => Who {
            node: Some(name.into()),
            service,
            ..Who::default()
        },
        PeerIdentity::Outside => Who {
            service,
            ..Who::default()
        },
    }
}

/// The service with the address: where several have it, the first that has the port.
fn service(
    address: IpAddr,
    port: Option<u16>,
    protocol: Protocol,
    compiler: &Compiler,
) -> Option<&ServiceKey> {
    let services = &compiler.cluster().services;
    let has_port = |key: &&ServiceKey| {
        let ports = services.get(*key).into_iter().flat_map(|one| &one.ports);
        ports
            .into_iter()
            .any(|one| Protocol::Ip(one.protocol.number()) == protocol && Some(one.port) == port)
    };
    let named = compiler.services(address).find(has_port);
    named.or_else(|| compiler.services(address).next())
}
