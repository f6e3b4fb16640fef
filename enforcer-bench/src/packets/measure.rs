//! One case at one hook, measured beside the empty program.

use anyhow::{Context, Result, bail};
use enforcer_common::Action;
use enforcer_common::abi::{Direction, EventKind};

use super::case::{Amounts, Case, Connections};
use super::driver::{Driver, Plan};
use super::run::{Ran, run};
use super::world::World;

/// What programs of tc return (`linux/pkt_cls.h`).
pub(super) const PASS: i32 = -1;
const DROP: i32 = 2;

/// At least this part of the packets must have been judged as the case says. What is left is for
/// connections that found no place in a full table.
const EXPECTED: f64 = 0.95;

/// A case at a hook.
pub(super) struct Subject {
    case: Case,
    hook: Direction,
    plan: Plan,
    packet: Vec<u8>,
    /// The packet that opens its connection, for those that must be opened again each time.
    opening: Option<Vec<u8>>,
}

/// What one round found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Nanoseconds of the empty program.
    pub(super) empty: f64,
    /// Nanoseconds of the program.
    pub(super) whole: f64,
    /// The part of the packets that were judged as expected.
    pub(super) expected: f64,
    /// The part of the packets whose event was not sent.
    pub(super) suppressed: f64,
}

impl Subject {
    /// Prepares to measure.
    pub(super) fn new(case: Case, hook: Direction, amounts: Amounts) -> Result<Self> {
        let families = "a packet needs two addresses of one family";
        let opens = case.established && case.connections == Connections::One;
        let opening = opens
            .then(|| case.packet(Direction::Egress, true).context(families))
            .transpose()?;
        Ok(Self {
            case,
            hook,
            plan: case.plan(hook, amounts),
            packet: case.packet(hook, false).context(families)?,
            opening,
        })
    }

    /// Shows `repeat` packets to the empty program and to the real one, in this order or the other
    /// way round.
    pub(super) fn measure(
        &mut self,
        world: &mut World,
        driver: &mut Driver,
        repeat: u32,
        empty_first: bool,
    ) -> Result<Sample> {
        world.put(if self.case.isolated {
            world.isolated
        } else {
            world.free
        })?;
        let mut empty = 0.0;
        if empty_first {
            empty = self.empty(driver, repeat)?;
        }
        if let Some(opening) = &self.opening {
            run(world.program(Direction::Egress)?, opening, 1)?;
            run(world.program(self.hook)?, &self.packet, 1)?;
        }
        self.meet_all(world, driver)?;
        let counted = self.counted(world)?;
        let suppressed = world.suppressed(self.kind())?;
        let whole = self.whole(world, driver, repeat)?;
        let expected = (self.counted(world)? - counted) / f64::from(repeat);
        self.check(&whole, expected)?;
        let suppressed = part(world.suppressed(self.kind())? - suppressed, repeat);
        if !empty_first {
            empty = self.empty(driver, repeat)?;
        }
        Ok(Sample {
            empty,
            whole: whole.nanoseconds,
            expected,
            suppressed,
        })
    }

    /// Shows a packet of every connection, as busy connections have them all the time: a connection
    /// that had none for a second is dated anew, which is not what is asked here.
    fn meet_all(&self, world: &mut World, driver: &mut Driver) -> Result<()> {
        let Connections::Opened(count) = self.case.connections else {
            return Ok(());
        };
        let mut plan = self.plan;
        plan.flags &= !Plan::RANDOM;
        driver.follow(&plan)?;
        let next = world.descriptor(self.hook)?;
        run(driver.before(Some(&next))?, &self.packet, count)?;
        Ok(())
    }

    fn empty(&mut self, driver: &mut Driver, repeat: u32) -> Result<f64> {
        let ran = if self.case.connections == Connections::One {
            run(driver.empty()?, &self.packet, repeat)?
        } else {
            let plan = self.plan;
            driver.follow(&plan)?;
            run(driver.before(None)?, &self.packet, repeat)?
        };
        if ran.action != PASS {
            bail!("the empty program returned {}", ran.action);
        }
        Ok(ran.nanoseconds)
    }

    fn whole(&mut self, world: &mut World, driver: &mut Driver, repeat: u32) -> Result<Ran> {
        if self.case.connections == Connections::One {
            return run(world.program(self.hook)?, &self.packet, repeat);
        }
        driver.follow(&self.plan)?;
        let next = world.descriptor(self.hook)?;
        let ran = run(driver.before(Some(&next))?, &self.packet, repeat)?;
        // So that the next round meets other connections.
        self.plan = driver.plan()?;
        Ok(ran)
    }

    /// Packets that were judged as expected so far; 0 where the programs count nothing.
    fn counted(&self, world: &World) -> Result<f64> {
        self.case.reason.map_or(Ok(0.0), |reason| {
            let packets = world.counted(self.hook, reason)?;
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            Ok(packets as f64)
        })
    }

    fn kind(&self) -> EventKind {
        match self.case.reason.map(enforcer_common::Reason::action) {
            Some(Action::Drop) => EventKind::Denied,
            _ => EventKind::Allowed,
        }
    }

    fn check(&self, ran: &Ran, expected: f64) -> Result<()> {
        let action = match self.case.reason.map(enforcer_common::Reason::action) {
            Some(Action::Drop) => DROP,
            _ => PASS,
        };
        let counts = self.case.reason.is_none() || expected >= EXPECTED;
        if !counts || (ran.action != action && expected > 1.0 - 1e-9) {
            bail!(
                "{:?} at {:?}: the program returned {} and counted {expected} of the packets as {:?}",
                self.case.name,
                self.hook,
                ran.action,
                self.case.reason,
            );
        }
        Ok(())
    }
}

/// Opens all connections of a case, each once.
pub(super) fn open(
    case: &Case,
    amounts: Amounts,
    world: &mut World,
    driver: &mut Driver,
) -> Result<()> {
    let Some(case) = case.before(amounts) else {
        return Ok(());
    };
    let plan = case.opening(amounts);
    world.put(world.isolated)?;
    driver.follow(&plan)?;
    let packet = case
        .packet(Direction::Egress, true)
        .context("a packet needs two addresses of one family")?;
    let next = world.descriptor(Direction::Egress)?;
    run(driver.before(Some(&next))?, &packet, plan.count)?;
    Ok(())
}

fn part(of: u64, repeat: u32) -> f64 {
    u32::try_from(of).map_or(f64::INFINITY, f64::from) / f64::from(repeat)
}
