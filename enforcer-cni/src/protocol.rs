//! What plugin and daemon say to each other: one line of JSON each over the daemon's Unix socket.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One network of one container. The runtime has at most one of each name for a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attachment {
    /// The container's id; that of a pod's sandbox.
    pub container: String,
    /// The name of the link inside the container.
    pub ifname: String,
}

impl Attachment {
    /// Whether both names are what the specification allows, and so may be part of a file's name.
    pub fn is_valid(&self) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let container = self
            .container
            .starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.container.len() <= 200
            && self.container.chars().all(allowed);
        let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        let ifname = (1..=15).contains(&self.ifname.len())
            && !matches!(&*self.ifname, "." | "..")
            && !self.ifname.contains(odd);
        container && ifname
    }

    /// The file in which the daemon that has this socket remembers the attachment.
    pub fn file(&self, socket: &Path) -> PathBuf {
        claims(socket).join(format!("{}:{}.json", self.container, self.ifname))
    }
}

/// The directory in which the daemon that has this socket remembers attachments.
pub fn claims(socket: &Path) -> PathBuf {
    socket.with_file_name("claims")
}

/// A pod's start waits for its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which network of which container.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// The name of the network.
    pub network: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid, where the runtime knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The file of the network namespace, as the runtime names it.
    pub netns: PathBuf,
    /// The device number of that file.
    pub device: u64,
    /// The inode number of that file. Both together are the namespace, by whatever path.
    pub inode: u64,
    /// The addresses that the link got, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// How long the daemon may take to answer, in milliseconds.
    #[serde(default)]
    pub wait: u64,
}

/// An attachment is gone, or about to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which.
    #[serde(flatten)]
    pub attachment: Attachment,
}

/// Of one network, only these attachments are left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retain {
    /// The name of the network.
    pub network: String,
    /// Which.
    pub attachments: Vec<Attachment>,
}

/// What the plugin asks; a part of what the daemon's socket understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Request {
    /// See [`Hold`].
    Hold(Hold),
    /// See [`Release`].
    Release(Release),
    /// See [`Retain`].
    Retain(Retain),
}

/// The daemon's answer to [`Hold`]; `Release` and `Retain` are answered by an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The pod's policies are in force at this link.
    pub in_force: bool,
    /// Why not (yet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(container: &str, ifname: &str) -> Attachment {
        Attachment {
            container: container.to_owned(),
            ifname: ifname.to_owned(),
        }
    }

    #[test]
    fn names_that_could_leave_the_directory_of_claims_are_invalid() {
        assert!(attachment("0a-b_c.d", "eth0").is_valid());
        for (container, ifname) in [
            ("", "eth0"),
            ("..", "eth0"),
            ("a/b", "eth0"),
            (".hidden", "eth0"),
            ("a", ""),
            ("a", ".."),
            ("a", "../x"),
            ("a", "a:b"),
            ("a", "sixteen-letters-"),
        ] {
            assert!(
                !attachment(container, ifname).is_valid(),
                "{container} {ifname}"
            );
        }
    }

    #[test]
    fn a_claim_lies_beside_the_socket() {
        let file = attachment("abc", "eth0").file(Path::new("/run/enforcer/enforcer.sock"));
        assert_eq!(file, Path::new("/run/enforcer/claims/abc:eth0.json"));
    }
}
