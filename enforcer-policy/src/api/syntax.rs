//! The lexical rules of the Kubernetes API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// A DNS label (RFC 1123): namespaces.
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && bounded(text, is_lower_alphanumeric, |byte| byte == b'-')
}

/// A DNS subdomain (RFC 1123): the names of most objects, the prefix of a label key.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text
            .split('.')
            .all(|part| bounded(part, is_lower_alphanumeric, |byte| byte == b'-'))
}

/// A label key: `[DNS subdomain/]name`.
pub fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

/// A label value: empty, or up to 63 characters.
pub fn is_label_value(text: &str) -> bool {
    let inner = |byte| matches!(byte, b'-' | b'_' | b'.');
    text.is_empty()
        || (text.len() <= 63 && bounded(text, |byte: u8| byte.is_ascii_alphanumeric(), inner))
}

/// A port name (`IANA_SVC_NAME`, RFC 6335).
pub(crate) fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && bounded(text, is_lower_alphanumeric, |byte| byte == b'-')
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--")
}

/// A port number, 1 to 65535.
pub(crate) fn port_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// An address as the API server reads it: IPv4 octets may have leading zeros (decimal all the
/// same), and an IPv4 address in IPv6 clothes is an IPv4 address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.to_canonical());
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = decimal(parts.next()?)?.try_into().ok()?;
    }
    parts
        .next()
        .is_none()
        .then_some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// A CIDR as the API server reads it; host bits are cleared.
pub(crate) fn cidr(text: &str) -> Option<IpNet> {
    let (base, length) = text.split_once('/')?;
    let length: u8 = decimal(length)?.try_into().ok()?;
    let mapped = base.contains(':');
    match address(base)? {
        // ::ffff:10.0.0.0/104 means 10.0.0.0/8.
        IpAddr::V4(v4) if mapped && length >= 96 => {
            Ipv4Net::new(v4, length - 96).ok().map(IpNet::V4)
        }
        IpAddr::V4(v4) if mapped => IpNet::new(IpAddr::V6(v4.to_ipv6_mapped()), length).ok(),
        address => IpNet::new(address, length).ok(),
    }
    .map(|net| net.trunc())
}

/// Digits only: `parse` alone would take a sign too.
fn decimal(text: &str) -> Option<u32> {
    let digits = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Not empty, begins and ends with an `edge`, and only `edge`s and `inner`s between.
fn bounded(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| edge(*byte))
        && bytes.last().is_some_and(|byte| edge(*byte))
        && bytes.iter().all(|byte| edge(*byte) || inner(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_key_is_a_name_with_an_optional_domain_before_it() {
        for good in ["a", "A.b_c-d", "app.kubernetes.io/name", "x/0"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "-a", "a b", "A.com/x", "é"] {
            assert!(!is_label_key(bad), "{bad}");
        }
        assert!(is_label_key(&"a".repeat(63)));
        assert!(!is_label_key(&"a".repeat(64)));
    }

    #[test]
    fn a_label_value_may_be_empty_but_not_long_or_edged_by_punctuation() {
        assert!(is_label_value("") && is_label_value("v1.2_x-Y"));
        assert!(!is_label_value(".a") && !is_label_value("a-") && !is_label_value("a b"));
        assert!(!is_label_value(&"a".repeat(64)));
    }

    #[test]
    fn a_port_name_has_a_letter_and_at_most_15_characters() {
        for good in ["http", "a", "dns-tcp", "8080x", "abcdefghijklmno"] {
            assert!(is_port_name(good), "{good}");
        }
        for bad in [
            "",
            "80",
            "HTTP",
            "a--b",
            "-a",
            "a-",
            "a_b",
            "abcdefghijklmnop",
        ] {
            assert!(!is_port_name(bad), "{bad}");
        }
    }

    #[test]
    fn cidrs_lose_their_host_bits_and_their_leading_zeros() {
        let read = |text| cidr(text).map(|net| net.to_string());
        assert_eq!(read("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(read("010.000.0.0/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(read("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(read("::ffff:10.1.2.3/104").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(read("0.0.0.0/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(read("::/0").as_deref(), Some("::/0"));
    }

    #[test]
    fn what_is_not_a_cidr_is_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.256/8",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "::/129",
            "10.0.0.0.0/8",
            "fe80::1%eth0/64",
        ] {
            assert_eq!(cidr(bad), None, "{bad}");
        }
    }
}
