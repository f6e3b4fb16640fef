//! Maps without links: for all pods of a cluster at once, of which no node could have links.

use std::collections::HashMap;

use anyhow::Context as _;
use aya::{Ebpf, EbpfLoader};
use enforcer::datapath::OBJECT;
use enforcer::datapath::batch;
use enforcer::datapath::maps::Maps;
use enforcer_policy::model::{Change, Cluster, PodKey};
use enforcer_policy::tables::{Op, Tables};

use super::Side;

/// The maps, and for each endpoint the number of a link that there is not.
pub(in crate::scale) struct MapsSide {
    ebpf: Ebpf,
    maps: Maps,
    links: HashMap<PodKey, u32>,
    free: Vec<u32>,
}

impl MapsSide {
    /// Loads the object into maps of their usual sizes, but perhaps for so many verdicts.
    pub(in crate::scale) fn start(verdicts: Option<u32>) -> anyhow::Result<Self> {
        let mut loader = EbpfLoader::new();
        if let Some(entries) = verdicts {
            loader.map_max_entries("VERDICTS", entries);
        }
        // The programs for packets stay outside.
        let mut ebpf = loader.load(OBJECT)?;
        batch::load(&mut ebpf)?;
        let maps = Maps::take(&mut ebpf)?;
        Ok(Self {
            ebpf,
            maps,
            links: HashMap::new(),
            free: Vec::new(),
        })
    }

    fn link(&mut self, pod: &PodKey) -> anyhow::Result<u32> {
        if let Some(link) = self.links.get(pod) {
            return Ok(*link);
        }
        let next = u32::try_from(self.links.len() + 1).context("too many endpoints")?;
        let link = self.free.pop().unwrap_or(next);
        self.links.insert(pod.clone(), link);
        Ok(link)
    }
}

impl Side for MapsSide {
    fn before(&mut self, _: &[Change]) -> anyhow::Result<()> {
        Ok(())
    }

    fn write(&mut self, ops: &[Op], _: &Tables, _: &Cluster) -> anyhow::Result<()> {
        let mut ops = ops;
        while let Some((op, others)) = ops.split_first() {
            let done = batch::write(&self.ebpf, ops);
            if done > 0 {
                ops = &ops[done..];
                continue;
            }
            ops = others;
            match op {
                Op::PutEndpoint(pod, endpoint) => {
                    let link = self.link(pod)?;
                    self.maps.put_endpoint(link, endpoint)?;
                }
                Op::DeleteEndpoint(pod) => {
                    if let Some(link) = self.links.remove(pod) {
                        self.maps.delete_endpoint(link)?;
                        self.free.push(link);
                    }
                }
                table => self.maps.apply(table)?,
            }
        }
        Ok(())
    }

    fn after(&mut self, _: &Change) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}
