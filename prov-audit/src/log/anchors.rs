//! Time stamps that are kept.

use std::sync::Arc;

use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};

use super::{Log, blocking};
use crate::anchors::{self, Kept, read_all};
use crate::disk;
use crate::files::io_error;

impl Log {
    /// How many events the time-stamped checkpoints of a class cover, oldest first.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn anchored_sizes(&self, class: RetentionClass) -> Result<Vec<u64>> {
        let journal = Arc::clone(self.journal(class));
        blocking(move || {
            let all = read_all(journal.dir()).map_err(|e| io_error(e, "reading time stamps"))?;
            let size = |kept: Kept| kept.name.split('.').next()?.parse().ok();
            Ok(all.into_iter().filter_map(size).collect())
        })
        .await
    }

    /// The checkpoint that covers so many events and was time-stamped, and the answer of the authority
    /// (a `TimeStampResp` of RFC 3161).
    ///
    /// # Errors
    /// [`core_codes::NOT_FOUND`] when there is none.
    pub async fn anchor(&self, class: RetentionClass, size: u64) -> Result<(String, Vec<u8>)> {
        let journal = Arc::clone(self.journal(class));
        blocking(move || {
            let (checkpoint, answer) = anchors::files(journal.dir(), size);
            let read = disk::read(&checkpoint).and_then(|note| {
                let note = String::from_utf8(note).map_err(std::io::Error::other)?;
                Ok((note, disk::read(&answer)?))
            });
            read.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Error::new(core_codes::NOT_FOUND).detail("there is no such time stamp")
                }
                _ => io_error(error, "reading a time stamp"),
            })
        })
        .await
    }
}
