use std::path::Path;

use super::*;

fn policy(name: &str, port: u16) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}}}, \
         spec: {{podSelector: {{}}, ingress: [{{ports: [{{port: {port}}}]}}]}}}}\n---\n"
    )
}

/// A folder, who reads it step by step, and what that brought.
struct World {
    folder: tempfile::TempDir,
    source: ManifestSource,
    cluster: Cluster,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            source: ManifestSource::new(folder.path()),
            folder,
            cluster: Cluster::default(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Reads once. Answers how many changes that brought, if it is clear what they are.
    fn look(&mut self) -> Option<usize> {
        let Changes { changes, again, .. } = self.source.changes(&self.cluster);
        let count = changes.len();
        for change in changes {
            self.cluster.apply(change);
        }
        again.is_none().then_some(count)
    }

    /// The time of doubt is over.
    fn wait(&mut self) {
        if let Some(absent) = &mut self.source.absent {
            absent.until = Instant::now();
        }
    }
}

#[test]
fn what_is_told_is_what_changed_and_nothing_else() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.write(&format!("{name}.yaml"), &policy(name, 80));
    }
    assert_eq!(world.look(), Some(3));
    assert_eq!(world.look(), Some(0));
    world.write("b.yaml", &policy("b", 81));
    assert_eq!(world.look(), Some(1));
    world.write("d.yaml", &(policy("d", 80) + &policy("e", 80)));
    assert_eq!(world.look(), Some(2));
    assert!(world.source.plain);
}

#[test]
fn what_goes_away_is_believed_only_after_a_while() {
    let mut world = World::new();
    world.write("a.yaml", &policy("a", 80));
    assert_eq!(world.look(), Some(1));
    world.remove("a.yaml");
    world.write("b.yaml", &policy("b", 80));
    assert_eq!(world.look(), None);
    world.wait();
    assert_eq!(world.look(), Some(2));
    assert_eq!(world.cluster.policies.len(), 1);
}

#[test]
fn an_object_that_moves_between_files_in_two_steps_never_goes_away() {
    let mut world = World::new();
    world.write("a.yaml", &(policy("a", 80) + &policy("b", 80)));
    assert_eq!(world.look(), Some(2));
    world.write("a.yaml", &policy("a", 80));
    assert_eq!(world.look(), None);
    world.write("b.yaml", &policy("b", 80));
    assert_eq!(world.look(), Some(0));
    assert_eq!(world.cluster.policies.len(), 2);
}

#[test]
fn objects_that_go_on_going_away_are_waited_for_only_so_long() {
    let mut world = World::new();
    for number in 0..100 {
        world.write(
            &format!("{number}.yaml"),
            &policy(&format!("p{number}"), 80),
        );
    }
    assert_eq!(world.look(), Some(100));
    let begin = Instant::now();
    for number in 0..100 {
        world.remove(&format!("{number}.yaml"));
        if world.look().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(world.cluster.policies.len() < 100);
    assert!(begin.elapsed() >= DOUBT_AT_MOST);
}

/// A step of a game that goes through mistakes, duplicates and moves.
fn step(world: &World, random: &mut u64) {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    let (file, what) = (*random >> 33 & 3, *random >> 40 & 7);
    let name = format!("{file}.yaml");
    let port = u16::try_from(1 + (*random >> 50)).unwrap();
    let own = policy(&format!("p{file}"), port);
    let others = policy(&format!("p{}", *random >> 45 & 3), port);
    match what {
        0 => world.write(&name, "a: [not, yaml"),
        1 => world.write(&name, &(policy(&format!("p{file}"), 0) + &others)),
        2 if world.path().join(&name).exists() => world.remove(&name),
        3 => world.write(&name, &others),
        4 => world.write(
            &name,
            &[0xff, 0xfe].map(char::from).iter().collect::<String>(),
        ),
        _ => world.write(&name, &own),
    }
}

#[test]
fn step_by_step_leads_to_what_reading_everything_leads_to() {
    for seed in 0..20 {
        let mut world = World::new();
        let mut whole = ManifestSource::new(world.path());
        let mut random = seed;
        for turn in 0..60 {
            step(&world, &mut random);
            let expected = whole.reload();
            if world.look().is_none() {
                world.wait();
                assert!(world.look().is_some());
            }
            assert_eq!(world.cluster, expected.cluster, "seed {seed}, turn {turn}");
            let problems = world.source.changes(&world.cluster).problems;
            assert_eq!(problems, expected.problems, "seed {seed}, turn {turn}");
        }
    }
}
