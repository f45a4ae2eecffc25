//! Writing files so that they are whole or absent, and telling a full disk from a broken one.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use prov_core::{Error, codes as core_codes};

use crate::codes;
use crate::disk::{self, File};

/// Writes a file under another name, syncs it if `durable`, and renames it into place.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let scratch = path.with_extension("tmp");
    let mut file = match File::create(&scratch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                disk::create_dir_all(parent)?;
            }
            File::create(&scratch)?
        }
        other => other?,
    };
    let written = file.write_all(bytes).and_then(|()| {
        if durable {
            return file.sync_all();
        }
        disk::let_go(&file);
        Ok(())
    });
    if let Err(error) = written {
        // What could not be written whole is not left lying about; the first error counts.
        let _ = disk::remove_file(&scratch);
        return Err(error);
    }
    disk::rename(&scratch, path)?;
    if durable { sync_parent(path) } else { Ok(()) }
}

/// Makes a folder and those above it, for this user alone: events say who did what. Their names are
/// durable when this returns, also those that are there already: whoever made them may have been
/// stopped before they were.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    disk::create_private_dir_all(folder)?;
    for path in folder.ancestors().take_while(|path| path.parent().is_some()) {
        match sync_parent(path) {
            Ok(()) => {}
            // Nothing of ours lies in a folder that we may not read, or not write.
            Err(error) if NOT_OURS.contains(&error.kind()) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a folder of somebody else answers to being opened or synced.
const NOT_OURS: [io::ErrorKind; 4] = [
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ReadOnlyFilesystem,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::Unsupported,
];

/// Makes the names in a file's directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// More files than this are synced by one sync of their file system.
#[cfg(not(test))]
const FEW: usize = 24;
#[cfg(test)]
const FEW: usize = 4;

/// Makes files below `root` durable, with the names of their folders up to `root`. Many cost one
/// flush of the whole file system, where that is to be had, instead of one for each.
pub(crate) fn sync_below(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if files.len() > FEW {
        return disk::sync_file_system(root);
    }
    let mut folders = BTreeSet::new();
    for file in files {
        match File::open(file) {
            Ok(file) => file.sync_data()?,
            // A partial tile that a newer one made needless already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
        folders.extend(above.map(Path::to_owned));
    }
    folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// The file's bytes; `None` when there is no such file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match disk::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error means that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error of the file system as one of prov.
pub(crate) fn io_error(error: io::Error, doing: &'static str) -> Error {
    let code = if is_full(&error) { core_codes::STORAGE_FULL } else { codes::UNAVAILABLE };
    Error::new(code).context(doing).source(error)
}
