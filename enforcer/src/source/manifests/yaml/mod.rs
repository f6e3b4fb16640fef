//! YAML with places: every value and key knows its line and column.
//!
//! The text is cut at its `---` lines before it is parsed, as kubectl does, so that a syntax error
//! spoils its own document only. Hostile input is refused, not followed: nesting, the size of
//! expanded aliases and the size of the file are bounded, and nothing here recurses over the input
//! before its depth is known.

mod build;
mod merge;
mod scalar;
mod split;
mod tree;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

pub(crate) use tree::{Node, Place, Segment, Value, parse_path, render_path};

/// One document of a stream.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its content, as far as there is one; `None` after a syntax error.
    pub root: Option<Node>,
    /// What is wrong with its text.
    pub errors: Vec<SyntaxError>,
}

/// Something wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Where.
    pub place: Place,
    /// A stable name for the kind of mistake.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The path of the field, where there is one.
    pub field: Option<String>,
    /// What to do about it.
    pub help: Option<&'static str>,
}

/// All documents of `text` that are not empty.
pub(crate) fn parse(text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    split::documents(text)
        .into_iter()
        .flat_map(|(first_line, chunk)| parse_chunk(chunk, first_line))
        .filter(|document| document.root.is_some() || !document.errors.is_empty())
        .collect()
}

/// The documents of a chunk that begins on line `first_line` of its file.
fn parse_chunk(chunk: &str, first_line: usize) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut builder = build::Builder::new(first_line);
    for event in Parser::new_from_str(chunk) {
        match event {
            Ok((Event::DocumentEnd, _)) => {
                let next = build::Builder::new(first_line);
                documents.push(std::mem::replace(&mut builder, next).finish());
            }
            Ok((event, span)) => {
                if builder.event(event, span).is_break() {
                    documents.push(builder.finish());
                    return documents;
                }
            }
            Err(error) => {
                documents.push(builder.fail(&error, chunk.contains("{{")));
                return documents;
            }
        }
    }
    documents
}

/// Anchored nodes by the parser's number; `None` while the anchored node is still being read.
type Anchors = HashMap<usize, Option<Node>>;

#[cfg(test)]
mod tests;
