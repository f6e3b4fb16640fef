//! Programs in Go that tests need, built from their modules.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::go;
use crate::{machine, shell, ui, workspace};

/// Programs that one go.mod of ours pins. Where one list of dependencies would give a program the versions that
/// another wants, they are in different sets.
pub(crate) struct Set {
    /// The variable by which tests know the folder of the programs, and by which users give one.
    pub(crate) variable: &'static str,
    /// The folder of go.mod, go.sum and tools.go.
    module: &'static str,
    /// What else there says what the programs are.
    texts: &'static [&'static str],
    /// Go's build tags.
    tags: &'static str,
    /// The folder in the cache.
    cache: &'static str,
    programs: &'static [Program],
}

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

/// A Kubernetes control plane. Quick ones first.
pub(crate) const CONTROL_PLANE: Set = Set {
    variable: "KUBEBUILDER_ASSETS",
    module: "xtask/go",
    texts: &[],
    tags: "",
    cache: "controlplane",
    programs: &CONTROL_PLANE_PROGRAMS,
};

/// Clients of Hubble's services.
pub(crate) const HUBBLE: Set = Set {
    variable: "ENFORCER_HUBBLE",
    module: "xtask/hubble",
    texts: &[
        "statedb/go.mod",
        "statedb/statedb.go",
        "statedb/index/index.go",
        "statedb/part/part.go",
        "statedb/reconciler/reconciler.go",
    ],
    tags: "",
    cache: "hubble",
    programs: &HUBBLE_PROGRAMS,
};

/// What metrics, alerts, dashboards and exported records are checked with.
pub(crate) const MONITORING: Set = Set {
    variable: "ENFORCER_MONITORING",
    module: "xtask/monitoring",
    texts: &["otlp/main.go"],
    // How servers find what they scrape is most of the code, and no check needs it.
    tags: "remove_all_sd",
    cache: "monitoring",
    programs: &MONITORING_PROGRAMS,
};

const MONITORING_PROGRAMS: [Program; 2] = [
    Program {
        name: "otlp",
        why: "what the OpenTelemetry Collector reads logs with",
        package: "enforcer.dev/xtask/monitoring/otlp",
        version: None,
    },
    Program {
        name: "promtool",
        why: "what Prometheus' users check rules and metrics with",
        package: "github.com/prometheus/prometheus/cmd/promtool",
        version: Some((
            "github.com/prometheus/prometheus",
            "github.com/prometheus/common/version.Version",
        )),
    },
];

const CILIUM: &str = "github.com/cilium/cilium";

const HUBBLE_PROGRAMS: [Program; 2] = [
    Program {
        name: "hubble",
        why: "what users look at flows with",
        package: "github.com/cilium/cilium/hubble",
        version: Some((CILIUM, "github.com/cilium/cilium/hubble/pkg.Version")),
    },
    Program {
        name: "hubble-relay",
        why: "what puts the flows of all nodes together",
        package: "github.com/cilium/cilium/hubble-relay",
        version: None,
    },
];

const CONTROL_PLANE_PROGRAMS: [Program; 5] = [
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

impl Set {
    /// The folder that has all programs; those missing in the cache are built.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(given) = env::var_os(self.variable) {
            return self.given(PathBuf::from(given));
        }
        let pins = self.read("go.mod")?;
        let folder = machine::cache().join(self.cache).join(self.digest()?);
        let missing = self.missing(&folder);
        if missing.is_empty() {
            return Ok(folder);
        }
        go::check(pinned(&pins, "go")?, self.variable)?;
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let wanted = || {
            let programs = self.programs.iter();
            programs.filter(|it| missing.contains(&it.name))
        };
        for program in wanted() {
            ui::line(format_args!(
                "  building   {:<24} {}",
                program.name, program.why
            ));
        }
        for program in wanted() {
            self.build(program, &pins, &folder)?;
        }
        Ok(folder)
    }

    /// A folder that somebody gave, if all programs are in it.
    fn given(&self, folder: PathBuf) -> Result<PathBuf> {
        let missing = self.missing(&folder);
        if missing.is_empty() {
            return Ok(folder);
        }
        let variable = self.variable;
        bail!(
            "{variable} is {}, where these programs are missing: {}; add them, or unset {variable} to have all of \
             them built",
            folder.display(),
            missing.join(", ")
        );
    }

    /// The folder of go.mod, go.sum and tools.go.
    fn module(&self) -> PathBuf {
        workspace::root().join(self.module)
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.module().join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// A name for what the programs are made of.
    fn digest(&self) -> Result<String> {
        let names = ["go.mod", "go.sum"].into_iter();
        let names = names.chain(self.texts.iter().copied());
        let mut texts: Vec<String> = names.map(|name| self.read(name)).collect::<Result<_>>()?;
        texts.push(self.tags.to_owned());
        Ok(digest(&texts))
    }

    /// Which programs are not in a folder.
    fn missing(&self, folder: &Path) -> Vec<&'static str> {
        let names = self.programs.iter().map(|program| program.name);
        names.filter(|name| !folder.join(name).is_file()).collect()
    }

    fn build(&self, program: &Program, pins: &str, folder: &Path) -> Result<()> {
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
        let mut go = go::command(&self.module());
        // Names each package as it is compiled: minutes of silence would look like a hang.
        go.args(["build", "-v", "-trimpath", "-mod=readonly"])
            .args(["-tags", self.tags, "-ldflags", &flags, "-o"])
            .arg(&partial)
            .arg(program.package);
        shell::step(&what, go)?;
        let whole = folder.join(program.name);
        fs::rename(&partial, &whole).with_context(|| format!("making {}", whole.display()))
    }
}

/// The version of a module in go.mod; of "go", that of the language.
fn pinned<'a>(pins: &'a str, module: &str) -> Result<&'a str> {
    pins.lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| line.strip_prefix(module)?.strip_prefix(' '))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("go.mod does not tell the version of `{module}`"))
}

/// A name for these texts (FNV-1a): other pins are other programs.
fn digest(texts: &[impl AsRef<str>]) -> String {
    let bytes = texts.iter().flat_map(|text| text.as_ref().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [Set; 3] = [CONTROL_PLANE, HUBBLE, MONITORING];

    #[test]
    fn every_pin_is_found_in_go_mod() {
        for set in SETS {
            let pins = set.read("go.mod").unwrap();
            assert!(pinned(&pins, "go").unwrap().starts_with("1."));
            for (module, _) in set.programs.iter().filter_map(|program| program.version) {
                assert!(pinned(&pins, module).unwrap().starts_with('v'), "{module}");
            }
        }
    }

    #[test]
    fn every_package_is_named_in_tools_go() {
        for set in SETS {
            let tools = set.read("tools.go").unwrap();
            for program in set.programs {
                assert!(tools.contains(&format!("\"{}\"", program.package)));
            }
        }
    }

    #[test]
    fn every_go_file_of_a_set_is_part_of_its_digest() {
        for set in SETS {
            let mut folders = vec![set.module()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    let module = set.module();
                    let name = path.strip_prefix(&module).unwrap().to_str().unwrap();
                    let known = ["go.mod", "go.sum", "tools.go"].contains(&name);
                    assert!(known || set.texts.contains(&name), "{name}");
                }
            }
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
        let names = CONTROL_PLANE.missing(folder.path());
        assert_eq!(names.first(), Some(&"kube-apiserver"));
        assert_eq!(names.len(), CONTROL_PLANE_PROGRAMS.len() - 1);
    }
}
