//! The lines of an answer that has no end.

use std::pin::Pin;
use std::time::Duration;

use futures_util::AsyncBufRead;
use futures_util::io::AsyncBufReadExt as _;
use tokio::time::timeout;

use super::failure::Failure;

/// A buffer that grew larger than this for one line does not stay so large.
const KEEP: usize = 128 << 10;

/// Lines as they come.
pub(super) struct Lines {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(reader: impl AsyncBufRead + Send + 'static) -> Self {
        Self {
            reader: Box::pin(reader),
            line: Vec::new(),
        }
    }

    /// The next line; none when the server has ended the answer. What it has begun and not ended is
    /// no line.
    ///
    /// # Errors
    /// When nothing at all comes for `patience`, or the connection breaks.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<&[u8]>, Failure> {
        self.line.clear();
        self.line.shrink_to(KEEP);
        loop {
            let waited = timeout(patience, self.reader.fill_buf()).await;
            let Ok(read) = waited else {
                return Err(Failure::Silent(patience));
            };
            let bytes = read.map_err(Failure::Cut)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(bytes.len(), |end| end + 1);
            self.line
                .extend_from_slice(bytes.get(..used).unwrap_or_default());
            self.reader.as_mut().consume(used);
            if end.is_some() && !self.line.trim_ascii().is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::io::{BufReader, Cursor};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn all(text: &'static str) -> Vec<String> {
        // Three bytes at a time, so that lines come in pieces.
        let mut lines = Lines::new(BufReader::with_capacity(3, Cursor::new(text)));
        let mut all = Vec::new();
        while let Some(line) = lines.next(PATIENCE).await.unwrap() {
            all.push(String::from_utf8(line.to_vec()).unwrap().trim().to_owned());
        }
        all
    }

    #[tokio::test]
    async fn a_line_counts_when_its_end_has_come() {
        assert_eq!(all("{\"a\":1}\n{\"b\":").await, ["{\"a\":1}"]);
        assert_eq!(all("one\n\ntwo\n").await, ["one", "two"]);
        assert_eq!(all("").await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn silence_is_noticed() {
        struct Never;
        impl futures_util::AsyncRead for Never {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Pending
            }
        }
        let mut lines = Lines::new(BufReader::new(Never));
        let outcome = lines.next(Duration::from_millis(10)).await;
        assert!(matches!(outcome, Err(Failure::Silent(_))));
    }
}
