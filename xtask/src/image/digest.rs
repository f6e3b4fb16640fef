//! SHA-256 as OCI writes it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// 64 hexadecimal digits.
pub(super) fn hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// `sha256:` and the digits.
pub(super) fn oci(content: &[u8]) -> String {
    format!("sha256:{}", hex(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_standard() {
        // The one-block message of FIPS 180.
        assert_eq!(
            oci(b"abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
