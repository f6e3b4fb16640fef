//! Licence expressions (SPDX) against the list of accepted licences.

/// Licences that may be part of an Apache-2.0 program.
const ACCEPTED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Whether an expression can be fulfilled by accepted licences alone: every side of an AND, one
/// side of an OR. What cannot be read is not accepted.
pub(super) fn accepted(expression: &str) -> bool {
    // Old manifests write OR as a slash.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        next: 0,
    };
    words.any() == Some(true) && words.peek().is_none()
}

struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    /// Takes the next word if it is this one.
    fn take(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        self.next += usize::from(is);
        is
    }

    fn any(&mut self) -> Option<bool> {
        let mut good = self.all()?;
        while self.take("OR") {
            good |= self.all()?;
        }
        Some(good)
    }

    fn all(&mut self) -> Option<bool> {
        let mut good = self.one()?;
        while self.take("AND") {
            good &= self.one()?;
        }
        Some(good)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let good = self.any()?;
            return self.take(")").then_some(good);
        }
        let licence = self
            .peek()
            .filter(|word| !["AND", "OR", "WITH", ")"].contains(word))?;
        self.next += 1;
        if !self.take("WITH") {
            return Some(ACCEPTED.contains(&licence));
        }
        let exception = self.peek()?;
        self.next += 1;
        Some(ACCEPTED.contains(&format!("{licence} WITH {exception}").as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_an_or_is_enough() {
        assert!(accepted("MIT OR GPL-3.0-only"));
        assert!(accepted("LGPL-2.1-or-later OR Apache-2.0"));
        assert!(accepted("Unlicense/MIT"));
    }

    #[test]
    fn both_sides_of_an_and_are_needed() {
        assert!(accepted("MIT AND Zlib"));
        assert!(!accepted("MIT AND GPL-2.0-only"));
    }

    #[test]
    fn and_binds_closer_than_or_and_brackets_closer_still() {
        assert!(accepted("MIT OR GPL-2.0-only AND GPL-3.0-only"));
        assert!(accepted("(MIT OR GPL-2.0-only) AND Unicode-3.0"));
        assert!(!accepted("(MIT OR Apache-2.0) AND GPL-2.0-only"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(accepted("Apache-2.0 WITH LLVM-exception"));
        assert!(!accepted("GPL-2.0-only WITH LLVM-exception"));
        assert!(!accepted("MIT WITH nothing"));
    }

    #[test]
    fn what_cannot_be_read_is_not_accepted() {
        for expression in [
            "",
            "MIT OR",
            "AND MIT",
            "(MIT",
            "MIT)",
            "MIT Zlib",
            "see LICENSE",
        ] {
            assert!(!accepted(expression), "{expression:?}");
        }
    }
}
