//! The part of `OpenTelemetry`'s data model for logs that is used, in its JSON form: names are those of
//! `opentelemetry/proto/logs/v1/logs.proto` in lower camel case, 64-bit integers are texts, enumerations are numbers.

use serde::Serialize;

/// `LogsData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogsData {
    pub resource_logs: [ResourceLogs; 1],
}

/// `ResourceLogs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceLogs {
    pub resource: Resource,
    pub scope_logs: [ScopeLogs; 1],
    pub schema_url: &'static str,
}

/// `Resource`.
#[derive(Debug, Serialize)]
pub(crate) struct Resource {
    pub attributes: Attributes,
}

/// `ScopeLogs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeLogs {
    pub scope: Scope,
    pub log_records: [LogRecord; 1],
}

/// `InstrumentationScope`.
#[derive(Debug, Serialize)]
pub(crate) struct Scope {
    pub name: &'static str,
    pub version: &'static str,
}

/// `LogRecord`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogRecord {
    /// Nanoseconds since 1970.
    pub time_unix_nano: String,
    pub observed_time_unix_nano: String,
    pub severity_number: u8,
    pub severity_text: &'static str,
    pub body: AnyValue,
    pub attributes: Attributes,
    pub event_name: String,
}

/// `AnyValue`.
#[derive(Debug, Serialize)]
pub(crate) enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    /// A text, because JSON's numbers are no 64-bit integers.
    #[serde(rename = "intValue")]
    Number(String),
    #[serde(rename = "arrayValue")]
    Array(ArrayValue),
}

/// `ArrayValue`.
#[derive(Debug, Serialize)]
pub(crate) struct ArrayValue {
    pub values: Vec<AnyValue>,
}

/// `KeyValue`.
#[derive(Debug, Serialize)]
pub(crate) struct KeyValue {
    pub key: String,
    pub value: AnyValue,
}

/// A list of [`KeyValue`] with each key once.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn put(&mut self, key: impl Into<String>, value: AnyValue) {
        let key = key.into();
        self.0.push(KeyValue { key, value });
    }

    pub(super) fn text(&mut self, key: impl Into<String>, value: &(impl ToString + ?Sized)) {
        self.put(key, AnyValue::Text(value.to_string()));
    }

    pub(super) fn number(&mut self, key: impl Into<String>, value: impl Into<u64>) {
        let value = i64::try_from(value.into()).unwrap_or(i64::MAX);
        self.put(key, AnyValue::Number(value.to_string()));
    }

    /// Nothing, where the list is empty.
    pub(super) fn list(
        &mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl ToString>,
    ) {
        let values = values.into_iter();
        let values = values.map(|value| AnyValue::Text(value.to_string()));
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            self.put(key, AnyValue::Array(ArrayValue { values }));
        }
    }
}
