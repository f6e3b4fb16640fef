//! What a plain scalar means to Kubernetes, whose tools read YAML 1.1: `yes` is a boolean.

use serde_json::{Number, Value};

/// The JSON value of an unquoted scalar. `y` and `n` stay strings: writers of YAML do not quote them,
/// and they are names more often than answers.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let first = text.trim_start_matches(['+', '-', '.']).bytes().next()?;
    if !first.is_ascii_digit() {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| float(&plain))
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = radix(digits);
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        i64::try_from(-i128::from(value)).ok().map(Number::from)
    } else {
        Some(Number::from(value))
    }
}

/// A leading zero means octal in YAML 1.1.
fn radix(digits: &str) -> (u32, &str) {
    match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    }
}

/// The largest magnitude below which every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn float(text: &str) -> Option<Number> {
    let allowed =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let value: f64 = text.bytes().all(allowed).then(|| text.parse().ok())??;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_for_true_false_and_nothing_are_not_strings() {
        for text in ["yes", "On", "TRUE"] {
            assert_eq!(resolve(text), json!(true), "{text}");
        }
        for text in ["No", "off", "false"] {
            assert_eq!(resolve(text), json!(false), "{text}");
        }
        for text in ["", "~", "null"] {
            assert_eq!(resolve(text), json!(null), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_as_yaml_1_1_does() {
        for (text, value) in [
            ("80", json!(80)),
            ("-1", json!(-1)),
            ("+7", json!(7)),
            ("010", json!(8)),
            ("0o10", json!(8)),
            ("0x50", json!(80)),
            ("8_080", json!(8080)),
            ("80.0", json!(80)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }

    #[test]
    fn all_else_is_a_string() {
        for text in [
            "10.0.0.0",
            "10.0.0.0/8",
            "v1",
            "0x",
            "1-2",
            "-",
            ".",
            "+",
            "yess",
            "1e",
            "089x",
            "y",
            "N",
        ] {
            assert_eq!(resolve(text), json!(text), "{text}");
        }
    }
}
