//! Key files: one secret key as a line of text that only its owner may read.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use aws_lc_rs::hmac;
use prov_core::{Error, Result};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::atomic_file::AtomicFile;
use crate::backend::DataKey;
use crate::codes;
use crate::encoding::{framed, from_base64, to_base64};

/// Longer than any key file.
const MAX_LEN: u64 = 64 * 1024;

/// What a key file is for. A file of one kind is not taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFileKind {
    /// Opens the local keyring.
    Root,
    /// Encrypts without a server.
    File,
}

impl KeyFileKind {
    /// How its line starts.
    const fn label(self) -> &'static str {
        match self {
            Self::Root => "prov-root-key",
            Self::File => "prov-file-key",
        }
    }
}

/// A key and the id that is derived from it. As text: `prov-root-key:v1:<id>:<key>`, where the id
/// (64 bits of HMAC-SHA256 under the key) is also the checksum: a damaged line is recognised.
#[derive(Debug)]
pub(crate) struct KeyFile {
    pub(crate) key: DataKey,
    pub(crate) id: String,
}

impl KeyFile {
    /// Reads a key file; `None` when there is none.
    pub(crate) fn read(kind: KeyFileKind, path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_private(path)? else { return Ok(None) };
        let parsed = std::str::from_utf8(&text).ok().and_then(|text| Self::parse(kind, text));
        parsed.map(Some).ok_or_else(|| about(codes::KEY_FILE_DAMAGED.into(), path))
    }

    /// Makes a fresh key and its file, mode 0600, synced. Never overwrites one.
    pub(crate) fn create(kind: KeyFileKind, path: &Path) -> Result<Self> {
        let key = DataKey::generate()?;
        let id = key_id(kind, &key);
        let encoded = Zeroizing::new(to_base64(key.expose()));
        let text = Zeroizing::new(format!(
            "# Whoever has this file can read the data; without it nobody can. Keep a backup apart.\n\
             {}:v1:{id}:{}\n",
            kind.label(),
            *encoded
        ));
        let mut file = AtomicFile::create(path)?;
        file.file().write_all(text.as_bytes()).map_err(|e| unreadable(path, e))?;
        if file.finish_new()? {
            Ok(Self { key, id })
        } else {
            Err(about(codes::KEY_FILE_EXISTS.into(), path))
        }
    }

    /// One line that is a key of this kind, comments and empty lines aside; `None` for anything else.
    fn parse(kind: KeyFileKind, text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rest = lines.next()?.strip_prefix(kind.label())?.strip_prefix(":v1:")?;
        let (id, key) = rest.split_once(':')?;
        let key = DataKey::from_slice(&Zeroizing::new(from_base64(key)?))?;
        let intact = key_id(kind, &key).as_bytes().ct_eq(id.as_bytes());
        (lines.next().is_none() && bool::from(intact)).then(|| Self { key, id: id.to_owned() })
    }
}

/// 64 bits that name a key and tell nothing about it.
fn key_id(kind: KeyFileKind, key: &DataKey) -> String {
    let mac = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let tag = hmac::sign(&mac, &framed(&[b"prov-kms key id v1", kind.label().as_bytes()]));
    let id = tag.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(id))
}

/// All of a file that only its owner can access; `None` when there is none.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(path, e)),
    };
    // Of the open file, not of the path: nobody can exchange it in between.
    let metadata = file.metadata().map_err(|e| unreadable(path, e))?;
    if !metadata.is_file() || metadata.len() > MAX_LEN {
        return Err(unreadable(path, io::ErrorKind::InvalidData.into()));
    }
    if is_exposed(&metadata) {
        return Err(about(codes::KEY_FILE_EXPOSED.into(), path));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(metadata.len().try_into().unwrap_or(0)));
    file.take(MAX_LEN).read_to_end(&mut text).map_err(|e| unreadable(path, e))?;
    Ok(Some(text))
}

#[cfg(unix)]
/// Whether group or others may read, write or execute it.
fn is_exposed(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &std::fs::Metadata) -> bool {
    // Access lists are not looked at here.
    false
}

/// Names the file in the log.
pub(crate) fn about(error: Error, path: &Path) -> Error {
    error.context(format!("key file {}", path.display()))
}

pub(crate) fn unreadable(path: &Path, error: io::Error) -> Error {
    about(Error::new(codes::KEY_FILE_UNREADABLE).source(error), path)
}

#[cfg(test)]
mod tests;
