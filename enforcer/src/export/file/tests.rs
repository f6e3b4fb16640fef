use super::*;

/// A folder with a file that takes 40 bytes, of which two earlier ones are kept.
struct World {
    home: tempfile::TempDir,
    file: RotatedFile,
    counters: Counters,
}

impl World {
    fn new(max_files: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = RotatedFile::new(home.path().join("denials.json"), 40, max_files);
        Self {
            home,
            file,
            counters: Counters::default(),
        }
    }

    /// Lines of ten bytes with these numbers.
    fn write(&mut self, numbers: impl IntoIterator<Item = u32>) -> Result<(), SinkError> {
        let mut lines = lines(numbers);
        let outcome = self.file.write(&mut lines, &self.counters);
        assert_eq!(outcome.is_ok(), lines.is_empty());
        outcome
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// The numbers in a file.
    fn numbers(&self, name: &str) -> Vec<u32> {
        let text = self.text(name);
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

fn lines(numbers: impl IntoIterator<Item = u32>) -> VecDeque<Line> {
    let numbers = numbers.into_iter();
    numbers
        .map(|number| Line {
            bytes: format!("{number:09}\n").into_bytes(),
            is_record: true,
        })
        .collect()
}

#[test]
fn a_full_file_becomes_the_first_earlier_one_and_the_oldest_goes() {
    let mut world = World::new(2);
    world.write(0..3).unwrap();
    assert_eq!(world.names(), ["denials.json"]);
    world.write(3..14).unwrap();
    assert_eq!(world.numbers("denials.json"), [12, 13]);
    assert_eq!(world.numbers("denials.json.1"), [8, 9, 10, 11]);
    assert_eq!(world.numbers("denials.json.2"), [4, 5, 6, 7]);
    assert_eq!(world.names().len(), 3);
    assert_eq!(world.counters.get(Count::Rotations), 3);
    assert_eq!(world.counters.get(Count::Records), 14);
    assert_eq!(world.counters.get(Count::Bytes), 140);
}

#[test]
fn where_no_earlier_file_is_kept_the_full_one_goes() {
    let mut world = World::new(0);
    world.write(0..5).unwrap();
    assert_eq!(world.numbers("denials.json"), [4]);
    assert_eq!(world.names(), ["denials.json"]);
}

#[test]
fn a_line_that_is_longer_than_a_file_may_be_has_one_of_its_own() {
    let mut world = World::new(2);
    world.write([1]).unwrap();
    let long = vec![b'x'; 100];
    let mut lines = lines([2]);
    lines.push_front(Line {
        bytes: [&long, &b"\n"[..]].concat(),
        is_record: true,
    });
    world.file.write(&mut lines, &world.counters).unwrap();
    assert_eq!(world.numbers("denials.json"), [2]);
    assert_eq!(world.text("denials.json.1").len(), 101);
    assert_eq!(world.numbers("denials.json.2"), [1]);
}

#[test]
fn a_file_is_gone_on_with_and_its_size_counts() {
    let mut world = World::new(2);
    world.write(0..3).unwrap();
    world.file = RotatedFile::new(world.file.path.clone(), 40, 2);
    world.write(3..5).unwrap();
    assert_eq!(world.numbers("denials.json.1"), [0, 1, 2, 3]);
    assert_eq!(world.numbers("denials.json"), [4]);
}

#[test]
fn a_line_that_an_earlier_daemon_did_not_end_is_ended() {
    let mut world = World::new(2);
    fs::write(&world.file.path, "00000").unwrap();
    world.write([7]).unwrap();
    assert_eq!(world.numbers("denials.json"), [0, 7]);
}

#[test]
fn a_file_that_was_moved_away_or_removed_is_let_go() {
    let mut world = World::new(2);
    world.write([1]).unwrap();
    let moved = world.home.path().join("moved");
    fs::rename(&world.file.path, &moved).unwrap();
    world.write([2]).unwrap();
    assert_eq!(world.numbers("moved"), [1]);
    assert_eq!(world.numbers("denials.json"), [2]);
    fs::remove_file(&world.file.path).unwrap();
    world.write([3]).unwrap();
    assert_eq!(world.numbers("denials.json"), [3]);
}

#[test]
fn a_file_that_was_emptied_has_room_again() {
    let mut world = World::new(2);
    world.write(0..4).unwrap();
    fs::write(&world.file.path, "").unwrap();
    world.write(4..7).unwrap();
    assert_eq!(world.numbers("denials.json"), [4, 5, 6]);
    assert_eq!(world.names().len(), 1);
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_the_file_and_nothing_is_lost() {
    let mut world = World::new(2);
    let path = world.home.path().join("absent/denials.json");
    world.file = RotatedFile::new(path.clone(), 40, 2);
    let error = world.write(0..3).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot open ") && error.contains("absent"),
        "{error}"
    );
    fs::create_dir(path.parent().unwrap()).unwrap();
    world.write(0..3).unwrap();
    assert_eq!(world.numbers("absent/denials.json"), [0, 1, 2]);
}

#[test]
fn a_full_disk_leaves_whole_lines_only() {
    let mut world = World::new(2);
    // A device that takes nothing stands for the disk.
    world.file = RotatedFile::new("/dev/full".into(), 40, 2);
    let error = world.write(0..3).unwrap_err().to_string();
    assert!(
        error.contains("/dev/full") && error.contains("No space left"),
        "{error}"
    );
    assert_eq!(world.counters.get(Count::Records), 0);
}
