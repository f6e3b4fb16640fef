//! What the user sees: colours on a terminal, plain lines otherwise.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static FANCY: AtomicBool = AtomicBool::new(false);

/// Decides once how to print: colours and moving progress are for terminals that want them.
pub(crate) fn init(plain: bool) {
    let refused = plain
        || env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
        || env::var_os("TERM").is_some_and(|v| v == "dumb");
    FANCY.store(!refused && io::stdout().is_terminal(), Ordering::Relaxed);
}

/// Whether colours and moving progress are wanted.
pub(crate) fn fancy() -> bool {
    FANCY.load(Ordering::Relaxed)
}

/// Prints one line. A reader that went away is no reason to fail.
pub(crate) fn line(text: impl Display) {
    if cfg!(test) {
        // Only this way do tests keep it to themselves.
        println!("{text}");
        return;
    }
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Overwrites the current line of a terminal, cut to fit into it.
pub(crate) fn redraw(text: &str) {
    const WIDTH: usize = 78;
    let text: String = text.chars().take(WIDTH).collect();
    let mut out = io::stdout().lock();
    let _ = write!(out, "\r\x1b[2K{text}");
    let _ = out.flush();
}

/// Prints a heading with an empty line above it.
pub(crate) fn heading(text: &str) {
    line(format_args!("\n{}", paint(Colour::Bold, text)));
}

/// Prints an error and what caused it, one a line.
pub(crate) fn error(error: &anyhow::Error) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "{}: {error}", paint(Colour::Red, "error"));
    for cause in error.chain().skip(1) {
        let _ = writeln!(out, "  because: {cause}");
    }
}

/// The colours in use, by their meaning to the terminal.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// The text in a colour, or as it is where colours are not wanted.
pub(crate) fn paint(colour: Colour, text: impl Display) -> String {
    if fancy() {
        painted(colour, text)
    } else {
        text.to_string()
    }
}

fn painted(colour: Colour, text: impl Display) -> String {
    let code = match colour {
        Colour::Bold => "1",
        Colour::Dim => "2",
        Colour::Red => "31",
        Colour::Green => "32",
        Colour::Yellow => "33",
        Colour::Cyan => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A duration as people say it: `0.4 s`, `42 s`, `3 min 05 s`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f32()),
        whole @ 10..60 => format!("{whole} s"),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_to_read_at_every_length() {
        let shown: Vec<_> = [400, 9_900, 42_700, 60_000, 185_000]
            .map(|ms| seconds(Duration::from_millis(ms)))
            .to_vec();
        assert_eq!(
            shown,
            ["0.4 s", "9.9 s", "42 s", "1 min 00 s", "3 min 05 s"]
        );
    }

    #[test]
    fn without_a_terminal_nothing_is_coloured() {
        assert_eq!(paint(Colour::Red, "dropped"), "dropped");
        assert_eq!(painted(Colour::Red, "dropped"), "\x1b[31mdropped\x1b[0m");
    }
}
