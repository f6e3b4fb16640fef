//! Looks for signs of other engines.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::netfilter::{ChainsError, chains};
use super::{Engine, Facts, find};
use crate::datapath::discover;
use crate::datapath::netlink::{Netlink, NetlinkError};

/// Where the AWS agent pins the programs of pods, below the BPF file system.
const AWS_PROGRAMS: &str = "globals/aws/programs";

/// How their names end.
const AWS_ENDINGS: [&str; 2] = ["_handle_ingress", "_handle_egress"];

/// Why nobody knows whether there is another engine.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Links cannot be listed.
    #[error("cannot look for other policy engines: {0}")]
    Links(#[from] NetlinkError),
    /// Netfilter cannot be asked.
    #[error("cannot look for other policy engines: {0}")]
    Chains(#[from] ChainsError),
    /// The directory cannot be read.
    #[error("cannot look for other policy engines in {}: {source}", path.display())]
    Pins {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The other engines of the calling thread's network namespace and of a BPF file system. Blocks for
/// some milliseconds.
pub fn engines(bpffs: &Path) -> Result<Vec<Engine>, ProbeError> {
    Ok(find(&facts(bpffs)?))
}

fn facts(bpffs: &Path) -> Result<Facts, ProbeError> {
    let links = Netlink::open()?.links()?;
    Ok(Facts {
        links: links
            .iter()
            .map(|link| discover::name(link).to_owned())
            .collect(),
        chains: chains()?,
        aws_programs: aws_programs(&bpffs.join(AWS_PROGRAMS))?,
    })
}

fn aws_programs(directory: &Path) -> Result<BTreeSet<String>, ProbeError> {
    let failed = |source| ProbeError::Pins {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(failed)?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        if AWS_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            names.insert(name.into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_pods_are_told_from_what_else_is_pinned_there() {
        let home = tempfile::tempdir().unwrap();
        assert!(
            aws_programs(&home.path().join("missing"))
                .unwrap()
                .is_empty()
        );
        for name in ["a-default_handle_ingress", "global_handle_kprobe", "map"] {
            fs::write(home.path().join(name), "").unwrap();
        }
        let found: Vec<_> = aws_programs(home.path()).unwrap().into_iter().collect();
        assert_eq!(found, ["a-default_handle_ingress"]);
    }
}
