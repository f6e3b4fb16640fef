//! One round: a cluster, and what happens to it.

use std::net::IpAddr;
use std::rc::Rc;

use enforcer_lab::Families;
use enforcer_lab::proxy::Mode;
use enforcer_policy::oracle::Objects;
use enforcer_testing::generate::wire::{self, Layout, Story, WireEdit};

use crate::ask;
use crate::failure::Failure;
use crate::lasting::Lasting;
use crate::probe::{Probe, Wrong};
use crate::questions::questions;
use crate::random::Random;
use crate::reports::Reports;
use crate::serve::Seen;
use crate::services;
use crate::stage::{self, Stage};
use crate::tally::Tally;
use crate::world::World;

/// Ports that a round is about, besides those that pods have names for.
const PORTS: usize = 4;
/// Addresses outside that a round is about, besides those of other nodes and their pods.
const OUTSIDE: usize = 3;
/// One step in so many begins with another daemon.
const RESTARTS: usize = 4;

/// Which round it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) number: u64,
}

impl Round {
    /// What it is played on.
    pub(crate) fn stage(self) -> (Stage, Families) {
        let stages = stage::stages();
        let stage = usize::try_from(self.number % stages.len() as u64).unwrap();
        let families = stage::families(&mut Random::numbered(self.seed, self.number));
        (stages[stage], families)
    }

    fn story(self, (stage, families): (Stage, Families)) -> Story {
        let layout = Layout {
            nodes: stage.nodes.into(),
            families: (families != Families::V6, families != Families::V4),
        };
        wire::pick(&wire::stories(layout), self.seed, self.number).unwrap()
    }

    /// Plays it.
    pub(crate) async fn play(self, tally: &mut Tally) -> Result<(), Failure> {
        let stage = self.stage();
        let story = self.story(stage);
        tally.stage(stage.0, stage.1);
        let mut play = Play::new(self, &story.objects);
        play.settled(tally).await?;
        for edits in &story.steps {
            play.change(edits, tally);
            play.settled(tally).await?;
        }
        Ok(())
    }
}

/// A round that is being played.
struct Play {
    round: Round,
    dice: Random,
    seen: Rc<Seen>,
    objects: Objects,
    lasting: Lasting,
    reports: Reports,
    /// Every question so far, by its number.
    asked: Vec<Probe>,
    step: usize,
    /// What was done in this step.
    done: Vec<String>,
    world: World,
}

impl Play {
    fn new(round: Round, objects: &Objects) -> Self {
        let mut dice = Random::numbered(round.seed, !round.number);
        let seen = Rc::new(Seen::default());
        let mut world = world(round.stage(), objects, &mut dice, &seen);
        world.follow(objects, true);
        let [hook, pending] = [["tcx", "clsact"], ["allow", "deny"]].map(|two| two[dice.below(2)]);
        // Reports of every drop, not of some.
        let arguments =
            format!("--hook {hook} --pending {pending} --each-denial --events-per-second 1000000");
        let done = vec![format!("start daemons with {arguments}")];
        world.start(arguments);
        let reports = Reports::default();
        (0..world.daemons.len()).for_each(|node| reports.follow(&world, node));
        Self {
            round,
            dice,
            lasting: Lasting::new(&seen, round.stage().0),
            seen,
            objects: objects.clone(),
            reports,
            asked: Vec::new(),
            step: 0,
            done,
            world,
        }
    }

    /// Makes changes, all at once.
    fn change(&mut self, edits: &[WireEdit], tally: &mut Tally) {
        self.step += 1;
        self.done.clear();
        for edit in edits {
            edit.apply(&mut self.objects);
            tally.meet(format!("edit {}", edit.kind()));
            self.done.push(edit.to_string());
        }
        let restart = self.dice.below(RESTARTS) == 0;
        let node = self.dice.below(self.world.daemons.len());
        if restart {
            let kill = self.dice.below(2) == 0;
            self.done
                .push(format!("restart the daemon of node {node}, kill: {kill}"));
            tally.meet("restart".to_owned());
            self.world.stop(node, kill);
        }
        self.world.follow(&self.objects, self.dice.below(2) == 0);
        if restart {
            self.world.restart(node);
            self.reports.follow(&self.world, node);
        }
    }

    /// Waits until everything is in force, and asks everybody.
    async fn settled(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        if let Err(what) = self.world.settle() {
            return Err(self.failure(Vec::new(), &what));
        }
        let first = self.asked.len() as u64;
        let (world, objects) = (&mut self.world, &self.objects);
        let dice = &mut self.dice;
        let old = self.lasting.check(world, objects, first, tally, dice);
        let (old, mut outcome) = old.await;
        self.asked.extend(old);
        let first = self.asked.len() as u64;
        let mut probes = questions(world, objects, &mut self.dice, first);
        let first = first + probes.len() as u64;
        probes.extend(services::questions(world, objects, &mut self.dice, first));
        tally.probes(objects, &probes, &mut self.dice);
        outcome.add(ask::ask(world, &self.seen, &probes).await);
        self.asked.extend(probes.iter().cloned());
        // Whatever was denied in an earlier step must not arrive late either.
        outcome.leaks(&self.seen, &self.asked);
        self.reports.check(world, &self.asked, &mut outcome).await;
        tally.repeated += outcome.repeated;
        if !outcome.wrong.is_empty() {
            return Err(self.failure(outcome.wrong, ""));
        }
        self.lasting.open(world, &probes, &mut self.dice).await;
        tally.lost += self.reports.take_lost();
        Ok(())
    }

    fn failure(&self, wrong: Vec<Wrong>, what: &str) -> Failure {
        let stage = self.round.stage();
        let failure = Failure::new(self.round, stage, self.step, &self.done, wrong, what);
        failure.with(&self.world, &self.objects)
    }
}

fn world(
    (stage, families): (Stage, Families),
    objects: &Objects,
    dice: &mut Random,
    seen: &Rc<Seen>,
) -> World {
    let (mut ports, others) = wire::ports();
    ports.extend(dice.some(others, PORTS));
    let here = |address: &IpAddr| match families {
        Families::V4 => address.is_ipv4(),
        Families::V6 => address.is_ipv6(),
        Families::Dual => true,
    };
    let listed: Vec<_> = wire::outside().into_iter().filter(here).collect();
    let mut outside = dice.some(listed, OUTSIDE);
    outside.extend(wire::remote_addresses(objects, stage.nodes.into()));
    let mode = [Mode::Nftables, Mode::Iptables][dice.below(2)];
    World::new(stage, families, mode, ports, outside, seen.clone())
}
