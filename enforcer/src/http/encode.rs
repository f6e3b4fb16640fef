//! The text form of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl Page {
    /// Begins a metric; its samples follow.
    pub(super) fn metric(&mut self, name: &'static str, kind: Type, help: &str) -> Metric<'_> {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {}", escaped(help)));
        self.line(format_args!("# TYPE {name} {kind}"));
        Metric { page: self, name }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A metric whose samples are being written.
pub(super) struct Metric<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Metric<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    /// A sample whose name goes on: `_bucket`, `_sum`, `_count`.
    pub(super) fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let name = self.name;
        if labels.is_empty() {
            return self.page.line(format_args!("{name}{suffix} {value}"));
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value).replace('"', "\\\"")))
            .collect();
        let labels = labels.join(",");
        self.page
            .line(format_args!("{name}{suffix}{{{labels}}} {value}"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_help_and_type_and_labels_are_escaped() {
        let mut page = Page::default();
        let mut metric = page.metric("a_total", Type::Counter, "Two\nlines.");
        metric.sample(&[], 1);
        metric.sample(&[("l", "a\"b\\c\nd"), ("m", "")], 2.5);
        let expected = "# HELP a_total Two\\nlines.\n# TYPE a_total counter\na_total 1\n\
            a_total{l=\"a\\\"b\\\\c\\nd\",m=\"\"} 2.5\n";
        assert_eq!(page.into_text(), expected);
    }
}
