//! The programs of the control plane, built from their Go modules.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{ASSETS, go};
use crate::{machine, shell, ui, workspace};

/// One program.
struct Program {
    name: &'static str,
    why: &'static str,
    package: &'static str,
    /// Whose version in go.mod is the program's, and the variable that tells it to the program.
    version: Option<(&'static str, &'static str)>,
}

const KUBERNETES: Option<(&str, &str)> = Some((
    "k8s.io/kubernetes",
    "k8s.io/component-base/version.gitVersion",
));

/// Quick ones first.
const PROGRAMS: [Program; 5] = [
    Program {
        name: "etcd",
        why: "the API server's storage",
        package: "go.etcd.io/etcd/server/v3",
        version: None,
    },
    Program {
        name: "kube-apiserver",
        why: "the Kubernetes API itself",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        version: KUBERNETES,
    },
    Program {
        name: "kube-controller-manager",
        why: "service accounts, endpoints, garbage collection",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        version: KUBERNETES,
    },
    Program {
        name: "kubectl",
        why: "what users apply policies with",
        package: "k8s.io/kubernetes/cmd/kubectl",
        version: KUBERNETES,
    },
    Program {
        name: "helm",
        why: "what users install the chart with",
        package: "helm.sh/helm/v3/cmd/helm",
        version: Some((
            "helm.sh/helm/v3",
            "helm.sh/helm/v3/internal/version.version",
        )),
    },
];

/// The folder that has all programs; those missing in the cache are built.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(given) = env::var_os(ASSETS) {
        let folder = PathBuf::from(given);
        let missing = missing(&folder);
        if missing.is_empty() {
            return Ok(folder);
        }
        bail!(
            "{ASSETS} is {}, where these programs are missing: {}; add them, or unset {ASSETS} to \
             have all of them built",
            folder.display(),
            missing.join(", ")
        );
    }
    let pins = read("go.mod")?;
    let folder = machine::cache()
        .join("controlplane")
        .join(digest(&[&pins, &read("go.sum")?]));
    let missing = missing(&folder);
    if missing.is_empty() {
        return Ok(folder);
    }
    go::check(pinned(&pins, "go")?)?;
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let wanted = || PROGRAMS.iter().filter(|it| missing.contains(&it.name));
    for program in wanted() {
        ui::line(format_args!(
            "  building   {:<24} {}",
            program.name, program.why
        ));
    }
    for program in wanted() {
        build(program, &pins, &folder)?;
    }
    Ok(folder)
}

/// The folder of go.mod, go.sum and tools.go.
pub(super) fn module() -> PathBuf {
    workspace::root().join("xtask/go")
}

fn read(name: &str) -> Result<String> {
    let path = module().join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Which programs are not in a folder.
fn missing(folder: &Path) -> Vec<&'static str> {
    PROGRAMS
        .iter()
        .map(|program| program.name)
        .filter(|name| !folder.join(name).is_file())
        .collect()
}

fn build(program: &Program, pins: &str, folder: &Path) -> Result<()> {
    // A build that is interrupted leaves no program that looks whole.
    let partial = folder.join(format!("{}.partial", program.name));
    let (version, flags) = match program.version {
        None => (String::new(), "-s -w".to_owned()),
        Some((module, variable)) => {
            let version = pinned(pins, module)?;
            let flags = format!("-s -w -X {variable}={version}");
            (format!(" {version}"), flags)
        }
    };
    let what = format!("{}{version} (kept in {})", program.name, folder.display());
    let mut go = go::command();
    // Names each package as it is compiled: minutes of silence would look like a hang.
    go.args(["build", "-v", "-trimpath", "-mod=readonly"])
        .args(["-ldflags", &flags, "-o"])
        .arg(&partial)
        .arg(program.package);
    shell::step(&what, go)?;
    let whole = folder.join(program.name);
    fs::rename(&partial, &whole).with_context(|| format!("making {}", whole.display()))
}

/// The version of a module in go.mod; of "go", that of the language.
fn pinned<'a>(pins: &'a str, module: &str) -> Result<&'a str> {
    pins.lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| line.strip_prefix(module)?.strip_prefix(' '))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("xtask/go/go.mod does not tell the version of `{module}`"))
}

/// A name for these texts (FNV-1a): other pins are other programs.
fn digest(texts: &[&str]) -> String {
    let bytes = texts.iter().flat_map(|text| text.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_found_in_go_mod() {
        let pins = read("go.mod").unwrap();
        assert!(pinned(&pins, "go").unwrap().starts_with("1."));
        for (module, _) in PROGRAMS.iter().filter_map(|program| program.version) {
            assert!(pinned(&pins, module).unwrap().starts_with('v'), "{module}");
        }
    }

    #[test]
    fn every_package_is_named_in_tools_go() {
        let tools = read("tools.go").unwrap();
        for program in &PROGRAMS {
            assert!(tools.contains(&format!("\"{}\"", program.package)));
        }
    }

    #[test]
    fn a_module_without_a_pin_is_named() {
        let error = pinned("module x\n\ngo 1.26.0\n", "k8s.io/kubernetes").unwrap_err();
        assert!(error.to_string().contains("k8s.io/kubernetes"), "{error}");
    }

    #[test]
    fn other_pins_have_another_folder() {
        assert_eq!(digest(&["a", "b"]), digest(&["a", "b"]));
        assert_ne!(digest(&["a", "b"]), digest(&["a", "c"]));
    }

    #[test]
    fn what_a_folder_lacks_is_named_in_the_order_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        let names = missing(folder.path());
        assert_eq!(names.first(), Some(&"kube-apiserver"));
        assert_eq!(names.len(), PROGRAMS.len() - 1);
    }
}
