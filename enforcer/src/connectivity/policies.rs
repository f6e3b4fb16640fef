//! A case's YAML as objects.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::TestError;
use super::cases::Case;
use crate::source::manifests::yaml;

/// What the words with `$` in a case's policies mean.
#[derive(Clone, Debug)]
pub(super) struct Meaning {
    /// `$MAIN`.
    pub(super) main: String,
    /// `$OTHER`.
    pub(super) other: String,
    /// `$STRANGERS_V4` and `$STRANGERS_V6`: lists of blocks.
    pub(super) strangers: Vec<IpAddr>,
}

impl Meaning {
    fn blocks(&self, of_family: fn(&IpAddr) -> bool, length: u8) -> String {
        let own = self.strangers.iter().filter(|address| of_family(address));
        let blocks: Vec<String> = own
            .map(|address| format!("\"{address}/{length}\""))
            .collect();
        format!("[{}]", blocks.join(", "))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("$MAIN", &self.main)
            .replace("$OTHER", &self.other)
            .replace("$STRANGERS_V4", &self.blocks(IpAddr::is_ipv4, 32))
            .replace("$STRANGERS_V6", &self.blocks(IpAddr::is_ipv6, 128))
    }
}

/// The policies of a case.
pub(super) fn read(case: &Case, meaning: &Meaning) -> Result<Vec<NetworkPolicy>, TestError> {
    let wrong = |why: String| TestError::Policy {
        case: case.name,
        why,
    };
    let documents = yaml::parse(&meaning.fill(case.policies));
    let read = documents.iter().map(|document| {
        if let Some(error) = document.errors.first() {
            return Err(wrong(error.message.clone()));
        }
        let root = document.root.as_ref().map(yaml::Node::to_json);
        serde_json::from_value(root.unwrap_or_default()).map_err(|error| wrong(error.to_string()))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectivity::cases::CASES;

    fn meaning() -> Meaning {
        Meaning {
            main: "test".to_owned(),
            other: "test-other".to_owned(),
            strangers: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        }
    }

    #[test]
    fn every_case_but_the_first_has_policies_of_the_tests_namespace() {
        for case in CASES {
            let policies = read(case, &meaning()).unwrap();
            assert_eq!(policies.is_empty(), case.name == Case::BASELINE);
            for policy in policies {
                assert_eq!(policy.metadata.namespace.as_deref(), Some("test"));
                assert!(policy.spec.is_some(), "{}", case.name);
            }
        }
    }

    #[test]
    fn blocks_are_made_of_the_addresses_that_pods_have() {
        let case = CASES.iter().find(|case| case.name == "ip-block").unwrap();
        let policy = serde_json::to_value(&read(case, &meaning()).unwrap()[0]).unwrap();
        let from = &policy["spec"]["ingress"][0]["from"];
        assert_eq!(from[0]["ipBlock"]["except"][0], "10.0.0.1/32");
        assert_eq!(from[1]["ipBlock"]["except"][0], "fd00::1/128");
    }
}
