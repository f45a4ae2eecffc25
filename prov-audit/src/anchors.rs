//! Time stamps of checkpoints (RFC 3161) on the disk: `anchors/SIZE.checkpoint` and `anchors/SIZE.tsr`.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::files::read_if_there;
#[cfg(feature = "timestamps")]
use crate::files::{make_folder, write_whole};

/// The folder's name in the log's directory.
pub(crate) const FOLDER: &str = "anchors";

/// A checkpoint with the word of an authority that there was so much by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditAnchor))]
#[non_exhaustive]
pub struct Anchor {
    /// How many events the checkpoint covers.
    pub size: u64,
    /// By when, by the authority's clock.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "date-time"))]
    pub time: Timestamp,
}

/// What is kept of one.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The name of the checkpoint's file.
    pub(crate) name: String,
    /// The signed note.
    pub(crate) note: Vec<u8>,
    /// The authority's answer; none when it is missing.
    pub(crate) answer: Option<Vec<u8>>,
}

/// Where the two files of a checkpoint lie.
pub(crate) fn files(dir: &Path, size: u64) -> (PathBuf, PathBuf) {
    let file = |extension: &str| dir.join(FOLDER).join(format!("{size:020}.{extension}"));
    (file("checkpoint"), file("tsr"))
}

/// Keeps a checkpoint and the answer about it, durably: the checkpoint last, which says that both are
/// there.
#[cfg(feature = "timestamps")]
pub(crate) fn write(dir: &Path, size: u64, note: &str, answer: &[u8]) -> io::Result<()> {
    make_folder(&dir.join(FOLDER))?;
    let (checkpoint, response) = files(dir, size);
    write_whole(&response, answer, true)?;
    write_whole(&checkpoint, note.as_bytes(), true)
}

/// Everything that is kept, oldest first.
pub(crate) fn read_all(dir: &Path) -> io::Result<Vec<Kept>> {
    let folder = dir.join(FOLDER);
    let entries = match disk::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.ends_with(".checkpoint").then_some(name));
    }
    names.sort();
    let read = |name: String| {
        let path = folder.join(&name);
        let answer = read_if_there(&path.with_extension("tsr"))?;
        Ok(Kept { note: disk::read(&path)?, name, answer })
    };
    names.into_iter().map(read).collect()
}

/// Whether a file may lie among them.
pub(crate) fn belongs(name: &str) -> bool {
    let name = name.strip_prefix(FOLDER).and_then(|name| name.strip_prefix('/'));
    name.and_then(|name| name.split_once('.')).is_some_and(|(digits, extension)| {
        let is_number = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        is_number && ["checkpoint", "tsr"].contains(&extension)
    })
}
