//! Where values stand in a JSON text, so that the rest of the text can be left as it is.
//!
//! For texts that a parser has accepted. In others nothing is found, or something that is none.

use std::ops::Range;

/// The value of a member of an object, which stands at `object`.
pub fn member(text: &str, object: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let mut scanner = Scanner::inside(text, object, b'{')?;
    loop {
        let key = scanner.value()?;
        scanner.take(b':')?;
        let value = scanner.value()?;
        if serde_json::from_str::<String>(text.get(key)?).ok()? == name {
            return Some(value);
        }
        scanner.take(b',')?;
    }
}

/// The elements of an array, which stands at `array`.
pub fn elements(text: &str, array: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut scanner = Scanner::inside(text, array, b'[')?;
    let mut found = Vec::new();
    if scanner.peek()? == b']' {
        return Some(found);
    }
    loop {
        found.push(scanner.value()?);
        if scanner.take(b',').is_none() {
            return Some(found);
        }
    }
}

/// The whole value of a text.
pub fn whole(text: &str) -> Option<Range<usize>> {
    Scanner {
        text: text.as_bytes(),
        at: 0,
    }
    .value()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn inside(text: &'a str, span: &Range<usize>, opening: u8) -> Option<Self> {
        let text = text.as_bytes().get(..span.end)?;
        let mut scanner = Self {
            text,
            at: span.start,
        };
        scanner.take(opening)?;
        Some(scanner)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Goes behind the next value and says where it stands.
    fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}".contains(byte);
                let rest = self.text.get(start..)?;
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        (self.at > start).then_some(start..self.at)
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        Some(&text[member(text, &whole(text)?, name)?])
    }

    #[test]
    fn a_member_is_found_behind_any_other() {
        let text = r#" { "a" : "}],\"\\", "b":[{"c":"x]"},2] , "c" : -1.50e3, "d":null}"#;
        assert_eq!(member_of(text, "a"), Some(r#""}],\"\\""#));
        assert_eq!(member_of(text, "b"), Some(r#"[{"c":"x]"},2]"#));
        assert_eq!(member_of(text, "c"), Some("-1.50e3"));
        assert_eq!(member_of(text, "d"), Some("null"));
        assert_eq!(member_of(text, "x"), None);
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        assert_eq!(member_of(r#"{"\u0061b": 1}"#, "ab"), Some("1"));
    }

    #[test]
    fn elements_are_found_in_their_order() {
        let text = "[ 1,[2, 3] ,{\"a\": [4]}, \"]\" ]";
        let found = elements(text, &whole(text).unwrap()).unwrap();
        let found: Vec<&str> = found.into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, ["1", "[2, 3]", "{\"a\": [4]}", "\"]\""]);
    }

    #[test]
    fn empty_ones_hold_nothing() {
        assert_eq!(elements("[ ]", &(0..3)), Some(Vec::new()));
        assert_eq!(member_of("{ }", "a"), None);
    }

    #[test]
    fn what_is_no_json_is_no_endless_search() {
        for text in [
            "", "{", "[", "\"", "\"\\", "{\"a\"", "{\"a\":", "[1", "[1,", "}", "]",
        ] {
            assert_eq!(member_of(text, "a"), None, "{text}");
        }
    }
}
