//! Files that appear whole or not at all.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use prov_core::{Result, random};

use crate::failure::file_failed;

/// A file under a temporary name beside its target, readable by its owner only; deleted unless it
/// is finished.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl AtomicFile {
    /// Makes the temporary file; it must not exist, so that no link can lead the plaintext elsewhere.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let failed = |e| file_failed("creating the output file", e);
        let name = target.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{:016x}.tmp", u64::from_be_bytes(random::bytes()?)));
        let temporary = target.with_file_name(hidden);
        let file = private_options().create_new(true).open(&temporary).map_err(failed)?;
        Ok(Self { file, temporary, target: target.to_owned(), finished: false })
    }

    /// The file to write to.
    pub(crate) const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Syncs, gives the file its name in place of what has it, and syncs the folder.
    pub(crate) fn finish(mut self) -> Result<()> {
        let failed = |e| file_failed("finishing the output file", e);
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.temporary, &self.target).map_err(failed)?;
        self.finished = true;
        sync_folder_of(&self.target).map_err(failed)
    }

    /// As [`finish`](Self::finish), but never in place of another file: `false` when there is one.
    pub(crate) fn finish_new(self) -> Result<bool> {
        let failed = |e| file_failed("finishing the output file", e);
        self.file.sync_all().map_err(failed)?;
        // A hard link fails where a rename would replace; the temporary name goes on drop.
        match std::fs::hard_link(&self.temporary, &self.target) {
            Ok(()) => sync_folder_of(&self.target).map(|()| true).map_err(failed),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing more can be done about a temporary file that can't be deleted.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(unix)]
/// Access by the owner only, from the first moment.
fn private_options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

/// Makes a new name durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
