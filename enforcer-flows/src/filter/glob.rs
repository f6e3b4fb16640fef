//! Names with wildcards.

use std::fmt;

/// A name in which `*` stands for any characters and `?` for any one. Names of Kubernetes objects have
/// no capitals, so case does not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Glob(Box<str>);

impl Glob {
    /// `None` for an empty text, and for characters that no name has.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*?".contains(&byte);
        (!text.is_empty() && text.bytes().all(known)).then(|| Self(text.into()))
    }

    /// What matches every name.
    pub(super) fn any() -> Self {
        Self("*".into())
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut read) = (0, 0);
        // Where to go on when what follows the last star does not fit: one character later.
        let mut star = None;
        while read < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at + 1, read));
                    at += 1;
                }
                Some(b'?') => (at, read) = (at + 1, read + 1),
                Some(byte) if byte.eq_ignore_ascii_case(&name[read]) => {
                    (at, read) = (at + 1, read + 1);
                }
                _ => {
                    let Some((behind, from)) = star else {
                        return false;
                    };
                    star = Some((behind, from + 1));
                    (at, read) = (behind, from + 1);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the words say, without any cleverness.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| naive(rest, &name[skip..])),
            ([b'?', rest @ ..], [_, name @ ..]) => naive(rest, name),
            ([one, rest @ ..], [other, name @ ..]) => one == other && naive(rest, name),
            (_, []) => false,
        }
    }

    #[test]
    fn a_name_without_wildcards_is_itself_alone() {
        let glob = Glob::parse("web-1").unwrap();
        assert!(glob.matches("web-1") && glob.matches("Web-1"));
        assert!(!glob.matches("web-10") && !glob.matches("web"));
    }

    #[test]
    fn characters_that_no_name_has_are_refused() {
        for wrong in ["", "a b", "a/b", "[a]", "ä", "a:b"] {
            assert_eq!(Glob::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn wildcards_match_as_the_words_say(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            let glob = Glob::parse(&pattern).unwrap();
            prop_assert_eq!(glob.matches(&name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
