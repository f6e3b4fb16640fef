//! The modules that a machine gets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use enforcer_vm::{Index, Module};
use object::{Object as _, ObjectSection as _};

use crate::shell;

/// Folders of modules that nodes and pods may need.
const FOLDERS: [&str; 4] = [
    "kernel/net/",
    "kernel/crypto/",
    "kernel/lib/",
    "kernel/arch/",
];

/// Drivers of links that are no hardware.
const LINKS: [&str; 14] = [
    "bonding",
    "bridge",
    "dummy",
    "geneve",
    "ifb",
    "ipvlan",
    "macvlan",
    "netkit",
    "tap",
    "tun",
    "veth",
    "vrf",
    "vxlan",
    "wireguard",
];

/// What is not needed of [`FOLDERS`].
const USELESS: [&str; 6] = ["bluetooth", "ceph", "kvm", "mac80211", "sunrpc", "wireless"];

/// Copies them, without compression, to where they are flat beside each other.
pub(super) fn collect(unpacked: &Path, into: &Path) -> Result<Index> {
    fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
    for file in files(unpacked)? {
        let Some(name) = module_name(&file) else {
            continue;
        };
        let target = into.join(format!("{name}.ko{}", compression(&file)));
        fs::copy(&file, &target).with_context(|| format!("copying {}", file.display()))?;
    }
    decompress(into)?;
    let mut index = Index::default();
    for file in files(into)? {
        enter(&mut index, &file).with_context(|| format!("reading {}", file.display()))?;
    }
    if index.modules.is_empty() {
        bail!(
            "the package of a kernel has no modules below {}",
            FOLDERS.join(", ")
        );
    }
    Ok(index)
}

/// Its name as the kernel writes it, if it is one of those that are wanted.
fn module_name(file: &Path) -> Option<String> {
    let path = file.to_string_lossy();
    let (stem, _) = file.file_name()?.to_str()?.split_once(".ko")?;
    let drivers = path
        .split_once("kernel/drivers/net/")
        .is_some_and(|(_, rest)| {
            let first = rest.split(['/', '.']).next().unwrap_or_default();
            LINKS.contains(&first) || first == "macvtap"
        });
    let wanted = FOLDERS.iter().any(|folder| path.contains(folder))
        && !USELESS
            .iter()
            .any(|part| path.contains(&format!("/{part}/")));
    (wanted || drivers).then(|| stem.replace('-', "_"))
}

fn compression(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => ".xz",
        Some("zst") => ".zst",
        _ => "",
    }
}

/// Newer packages have their modules compressed.
fn decompress(directory: &Path) -> Result<()> {
    for (extension, program) in [("xz", "xz"), ("zst", "zstd")] {
        let mut files = files(directory)?;
        files.retain(|file| file.extension().is_some_and(|is| is == extension));
        if !files.is_empty() {
            let mut command = Command::new(program);
            command.args(["--decompress", "--quiet"]).args(&files);
            shell::quiet(command)?;
            // zstd keeps them, xz does not.
            for file in files.iter().filter(|file| file.exists()) {
                fs::remove_file(file).with_context(|| format!("removing {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// Reads what the module says of itself.
fn enter(index: &mut Index, file: &Path) -> Result<()> {
    let bytes = fs::read(file)?;
    let elf = object::File::parse(&*bytes)?;
    let section = elf.section_by_name(".modinfo").context("no .modinfo")?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut module = Module {
        path: format!("/modules/{name}.ko"),
        needs: Vec::new(),
    };
    for (key, value) in facts(section.data()?) {
        match key {
            "depends" if !value.is_empty() => {
                let needs = value.split(',').map(|need| need.replace('-', "_"));
                module.needs.extend(needs);
            }
            "alias" => {
                let names = index.aliases.entry(value.to_owned()).or_default();
                names.insert(name.clone().into_owned());
            }
            _ => {}
        }
    }
    index.modules.insert(name.into_owned(), module);
    Ok(())
}

/// Keys and values; each ends with a zero.
fn facts(section: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    section
        .split(|byte| *byte == 0)
        .filter_map(|fact| std::str::from_utf8(fact).ok()?.split_once('='))
}

/// All files below a directory, sorted; none where there is no directory.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in
            fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                all.push(entry.path());
            }
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networking_is_wanted_and_hardware_is_not() {
        let name = |path: &str| module_name(Path::new(path));
        let below = |path: &str| name(&format!("/x/lib/modules/6.1/{path}"));
        assert_eq!(
            below("kernel/net/sched/sch_ingress.ko.xz").as_deref(),
            Some("sch_ingress")
        );
        assert_eq!(below("kernel/drivers/net/veth.ko").as_deref(), Some("veth"));
        assert_eq!(
            below("kernel/drivers/net/vxlan/vxlan.ko").as_deref(),
            Some("vxlan")
        );
        assert_eq!(
            below("kernel/crypto/crc32c-intel.ko").as_deref(),
            Some("crc32c_intel")
        );
        assert_eq!(below("kernel/drivers/net/ethernet/e1000.ko"), None);
        assert_eq!(below("kernel/net/wireless/cfg80211.ko"), None);
        assert_eq!(below("modules.order"), None);
    }

    #[test]
    fn what_a_module_says_of_itself_is_read() {
        let facts: Vec<_> = facts(b"license=GPL\0alias=rtnl-link-veth\0\0depends=a,b\0").collect();
        assert_eq!(
            facts,
            [
                ("license", "GPL"),
                ("alias", "rtnl-link-veth"),
                ("depends", "a,b")
            ]
        );
    }
}
