//! What a failed request means for the next one.

use std::time::Duration;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The API server does not know `PolicyEnforcement` objects.
    #[error(
        "the API server has no PolicyEnforcement objects; install the CustomResourceDefinition that comes \
         with the chart, or give --no-policy-enforcements"
    )]
    Unknown,
    /// The daemon may not do that.
    #[error("not allowed: {0}; the ClusterRole that comes with the chart has what is needed")]
    Forbidden(String),
    /// Nothing is wrong with the request; the server cannot serve it now.
    #[error("the API server does not answer well: {why}")]
    Busy {
        /// Why.
        why: String,
        /// How long it asks to be left alone.
        asked: Option<Duration>,
    },
    /// This object cannot be written; others can.
    #[error("{0}")]
    Object(String),
}

/// How long the API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answer to a request, or what its failure means.
pub(super) async fn answer<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::Busy {
            why: format!("no answer within {} seconds", PATIENCE.as_secs()),
            asked: None,
        }),
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Busy {
                why: error.to_string(),
                asked: None,
            };
        };
        let details = status.details.as_ref();
        let terminating = details.is_some_and(|details| {
            let mut causes = details.causes.iter();
            causes.any(|cause| cause.reason == "NamespaceTerminating")
        });
        let seconds = details.map_or(0, |details| details.retry_after_seconds);
        match status.code {
            // An object that is not there is named; a kind that is not there is not.
            404 if details.is_none_or(|details| details.name.is_empty()) => Self::Unknown,
            403 if !terminating => Self::Forbidden(status.message),
            401 | 408 | 429 | 500.. => Self::Busy {
                why: status.message,
                asked: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
            },
            _ => Self::Object(status.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::{Value, json};

    use super::*;

    fn failure(status: Value) -> Failure {
        let status: Status = serde_json::from_value(status).unwrap();
        kube::Error::Api(Box::new(status)).into()
    }

    #[test]
    fn a_missing_definition_is_told_from_a_missing_object() {
        let definition = json!({"code": 404, "message": "the server could not find the requested resource", "details": {}});
        assert!(matches!(failure(definition), Failure::Unknown));
        let namespace = json!({"code": 404, "message": "namespaces \"x\" not found",
            "details": {"name": "x", "kind": "namespaces"}});
        assert!(matches!(failure(namespace), Failure::Object(_)));
    }

    #[test]
    fn a_namespace_that_is_going_is_no_missing_permission() {
        let going = json!({"code": 403, "message": "m", "details": {"name": "x",
            "causes": [{"reason": "NamespaceTerminating"}]}});
        assert!(matches!(failure(going), Failure::Object(_)));
        let forbidden =
            json!({"code": 403, "message": "m", "details": {"kind": "policyenforcements"}});
        assert!(matches!(failure(forbidden), Failure::Forbidden(_)));
    }

    #[test]
    fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
        let busy = json!({"code": 429, "message": "m", "details": {"retryAfterSeconds": 7}});
        let Failure::Busy { asked, .. } = failure(busy) else {
            panic!("429 means busy");
        };
        assert_eq!(asked, Some(Duration::from_secs(7)));
        assert!(matches!(
            failure(json!({"code": 503})),
            Failure::Busy { asked: None, .. }
        ));
    }
}
