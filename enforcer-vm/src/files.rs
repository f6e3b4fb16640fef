//! The file systems that programs expect.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::init::InitError;

/// Where, and of which kind.
const MOUNTS: [(&str, &str); 7] = [
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/dev", "devtmpfs"),
    ("/dev/pts", "devpts"),
    ("/sys/fs/cgroup", "cgroup2"),
    ("/tmp", "tmpfs"),
    ("/run", "tmpfs"),
];

/// Mounts them.
pub(crate) fn prepare() -> Result<(), InitError> {
    for (path, kind) in MOUNTS {
        // Some are there already: a directory that sysfs has cannot be made.
        if !Path::new(path).is_dir() {
            fs::create_dir_all(path).map_err(InitError::file(path))?;
        }
        let nothing: Option<&str> = None;
        mount(Some(kind), path, Some(kind), MsFlags::empty(), nothing).map_err(|errno| {
            InitError::Mount {
                path: path.to_owned(),
                errno,
            }
        })?;
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, link).map_err(InitError::file(link))?;
    }
    for directory in ["/run/netns", "/run/lock"] {
        fs::create_dir_all(directory).map_err(InitError::file(directory))?;
    }
    Ok(())
}

/// Sets a value below `/proc/sys`.
pub(crate) fn sysctl(name: &str, value: &str) -> Result<(), InitError> {
    let path = format!("/proc/sys/{name}");
    fs::write(&path, value).map_err(InitError::file(&path))
}
