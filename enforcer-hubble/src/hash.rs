//! A hash that is the same on every node and in every version (FNV-1a).

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The hash of several texts, none of which runs into the next.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = BASIS;
    for text in texts {
        // No text has this byte in it.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of different versions tell of the same pods.
    #[test]
    fn a_hash_never_changes() {
        assert_eq!(hash([]), BASIS);
        assert_eq!(hash(["a"]), hash(["a"]));
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
    }
}
