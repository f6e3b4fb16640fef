//! What a bench found: tables and plots, as JSON and as Markdown.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::plot::Plot;
use crate::stats::Summary;

/// What one bench found. `cargo xtask bench --write` makes the bench's part of
/// `docs/benchmarks.md` and its plots from this and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `packets`, `path`, `updates`, `denials` or `scale`.
    pub bench: String,
    /// Whether the figures are worth nothing.
    pub quick: bool,
    /// Where they are from.
    pub machine: Machine,
    /// Paragraphs before the tables.
    pub notes: Vec<String>,
    /// In the order in which they are shown.
    pub tables: Vec<Table>,
    /// Shown behind the tables.
    pub plots: Vec<Plot>,
    /// Whatever else later programs may want to read: samples, sizes.
    pub raw: serde_json::Value,
}

/// A table; the first column says what a row is about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// One for each cell of a row.
    pub columns: Vec<String>,
    /// In the order in which they are shown.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A figure of one measurement.
    Number(f64),
    /// A figure of several measurements; shown as median and quartiles.
    Samples(Summary),
    /// Not measured, or not applicable.
    Nothing,
}

impl Report {
    /// An empty one of this machine, now. To be made before the bench begins, because it has the
    /// load.
    pub fn new(bench: &str, quick: bool) -> Self {
        Self {
            bench: bench.to_owned(),
            quick,
            machine: Machine::here(),
            notes: Vec::new(),
            tables: Vec::new(),
            plots: Vec::new(),
            raw: serde_json::Value::Null,
        }
    }

    /// Where a plot is, seen from the folder `docs`.
    pub fn file(&self, plot: &Plot) -> String {
        format!("benchmarks/{}-{}.svg", self.bench, plot.name)
    }

    /// The report for people; plots are named, not drawn.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}.\n", self.machine.line());
        if self.quick {
            text.push_str("\n**A quick run: it shows that everything works; its figures are worth nothing.**\n");
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        for table in &self.tables {
            let _ = write!(text, "\n{}", table.markdown());
        }
        for plot in &self.plots {
            let _ = write!(text, "\n![{}]({})\n", plot.title, self.file(plot));
        }
        text
    }
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn markdown(&self) -> String {
        let mut text = if self.title.is_empty() {
            String::new()
        } else {
            format!("**{}**\n\n", self.title)
        };
        let _ = writeln!(text, "| {} |", self.columns.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::text).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }
}

impl Cell {
    /// Words.
    pub fn of(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Samples, or nothing when there are none.
    pub fn samples(samples: &[f64]) -> Self {
        Summary::of(samples).map_or(Self::Nothing, Self::Samples)
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => short(*number),
            Self::Samples(of) => {
                format!(
                    "{} ({}–{})",
                    short(of.median),
                    short(of.low),
                    short(of.high)
                )
            }
            Self::Nothing => "–".to_owned(),
        }
    }
}

/// Three digits, or all before the point.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_with_what_can_be_believed_of_them() {
        let shown = [1234.5, 99.96, 12.34, 9.996, 0.977, -0.004].map(short);
        assert_eq!(shown, ["1234", "100", "12.3", "10.0", "0.98", "-0.00"]);
    }

    #[test]
    fn samples_are_shown_as_median_and_quartiles() {
        let mut table = Table::new("Costs", &["case", "ns", "goal"]);
        table.row([
            Cell::of("hot"),
            Cell::samples(&[9.0, 10.0, 11.0]),
            Cell::samples(&[]),
        ]);
        let expected =
            "**Costs**\n\n| case | ns | goal |\n|---|---|---|\n| hot | 10.0 (9.50–10.5) | – |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn a_report_comes_back_from_json_as_it_was() {
        let mut report = Report::new("packets", true);
        let mut table = Table::new("", &["a", "b", "c", "d"]);
        table.row([
            Cell::of("x"),
            Cell::Number(1.5),
            Cell::samples(&[1.0]),
            Cell::Nothing,
        ]);
        report.tables.push(table);
        let json = serde_json::to_string(&report).unwrap_or_default();
        let again: Option<Report> = serde_json::from_str(&json).ok();
        assert_eq!(
            again.map(|report| report.markdown()),
            Some(report.markdown())
        );
    }
}
