//! In which form a client wants the metrics: what it names in its `Accept` header.

/// A form of the page of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Prometheus' own text form, version 0.0.4: for whoever asks for nothing in particular.
    Text,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Form {
    /// The one that a client prefers; `OpenMetrics` only where it is named.
    pub(super) fn wanted(accept: &str) -> Self {
        let mut open: f32 = 0.;
        let mut text: f32 = 0.;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut weight = 1.;
            let mut version = None;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim() {
                    "q" => weight = value.trim().parse().unwrap_or(0.),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    open = open.max(weight);
                }
                "text/plain" if version.is_none_or(|version| version == "0.0.4") => {
                    text = text.max(weight);
                }
                _ => {}
            }
        }
        if open > 0. && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// What the answer's `Content-Type` says.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Form::{self, OpenMetrics, Text};

    #[test]
    fn a_client_gets_the_form_that_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, form) in [
            (prometheus, OpenMetrics),
            ("", Text),
            ("*/*", Text),
            ("text/html, */*", Text),
            ("application/openmetrics-text", OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=\"1.0.0\"",
                OpenMetrics,
            ),
            ("application/openmetrics-text; version=2.0.0", Text),
            ("application/openmetrics-text; version=0.0.1", Text),
            ("application/openmetrics-text; q=0", Text),
            ("application/openmetrics-text;q=0.5, text/plain;q=0.6", Text),
            (
                "text/plain;version=0.0.4;q=0.5, application/openmetrics-text",
                OpenMetrics,
            ),
            ("application/openmetrics-text;q=often", Text),
        ] {
            assert_eq!(Form::wanted(accept), form, "{accept}");
        }
    }
}
