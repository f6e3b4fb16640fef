//! The benchmark's own object with tables of its own: for programs that are steps and pieces of the real
//! ones.

use anyhow::{Context, Result, bail};
use aya::maps::Array;
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use enforcer::datapath::clock;
use enforcer::datapath::flow_maps::{self, Copied, Shape, Table};
use enforcer::datapath::load::{self, LoadOptions};
use enforcer::datapath::maps::Maps;
use enforcer_common::abi::{Direction, Flow, FlowKey, address};
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6, Place};
use enforcer_common::parse::number;

use super::case::FIRST_PORT;
use super::cluster::{OWN_V4, OWN_V6, PEER_V4, PEER_V6, PORT};
use super::driver::{OBJECT, Plan};

/// The loaded object.
pub(super) struct Stand {
    ebpf: Ebpf,
    pub(super) maps: Maps,
    v4: Shape,
    v6: Shape,
}

impl Stand {
    /// Loads maps as the daemon does, and these programs. `room` is for how many connections there is
    /// room; `None` for what the daemon has.
    pub(super) fn load(room: Option<u32>, programs: &[&str]) -> Result<Self> {
        if OBJECT.is_empty() {
            bail!("this binary was built without its BPF object; run `cargo xtask bench packets`");
        }
        let mut options = LoadOptions::default();
        for table in [flow_maps::V4, flow_maps::V6] {
            options
                .map_entries
                .extend(room.map(|room| (table.map.to_owned(), room)));
        }
        let v4 = Shape::choose::<BUCKET_V4>(flow_maps::V4, &options);
        let v6 = Shape::choose::<BUCKET_V6>(flow_maps::V6, &options);
        let ticks = load::ticks_per_second()?;
        let mut loader = EbpfLoader::new();
        loader.override_global("TICKS_PER_SECOND", &ticks, true);
        v4.ask(flow_maps::V4, &mut loader);
        v6.ask(flow_maps::V6, &mut loader);
        let mut ebpf = loader
            .load(OBJECT)
            .context("loading the benchmark's BPF object: this needs root")?;
        let maps = Maps::take(&mut ebpf)?;
        clock::load(&mut ebpf)?;
        let mut stand = Self { ebpf, maps, v4, v6 };
        for name in programs {
            stand
                .program(name)?
                .load()
                .with_context(|| format!("the kernel refuses the benchmark's program {name:?}"))?;
        }
        Ok(stand)
    }

    /// One of the programs.
    pub(super) fn program(&mut self, name: &str) -> Result<&mut SchedClassifier> {
        let program = self
            .ebpf
            .program_mut(name)
            .with_context(|| format!("the benchmark's BPF object has no program {name:?}"))?;
        Ok(program.try_into()?)
    }

    /// Buckets of the table of IPv4 flows.
    pub(super) fn buckets(&self) -> Result<u32> {
        let Some(aya::maps::Map::Array(data)) = self.ebpf.map(flow_maps::V4.map) else {
            bail!("the benchmark's BPF object has no table of flows");
        };
        // One is behind the buckets, for the secret.
        Ok(data.info()?.max_entries() - 1)
    }

    /// Writes down the connection that the hot cases are about, as opened by the pod a moment ago.
    pub(super) fn open(&mut self, endpoint: u32, revisions: [u32; 2], six: bool) -> Result<()> {
        let flow = Flow {
            endpoint,
            revision: revisions[Direction::Egress.index()],
            last_seen: clock::now(&mut self.ebpf)?,
            initiator: Direction::Egress as u8,
            state: 0,
        };
        if six {
            let key = key(address::v6(OWN_V6), address::v6(PEER_V6));
            put::<4, BUCKET_V6>(&mut self.ebpf, flow_maps::V6, &self.v6, &key, &flow)
        } else {
            let key = key(address::v4(OWN_V4), address::v4(PEER_V4));
            put::<1, BUCKET_V4>(&mut self.ebpf, flow_maps::V4, &self.v4, &key, &flow)
        }
    }

    /// What numbers are drawn from now on.
    pub(super) fn follow(&mut self, plan: &Plan) -> Result<()> {
        self.plan_map()?
            .set(0, bytemuck::must_cast::<_, Words>(*plan), 0)
            .context("writing the plan")
    }

    /// The plan as the last run left it.
    pub(super) fn plan(&mut self) -> Result<Plan> {
        let words = self.plan_map()?.get(&0, 0).context("reading the plan")?;
        Ok(bytemuck::must_cast(words))
    }

    fn plan_map(&mut self) -> Result<Array<&mut aya::maps::MapData, Words>> {
        let map = self.ebpf.map_mut("PLAN").context("no map PLAN")?;
        Ok(Array::try_from(map)?)
    }
}

/// A plan as maps have it.
type Words = [u8; size_of::<Plan>()];

const fn key<const W: usize>(pod: [u32; W], peer: [u32; W]) -> FlowKey<W> {
    FlowKey {
        pod,
        peer,
        ports: (FIRST_PORT as u32) << 16 | PORT as u32,
        protocol: number::TCP as u32,
    }
}

/// Writes a flow into the first slot of its bucket.
fn put<const W: usize, const N: usize>(
    ebpf: &mut Ebpf,
    table: Table,
    shape: &Shape,
    key: &FlowKey<W>,
    flow: &Flow,
) -> Result<()> {
    let place = Place::of(key, flow.endpoint, shape.secrets());
    let bucket = Copied::of([0; N]);
    place.put(&bucket, 0, flow);
    let map = ebpf.map_mut(table.map).context("no table of flows")?;
    Array::<_, [u64; N]>::try_from(map)?
        .set(shape.bucket(&place), bucket.words(), 0)
        .context("writing a flow")
}
