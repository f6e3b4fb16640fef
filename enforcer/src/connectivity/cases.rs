//! What is tested: policies, and what must follow from each.
//!
//! ```text
//! namespace M                                     namespace M-other
//!   blue        (app: blue)     first node          green   (app: green)    second node
//!   friend-a/b  (role: friend)                      guest-a/b (role: guest)
//!   stranger-a/b (role: stranger)
//! ```
//!
//! Of each client one is on the first node (`-a`) and one on the second (`-b`).

mod list;

use std::fmt;

use super::attempt::Way;
pub use list::CASES;

/// A kind of client: one pod for each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// In the test's namespace.
    Friend,
    /// In the same namespace with other labels.
    Stranger,
    /// In the other namespace.
    Guest,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Friend, Self::Stranger, Self::Guest];

    /// Its label `role`.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Friend => "friend",
            Self::Stranger => "stranger",
            Self::Guest => "guest",
        }
    }

    /// Where it lives.
    pub const fn home(self) -> Home {
        match self {
            Self::Friend | Self::Stranger => Home::Main,
            Self::Guest => Home::Other,
        }
    }
}

/// One of the test's two namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The one that the test is given.
    Main,
    /// The other one.
    Other,
}

/// A pod that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// In the test's namespace, on the first node.
    Blue,
    /// In the other namespace, on the second node.
    Green,
}

impl Server {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// Its name, its label `app`, and its service's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// Where it lives.
    pub const fn home(self) -> Home {
        match self {
            Self::Blue => Home::Main,
            Self::Green => Home::Other,
        }
    }
}

/// A port of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// TCP 8080.
    Web,
    /// TCP 8081.
    Admin,
    /// TCP 8082.
    Extra,
    /// UDP 5353. Pods without privileges cannot serve 53 everywhere.
    Dns,
    /// The service's TCP port 80, behind which is [`Port::Web`].
    Service,
    /// [`Port::Web`] by a connection that was there before the policy.
    Kept,
}

impl Port {
    /// Those that containers serve.
    pub const SERVED: [Self; 4] = [Self::Web, Self::Admin, Self::Extra, Self::Dns];

    /// Its name in a container's ports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web | Self::Kept => "web",
            Self::Admin => "admin",
            Self::Extra => "extra",
            Self::Dns => "dns",
            Self::Service => "service",
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Web | Self::Kept => 8080,
            Self::Admin => 8081,
            Self::Extra => 8082,
            Self::Dns => 5353,
            Self::Service => 80,
        }
    }

    /// Its protocol.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Dns => "UDP",
            _ => "TCP",
        }
    }

    /// How it is tried.
    pub const fn way(self) -> Way {
        match self {
            Self::Dns => Way::Udp,
            Self::Kept => Way::Kept,
            _ => Way::Tcp,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("its service address"),
            Self::Kept => f.write_str("a connection opened before"),
            port => write!(f, "{} {} ({})", port.protocol(), port.number(), port.name()),
        }
    }
}

/// What must follow from a case's policies: for each pair of these, by every family.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// Who.
    pub clients: &'static [Client],
    /// Whether they reach it.
    pub allowed: bool,
    /// Whom.
    pub server: Server,
    /// By which ports.
    pub ports: &'static [Port],
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: Vec<String> = self
            .clients
            .iter()
            .map(|client| format!("{}s", client.role()))
            .collect();
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        let verb = if self.allowed {
            "reach"
        } else {
            "do not reach"
        };
        let by = match self.ports {
            [Port::Service | Port::Kept, ..] => "by",
            _ => "at",
        };
        write!(
            f,
            "{} {verb} {} {by} {}",
            and(&clients),
            self.server.name(),
            and(&ports)
        )
    }
}

/// `a`, `a and b`, `a, b and c`.
fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A step of the test.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Its policies: YAML with `$MAIN`, `$OTHER` and the like for what is known only in the cluster.
    pub policies: &'static str,
    /// What must follow.
    pub expectations: &'static [Expectation],
}

impl Case {
    /// The case without policies, by which it is known what can be reached at all.
    pub const BASELINE: &'static str = "no-policy";

    /// Whether it goes by service addresses.
    pub fn wants_services(&self) -> bool {
        let mut ports = self.expectations.iter().flat_map(|one| one.ports);
        self.name != Self::BASELINE && ports.any(|port| *port == Port::Service)
    }
}

#[cfg(test)]
mod tests;
