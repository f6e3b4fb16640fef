//! What YAML takes and JSON does not: a file that is named `.json` is JSON.

use serde::de::IgnoredAny;

use super::yaml::{Document, Place, SyntaxError};

/// Adds what is not JSON in `text` to its documents, unless they have a syntax error already.
pub(super) fn check(text: &str, documents: &mut [Document]) {
    let told = documents.iter().any(|one| !one.errors.is_empty());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let error = values.find_map(Result::err);
    if let (false, Some(error), Some(first)) = (told, error, documents.first_mut()) {
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        first.errors.push(SyntaxError {
            place: Place {
                line: error.line(),
                column: error.column(),
            },
            code: "json-syntax",
            message: format!("not JSON: {words}"),
            field: None,
            help: Some("mend it, or name the file .yaml if YAML is meant"),
        });
    }
}
