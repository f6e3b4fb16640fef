//! Why a pod cannot be enforced.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use enforcer_policy::model::PodKey;

use crate::datapath::discover::Unenforceable;

/// Why a pod, or one of its addresses, cannot be enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The pod has no address yet.
    NoAddress,
    /// No namespace here has any of its addresses.
    NotFound(Vec<IpAddr>),
    /// The address is on a link that cannot be enforced.
    Unenforceable(IpAddr, PathBuf, Unenforceable),
    /// The address is in more than one namespace.
    SeveralNamespaces(IpAddr, Vec<PathBuf>),
    /// More than one pod claims the address.
    SeveralPods(IpAddr, Vec<PodKey>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("it has no address yet"),
            Self::NotFound(addresses) => {
                write!(f, "no network namespace here has {}", list(addresses))
            }
            Self::Unenforceable(address, path, link) => write!(
                f,
                "{address} is on {} ({}) of {}: {}",
                link.pod_ifname,
                link.kind,
                path.display(),
                link.why
            ),
            Self::SeveralNamespaces(address, paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.display()).collect();
                write!(
                    f,
                    "{address} is in several network namespaces: {}",
                    list(&paths)
                )
            }
            Self::SeveralPods(address, pods) => {
                write!(f, "{address} is claimed by several pods: {}", list(pods))
            }
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}
