//! What nobody can guess.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};

/// Letters and digits that nobody takes for one another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// Characters of a code between two dashes.
const GROUP: usize = 4;

/// A text that is asked for and must not be guessed.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// 100 bits for people: `abcd-efgh-jkmn-pqrs-tuvw`.
    pub(super) fn code() -> io::Result<Self> {
        let letters = bytes::<20>()?.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        let groups: Vec<String> = letters.chunks(GROUP).map(String::from_iter).collect();
        Ok(Self(groups.join("-")))
    }

    /// 256 bits for programs.
    pub(super) fn token() -> io::Result<Self> {
        let mut text = String::new();
        for byte in bytes::<32>()? {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the same text. How long this takes says nothing about where it differs.
    pub(super) fn is(&self, other: &str) -> bool {
        let (one, other) = (self.0.as_bytes(), other.as_bytes());
        let pairs = one.iter().zip(other);
        let difference = pairs.fold(0, |found, (a, b)| found | (a ^ b));
        one.len() == other.len() && difference == 0
    }
}

fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_are_the_same() {
        for make in [Secret::code, Secret::token] {
            let (one, other) = (make().unwrap(), make().unwrap());
            assert!(one.is(one.as_str()) && !one.is(other.as_str()));
            assert!(!one.is("") && !one.is(&one.as_str()[1..]));
        }
        let code = Secret::code().unwrap();
        assert_eq!(
            code.as_str().split('-').map(str::len).collect::<Vec<_>>(),
            [4; 5]
        );
        assert_eq!(Secret::token().unwrap().as_str().len(), 64);
    }
}
