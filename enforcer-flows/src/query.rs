//! Which of the kept records a reader wants, and whether also those to come.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::filter::Filter;
use crate::record::Record;

/// What a reader wants. The default is all that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Only these.
    #[serde(default)]
    pub filter: Filter,
    /// Only those from then on.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "print_moment",
        deserialize_with = "read_moment"
    )]
    pub since: Option<Timestamp>,
    /// Of the kept ones, only the last so many of those that the rest of this query means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Only those with greater numbers than this: for readers that go on where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Go on with what comes.
    #[serde(default)]
    pub follow: bool,
}

impl Query {
    /// Whether it means this record, wherever that stands among the others.
    pub fn wants(&self, record: &Record) -> bool {
        self.since.is_none_or(|since| record.time >= since) && self.filter.matches(record)
    }
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time: write how long ago, such as 90s, 5m or 1h30m, or RFC 3339, such as 2026-11-21T08:00:00Z"
)]
pub struct NotAMoment(String);

/// Reads a moment: a duration before `now`, or RFC 3339.
///
/// # Errors
/// When it is neither.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, NotAMoment> {
    let wrong = || NotAMoment(text.to_owned());
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let ago: SignedDuration = text.parse().map_err(|_| wrong())?;
    if ago.is_negative() {
        return Err(wrong());
    }
    now.checked_sub(ago).map_err(|_| wrong())
}

#[expect(
    clippy::ref_option,
    reason = "serde hands out a reference to the field"
)]
fn print_moment<S: Serializer>(
    moment: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

fn read_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let moment = text.map(|text| text.parse().map_err(serde::de::Error::custom));
    moment.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_a_duration_ago_or_a_time() {
        let now = at("2026-11-21T10:00:00Z");
        for (text, expected) in [
            ("90s", "2026-11-21T09:58:30Z"),
            ("5m", "2026-11-21T09:55:00Z"),
            ("1h30m", "2026-11-21T08:30:00Z"),
            ("2026-11-21T08:00:00.5Z", "2026-11-21T08:00:00.5Z"),
            ("2026-11-21T08:00:00+01:00", "2026-11-21T07:00:00Z"),
        ] {
            assert_eq!(moment(text, now), Ok(at(expected)), "{text}");
        }
        for wrong in ["", "5", "-5m", "yesterday", "2026-11-21"] {
            let message = moment(wrong, now).unwrap_err().to_string();
            assert!(message.contains("RFC 3339"), "{message}");
        }
    }

    #[test]
    fn a_query_is_read_as_it_is_written() {
        let query = Query {
            filter: ["pod=from:default/web".parse().unwrap()]
                .into_iter()
                .collect(),
            since: Some(at("2026-11-21T08:00:00.000000001Z")),
            last: Some(3),
            after: Some(7),
            follow: true,
        };
        for query in [query, Query::default()] {
            let text = serde_json::to_string(&query).unwrap();
            assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
        }
    }

    #[test]
    fn what_a_newer_client_asks_and_this_version_does_not_know_is_an_error() {
        for text in [
            r#"{"colour": "red"}"#,
            r#"{"filter": ["colour=red"]}"#,
            r#"{"since": "x"}"#,
        ] {
            assert!(serde_json::from_str::<Query>(text).is_err(), "{text}");
        }
    }
}
