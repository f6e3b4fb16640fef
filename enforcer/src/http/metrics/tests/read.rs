//! A reader of both forms that takes nothing which either forbids.

use std::collections::{BTreeMap, BTreeSet};

use crate::http::form::Form;

/// A sample.
#[derive(Debug)]
pub(super) struct Sample {
    /// With the suffix that follows from its metric's type.
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// The metric whose lines are being read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    unit: bool,
    help: bool,
}

/// All samples, in a page that keeps to the form.
pub(super) fn read(form: Form, page: &str) -> Vec<Sample> {
    assert!(page.ends_with('\n'));
    let mut lines: Vec<&str> = page.lines().collect();
    if form == Form::OpenMetrics {
        assert_eq!(lines.pop(), Some("# EOF"));
    }
    let mut told = BTreeSet::new();
    let mut family = Family::default();
    let mut samples = Vec::new();
    for line in lines {
        if let Some(words) = line.strip_prefix("# ") {
            let mut words = words.splitn(3, ' ');
            let [what, name, text] = [(); 3].map(|()| words.next().expect(line));
            assert!(is_name(name) && !text.is_empty(), "{line}");
            if name != family.name {
                end(form, &family);
                assert!(told.insert(name.to_owned()), "{name} is told twice");
                family = Family {
                    name: name.to_owned(),
                    ..Family::default()
                };
            }
            match what {
                "TYPE" => text.clone_into(&mut family.kind),
                "HELP" => {
                    family.help = true;
                    assert!(is_escaped(form, text), "{line}");
                }
                "UNIT" => {
                    assert!(form == Form::OpenMetrics && name.ends_with(&format!("_{text}")));
                    family.unit = true;
                }
                other => panic!("{other}"),
            }
        } else {
            samples.push(sample(form, &family, line));
        }
    }
    end(form, &family);
    let unique: BTreeSet<_> = samples
        .iter()
        .map(|sample| (&sample.name, &sample.labels))
        .collect();
    assert_eq!(unique.len(), samples.len(), "a series stands there twice");
    samples
}

/// What must be said of a metric when its last line was read.
fn end(form: Form, family: &Family) {
    let Family { name, kind, .. } = family;
    if name.is_empty() {
        return;
    }
    assert!(family.help, "{name} has no help");
    let kinds: &[&str] = match form {
        Form::Text => &["counter", "gauge", "histogram"],
        Form::OpenMetrics => &["counter", "gauge", "histogram", "info"],
    };
    assert!(kinds.contains(&kind.as_str()), "{name} is a {kind}");
    let total = name.ends_with("_total");
    match form {
        Form::Text => assert_eq!(kind == "counter", total, "{name}"),
        Form::OpenMetrics => {
            assert!(!total, "{name}");
            let unit = name.ends_with("_seconds") || name.ends_with("_bytes");
            assert_eq!(family.unit, unit, "{name}");
        }
    }
}

fn sample(form: Form, family: &Family, line: &str) -> Sample {
    let (series, text) = line.rsplit_once(' ').unwrap();
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("{line}"));
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}').unwrap())),
        None => (series, BTreeMap::new()),
    };
    assert!(is_name(name), "{line}");
    let suffix = name.strip_prefix(&family.name).expect(line);
    let suffixes: &[&str] = match (form, family.kind.as_str()) {
        (_, "histogram") => &["_bucket", "_sum", "_count"],
        (Form::OpenMetrics, "counter") => &["_total"],
        (Form::OpenMetrics, "info") => &["_info"],
        _ => &[""],
    };
    assert!(suffixes.contains(&suffix), "{line}");
    assert!(family.kind != "counter" || value >= 0., "{line}");
    if let Some(bound) = labels.get("le") {
        assert!(bound == "+Inf" || bound.contains('.'), "{line}");
    }
    Sample {
        name: name.to_owned(),
        labels,
        value,
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a help text has nothing that must be escaped.
fn is_escaped(form: Form, text: &str) -> bool {
    let plain = text.replace("\\\\", "").replace("\\n", "");
    match form {
        Form::Text => !plain.contains('\\'),
        Form::OpenMetrics => !plain.replace("\\\"", "").contains(['\\', '"']),
    }
}

/// Labels of a sample: `a="b",c="d"`.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label has a value");
        assert!(is_name(name), "label {name}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escape ends").1 {
                    'n' => value.push('\n'),
                    other @ ('\\' | '"') => value.push(other),
                    other => panic!("no escape: {other}"),
                },
                (_, other) => value.push(other),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "{name} twice");
        let rest = &rest[end + 1..];
        text = rest.strip_prefix(',').unwrap_or(rest);
        assert!(rest.is_empty() || !text.is_empty(), "a comma at the end");
    }
    labels
}
