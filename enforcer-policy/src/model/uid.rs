//! What tells objects of the same name from each other.

use std::fmt;
use std::str::FromStr;

/// A pod's uid, as the kubelet and the container runtime know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 16]);

/// The text is none that Kubernetes gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a uid has 32 hexadecimal digits")]
pub struct NotAUid;

impl FromStr for Uid {
    type Err = NotAUid;

    /// Takes a UUID, with dashes or (as the kubelet's for static pods) without.
    fn from_str(text: &str) -> Result<Self, NotAUid> {
        let mut bytes = [0; 16];
        let mut count = 0_usize;
        for digit in text.chars().filter(|c| *c != '-') {
            let value = digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok());
            let byte = bytes.get_mut(count / 2).ok_or(NotAUid)?;
            *byte = *byte << 4 | value.ok_or(NotAUid)?;
            count += 1;
        }
        if count == 32 {
            Ok(Self(bytes))
        } else {
            Err(NotAUid)
        }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_do_not_matter() {
        let text = "12345678-9abc-def0-1234-56789abcdef0";
        let uid: Uid = text.parse().unwrap();
        assert_eq!(uid.to_string(), text);
        assert_eq!(text.replace('-', "").parse(), Ok(uid));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "7", "12345678-9abc-def0-1234-56789abcdefg"] {
            assert_eq!(text.parse::<Uid>(), Err(NotAUid), "{text}");
        }
        assert_eq!("0".repeat(33).parse::<Uid>(), Err(NotAUid));
    }
}
