//! Wrong types in plain words.

use super::yaml::{Node, Value};

/// What is wrong, and what to do about it.
pub(super) struct Wording {
    pub message: String,
    pub help: Option<String>,
}

/// Puts a type error into words: `serde` is its message, `node` what stands there.
pub(super) fn wrong_type(serde: &str, node: &Node) -> Wording {
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
        help: help(expected, node),
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
