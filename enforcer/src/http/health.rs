//! Whether the daemon lives, and whether it does its work.

use std::fmt;

/// What the daemon's loop says of itself. That it answers at all is its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Everything that is to be in force was read completely at least once.
    pub synced: bool,
    /// Why the kernel's tables are not what they are to be, when that is so.
    pub broken: Option<String>,
}

impl Health {
    /// Whether the daemon does its work. A pod that cannot be enforced, a policy that is refused
    /// or an API server that is away do not count: exchanging the daemon, or holding up a rollout,
    /// would mend none of them, and what is in force stays in force.
    pub const fn is_ready(&self) -> bool {
        self.synced && self.broken.is_none()
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.synced, &self.broken) {
            (false, _) => f.write_str("not ready: the policies have not been read yet"),
            (true, Some(why)) => write!(f, "not ready: a map write failed: {why}"),
            (true, None) => f.write_str("ready"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_has_read_everything_and_written_it() {
        let mut health = Health::default();
        assert!(!health.is_ready());
        health.synced = true;
        assert!(health.is_ready());
        health.broken = Some("no space".to_owned());
        assert!(!health.is_ready());
        assert_eq!(
            health.to_string(),
            "not ready: a map write failed: no space"
        );
    }
}
