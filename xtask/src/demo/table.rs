//! Tables for people: boxed and coloured on a terminal, aligned columns otherwise.

use super::pods;
use super::probe::{Attempt, Outcome};
use crate::ui::{self, Colour, paint};

/// One cell: its text and colour.
pub(super) type Cell = (String, Option<Colour>);

/// A cell without colour.
pub(super) fn plain(text: impl Into<String>) -> Cell {
    (text.into(), None)
}

/// Draws rows of equal length; the first one is the head.
pub(super) fn draw(rows: &[Vec<Cell>]) -> String {
    drawn(rows, ui::fancy())
}

fn drawn(rows: &[Vec<Cell>], boxed: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|(text, _)| text.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| row_line(row, &widths, boxed))
        .collect();
    if boxed {
        let rule = |left, middle, right| {
            let dashes: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            format!("  {left}{}{right}", dashes.join(middle))
        };
        lines.insert(0, rule("┌", "┬", "┐"));
        lines.insert(2, rule("├", "┼", "┤"));
        lines.push(rule("└", "┴", "┘"));
    }
    lines.join("\n")
}

fn row_line(row: &[Cell], widths: &[usize], boxed: bool) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|((text, colour), &width)| {
            let padded = format!("{text:<width$}");
            colour.map_or(padded.clone(), |colour| paint(colour, &padded))
        })
        .collect();
    if boxed {
        format!("  │ {} │", cells.join(" │ "))
    } else {
        format!("  {}", cells.join("   ")).trim_end().to_owned()
    }
}

/// Who reached whom: one row for every pod that connects, one column for every server.
pub(super) fn matrix(attempts: &[Attempt]) -> String {
    let head = pods::ALL.map(|pod| (format!("to {}", pod.service()), Some(Colour::Bold)));
    let mut rows = vec![[vec![plain("")], head.to_vec()].concat()];
    for from in pods::ALL {
        let mut row = vec![(format!("from {}", from.name), Some(Colour::Bold))];
        row.extend(pods::ALL.map(|to| {
            let attempt = attempts
                .iter()
                .find(|attempt| attempt.from == from && attempt.to == to);
            attempt.map_or_else(
                || plain("-"),
                |attempt| outcome(&attempt.outcome, ui::fancy()),
            )
        }));
        rows.push(row);
    }
    draw(&rows)
}

fn outcome(outcome: &Outcome, fancy: bool) -> Cell {
    let (mark, text, colour) = match outcome {
        Outcome::Connected(time) => (
            "✔ ",
            format!("ok, {:.1} ms", time.as_secs_f64() * 1000.0),
            Colour::Green,
        ),
        Outcome::NoAnswer => ("✘ ", "no answer".to_owned(), Colour::Red),
        Outcome::Failed(error) => ("! ", error.clone(), Colour::Yellow),
    };
    (
        format!("{}{text}", if fancy { mark } else { "" }),
        Some(colour),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![plain("a"), plain("bb")],
            vec![plain("→ccc"), plain("")],
        ]
    }

    #[test]
    fn plain_columns_are_aligned_and_end_without_blanks() {
        assert_eq!(drawn(&rows(), false), "  a      bb\n  →ccc");
    }

    #[test]
    fn a_box_closes_around_every_width() {
        let expected =
            "  ┌──────┬────┐\n  │ a    │ bb │\n  ├──────┼────┤\n  │ →ccc │    │\n  └──────┴────┘";
        assert_eq!(drawn(&rows(), true), expected);
    }

    #[test]
    fn outcomes_read_without_colours_too() {
        let texts = |fancy| {
            [
                Outcome::Connected(Duration::from_micros(340)),
                Outcome::NoAnswer,
                Outcome::Failed("refused".into()),
            ]
            .map(|is| outcome(&is, fancy).0)
        };
        assert_eq!(texts(false), ["ok, 0.3 ms", "no answer", "refused"]);
        assert_eq!(texts(true), ["✔ ok, 0.3 ms", "✘ no answer", "! refused"]);
    }

    #[test]
    fn the_matrix_has_a_row_and_a_column_for_every_pod() {
        let attempt = Attempt {
            from: &pods::WEB,
            to: &pods::DB,
            outcome: Outcome::NoAnswer,
        };
        let text = matrix(&[attempt]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[0].contains("to web:80") && lines[0].contains("to db:3306"),
            "{text}"
        );
        let row: Vec<_> = lines[1].split_whitespace().collect();
        assert_eq!(row, ["from", "web", "-", "-", "no", "answer"], "{text}");
    }
}
