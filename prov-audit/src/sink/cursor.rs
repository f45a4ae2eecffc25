//! Where a sink is, remembered in a file beside the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prov_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::files::{io_error, make_folder, read_if_there, write_whole};
use crate::merkle::{Hash, leaf_hash};
use crate::segment::{SegmentCursor, oldest};

/// The format's number; a file with another one is not believed.
const FORMAT: u8 = 1;

/// What the file says: for each log, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    format: u8,
    logs: BTreeMap<String, Place>,
}

/// Where a sink is in one log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// The number of the next event.
    pub(super) next: u64,
    /// The hash of the event before it, hexadecimal: shows whether it is still the same log.
    pub(super) last: String,
}

impl Place {
    pub(super) fn behind(seq: u64, hash: &Hash) -> Self {
        Self { next: seq + 1, last: hex::encode(hash) }
    }

    /// Whether the log in this directory has, just before this place, the event that was seen there.
    fn is_in(&self, dir: &Path, durable: u64) -> bool {
        let Some(last) = self.next.checked_sub(1) else { return true };
        if self.next > durable || self.last.is_empty() {
            return self.next <= durable;
        }
        // What was pruned can't be looked at; what is left begins where the log says.
        if oldest(dir).is_ok_and(|oldest| last < oldest) {
            return true;
        }
        SegmentCursor::at(dir, last).and_then(|mut cursor| cursor.read(self.next, 1)).is_ok_and(
            |read| read.first().is_some_and(|r| hex::encode(leaf_hash(&r.leaf)) == self.last),
        )
    }
}

/// The file of one sink.
#[derive(Debug, Clone)]
pub(super) struct PlaceFile {
    path: PathBuf,
}

impl PlaceFile {
    /// The file of the sink with this name, of the logs in this directory.
    pub(super) fn new(log_dir: &Path, name: &str) -> Self {
        Self { path: log_dir.join("sinks").join(format!("{name}.json")) }
    }

    /// Where the sink is in a log; at its start when it never was there, or when the log is not the
    /// one it was in: rather twice than not at all.
    pub(super) fn load(&self, origin: &str, dir: &Path, durable: u64) -> Result<Place> {
        let bytes = read_if_there(&self.path).map_err(|e| io_error(e, "reading a sink's place"))?;
        let Some(bytes) = bytes else { return Ok(Place::default()) };
        let places: Option<Places> = serde_json::from_slice(&bytes).ok();
        let place = places
            .filter(|places| places.format == FORMAT)
            .and_then(|mut places| places.logs.remove(origin));
        match place {
            Some(place) if place.is_in(dir, durable) => Ok(place),
            Some(_) => {
                tracing::warn!(origin, "a sink was in another log of this name: it begins anew");
                Ok(Place::default())
            }
            None => Ok(Place::default()),
        }
    }

    /// Remembers where the sink is; durable when this returns.
    pub(super) fn save(&self, logs: BTreeMap<String, Place>) -> Result<()> {
        let failed = |e| io_error(e, "writing a sink's place");
        if let Some(folder) = self.path.parent() {
            make_folder(folder).map_err(failed)?;
        }
        let bytes = serde_json::to_vec(&Places { format: FORMAT, logs })
            .map_err(|e| Error::new(codes::SINK_FAILED).source(e))?;
        write_whole(&self.path, &bytes, true).map_err(failed)
    }
}
