//! Debian's kernels, from the mirror that this machine uses, by package lists of our own: the
//! machine's are neither changed nor relied on, because they know one release only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::version::Version;
use crate::{shell, ui};

/// The suites that have kernels, and whether they are in the archive of security updates.
const SUITES: [(&str, bool); 4] = [
    ("bullseye-security", true),
    ("bookworm-security", true),
    ("trixie-security", true),
    ("trixie-backports", false),
];

/// How long package lists are good for.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The archive, for one architecture.
pub(super) struct Archive {
    directory: PathBuf,
    arch: &'static str,
}

/// A package that can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: Version,
    /// Names of what it depends on, alternatives and versions left out.
    pub(super) depends: Vec<String>,
}

impl Archive {
    /// With lists of today, or with older ones when there is no way to the mirror now.
    pub(super) fn open(cache: &Path, arch: &'static str) -> Result<Self> {
        let archive = Self {
            directory: cache.join("apt"),
            arch,
        };
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            let folder = archive.directory.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let stamp = archive.directory.join("updated");
        if !is_fresh(&stamp) {
            archive.update(&stamp)?;
        }
        Ok(archive)
    }

    fn update(&self, stamp: &Path) -> Result<()> {
        let sources = sources(&targets()?)?;
        let list = self.directory.join("sources.list");
        fs::write(&list, sources).with_context(|| format!("writing {}", list.display()))?;
        let mut update = self.apt("apt-get");
        update.arg("update");
        match shell::step("package lists of Debian's kernels", update) {
            Err(error) if stamp.exists() => {
                ui::line(format_args!("  older package lists are used: {error:#}"));
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => fs::write(stamp, "").with_context(|| format!("writing {}", stamp.display())),
        }
    }

    /// An apt program that knows our lists only.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let place = |name: &str| self.directory.join(name).display().to_string();
        for option in [
            format!("Dir::State={}", place("state")),
            format!("Dir::Cache={}", place("cache")),
            format!("Dir::Etc::sourcelist={}", place("sources.list")),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferences=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // The lists may be in a home directory, which the user `_apt` cannot enter.
            "APT::Sandbox::User=root".to_owned(),
            format!("APT::Architecture={}", self.arch),
            format!("APT::Architectures={}", self.arch),
        ] {
            command.args(["-o", &option]);
        }
        command
    }

    /// Every package in the lists.
    pub(super) fn packages(&self) -> Result<Vec<Package>> {
        let mut dump = self.apt("apt-cache");
        dump.arg("dumpavail");
        Ok(parse(&shell::quiet(dump)?))
    }

    /// Downloads packages of this version into a directory, and unpacks them there.
    pub(super) fn fetch(&self, names: &[&str], version: &Version, into: &Path) -> Result<()> {
        let mut download = self.apt("apt-get");
        download.arg("download").current_dir(into);
        download.args(names.iter().map(|name| format!("{name}={}", version.0)));
        shell::step(&names.join(", "), download)?;
        for entry in fs::read_dir(into).context("listing what was downloaded")? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                unpack.arg("--extract").arg(&path).arg(into);
                shell::quiet(unpack)?;
                fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn is_fresh(stamp: &Path) -> bool {
    let age = fs::metadata(stamp)
        .and_then(|file| file.modified())
        .map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
    age.is_ok_and(|age| age < FRESH)
}

/// The machine's own package sources.
fn targets() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(CODENAME) $(REPO_URI)",
    ]);
    shell::quiet(targets)
}

/// Our sources: other suites of the same mirrors.
fn sources(targets: &str) -> Result<String> {
    let mirror = |security: bool| {
        targets.lines().find_map(|line| {
            let mut words = line.strip_prefix("Debian ")?.split(' ');
            let (codename, address) = (words.next()?, words.next()?);
            (codename.ends_with("-security") == security).then_some(address)
        })
    };
    let mut text = String::new();
    for (suite, security) in SUITES {
        let Some(address) = mirror(security) else {
            bail!(
                "the apt sources of this machine have no Debian suite{}, so its mirror of kernels is \
                 not known: add one",
                if security {
                    " of security updates (`<release>-security`)"
                } else {
                    ""
                }
            );
        };
        text.extend(["deb ", address, " ", suite, " main\n"]);
    }
    Ok(text)
}

fn parse(dump: &str) -> Vec<Package> {
    dump.split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                let line =
                    |line: &'_ str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
                stanza.lines().find_map(line)
            };
            let depends = field("Depends").unwrap_or_default();
            let names = depends
                .split(", ")
                .filter_map(|one| one.split_whitespace().next());
            Some(Package {
                name: field("Package")?,
                version: Version(field("Version")?),
                depends: names.map(str::to_owned).collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_suites_come_from_the_mirrors_that_the_machine_uses() {
        let targets = "Debian bookworm http://one.example/debian/\n\
                       Other x http://two.example/\n\
                       Debian bookworm-security http://three.example/updates/\n";
        let sources = sources(targets).unwrap();
        assert!(sources.contains("deb http://three.example/updates/ bullseye-security main\n"));
        assert!(sources.contains("deb http://one.example/debian/ trixie-backports main\n"));
    }

    #[test]
    fn a_machine_without_security_updates_is_told_so() {
        let error = sources("Debian bookworm http://one.example/debian/\n").unwrap_err();
        assert!(error.to_string().contains("-security"), "{error}");
    }

    #[test]
    fn packages_are_read_with_what_they_depend_on() {
        let packages = parse(
            "Package: linux-image-7\nVersion: 7-1\nDepends: a | b, linux-binary-7 (= 7-1)\n\nPackage: x\nVersion: 1\n",
        );
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].depends, ["a", "linux-binary-7"]);
        assert_eq!(packages[1].depends, [] as [&str; 0]);
    }
}
