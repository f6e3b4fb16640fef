//! The generated tables of `docs/kernels.md`.

use std::fs;

use anyhow::{Context, Result};

use crate::workspace;

/// Puts a table between `<!-- NAME -->` and `<!-- /NAME -->`.
pub(super) fn put(name: &str, table: &str) -> Result<()> {
    let path = workspace::root().join("docs/kernels.md");
    let document =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let document = with(&document, name, table)
        .with_context(|| format!("{} has no place for the table {name:?}", path.display()))?;
    fs::write(&path, document).with_context(|| format!("writing {}", path.display()))
}

/// The document with another table in that place.
fn with(document: &str, name: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some([before, &begin, table, &end, after].concat())
}

/// What a table with these columns begins with; the first one has no name.
pub(super) fn head(columns: &[String]) -> String {
    let line = "---|".repeat(columns.len());
    row("", columns) + "|---|" + &line + "\n"
}

/// A line of it.
pub(super) fn row(first: &str, cells: &[String]) -> String {
    format!("| {first} | {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_in_its_place() {
        let document = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n";
        let expected = "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n";
        assert_eq!(with(document, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(with(document, "y", "new\n"), None);
    }

    #[test]
    fn a_table_has_a_head() {
        let table = head(&["1".to_owned(), "2".to_owned()]) + &row("a", &["3".to_owned()]);
        assert_eq!(table, "|  | 1 | 2 |\n|---|---|---|\n| a | 3 |\n");
    }
}
