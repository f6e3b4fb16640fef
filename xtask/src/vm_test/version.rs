//! Versions of Debian's packages, in their order (`deb-version(7)`).

use std::cmp::Ordering;

/// A package's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) String);

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Words and numbers take turns. The words of kernels' versions are short enough for epochs and
/// revisions to need no treatment of their own.
fn compare(mut one: &str, mut other: &str) -> Ordering {
    while !(one.is_empty() && other.is_empty()) {
        let order = take(&mut one, &mut other, |c| !c.is_ascii_digit(), by_word);
        if order.is_ne() {
            return order;
        }
        let order = take(&mut one, &mut other, |c| c.is_ascii_digit(), by_number);
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take(
    one: &mut &str,
    other: &mut &str,
    wanted: fn(char) -> bool,
    by: fn(&str, &str) -> Ordering,
) -> Ordering {
    let split = |text: &mut &str| {
        let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
        let (head, tail) = text.split_at(end);
        let head = head.to_owned();
        (head, tail.len())
    };
    let ((head, rest), (other_head, other_rest)) = (split(one), split(other));
    *one = &one[one.len() - rest..];
    *other = &other[other.len() - other_rest..];
    by(&head, &other_head)
}

fn by_number(one: &str, other: &str) -> Ordering {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    number(one).cmp(&number(other))
}

/// A tilde is less than the end, and letters are less than everything else.
fn by_word(one: &str, other: &str) -> Ordering {
    let weights = |text: &str| {
        let weight = |c: char| match c {
            '~' => -1,
            c if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
            c => i64::from(u32::from(c)) + 256,
        };
        text.chars().map(weight).chain([0]).collect::<Vec<_>>()
    };
    weights(one).cmp(&weights(other))
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_in_debians_order() {
        let sorted = [
            "5.10.0",
            "6.1.180-1~deb11u1",
            "6.1.180-1",
            "6.1.192-1",
            "6.1.192-2",
            "6.12.117-1~deb12u1",
            "6.12.117-1",
            "6.12.117-1+b1",
            "6.18.5-1~bpo13+1",
            "6.18.15-1~bpo13+1",
            "7.3.4-1~bpo13+1",
        ];
        for pair in sorted.windows(2) {
            let [one, other] = [pair[0], pair[1]].map(|text| Version(text.to_owned()));
            assert!(one < other, "{one:?} {other:?}");
        }
    }
}
