use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// As Flannel writes it.
const FLANNEL: &str = r#"{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "flannel",
      "delegate": { "hairpinMode": true, "isDefaultGateway": true }
    },
    {
      "type": "portmap",
      "capabilities": {"portMappings": true}
    }
  ]
}
"#;

/// As k3s writes it.
const ONE_LINE: &str =
    r#"{"cniVersion":"1.0.0","name":"cbr0","plugins":[{"type":"ptp","x":1.50}]}"#;

const SINGLE: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "pods",
  "type": "ptp",
  "mtu": 1450
}"#;

struct Fixture {
    directory: TempDir,
    installation: Installation,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [bin, conf] = ["bin", "net.d"].map(|name| directory.path().join(name));
        fs::create_dir(&conf).unwrap();
        let plugin = directory.path().join("plugin");
        fs::write(&plugin, "a program").unwrap();
        let installation = Installation {
            place: Place {
                bin_dir: bin,
                conf_dir: conf,
            },
            plugin,
            entry: Entry {
                socket: "/run/enforcer/enforcer.sock".into(),
                timeout: "10s".to_owned(),
                on_timeout: OnTimeout::Deny,
            },
        };
        Self {
            directory,
            installation,
        }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let fixture = Self::new();
        for (name, text) in files {
            fixture.write(name, text);
        }
        fixture
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.installation.place.conf_dir.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.installation.place.conf_dir.join(name)).unwrap()
    }

    fn types(&self, name: &str) -> Vec<String> {
        let list: serde_json::Value = serde_json::from_str(&self.read(name)).unwrap();
        let plugins = list["plugins"].as_array().unwrap().iter();
        plugins
            .map(|plugin| plugin["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Every file below the fixture's directories and what is in it.
    fn everything(&self) -> Vec<(PathBuf, String)> {
        let place = &self.installation.place;
        let files = [&place.bin_dir, &place.conf_dir].map(fs::read_dir);
        let files = files.into_iter().flatten().flatten();
        let mut files: Vec<_> = files
            .map(|file| file.unwrap().path())
            .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    fn comes_and_goes_without_a_trace(&self) {
        let before = self.everything();
        assert!(!self.installation.install().unwrap().is_empty());
        assert_ne!(self.everything(), before);
        let installed = self.everything();
        assert!(
            self.installation.install().unwrap().is_empty(),
            "twice is once"
        );
        assert_eq!(self.everything(), installed);
        self.installation.place.uninstall().unwrap();
        assert_eq!(self.everything(), before);
        assert!(self.installation.place.uninstall().unwrap().is_empty());
    }
}

#[test]
fn a_list_keeps_its_text_around_the_new_plugin() {
    let fixture = Fixture::with(&[("10-flannel.conflist", FLANNEL)]);
    fixture.installation.install().unwrap();
    let ours = r#"    {"type": "enforcer-cni", "socket": "/run/enforcer/enforcer.sock", "timeout": "10s", "onTimeout": "deny"}
"#;
    let expected = FLANNEL.replace("    }\n  ]", &format!("    }},\n{ours}  ]"));
    assert_eq!(fixture.read("10-flannel.conflist"), expected);
}

#[test]
fn every_kind_of_list_is_as_before_after_the_removal() {
    for (name, text) in [
        ("10-flannel.conflist", FLANNEL),
        ("10-k3s.conflist", ONE_LINE),
        ("10-pods.conf", SINGLE),
        ("10-pods.json", SINGLE),
    ] {
        Fixture::with(&[(name, text)]).comes_and_goes_without_a_trace();
    }
}

#[test]
fn the_first_file_by_name_is_what_the_runtime_reads() {
    let fixture = Fixture::with(&[
        ("00-readme.txt", "no list"),
        ("10-a.conflist", ONE_LINE),
        ("20-b.conflist", ONE_LINE),
    ]);
    fixture.installation.install().unwrap();
    assert_eq!(fixture.types("10-a.conflist"), ["ptp", "enforcer-cni"]);
    assert_eq!(fixture.read("20-b.conflist"), ONE_LINE);
}

#[test]
fn a_single_configuration_becomes_a_list_and_is_kept_aside() {
    let fixture = Fixture::with(&[("10-pods.conf", SINGLE)]);
    fixture.installation.install().unwrap();
    assert_eq!(fixture.types("10-pods.conflist"), ["ptp", "enforcer-cni"]);
    assert_eq!(fixture.read("10-pods.conf.enforcer"), SINGLE);
    assert!(
        !fixture
            .installation
            .place
            .conf_dir
            .join("10-pods.conf")
            .exists()
    );

    // The CNI writes its own anew.
    let newer = SINGLE.replace("1450", "1400");
    fixture.write("10-pods.conf", &newer);
    fixture.installation.install().unwrap();
    assert!(fixture.read("10-pods.conflist").contains("1400"));
    fixture.installation.place.uninstall().unwrap();
    assert_eq!(fixture.everything().len(), 1);
    assert_eq!(fixture.read("10-pods.conf"), newer);
}

#[test]
fn other_plugins_that_came_into_the_list_stay() {
    let fixture = Fixture::with(&[("10-pods.conf", SINGLE), ("20-b.conflist", FLANNEL)]);
    fixture.installation.install().unwrap();
    let list = fixture.read("10-pods.conflist");
    let more = list.replace("\n  ]", ",\n    {\"type\": \"other\"}\n  ]");
    fixture.write("10-pods.conflist", &more);
    fixture.installation.place.uninstall().unwrap();
    assert_eq!(fixture.types("10-pods.conflist"), ["ptp", "other"]);
    assert_eq!(fixture.read("20-b.conflist"), FLANNEL);
}

#[test]
fn new_choices_replace_the_entry_where_it_stands() {
    let mut fixture = Fixture::with(&[("10-k3s.conflist", ONE_LINE)]);
    fixture.installation.install().unwrap();
    fixture.installation.entry.on_timeout = OnTimeout::Allow;
    assert_eq!(fixture.installation.install().unwrap().len(), 1);
    assert_eq!(fixture.types("10-k3s.conflist"), ["ptp", "enforcer-cni"]);
    assert!(
        fixture
            .read("10-k3s.conflist")
            .contains(r#""onTimeout": "allow""#)
    );
    fixture.installation.place.uninstall().unwrap();
    assert_eq!(fixture.read("10-k3s.conflist"), ONE_LINE);
}

#[test]
fn what_cannot_be_edited_is_left_alone_and_said() {
    let old = ONE_LINE.replace("1.0.0", "0.2.0");
    let cases = [
        (
            "10-a.conflist",
            &FLANNEL[..FLANNEL.len() / 2],
            "not valid JSON",
        ),
        (
            "10-a.conflist",
            r#"{"cniVersion": "1.0.0", "plugins": []}"#,
            "no list `plugins`",
        ),
        (
            "10-a.conf",
            r#"{"cniVersion": "1.0.0"}"#,
            "no list `plugins`",
        ),
        ("10-a.conflist", &old, "0.2.0"),
    ];
    for (name, text, why) in cases {
        let fixture = Fixture::with(&[(name, text)]);
        let error = fixture.installation.install().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(fixture.read(name), text);
    }
    let nothing = Fixture::new().installation.install().unwrap_err();
    assert!(matches!(nothing, CniError::NoList(_)));
    let both = Fixture::with(&[("10-a.conf", SINGLE), ("10-a.conflist", FLANNEL)]);
    let taken = both.installation.install().unwrap_err();
    assert!(matches!(taken, CniError::Taken { .. }));
    assert_eq!(both.read("10-a.conflist"), FLANNEL);
}

#[test]
fn files_keep_their_permissions_and_the_program_can_be_run() {
    let fixture = Fixture::with(&[("10-k3s.conflist", ONE_LINE)]);
    let place = &fixture.installation.place;
    let list = place.conf_dir.join("10-k3s.conflist");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
    fixture.installation.install().unwrap();
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&list), 0o600);
    assert_eq!(mode(&place.bin_dir.join("enforcer-cni")), 0o755);
    fixture.installation.place.uninstall().unwrap();
    assert_eq!(mode(&list), 0o600);
}

/// Waits until a list has these plugins.
async fn has(fixture: &Fixture, name: &str, wanted: &[&str]) {
    for _ in 0..1000 {
        let path = fixture.installation.place.conf_dir.join(name);
        if path.exists() && fixture.types(name) == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{name} is {}", fixture.read(name));
}

#[tokio::test]
async fn a_list_that_its_cni_writes_anew_gets_the_plugin_again() {
    let fixture = Fixture::new();
    let keeper = Keeper::start(fixture.installation.clone());
    let wanted = ["flannel", "portmap", "enforcer-cni"];
    for _ in 0..3 {
        // By rename: a list that is half there is not what is tested.
        let new = fixture.directory.path().join("new");
        fs::write(&new, FLANNEL).unwrap();
        fs::rename(
            &new,
            fixture
                .installation
                .place
                .conf_dir
                .join("10-flannel.conflist"),
        )
        .unwrap();
        has(&fixture, "10-flannel.conflist", &wanted).await;
    }
    keeper.stop().await;
    fixture.installation.place.uninstall().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(fixture.read("10-flannel.conflist"), FLANNEL);
}
