//! Words in manifests.

use std::collections::BTreeSet;

use enforcer_flows::Verdict;
use enforcer_policy::intern::Name;

use super::rules::Weight;
use crate::recorded::{Connection, Seen};

/// A denied connection, in words.
pub(super) fn denial(connection: &Connection, seen: &Seen) -> String {
    let packets = number(seen.packets_denied(), "packet");
    let audit = match seen.verdict() {
        Verdict::Audit => ", audit mode",
        _ => "",
    };
    let last = seen.last_refused().map(|last| format!(", last {last:.0}"));
    let before = seen.opened.iter().copied().max().unwrap_or_default();
    let before = (before > 0).then(|| format!("; {} before", number(before, "connection")));
    [
        Some(format!("{connection}: {packets}{audit}")),
        last,
        before,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a rule rests on, in words.
pub(super) fn weight(weight: Weight) -> String {
    let connections = number(weight.connections, "connection");
    let denied = (weight.denied > 0).then(|| number(weight.denied, "packet"));
    let denied = denied.map(|packets| format!(", {packets} denied"));
    let last = weight.last.map(|last| format!(", last {last:.0}"));
    [Some(connections), denied, last]
        .into_iter()
        .flatten()
        .collect()
}

/// A text on one line, whatever records say: nothing in it ends the comment.
pub(super) fn plain(text: &str) -> String {
    let breaks =
        |one: char| one.is_control() || matches!(one, '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.chars()
        .map(|one| if breaks(one) { '?' } else { one })
        .collect()
}

/// A text as YAML: bare where nobody takes it for anything else.
pub(super) fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let usual = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.' | '/');
    let bare = text.starts_with(|one: char| one.is_ascii_alphabetic())
        && text.chars().all(usual)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else {
        // JSON is YAML, except that the latter wants these two escaped as well.
        serde_json::Value::from(text)
            .to_string()
            .replace('\u{85}', "\\u0085")
            .replace('\u{7f}', "\\u007f")
    }
}

/// So many of something.
pub(super) fn number(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// More names than this are not told.
const NAMES: usize = 5;

/// The first of these names, and how many there are besides.
pub(super) fn some(names: &BTreeSet<Name>) -> String {
    let mut words: Vec<String> = names.iter().take(NAMES).map(ToString::to_string).collect();
    match names.len().saturating_sub(NAMES) {
        0 => {}
        more => words.push(format!("and {more} more")),
    }
    words.join(", ")
}

/// A number of things in memory.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_takes_for_anything_else_is_written_bare() {
        for bare in ["api", "a.b-c_d/e", "kubernetes.io/metadata.name", "v1"] {
            assert_eq!(scalar(bare), bare);
        }
        for text in [
            "",
            "1",
            "1e3",
            "true",
            "No",
            "null",
            "a: b",
            "a#b",
            "~",
            "10.0.0.1/32",
            "-",
        ] {
            assert_eq!(scalar(text), format!("{text:?}"));
        }
        assert_eq!(scalar("a\nb\u{85}"), "\"a\\nb\\u0085\"");
    }

    #[test]
    fn of_many_names_only_the_first_are_told() {
        let names = |count: u8| (0..count).map(|n| format!("n{n}").into()).collect();
        assert_eq!(some(&names(2)), "n0, n1");
        assert_eq!(some(&names(7)), "n0, n1, n2, n3, n4, and 2 more");
    }

    #[test]
    fn nothing_in_a_record_ends_a_comment() {
        assert_eq!(plain("a\nb\rc\u{2028}d"), "a?b?c?d");
    }
}
