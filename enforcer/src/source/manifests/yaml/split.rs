//! Cutting a stream into documents.

/// The chunks of `text` between its `---` lines, each with the number of its first line. A marker
/// stays at the head of its chunk; what stands before the first marker and holds directives and
/// comments only goes with the document that it introduces.
pub(super) fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut chunks = Vec::new();
    let (mut start, mut first_line) = (0, 1);
    let mut offset = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if is_marker(line) && !is_prologue(&text[start..offset]) {
            chunks.push((first_line, &text[start..offset]));
            (start, first_line) = (offset, number);
        }
        offset += line.len();
    }
    chunks.push((first_line, &text[start..]));
    chunks
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_prologue(chunk: &str) -> bool {
    chunk
        .lines()
        .all(|line| line.trim().is_empty() || line.starts_with(['#', '%']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_their_markers_and_know_their_first_lines() {
        let text = "a: 1\n---\nb: 2\n--- # c\nc: 3\n---x\n";
        assert_eq!(
            documents(text),
            [
                (1, "a: 1\n"),
                (2, "---\nb: 2\n"),
                (4, "--- # c\nc: 3\n---x\n")
            ]
        );
    }

    #[test]
    fn directives_and_comments_stay_with_the_document_that_follows() {
        let text = "# licence\n%YAML 1.2\n---\na: 1\n";
        assert_eq!(documents(text), [(1, text)]);
    }
}
