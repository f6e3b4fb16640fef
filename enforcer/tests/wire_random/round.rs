//! One round: a cluster, and what happens to it.

use std::rc::Rc;

use enforcer_lab::{Families, Shape};
use enforcer_policy::oracle::Objects;
use enforcer_testing::generate::wire::{self, Layout, Story};

use crate::ask;
use crate::common::{BRIDGE, FILTERED_BRIDGE};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::lasting::Lasting;
use crate::probe::Probe;
use crate::questions::questions;
use crate::serve::Seen;
use crate::tally::Tally;
use crate::world::World;

/// Ports that a round is about, besides those that pods have names for.
const PORTS: usize = 4;
/// Addresses outside that a round is about, besides those of other nodes and their pods.
const OUTSIDE: usize = 3;
/// Reports of every drop, not of some.
const ARGUMENTS: &str = "--node n1 --events-per-second 1000000";

/// Which round it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) number: u64,
}

/// The shapes, in turn.
pub(crate) const SHAPES: [(&str, Shape); 3] = [
    ("ptp", Shape::Ptp),
    ("bridge", BRIDGE),
    ("bridge with br_netfilter", FILTERED_BRIDGE),
];

/// What a round is played on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) shape: Shape,
    pub(crate) name: &'static str,
    pub(crate) families: Families,
}

impl Round {
    pub(crate) fn stage(self) -> Stage {
        let mut dice = Dice::new(self.seed, self.number);
        let shapes = SHAPES.len() as u64;
        let shape = usize::try_from(self.number % shapes).unwrap();
        let families = [Families::Dual, Families::Dual, Families::V4, Families::V6];
        Stage {
            shape: SHAPES[shape].1,
            name: SHAPES[shape].0,
            families: families[dice.below(families.len())],
        }
    }

    fn story(self, families: Families) -> Story {
        let layout = Layout {
            nodes: 1,
            families: (families != Families::V6, families != Families::V4),
        };
        wire::pick(&wire::stories(layout), self.seed, self.number).unwrap()
    }

    /// Plays it.
    pub(crate) async fn play(self, tally: &mut Tally) -> Result<(), Failure> {
        let stage = self.stage();
        let story = self.story(stage.families);
        let mut dice = Dice::new(self.seed, !self.number);
        tally.stage(stage);
        let seen = Rc::new(Seen::default());
        let mut world = world(stage, &story.objects, &mut dice, &seen);
        let mut objects = story.objects.clone();
        world.follow(&objects, true);
        world.node.start(ARGUMENTS);
        let mut asked: Vec<Probe> = Vec::new();
        let mut lasting = Lasting::new(&seen);
        let mut tuples = std::collections::BTreeMap::new();
        for number in 0..=story.steps.len() {
            let mut done = Vec::new();
            if number > 0 {
                for edit in &story.steps[number - 1] {
                    edit.apply(&mut objects);
                    tally.edit(edit);
                    done.push(edit.to_string());
                }
                world.follow(&objects, dice.below(2) == 0);
            }
            let failure = |wrong, what: &str| Failure::new(self, stage, number, &done, wrong, what);
            if let Err(what) = world.settle() {
                return Err(failure(Vec::new(), &what).with(&world, &objects));
            }
            let first = asked.len() as u64;
            let (old, mut outcome) = lasting.check(&world, &objects, first, tally).await;
            asked.extend(old);
            let first = asked.len() as u64;
            let probes: Vec<Probe> = questions(&world, &objects, &mut dice, first);
            tally.probes(&objects, &probes, &mut dice);
            outcome.add(ask::ask(&mut world, &seen, &probes).await);
            // Whatever was denied in an earlier stage must not arrive late either.
            outcome.leaks(&seen, &asked);
            asked.extend(probes.iter().cloned());
            tally.repeated(outcome.repeated);
            tuples.append(&mut outcome.tuples);
            if !outcome.wrong.is_empty() {
                return Err(failure(outcome.wrong, "").with(&world, &objects));
            }
            lasting.open(&mut world, &probes, &mut dice).await;
        }
        Ok(())
    }
}

fn world(stage: Stage, objects: &Objects, dice: &mut Dice, seen: &Rc<Seen>) -> World {
    let (mut ports, others) = wire::ports();
    ports.extend(dice.some(others, PORTS));
    let here = |address: &std::net::IpAddr| match stage.families {
        Families::V4 => address.is_ipv4(),
        Families::V6 => address.is_ipv6(),
        Families::Dual => true,
    };
    let listed: Vec<_> = wire::outside().into_iter().filter(here).collect();
    let mut outside = dice.some(listed, OUTSIDE);
    outside.extend(wire::remote_addresses(objects, 1));
    World::new(stage.shape, stage.families, ports, outside, seen.clone())
}
