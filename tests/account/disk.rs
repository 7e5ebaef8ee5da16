//! A disk that can be full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small file system of its own, as long as this lives.
pub(crate) struct Disk {
    /// Its folder.
    pub(crate) at: PathBuf,
}

impl Disk {
    /// One of this size (`4m`) over a folder that is there. Only root may make one.
    pub(crate) fn new(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=700");
        run("mount", &["-t", "tmpfs", "-o", &options, "usher-test", at.to_str()?])
            .then(|| Self { at: at.to_owned() })
    }

    /// Until nothing more fits, not even the rest of a page.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// There is room again.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.filler()).expect("the filler goes");
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because those of a failed test may still be there.
        run("umount", &["-l", self.at.to_str().unwrap_or_default()]);
    }
}

#[expect(clippy::disallowed_methods, reason = "mount and umount have no other way")]
fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
