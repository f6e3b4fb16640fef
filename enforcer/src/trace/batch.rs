//! Many questions: JSON lines in, JSON lines out, in the same order.

use std::io::{self, BufReader, Read, Write};

use serde::Serialize;

use super::query::{Question, QuestionError};
use super::{TraceError, Tracer};

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines with an answer.
    pub answered: usize,
    /// Lines with an error.
    pub failed: usize,
}

/// A line that has no answer.
#[derive(Serialize)]
struct Failure<'a> {
    /// Its number, from 1.
    line: usize,
    #[serde(flatten)]
    question: Option<Asked<'a>>,
    error: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    from: &'a str,
    to: &'a str,
    protocol: &'a str,
    port: Option<u16>,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Answers each line of `input` with a line of `output`; empty lines are passed over. Answers are
/// written out whenever the next question is not there yet, so that a program can converse.
///
/// # Errors
/// When one of the two streams fails.
pub fn batch(
    tracer: &mut Tracer,
    input: impl Read,
    output: &mut impl Write,
) -> io::Result<Summary> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut answers = Vec::with_capacity(1 << 16);
    let mut summary = Summary::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if io::BufRead::read_until(&mut input, b'\n', &mut line)? == 0 {
            break;
        }
        if number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if !line.trim_ascii().is_empty() {
            answer(tracer, number, &line, &mut summary, &mut answers)?;
        }
        if input.buffer().is_empty() || answers.len() >= 1 << 16 {
            output.write_all(&answers)?;
            output.flush()?;
            answers.clear();
        }
    }
    output.write_all(&answers)?;
    output.flush()?;
    Ok(summary)
}

fn answer(
    tracer: &mut Tracer,
    number: usize,
    line: &[u8],
    summary: &mut Summary,
    output: &mut Vec<u8>,
) -> io::Result<()> {
    let text = str::from_utf8(line).map_err(|error| QuestionError::Line(error.to_string()));
    let question = text.and_then(|text| Question::from_line(text.trim()));
    let answer = match &question {
        Ok(question) => tracer.ask(question),
        Err(error) => Err(TraceError::Question(error.clone())),
    };
    match answer {
        Ok(answer) => {
            summary.answered += 1;
            serde_json::to_writer(&mut *output, &answer)?;
        }
        Err(error) => {
            summary.failed += 1;
            let failure = Failure {
                line: number,
                question: question.as_ref().ok().map(asked),
                error: error.to_string(),
            };
            serde_json::to_writer(&mut *output, &failure)?;
        }
    }
    output.push(b'\n');
    Ok(())
}

fn asked(question: &Question) -> Asked<'_> {
    Asked {
        from: &question.from,
        to: &question.to,
        protocol: &question.protocol,
        port: question.port,
    }
}
