use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use prov_core::{Error, Result};
use zeroize::Zeroizing;

use super::AgeKeys;
use crate::atomic_file::AtomicFile;
use crate::codes;
use crate::failure::{file_failed, refused_by_library, undecryptable};

/// How an age file is written. Both are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the two forms of the format")]
pub enum AgeFileFormat {
    /// Raw bytes.
    #[default]
    Binary,
    /// PEM-like ASCII, a third longer.
    Armored,
}

/// Encrypts all of `input` to the recipients, as `age -r … ` does, and returns the number of
/// plaintext bytes. age files are bound to no context.
///
/// # Errors
/// When a stream fails.
pub fn encrypt_age_stream(
    keys: &AgeKeys,
    format: AgeFileFormat,
    input: impl Read,
    output: impl Write,
) -> Result<u64> {
    let failed = |e| file_failed("writing the age file", e);
    let encryptor = Encryptor::with_recipients(keys.recipients()).map_err(encrypt_failed)?;
    let format = match format {
        AgeFileFormat::Binary => Format::Binary,
        AgeFileFormat::Armored => Format::AsciiArmor,
    };
    let armor = ArmoredWriter::wrap_output(output, format).map_err(failed)?;
    let mut writer = encryptor.wrap_output(armor).map_err(failed)?;
    let total = copy(input, &mut writer, |e| file_failed("reading the input", e))?;
    let mut output = writer.finish().and_then(ArmoredWriter::finish).map_err(failed)?;
    output.flush().map_err(failed)?;
    Ok(total)
}

/// Decrypts an age file, binary or armored, and returns the number of plaintext bytes. What was
/// written before an error is authentic, but not the whole.
///
/// # Errors
/// [`codes::DECRYPTION_FAILED`] whatever is wrong with it; [`codes::UNWRAP_UNSUPPORTED`] without a
/// private key; [`codes::FILE_FAILED`] when a stream fails.
pub fn decrypt_age_stream(keys: &AgeKeys, input: impl Read, output: impl Write) -> Result<u64> {
    if !keys.can_decrypt() {
        return Err(codes::UNWRAP_UNSUPPORTED.into());
    }
    let input = ArmoredReader::new(BufReader::new(input));
    let decryptor = Decryptor::new_buffered(BufReader::new(input)).map_err(decrypt_failed)?;
    let reader = decryptor.decrypt(keys.identities()).map_err(decrypt_failed)?;
    let mut output = output;
    let total = copy(reader, &mut output, read_failed)?;
    output.flush().map_err(|e| file_failed("writing the plaintext", e))?;
    Ok(total)
}

/// Encrypts the file `from` into `to`, which is replaced only when all is written and synced.
///
/// # Errors
/// As [`encrypt_age_stream`].
pub fn encrypt_age_file(
    keys: &AgeKeys,
    format: AgeFileFormat,
    from: &Path,
    to: &Path,
) -> Result<u64> {
    let input = File::open(from).map_err(|e| file_failed("opening the input file", e))?;
    let mut output = AtomicFile::create(to)?;
    let total = encrypt_age_stream(keys, format, input, output.file())?;
    output.finish()?;
    Ok(total)
}

/// Decrypts the age file `from` into `to` (mode 0600), which is replaced only when the whole has
/// been found authentic and is synced.
///
/// # Errors
/// As [`decrypt_age_stream`].
pub fn decrypt_age_file(keys: &AgeKeys, from: &Path, to: &Path) -> Result<u64> {
    let input = File::open(from).map_err(|e| file_failed("opening the input file", e))?;
    let mut output = AtomicFile::create(to)?;
    let total = decrypt_age_stream(keys, input, output.file())?;
    output.finish()?;
    Ok(total)
}

/// As `std::io::copy`, but tells a failure to read from a failure to write, and wipes its buffer.
fn copy(
    mut input: impl Read,
    output: &mut impl Write,
    read_failed: impl Fn(io::Error) -> Error,
) -> Result<u64> {
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let mut total: u64 = 0;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(read_failed(e)),
        };
        let part = buffer.get(..read).unwrap_or_default();
        output.write_all(part).map_err(|e| file_failed("writing the output", e))?;
        total = total.saturating_add(read as u64);
    }
}

/// age reports what does not decrypt, and what ends too early, as failures to read.
fn read_failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => undecryptable(),
        _ => file_failed("reading the age file", error),
    }
}

fn decrypt_failed(error: DecryptError) -> Error {
    match error {
        DecryptError::Io(error) => read_failed(error),
        _ => undecryptable(),
    }
}

fn encrypt_failed(error: EncryptError) -> Error {
    refused_by_library("encrypting to age recipients").source(error)
}
