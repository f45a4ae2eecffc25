//! The checkout a directory is in: which commit, and whether git is at work on it. Read from git's
//! files (gitrepository-layout), because no git need be installed beside the server.

use std::fs;
use std::path::{Path, PathBuf};

/// No reference of git is longer.
const LONGEST: u64 = 4096;
/// `packed-refs` of a large repository.
const LARGEST: u64 = 64 << 20;

/// A working tree of git.
#[derive(Debug)]
pub(super) struct Checkout {
    /// `HEAD` and `index` of this working tree.
    own: PathBuf,
    /// References, which worktrees of one repository share.
    common: PathBuf,
}

impl Checkout {
    /// The working tree that a directory is in; `None` when it is in none.
    pub(super) fn around(directory: &Path) -> Option<Self> {
        let directory = fs::canonicalize(directory).ok()?;
        let marker =
            directory.ancestors().map(|place| place.join(".git")).find(|git| git.exists())?;
        let own = if marker.is_dir() {
            marker
        } else {
            // `git worktree` and submodules leave a file that names the place.
            let text = read(&marker, LONGEST)?;
            let place = text.trim().strip_prefix("gitdir:")?.trim();
            marker.parent()?.join(place)
        };
        let common = match read(&own.join("commondir"), LONGEST) {
            Some(place) => own.join(place.trim()),
            None => own.clone(),
        };
        Some(Self { own, common })
    }

    /// Whether git is changing the files, or says so.
    pub(super) fn is_busy(&self) -> bool {
        ["index.lock", "HEAD.lock"].iter().any(|name| self.own.join(name).exists())
    }

    /// The commit that is checked out, in hexadecimal; `None` before the first.
    pub(super) fn commit(&self) -> Option<String> {
        let head = read(&self.own.join("HEAD"), LONGEST)?;
        let head = head.trim();
        let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return object_id(head) };
        // A reference is below `refs/` and climbs nowhere.
        if !name.starts_with("refs/") || name.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            return None;
        }
        let loose = [&self.own, &self.common].into_iter().find_map(|place| {
            read(&place.join(name), LONGEST).and_then(|text| object_id(text.trim()))
        });
        loose.or_else(|| packed(&read(&self.common.join("packed-refs"), LARGEST)?, name))
    }
}

/// The line of this reference among all.
fn packed(all: &str, name: &str) -> Option<String> {
    all.lines().find_map(|line| {
        let (id, of) = line.split_once(' ')?;
        (of == name).then(|| object_id(id)).flatten()
    })
}

/// An id of an object: SHA-1 or SHA-256, in hexadecimal.
fn object_id(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase())
}

fn read(path: &Path, limit: u64) -> Option<String> {
    let facts = fs::metadata(path).ok()?;
    let is_fit = facts.is_file() && facts.len() <= limit;
    is_fit.then(|| fs::read_to_string(path).ok()).flatten()
}
