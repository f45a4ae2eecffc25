//! Files and other long things: a header line, then the data as a stream of chunks.

use std::io::{BufRead, BufReader, Read, Write};

use bytes::Bytes;
use prov_core::Result;

use super::Envelope;
use super::binding::Purpose;
use crate::backend::{Aad, DataKey, KeyName, KeyVersion, WrappedKey};
use crate::ciphertext::Head;
use crate::cobblestone::{InputKey, open_stream, seal_stream};
use crate::context::EncryptionContext;
use crate::encoding::{from_base64, to_base64};
use crate::failure::{file_failed, undecryptable};

/// What an encrypted file starts with; `v1` is the version of everything after it.
const PREFIX: &str = "prov-file:v1:";
/// The longest header: a wrapped key of 64 KiB in base64, and names.
const MAX_HEADER: u64 = 96 * 1024;

/// The first line of an encrypted file: `prov-file:v1:<backend>:<key>:<version>:<wrapped key>`. It
/// says which key opens the file; after it come the raw bytes of Cobblestone-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHeader {
    head: Head,
    wrapped: Vec<u8>,
}

impl StreamHeader {
    /// Reads the header and leaves `input` at the data.
    ///
    /// # Errors
    /// [`codes::DECRYPTION_FAILED`](crate::codes::DECRYPTION_FAILED) when there is none;
    /// [`codes::FILE_FAILED`](crate::codes::FILE_FAILED) when `input` can't be read.
    pub fn read(input: &mut impl BufRead) -> Result<Self> {
        let mut line = Vec::new();
        input
            .take(MAX_HEADER)
            .read_until(b'\n', &mut line)
            .map_err(|e| file_failed("reading the header", e))?;
        Self::parse(&line).ok_or_else(undecryptable)
    }

    /// The backend that holds the key.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.head.backend
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &KeyName {
        &self.head.key
    }

    /// The version of the key.
    #[must_use]
    pub const fn version(&self) -> KeyVersion {
        self.head.version
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let (head, wrapped) = Head::split(text.strip_suffix('\n')?.strip_prefix(PREFIX)?)?;
        Some(Self { head, wrapped: from_base64(wrapped)? })
    }

    fn line(backend: &str, wrapped: &WrappedKey) -> String {
        let WrappedKey { name, version, blob } = wrapped;
        format!("{PREFIX}{backend}:{name}:{version}:{}\n", to_base64(blob))
    }
}

impl Envelope {
    /// Encrypts all of `input` under a data key of its own and returns the number of plaintext
    /// bytes. Holds 16 KiB in memory. Reads and writes block.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt), and when a stream fails.
    pub async fn encrypt_stream(
        &self,
        key: &KeyName,
        context: &EncryptionContext,
        mut input: impl Read + Send,
        mut output: impl Write + Send,
    ) -> Result<u64> {
        let backend = self.backend();
        let name = backend.info().name;
        let data_key = DataKey::generate()?;
        let aad = Purpose::File.wrap_aad(name, context);
        let wrapped = backend.wrap_key(key, &data_key, Aad(&aad)).await?;
        output
            .write_all(StreamHeader::line(name, &wrapped).as_bytes())
            .map_err(|e| file_failed("writing the header", e))?;
        let bound_to = Purpose::File.data_context(key, context);
        seal_stream(&InputKey::new(data_key.expose()), &bound_to, &mut input, &mut output)
    }

    /// Decrypts all of `input` and returns the number of plaintext bytes. Chunks are written as they
    /// are found authentic; **that the whole is there is known only when this returns `Ok`**: on an
    /// error, discard what was written ([`decrypt_file`](Self::decrypt_file) does).
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt), also for a cut, extended or reordered stream; and when a
    /// stream fails.
    pub async fn decrypt_stream(
        &self,
        context: &EncryptionContext,
        input: impl Read + Send,
        mut output: impl Write + Send,
    ) -> Result<u64> {
        // A buffer smaller than a chunk: the header is read through it, chunks go past it.
        let mut input = BufReader::with_capacity(4096, input);
        let StreamHeader { head, wrapped } = StreamHeader::read(&mut input)?;
        let backend = self.backend_named(&head.backend)?;
        let aad = Purpose::File.wrap_aad(&head.backend, context);
        let bound_to = Purpose::File.data_context(&head.key, context);
        let blob = Bytes::from(wrapped);
        let wrapped = WrappedKey { name: head.key, version: head.version, blob };
        let data_key = backend.unwrap_key(&wrapped, Aad(&aad)).await?;
        open_stream(&InputKey::new(data_key.expose()), &bound_to, &mut input, &mut output)
    }
}
