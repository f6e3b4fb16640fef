//! The two text forms that Prometheus reads: its own, version 0.0.4, and `OpenMetrics` 1.0.0.

use std::fmt::{Display, Write as _};

use super::form::Form;

/// A page of metrics.
#[derive(Debug)]
pub(super) struct Page {
    form: Form,
    text: String,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Only grows, but for restarts; named `…_total`.
    Counter,
    Gauge,
    Histogram,
    /// Labels that tell something, always 1; named `…_info`.
    Info,
}

/// Units that a name tells at its end; `OpenMetrics` wants to be told apart from the name, too.
const UNITS: [&str; 2] = ["seconds", "bytes"];

impl Page {
    /// An empty one.
    pub(super) const fn new(form: Form) -> Self {
        Self {
            form,
            text: String::new(),
        }
    }

    /// Begins a metric; its samples follow.
    pub(super) fn metric(&mut self, name: &'static str, kind: Type, help: &str) -> Metric<'_> {
        match self.form {
            Form::Text => {
                let kind = match kind {
                    Type::Counter => "counter",
                    Type::Gauge | Type::Info => "gauge",
                    Type::Histogram => "histogram",
                };
                self.line(format_args!("# HELP {name} {}", escaped(help)));
                self.line(format_args!("# TYPE {name} {kind}"));
            }
            Form::OpenMetrics => self.family(name, kind, help),
        }
        Metric { page: self, name }
    }

    /// There a metric's name is without what follows from its type.
    fn family(&mut self, name: &'static str, kind: Type, help: &str) {
        let (suffix, kind) = match kind {
            Type::Counter => ("_total", "counter"),
            Type::Gauge => ("", "gauge"),
            Type::Histogram => ("", "histogram"),
            Type::Info => ("_info", "info"),
        };
        let name = name.strip_suffix(suffix).unwrap_or(name);
        self.line(format_args!("# TYPE {name} {kind}"));
        let mut units = UNITS.iter();
        if let Some(unit) = units.find(|unit| name.ends_with(*unit)) {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", quoted(help)));
    }

    pub(super) fn into_text(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.line("# EOF");
        }
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
            .map(|(label, value)| format!("{label}=\"{}\"", quoted(value)))
            .collect();
        let labels = labels.join(",");
        self.page
            .line(format_args!("{name}{suffix}{{{labels}}} {value}"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn quoted(text: &str) -> String {
    escaped(text).replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(form: Form) -> String {
        let mut page = Page::new(form);
        let mut metric = page.metric("a_seconds_total", Type::Counter, "Two\n\"lines\".");
        metric.sample(&[], 1);
        metric.sample(&[("l", "a\"b\\c\nd"), ("m", "")], 2.5);
        page.metric("b_info", Type::Info, "What.").sample(&[], 1);
        page.into_text()
    }

    #[test]
    fn samples_stand_below_help_and_type_and_labels_are_escaped() {
        let expected = "# HELP a_seconds_total Two\\n\"lines\".\n# TYPE a_seconds_total counter\n\
            a_seconds_total 1\na_seconds_total{l=\"a\\\"b\\\\c\\nd\",m=\"\"} 2.5\n\
            # HELP b_info What.\n# TYPE b_info gauge\nb_info 1\n";
        assert_eq!(page(Form::Text), expected);
    }

    #[test]
    fn open_metrics_name_families_and_units_and_end() {
        let expected = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
            # HELP a_seconds Two\\n\\\"lines\\\".\n\
            a_seconds_total 1\na_seconds_total{l=\"a\\\"b\\\\c\\nd\",m=\"\"} 2.5\n\
            # TYPE b info\n# HELP b What.\nb_info 1\n# EOF\n";
        assert_eq!(page(Form::OpenMetrics), expected);
    }
}
