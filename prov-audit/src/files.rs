//! Writing files so that they are whole or absent, and telling a full disk from a broken one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use prov_core::{Error, codes as core_codes};

use crate::codes;

/// Writes a file under another name, syncs it if `durable`, and renames it into place.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let scratch = path.with_extension("tmp");
    let mut file = match File::create(&scratch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            File::create(&scratch)?
        }
        other => other?,
    };
    let written =
        file.write_all(bytes).and_then(|()| if durable { file.sync_all() } else { Ok(()) });
    if let Err(error) = written {
        // What could not be written whole is not left lying about; the first error counts.
        let _ = fs::remove_file(&scratch);
        return Err(error);
    }
    fs::rename(&scratch, path)?;
    if durable { sync_parent(path) } else { Ok(()) }
}

/// Makes a folder and those above it, for this user alone: events say who did what. Their names are
/// durable when this returns.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    missing.into_iter().try_for_each(sync_parent)
}

/// Makes the names in a file's directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// More files than this are synced by one sync of their file system.
const FEW: usize = 24;

/// Makes files below `root` durable, with the names of their folders up to `root`. Many cost one
/// flush of the whole file system, where that is to be had, instead of one for each.
pub(crate) fn sync_below(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if files.len() > FEW {
        return rustix::fs::syncfs(File::open(root)?).map_err(io::Error::from);
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
    match fs::read(path) {
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
