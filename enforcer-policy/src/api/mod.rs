//! Stub.

/// Exempts a pod from anti-spoofing when set to `"true"`.
pub const ALLOW_SPOOFING_ANNOTATION: &str = "enforcer.dev/allow-spoofing";
