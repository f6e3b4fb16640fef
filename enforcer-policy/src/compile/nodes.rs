//! Numbers of nodes, stable while anybody speaks of the node.

use std::collections::HashMap;

use enforcer_common::abi::address::FIRST_NODE;

use super::numbers::Numbers;
use crate::intern::Name;

/// Node names that have a number, with how many speak of them (Node objects and pods).
#[derive(Debug)]
pub(super) struct NodeNumbers {
    names: HashMap<Name, (u32, usize)>,
    taken: std::collections::HashSet<u32>,
    numbers: Numbers,
}

impl NodeNumbers {
    pub(super) fn new() -> Self {
        Self {
            names: HashMap::new(),
            taken: std::collections::HashSet::new(),
            numbers: Numbers::from(FIRST_NODE),
        }
    }

    /// One more who speaks of the node.
    pub(super) fn refer(&mut self, name: &str) {
        if let Some((_, references)) = self.names.get_mut(name) {
            *references += 1;
            return;
        }
        let number = self.numbers.next(|number| self.taken.contains(&number));
        self.taken.insert(number);
        self.names.insert(Name::from(name), (number, 1));
    }

    /// One less.
    pub(super) fn release(&mut self, name: &str) {
        let Some((number, references)) = self.names.get_mut(name) else {
            return;
        };
        *references -= 1;
        if *references == 0 {
            self.taken.remove(number);
            self.names.remove(name);
        }
    }

    /// The number of a node that somebody speaks of.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.names.get(name).map(|(number, _)| *number)
    }
}
