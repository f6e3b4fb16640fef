//! Programs on links: who holds which, and taking over from an earlier daemon.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Link, Owner, Wanted, Writer, WriterError};
use crate::datapath::attach::{Attachment, Place, Program};
use crate::datapath::discover::{NodeLink, PodLink};
use crate::datapath::load;
use crate::datapath::maps;
use crate::datapath::matching::Matching;

impl Writer {
    /// Attaches to the links of pods and to those whose pod is not known yet, and lets go of links
    /// that are nobody's any more. The endpoint is always there before the program.
    pub fn follow(&mut self, matching: &Matching, node: &[NodeLink]) {
        let wanted = wanted(matching);
        let gone: BTreeSet<u32> = self
            .links
            .keys()
            .filter(|i| !wanted.contains_key(i))
            .copied()
            .collect();
        for ifindex in gone {
            self.let_go(ifindex);
        }
        self.failures.clear();
        // Before any pod can defer a packet that leaves by one of them.
        self.hold_uplinks(
            node.iter()
                .filter(|link| !wanted.contains_key(&link.ifindex)),
        );
        self.hold_all(wanted);
        self.release_uplinks(node);
    }

    /// The same for some links, where all others and those of the node are as they were.
    pub fn follow_part(&mut self, part: &Matching) {
        let wanted = wanted(part);
        for ifindex in wanted.keys() {
            self.failures.remove(ifindex);
        }
        self.hold_all(wanted);
    }

    /// Gives links to those who are to have them.
    fn hold_all(&mut self, wanted: Wanted<'_>) {
        let [known, first] = self.arrivals(&wanted);
        self.suspects.extend(known);
        let mut adoption = self.adoption_at(&wanted);
        self.adopt(&mut adoption);
        for (ifindex, (owner, name)) in wanted {
            if let Err(why) = self.hold(ifindex, &owner, name) {
                tracing::warn!(ifindex, %why, "a link cannot be enforced");
                self.failures.insert(ifindex, (owner.pod().cloned(), why));
            }
        }
        // A pod that had no connection before is a new one, of which there may be many.
        if !adoption.is_idle() {
            self.suspects.extend(first);
            self.adopt(&mut adoption);
        }
    }

    /// Before any pod is known: attaches to links that no program of ours is attached to. What an
    /// earlier daemon attached goes on as it was.
    pub fn wait_with(&mut self, links: &[Arc<PodLink>]) {
        let earlier: BTreeSet<u32> = match self.attacher.attachments() {
            Ok(attachments) => attachments.iter().map(|one| one.ifindex).collect(),
            Err(error) => {
                return tracing::warn!(%error, "cannot list earlier attachments; new links wait");
            }
        };
        let there: BTreeSet<u32> = links.iter().map(|link| link.host_ifindex).collect();
        let gone: Vec<u32> = self.links.keys().copied().collect();
        for ifindex in gone.into_iter().filter(|index| !there.contains(index)) {
            self.let_go(ifindex);
        }
        for link in links {
            let ifindex = link.host_ifindex;
            let own = self.links.contains(ifindex);
            if !own && earlier.contains(&ifindex) {
                continue;
            }
            if let Err(why) = self.hold(ifindex, &Owner::Pending, &link.host_name) {
                tracing::warn!(ifindex, %why, "a link cannot be enforced");
                self.failures.insert(ifindex, (None, why));
            }
        }
    }

    fn hold(&mut self, ifindex: u32, owner: &Owner, name: &str) -> Result<(), String> {
        let held = self.links.get(ifindex);
        if held.is_some_and(|link| link.owner == *owner && link.name == name) {
            return Ok(());
        }
        let place = held.map(|link| link.place);
        self.put_endpoint(ifindex, owner)
            .map_err(|error| error.to_string())?;
        let place = match place {
            Some(place) => place,
            None => self.attach(ifindex).map_err(|error| error.to_string())?,
        };
        match owner {
            Owner::Pod(pod) => {
                tracing::info!(%pod, link = name, ifindex, ?place, "endpoint attached");
            }
            Owner::Second(pod, _) => tracing::info!(
                %pod,
                link = name,
                ifindex,
                ?place,
                "endpoint attached at a second network of the pod"
            ),
            Owner::Pending => tracing::info!(
                link = name,
                ifindex,
                "link of an unknown pod attached as pending"
            ),
            Owner::Doubtful => tracing::warn!(
                link = name,
                ifindex,
                "several pods or namespaces have this link's address: nothing passes"
            ),
        }
        self.links.insert(
            ifindex,
            Link {
                owner: owner.clone(),
                name: name.to_owned(),
                place,
            },
        );
        Ok(())
    }

    fn attach(&mut self, ifindex: u32) -> Result<Place, WriterError> {
        let mut place = Place::Tcx;
        for which in Program::POD {
            let loaded = load::program(&mut self.ebpf, which)?;
            place = self.attacher.attach(loaded, ifindex, which)?.place;
        }
        Ok(place)
    }

    fn let_go(&mut self, ifindex: u32) {
        self.links.remove(ifindex);
        self.detach(ifindex, Program::POD);
        if let Some(tag) = self.tags.release(ifindex)
            && let Err(error) = self.maps.put_sender(tag, 0)
        {
            tracing::warn!(ifindex, %error, "a tag stays behind");
        }
        if let Err(error) = self.maps.delete_endpoint(ifindex) {
            tracing::warn!(ifindex, %error, "an endpoint stays behind");
        }
    }

    pub(super) fn detach(&mut self, ifindex: u32, programs: impl IntoIterator<Item = Program>) {
        for which in programs {
            if let Err(error) = self.attacher.detach(ifindex, which) {
                tracing::debug!(ifindex, %error, "nothing to detach");
            }
        }
    }

    /// Ends the take-over from an earlier daemon: lets go of what it attached to and this one does
    /// not hold, and leaves this one's numbers to the next. Not before, so that a daemon that dies
    /// half-way leaves the numbers that flows still have.
    pub fn settle(&mut self) -> Result<(), WriterError> {
        self.drop_leftovers();
        maps::settle_continuations(&self.pins).map_err(|source| WriterError::Pins {
            path: self.pins.clone(),
            source,
        })?;
        Ok(self.maps.pin_endpoints(&self.pins)?)
    }

    fn drop_leftovers(&mut self) {
        let attachments = match self.attacher.attachments() {
            Ok(attachments) => attachments,
            Err(error) => return tracing::warn!(%error, "cannot list earlier attachments"),
        };
        for Attachment {
            ifindex, program, ..
        } in attachments
        {
            let held = if Program::POD.contains(&program) {
                self.links.contains(ifindex)
            } else {
                self.uplinks.contains_key(&ifindex)
            };
            if !held {
                self.detach(ifindex, [program]);
            }
        }
    }
}

fn wanted(matching: &Matching) -> Wanted<'_> {
    let unknown = matching.unknown.iter().map(|link| (link, Owner::Pending));
    let ambiguous = matching.ambiguous.iter();
    let ambiguous = ambiguous.map(|(link, _)| (link, Owner::Doubtful));
    let primary = matching.links.iter().flat_map(|(pod, links)| {
        let links = links.iter();
        links.map(|link| (link, Owner::Pod(pod.clone())))
    });
    let secondary = matching.secondary.iter().flat_map(|(pod, links)| {
        let links = links.iter();
        links.map(|link| (link, Owner::Second(pod.clone(), link.clone())))
    });
    unknown
        .chain(ambiguous)
        .chain(primary)
        .chain(secondary)
        .map(|(link, owner)| (link.host_ifindex, (owner, link.host_name.as_str())))
        .collect()
}
