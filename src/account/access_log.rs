//! The access log: one JSON object a line, written at least each second, rotated by size.
//!
//! What cannot be written is lost and counted: it does not wait, because the next lines come. A
//! file that somebody removed or renamed is made anew.

mod line;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::complaint::Complaint;
use super::facts::AccessFact;
use super::rotation;
use super::settings::Settings;
use crate::clock::Moment;
use crate::config::Logs;
use crate::platform::files;
use line::Times;

/// Lines wait for so long, in milliseconds, or until they are so many bytes.
const FLUSH_MS: u64 = 500;
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The access log.
#[derive(Default)]
pub(super) struct AccessLog {
    open: Option<Open>,
    buffer: Vec<u8>,
    lines: u64,
    times: Times,
    next_flush: Moment,
    complaint: Complaint,
    now: Moment,
}

/// The file that is written to.
struct Open {
    path: PathBuf,
    file: File,
    identity: files::Identity,
    bytes: u64,
    /// A line was cut off when the disk was full; the next one begins a new line.
    torn: bool,
}

impl AccessLog {
    /// Adds a line. Says how many lines were lost.
    pub(super) fn write(&mut self, settings: &Settings, fact: &AccessFact) -> u64 {
        if settings.logs.access.is_none() {
            return 0;
        }
        self.times.write_line(&settings.timezone, fact, &mut self.buffer);
        self.lines += 1;
        if self.buffer.len() >= BUFFER_BYTES_MAX { self.flush_now(&settings.logs) } else { 0 }
    }

    /// Writes what has waited long enough. Says how many lines were lost.
    pub(super) fn flush(&mut self, settings: &Settings, now: Moment) -> u64 {
        self.now = now;
        if now < self.next_flush {
            return 0;
        }
        self.next_flush = now.plus_ms(FLUSH_MS);
        self.flush_now(&settings.logs)
    }

    /// Writes what waits and closes the file.
    pub(super) fn close(&mut self, settings: &Settings) -> u64 {
        let lost = self.flush_now(&settings.logs);
        self.open = None;
        lost
    }

    fn flush_now(&mut self, logs: &Logs) -> u64 {
        let Some(path) = &logs.access else {
            self.open = None;
            return 0;
        };
        if self.buffer.is_empty() {
            return 0;
        }
        let lines = std::mem::take(&mut self.lines);
        let written = self.write_buffer(path, logs);
        self.buffer.clear();
        match written {
            Ok(()) => 0,
            Err(error) => {
                let path = path.display();
                self.complaint.tell(self.now, || format!("{path} cannot be written: {error}"));
                lines
            }
        }
    }

    fn write_buffer(&mut self, path: &Path, logs: &Logs) -> io::Result<()> {
        let usable = self.open.take().filter(|open| open.is_at(path));
        let mut open = match usable {
            Some(open) => open,
            None => Open::at(path)?,
        };
        if open.bytes >= logs.rotate_bytes {
            open = open.rotate(logs.keep)?;
        }
        let written = open.append(&self.buffer);
        self.open = Some(open);
        written
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            files::make_private_folder(folder)?;
        }
        let file = files::append_private(path)?;
        let found = file.metadata()?;
        let (bytes, identity) = (found.len(), files::identity_of(&found));
        // Whoever wrote last may have been cut off.
        Ok(Self {
            path: path.to_owned(),
            file,
            identity,
            bytes,
            torn: !ends_with_line(path, bytes),
        })
    }

    fn is_at(&self, path: &Path) -> bool {
        self.path == path && files::identity(path) == Some(self.identity)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.bytes += bytes as u64;
                    rest = &rest[bytes..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let written = &lines[..lines.len() - rest.len()];
                    self.torn = written.last().is_some_and(|byte| *byte != b'\n');
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The file becomes the newest old one, and a new one is begun.
    fn rotate(self, keep: u32) -> io::Result<Self> {
        let Self { path, file, .. } = self;
        drop(file);
        rotation::make_room(&path, keep)?;
        if keep == 0 {
            fs::remove_file(&path)?;
        } else {
            fs::rename(&path, rotation::old(&path, 1))?;
        }
        Self::at(&path)
    }
}

fn ends_with_line(path: &Path, bytes: u64) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(bytes.saturating_sub(1)))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    bytes == 0 || last().is_ok_and(|byte| byte == b'\n')
}

#[cfg(test)]
mod tests;
