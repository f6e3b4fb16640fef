//! What clients ask for.

use std::time::Instant;

/// One request, as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PATCH`, …
    pub method: String,
    /// `/api/v1/pods`.
    pub path: String,
    /// What stands behind the question mark, as it was sent; empty if nothing does.
    pub query: String,
    /// When it came.
    pub at: Instant,
}

impl Request {
    /// The value of a parameter, as it was sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        matches!(self.parameter("watch"), Some("true" | "1"))
    }

    /// Whether it reads a collection of this resource (`pods`) once.
    pub fn lists(&self, resource: &str) -> bool {
        self.method == "GET" && !self.is_watch() && self.is_about(resource)
    }

    /// Whether it watches a collection of this resource (`pods`).
    pub fn watches(&self, resource: &str) -> bool {
        self.method == "GET" && self.is_watch() && self.is_about(resource)
    }

    fn is_about(&self, resource: &str) -> bool {
        self.path.rsplit('/').next() == Some(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, query: &str) -> Request {
        Request {
            method: "GET".into(),
            path: path.into(),
            query: query.into(),
            at: Instant::now(),
        }
    }

    #[test]
    fn lists_and_watches_of_a_resource_are_told_apart() {
        let list = get("/api/v1/pods", "limit=500");
        let watch = get("/api/v1/pods", "watch=true&resourceVersion=7");
        assert!(list.lists("pods") && !list.watches("pods"));
        assert!(watch.watches("pods") && !watch.lists("pods"));
        assert!(!list.lists("nodes"));
        assert_eq!(watch.parameter("resourceVersion"), Some("7"));
        assert_eq!(watch.parameter("resource"), None);
    }

    #[test]
    fn one_object_is_no_list() {
        assert!(!get("/api/v1/namespaces/a/pods/web", "").lists("pods"));
    }
}
