//! Files: under a key file, to age recipients, or by the server.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use futures_executor::block_on;
use prov_core::SystemClock;
use prov_kms::{
    AgeBackend, AgeFileFormat, AgeKeys, EncryptionContext, Envelope, FileKey, KeyName, KmsBackend,
    decrypt_age_file, encrypt_age_file,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::Global;
use crate::commands::Session;
use crate::commands::ssh::text_of;
use crate::failure::{Failure, Outcome};
use crate::private_file::{self, PRIVATE, PUBLIC};

/// What the server takes in one request, before base64 makes it larger.
const SERVER_LIMIT: usize = prov_kms::Kms::MAX_PLAINTEXT;

/// Encrypt a file: `prov kms encrypt-file app.env app.env.enc --key my.key --context env=prod`
#[derive(Debug, Args)]
pub(crate) struct EncryptFile {
    /// The file to read
    input: PathBuf,
    /// The file to write
    // `output` is the id of the global option.
    #[arg(id = "destination", value_name = "OUTPUT")]
    output: PathBuf,
    /// What it is bound to; decrypting needs the same
    #[arg(long)]
    context: Option<String>,
    #[command(flatten)]
    keys: Keys,
    /// With age keys and no context: text instead of bytes
    #[arg(long)]
    armor: bool,
}

/// Decrypt a file
#[derive(Debug, Args)]
pub(crate) struct DecryptFile {
    /// The file to read
    input: PathBuf,
    /// The file to write, readable by its owner only
    // `output` is the id of the global option.
    #[arg(id = "destination", value_name = "OUTPUT")]
    output: PathBuf,
    /// The context it was encrypted with
    #[arg(long)]
    context: Option<String>,
    #[command(flatten)]
    keys: Keys,
}

/// By which key; by the server's when none is named.
#[derive(Debug, Args)]
struct Keys {
    /// A key file made by `prov kms generate-key --file`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["age_recipients", "age_identity"])]
    key: Option<PathBuf>,
    /// age recipients, one in a line
    #[arg(long, value_name = "FILE")]
    age_recipients: Option<PathBuf>,
    /// age identities
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
}

/// Makes a key file.
pub(super) fn generate_key(path: &Path) -> Outcome {
    let key = FileKey::create(path).map_err(failed)?;
    eprintln!("key {} in {}", key.key_name(), path.display());
    Ok(())
}

impl EncryptFile {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let context = context_of(self.context.as_deref())?;
        if let (Some(keys), true) = (self.keys.age()?, context.is_empty()) {
            let format = if self.armor { AgeFileFormat::Armored } else { AgeFileFormat::Binary };
            return encrypt_age_file(&keys, format, &self.input, &self.output)
                .map(drop)
                .map_err(failed);
        }
        let Some((backend, name)) = self.keys.backend()? else {
            return by_server(global, &self.input, &self.output, self.context.as_deref());
        };
        let envelope = Envelope::new(backend, Arc::new(SystemClock::new()));
        wait(envelope.encrypt_file(&name, &context, &self.input, &self.output))
    }
}

impl DecryptFile {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let context = context_of(self.context.as_deref())?;
        if let (Some(keys), true) = (self.keys.age()?, context.is_empty()) {
            return decrypt_age_file(&keys, &self.input, &self.output).map(drop).map_err(failed);
        }
        let Some((backend, _)) = self.keys.backend()? else {
            return back_by_server(global, &self.input, &self.output, self.context.as_deref());
        };
        let envelope = Envelope::new(backend, Arc::new(SystemClock::new()));
        wait(envelope.decrypt_file(&context, &self.input, &self.output))
    }
}

impl Keys {
    fn age(&self) -> Outcome<Option<AgeKeys>> {
        if self.age_recipients.is_none() && self.age_identity.is_none() {
            return Ok(None);
        }
        AgeKeys::load(self.age_recipients.as_deref(), self.age_identity.as_deref())
            .map(Some)
            .map_err(failed)
    }

    fn backend(&self) -> Outcome<Option<(Arc<dyn KmsBackend>, KeyName)>> {
        if let Some(path) = &self.key {
            let key = FileKey::load(path).map_err(failed)?;
            let name = key.key_name().clone();
            return Ok(Some((Arc::new(key), name)));
        }
        match self.age()? {
            Some(keys) => {
                let name = "age".parse().map_err(failed)?;
                Ok(Some((Arc::new(AgeBackend::new(keys)), name)))
            }
            None => Ok(None),
        }
    }
}

fn context_of(text: Option<&str>) -> Outcome<EncryptionContext> {
    text.map_or_else(|| Ok(EncryptionContext::empty()), |text| text.parse().map_err(failed))
}

fn wait<T>(work: impl Future<Output = prov_core::Result<T>>) -> Outcome {
    block_on(work).map(drop).map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "the form `map_err` takes")]
fn failed(error: prov_core::Error) -> Failure {
    // Offline there is no log to look into: the person at the terminal is told the causes too.
    Failure::Failed(format!("{error:?}"))
}

fn by_server(global: &Global, input: &Path, output: &Path, context: Option<&str>) -> Outcome {
    let plaintext = Zeroizing::new(read(input)?);
    if plaintext.len() > SERVER_LIMIT {
        return Err(Failure::Usage(format!(
            "`{}` is larger than the server takes at once ({SERVER_LIMIT} bytes): use `--key` or \
             `--age-recipients`",
            input.display()
        )));
    }
    let session = Session::of(global)?;
    let mut body = json!({ "plaintext": STANDARD.encode(&*plaintext) });
    super::merge(&mut body, [("context", context.map(str::to_owned))]);
    let answer = session.client.post("/api/v1/kms/encrypt", &body)?;
    crate::commands::ssh::write(output, text_of(&answer, "ciphertext")?, PUBLIC)
}

fn back_by_server(global: &Global, input: &Path, output: &Path, context: Option<&str>) -> Outcome {
    let ciphertext = String::from_utf8(read(input)?).map_err(|_| {
        Failure::Failed(format!("`{}` was not encrypted by a server", input.display()))
    })?;
    let session = Session::of(global)?;
    let mut body = json!({ "ciphertext": ciphertext.trim() });
    super::merge(&mut body, [("context", context.map(str::to_owned))]);
    let answer = session.client.post("/api/v1/kms/decrypt", &body)?;
    let plaintext = STANDARD
        .decode(text_of(&answer, "plaintext")?)
        .map(Zeroizing::new)
        .map_err(|e| Failure::of("reading the server's answer", e))?;
    private_file::replace(output, &plaintext, PRIVATE)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::of(&format!("reading `{}`", path.display()), e))
}
