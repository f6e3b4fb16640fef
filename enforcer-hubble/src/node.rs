//! Names of nodes, as Hubble's clients know them.

/// The cluster's name where nobody gave it another.
pub const DEFAULT_CLUSTER: &str = "default";

/// What the answers of one node say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its cluster; [`DEFAULT_CLUSTER`] where it has no name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// The version of enforcer.
    pub version: String,
    /// Whether observers speak TLS among nodes.
    pub tls: bool,
}

impl Node {
    /// `CLUSTER/NODE`, which flows name.
    pub fn absolute(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }

    /// How a node of the same cluster is called among peers.
    pub fn peer(&self, name: &str) -> String {
        if self.cluster == DEFAULT_CLUSTER {
            name.to_owned()
        } else {
            format!("{}/{name}", self.cluster)
        }
    }

    /// The name that the certificate of a node of the same cluster must have: all nodes are on one level,
    /// so that one wildcard can mean them.
    pub fn server_name(&self, name: &str) -> String {
        let flat = |name: &str| name.replace('.', "-");
        format!(
            "{}.{}.hubble-grpc.cilium.io",
            flat(name),
            flat(&self.cluster)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(cluster: &str) -> Node {
        Node {
            cluster: cluster.to_owned(),
            name: "n1".to_owned(),
            version: String::new(),
            tls: true,
        }
    }

    #[test]
    fn only_a_cluster_with_a_name_of_its_own_is_named_among_peers() {
        assert_eq!(node("default").peer("n2"), "n2");
        assert_eq!(node("east").peer("n2"), "east/n2");
        assert_eq!(node("default").absolute(), "default/n1");
    }

    #[test]
    fn a_dot_in_a_name_makes_no_further_level_for_certificates() {
        assert_eq!(
            node("eu.east").server_name("n1.example.com"),
            "n1-example-com.eu-east.hubble-grpc.cilium.io"
        );
    }
}
