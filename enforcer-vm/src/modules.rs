//! The kernel's modules in a machine, and the names by which the kernel asks for them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// All modules that a machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// By name; dashes are written as underscores, as the kernel does.
    pub modules: BTreeMap<String, Module>,
    /// Modules by what else they answer to, such as `rtnl-link-veth`.
    pub aliases: BTreeMap<String, BTreeSet<String>>,
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its file in the machine.
    pub path: String,
    /// The modules that must be there before it.
    pub needs: Vec<String>,
}

impl Index {
    /// Where it is in the machine.
    pub const PATH: &str = "/modules.json";

    /// The modules that answer to a name, each after all those that it needs.
    pub fn resolve(&self, asked: &str) -> Vec<&Module> {
        let name = asked.replace('-', "_");
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        if self.modules.contains_key(&name) {
            self.add(&name, &mut seen, &mut found);
        }
        for module in self.aliases.get(asked).into_iter().flatten() {
            self.add(module, &mut seen, &mut found);
        }
        found
    }

    /// A module that is not there is built into the kernel, or its absence will be told by the kernel.
    fn add<'a>(&'a self, name: &str, seen: &mut BTreeSet<String>, found: &mut Vec<&'a Module>) {
        let Some(module) = self.modules.get(name) else {
            return;
        };
        if seen.insert(name.to_owned()) {
            for need in &module.needs {
                self.add(need, seen, found);
            }
            found.push(module);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Module};

    fn index() -> Index {
        let module = |name: &str, needs: &[&str]| {
            let module = Module {
                path: format!("/{name}.ko"),
                needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            };
            (name.to_owned(), module)
        };
        let alias = |alias: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            (alias.to_owned(), names)
        };
        Index {
            modules: [
                module("nf_nat", &["nf_conntrack", "libcrc32c"]),
                module("nf_conntrack", &["libcrc32c", "built_in"]),
                module("libcrc32c", &[]),
                module("sch_ingress", &[]),
            ]
            .into(),
            aliases: [alias("sch_clsact", &["sch_ingress"])].into(),
        }
    }

    fn resolved(name: &str) -> Vec<String> {
        let index = index();
        let found = index.resolve(name);
        found.iter().map(|module| module.path.clone()).collect()
    }

    #[test]
    fn what_a_module_needs_comes_before_it_and_once() {
        assert_eq!(
            resolved("nf-nat"),
            ["/libcrc32c.ko", "/nf_conntrack.ko", "/nf_nat.ko"]
        );
    }

    #[test]
    fn modules_answer_to_their_other_names() {
        assert_eq!(resolved("sch_clsact"), ["/sch_ingress.ko"]);
        assert!(resolved("sch_cake").is_empty());
    }
}
