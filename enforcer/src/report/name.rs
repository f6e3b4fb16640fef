//! Names of objects and values of labels, within the API server's limits.

use super::hash::hash;

/// Longest name of an object (a DNS subdomain).
const LONGEST_NAME: usize = 253;

/// Longest value of a label.
const LONGEST_LABEL: usize = 63;

/// The name of the object that says what `node` makes of `policy`: `<policy>.<node>` where that can
/// be taken apart again and is short enough, else with a hash of both.
pub fn object_name(policy: &str, node: &str) -> String {
    let name = format!("{policy}.{node}");
    if name.len() <= LONGEST_NAME && !policy.contains('.') {
        return name;
    }
    hashed(&name, &[policy, node], LONGEST_NAME)
}

/// A name as the value of a label: itself where it is short enough, else with a hash.
pub fn label_value(name: &str) -> String {
    if name.len() <= LONGEST_LABEL {
        return name.to_owned();
    }
    hashed(name, &[name], LONGEST_LABEL)
}

/// The beginning of `name` and a hash of `parts`.
pub(super) fn hashed(name: &str, parts: &[&str], longest: usize) -> String {
    let tail = format!("-{:016x}", hash(parts));
    let mut end = name.len().min(longest - tail.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let head = name[..end].trim_end_matches(['.', '-', '_']);
    format!("{head}{tail}")
}

/// The beginning of a text, at most `longest` bytes, with an ellipsis where something is missing.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut end = longest - ELLIPSIS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_the_policy_and_the_node() {
        assert_eq!(object_name("db", "worker-1.eu"), "db.worker-1.eu");
    }

    #[test]
    fn no_two_pairs_have_the_same_name() {
        assert_ne!(object_name("a.b", "c"), object_name("a", "b.c"));
        let long = "p".repeat(253);
        assert_ne!(object_name(&long, "n1"), object_name(&long, "n2"));
    }

    #[test]
    fn names_and_labels_keep_to_the_limits_of_the_api_server() {
        for length in [1, 45, 46, 62, 63, 64, 200, 252, 253] {
            let policy = "a-".repeat(length)[..length]
                .trim_end_matches('-')
                .to_owned();
            let node = "n.".repeat(126) + "n";
            let name = object_name(&policy, &node);
            assert!(name.len() <= 253, "{name}");
            assert!(is_subdomain(&name), "{name}");
            let label = label_value(&policy);
            assert!(label.len() <= 63 && is_subdomain(&label), "{label}");
            let label = label_value(&name);
            assert!(label.len() <= 63 && is_subdomain(&label), "{label}");
        }
    }

    fn is_subdomain(name: &str) -> bool {
        let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        name.split('.').all(|label| {
            label.starts_with(outer)
                && label.ends_with(outer)
                && label.chars().all(|c| outer(c) || c == '-')
        })
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("ää", 4), "ää");
        assert_eq!(shortened("äää", 5), "ä…");
    }
}
