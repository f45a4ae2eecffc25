use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use prov_core::{Error, Result, codes as core_codes};

use super::Archive;
use crate::disk;
use crate::files::{io_error, make_folder, write_whole};
use crate::log::blocking;

/// A folder that events are copied to.
#[derive(Debug)]
pub(crate) struct FolderArchive(pub(crate) PathBuf);

#[async_trait]
impl Archive for FolderArchive {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let file = self.0.join(name);
        let failed = |e| io_error(e, "writing the archive of the audit log");
        blocking(move || {
            if let Some(folder) = file.parent() {
                make_folder(folder).map_err(failed)?;
            }
            write_whole(&file, &bytes, true).map_err(failed)
        })
        .await
    }

    async fn read(&self, name: &str) -> Result<Bytes> {
        let file = self.0.join(name);
        blocking(move || match disk::read(&file) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::new(core_codes::NOT_FOUND).detail("the archive has no such file"))
            }
            Err(error) => Err(io_error(error, "reading the archive of the audit log")),
        })
        .await
    }
}
