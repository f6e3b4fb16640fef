//! Wrong types in plain words.

use super::yaml::{Node, Segment, Value};

/// What is wrong, and what to do about it.
pub(super) struct Wording {
    pub message: String,
    pub help: Option<String>,
}

/// Lists and fields in whose place people write the one thing that matters about their content.
const SHORTHANDS: &[(&str, &str)] = &[
    ("ports", "port"),
    ("podIPs", "ip"),
    ("ipBlock", "cidr"),
    ("addresses", "address"),
];

/// Puts a type error into words: `serde` is its message, `node` what stands at `path`.
pub(super) fn wrong_type(serde: &str, path: &[Segment], node: &Node) -> Wording {
    if serde.starts_with("invalid value: integer") {
        return Wording {
            message: format!("{} is out of range", found(node)),
            help: Some("use a smaller number; ports go up to 65535".to_owned()),
        };
    }
    let Some((_, expected)) = serde.split_once("expected ") else {
        let message = serde.to_owned();
        return Wording {
            message,
            help: None,
        };
    };
    let expected = plain(expected);
    Wording {
        message: format!("{expected} belongs here, not {}", found(node)),
        help: shorthand(expected, path, node).or_else(|| help(expected, node)),
    }
}

/// The expectations of the API's types, by what a user would write.
fn plain(expected: &str) -> &'static str {
    match expected {
        "a string" | "a borrowed string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "IntOrString" => "a number or a name",
        "a 32-bit integer" | "i32" | "i64" | "u16" | "u32" => "a whole number",
        "f64" => "a number",
        _ if expected.starts_with("a timestamp") || expected.starts_with("RFC") => "a time",
        _ => "a mapping",
    }
}

fn found(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar { json, text } => match json {
            serde_json::Value::Null => "nothing".to_owned(),
            serde_json::Value::Bool(value) if text == &value.to_string() => text.clone(),
            serde_json::Value::Bool(value) => format!("{text} (which YAML reads as {value})"),
            serde_json::Value::Number(_) => format!("the number {text}"),
            _ => format!("the string {text}"),
        },
    }
}

fn shorthand(expected: &str, path: &[Segment], node: &Node) -> Option<String> {
    let Value::Scalar { json, text } = &node.value else {
        return None;
    };
    let mut keys = path.iter().rev().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    let holder = keys.next()?;
    let (_, field) = SHORTHANDS.iter().find(|(name, _)| *name == holder)?;
    let number = text.trim_matches('"');
    let number = *field == "port" && number.parse::<u16>().is_ok();
    let text = if number { text.trim_matches('"') } else { text };
    (expected == "a mapping" && !json.is_null()).then(|| format!("write {field}: {text}"))
}

fn help(expected: &str, node: &Node) -> Option<String> {
    let text = match (expected, &node.value) {
        ("a string", Value::Map(entries)) => match entries.as_slice() {
            [entry] if entry.value.is_null() => {
                format!("remove the colon after it: {}", entry.key)
            }
            _ => return None,
        },
        ("a string", Value::Scalar { json, .. }) if json.is_null() => {
            "write \"\" for an empty string, or remove the field".to_owned()
        }
        ("a string", Value::Scalar { text, .. }) => format!("quote it: \"{text}\""),
        ("a string" | "a number or a name", Value::List(_)) => {
            "write one value without brackets or dash; several need several entries".to_owned()
        }
        ("a number or a name", _) => "write a whole number from 1 to 65535, or a name".to_owned(),
        ("a list", Value::Map(_) | Value::Scalar { .. }) => {
            "write a list: begin each item with a dash".to_owned()
        }
        ("a mapping", Value::Scalar { json, .. }) if json.is_null() => {
            "write {} if everything is meant, or remove the line".to_owned()
        }
        ("a mapping", Value::List(_)) => "remove the dash".to_owned(),
        ("a mapping", Value::Scalar { .. }) => {
            "write KEY: VALUE, with a space after the colon, on lines of their own".to_owned()
        }
        ("a whole number" | "true or false", Value::Scalar { .. }) => {
            "write it without quotes".to_owned()
        }
        _ => return None,
    };
    Some(text)
}
