//! Names with something left open.

use crate::node::DEFAULT_CLUSTER;

/// The beginning of a name in one namespace, or in any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// Empty for any.
    namespace: String,
    name: String,
}

impl Beginning {
    /// Reads `NAMESPACE/NAME`, `NAMESPACE/`, `/NAME`, or `NAME` in the namespace default.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        (!name.contains('/')).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        (self.namespace.is_empty() || self.namespace == namespace) && name.starts_with(&self.name)
    }
}

/// A pattern for `CLUSTER/NODE`, in which `*` stands for any characters but slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePattern {
    cluster: String,
    node: String,
}

impl NodePattern {
    /// Reads `NODE` in any cluster, `CLUSTER/NODE`, `CLUSTER/` or `/NODE`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (cluster, node) = text.split_once('/').unwrap_or(("", text));
        (!text.is_empty()).then_some(())?;
        Some(Self {
            cluster: part(cluster)?,
            node: part(node)?,
        })
    }

    /// Of a name without a cluster, the cluster is the default one.
    pub(super) fn matches(&self, name: &str) -> bool {
        let (cluster, node) = name.split_once('/').unwrap_or((DEFAULT_CLUSTER, name));
        !node.is_empty() && is_like(&self.cluster, cluster) && is_like(&self.node, node)
    }
}

fn part(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("*".to_owned());
    }
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    let good = !text.is_empty() && !text.ends_with('.') && text.bytes().all(known);
    good.then_some(text)
}

/// Names are short, so that trying every split costs little.
fn is_like(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(head) else {
        return false;
    };
    // The last star takes what is left, up to what must end the name.
    if !rest.contains('*') {
        return name.ends_with(rest);
    }
    let (middle, _) = rest.split_once('*').unwrap_or((rest, ""));
    // What is between two stars may as well be found at its first place.
    name.find(middle)
        .is_some_and(|at| is_like(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_meant_by_its_beginning_and_in_the_namespace_default_unless_said_otherwise() {
        let matches = |text, namespace, name| {
            let beginning = Beginning::parse(text).unwrap();
            beginning.matches(namespace, name)
        };
        assert!(matches("web", "default", "web-1"));
        assert!(!matches("web", "prod", "web-1"));
        assert!(matches("prod/web", "prod", "web-1"));
        assert!(!matches("prod/web", "prod", "api"));
        assert!(matches("prod/", "prod", "api"));
        assert!(!matches("pro/", "prod", "api"));
        assert!(matches("/web", "prod", "web-1"));
        for wrong in ["", "a/b/c"] {
            assert_eq!(Beginning::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_means_nodes_with_or_without_their_cluster() {
        let matches = |text, name| NodePattern::parse(text).unwrap().matches(name);
        for (pattern, name) in [
            ("n1", "default/n1"),
            ("n1", "east/n1"),
            ("n*", "default/n1"),
            ("*1", "default/n1"),
            ("N1", "n1"),
            ("default/", "n1"),
            ("/n1", "east/n1"),
            ("e*/*.example.com", "east/n1.example.com"),
            ("a*b*c*d", "default/a-b-c-b-c-d"),
            ("*b*", "default/abc"),
            ("**", "default/abc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("n", "default/n1"),
            ("n*", "default/m1"),
            ("east/", "default/n1"),
            ("a*b*c*d", "default/a-b-c"),
            ("a*a", "default/a"),
            ("*", ""),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        for wrong in ["", "a/b/c", "n 1", "n?", ".", "a.."] {
            assert_eq!(NodePattern::parse(wrong), None, "{wrong}");
        }
    }
}
