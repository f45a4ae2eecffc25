//! Whole files: the target appears complete or not at all.

use std::fs::File;
use std::path::Path;

use prov_core::Result;

use super::Envelope;
use crate::atomic_file::AtomicFile;
use crate::backend::KeyName;
use crate::context::EncryptionContext;
use crate::failure::file_failed;

impl Envelope {
    /// Encrypts the file `from` into `to`, which is replaced only when all is written and synced.
    ///
    /// # Errors
    /// As [`encrypt_stream`](Self::encrypt_stream).
    pub async fn encrypt_file(
        &self,
        key: &KeyName,
        context: &EncryptionContext,
        from: &Path,
        to: &Path,
    ) -> Result<u64> {
        let input = File::open(from).map_err(|e| file_failed("opening the input file", e))?;
        let mut output = AtomicFile::create(to)?;
        let written = self.encrypt_stream(key, context, input, output.file()).await?;
        output.finish()?;
        Ok(written)
    }

    /// Decrypts the file `from` into `to` (mode 0600), which is replaced only when the whole has
    /// been found authentic and is synced.
    ///
    /// # Errors
    /// As [`decrypt_stream`](Self::decrypt_stream).
    pub async fn decrypt_file(
        &self,
        context: &EncryptionContext,
        from: &Path,
        to: &Path,
    ) -> Result<u64> {
        let input = File::open(from).map_err(|e| file_failed("opening the input file", e))?;
        let mut output = AtomicFile::create(to)?;
        let written = self.decrypt_stream(context, input, output.file()).await?;
        output.finish()?;
        Ok(written)
    }
}
