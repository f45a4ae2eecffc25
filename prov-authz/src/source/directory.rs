//! A directory, read while it stands still.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::git::Checkout;
use crate::load::SCHEMA_FILE;
use crate::{Finding, PolicyFiles};

/// A directory that changes is read again this many times before it is left alone for now.
const ATTEMPTS: usize = 5;
/// The link by which Kubernetes swaps all files of a mounted volume at once.
const MOUNTED: &str = "..data";

/// A set as it stood at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) files: PolicyFiles,
    /// The git commit that is checked out, when the directory is in a checkout.
    pub(crate) commit: Option<String>,
}

/// Why there is no set.
#[derive(Debug)]
pub(crate) enum Unready {
    /// It is being changed; look again soon.
    Busy,
    /// It can't be read.
    Refused(Vec<Finding>),
}

/// Reads a directory as it stood at one moment: what changed under the reading is read again.
pub(crate) fn read_directory(directory: &Path) -> Result<Reading, Unready> {
    let checkout = Checkout::around(directory);
    for _ in 0..ATTEMPTS {
        if checkout.as_ref().is_some_and(Checkout::is_busy) {
            return Err(Unready::Busy);
        }
        let before = State::of(directory, checkout.as_ref());
        let read = PolicyFiles::read(&before.place);
        let stood_still =
            before.lists_all_of(&read) && State::of(directory, checkout.as_ref()) == before;
        if stood_still {
            let commit = before.commit;
            return read.map(|files| Reading { files, commit }).map_err(Unready::Refused);
        }
    }
    Err(Unready::Busy)
}

/// What a directory is known by; it stands still while this stays.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// Where the files really are, so that all are read from one side of a swap.
    place: PathBuf,
    commit: Option<String>,
    is_busy: bool,
    files: Vec<Stamp>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    name: std::ffi::OsString,
    length: u64,
    changed: Option<SystemTime>,
}

impl State {
    fn of(directory: &Path, checkout: Option<&Checkout>) -> Self {
        let mounted = directory.join(MOUNTED);
        let place = fs::canonicalize(mounted).or_else(|_| fs::canonicalize(directory));
        let place = place.unwrap_or_else(|_| directory.to_owned());
        let mut files: Vec<_> =
            fs::read_dir(&place).into_iter().flatten().flatten().map(|e| Stamp::of(&e)).collect();
        files.sort_unstable();
        Self {
            commit: checkout.and_then(Checkout::commit),
            is_busy: checkout.is_some_and(Checkout::is_busy),
            place,
            files,
        }
    }

    /// Whether every file that was read, or could not be, was there already: one that came and went while the
    /// directory was read leaves it as it was before. Only the schema is looked for wherever it is not.
    fn lists_all_of(&self, read: &Result<PolicyFiles, Vec<Finding>>) -> bool {
        let lists = |name: &str| self.files.iter().any(|file| file.name == name);
        match read {
            Ok(files) => files.all().all(|file| lists(&file.name)),
            Err(findings) => findings
                .iter()
                .map(|finding| finding.file.as_str())
                .all(|name| name.is_empty() || name == SCHEMA_FILE || lists(name)),
        }
    }
}

impl Stamp {
    fn of(entry: &fs::DirEntry) -> Self {
        // Through links: it is their target that is read.
        let facts = fs::metadata(entry.path()).ok();
        Self {
            name: entry.file_name(),
            length: facts.as_ref().map_or(0, fs::Metadata::len),
            changed: facts.and_then(|facts| facts.modified().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_first_look_is_not_read_as_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        PolicyFiles::shipped().write_missing(folder.path()).unwrap();
        let before = State::of(folder.path(), None);
        assert!(before.lists_all_of(&PolicyFiles::read(folder.path())));
        let late = folder.path().join("zz.cedar");
        for text in [&b"@id(\"zz\") permit (principal, action, resource);"[..], b"\xFF"] {
            fs::write(&late, text).unwrap();
            let read = PolicyFiles::read(folder.path());
            fs::remove_file(&late).unwrap();
            assert_eq!(State::of(folder.path(), None), before, "as if nothing had been");
            assert!(!before.lists_all_of(&read));
        }
        fs::remove_file(folder.path().join(SCHEMA_FILE)).unwrap();
        let without = State::of(folder.path(), None);
        let read = PolicyFiles::read(folder.path());
        assert!(read.is_err() && without.lists_all_of(&read), "a schema that is missing is told");
    }
}
