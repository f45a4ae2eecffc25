//! `prov kms`.

mod files;

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::ssh::text_of;
use super::user::merge;
use super::{Part, Session};
use crate::cli::Global;
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::shown;

/// Keys, encryption and decryption.
#[derive(Debug, Subcommand)]
pub(crate) enum Kms {
    /// Encrypt stdin: `echo secret | prov kms encrypt --context env=prod`
    Encrypt {
        /// What the ciphertext is bound to: `env=prod,service=api`
        #[arg(long)]
        context: Option<String>,
        /// The key; the server's default when absent
        #[arg(long)]
        key: Option<String>,
    },
    /// Decrypt stdin to stdout
    Decrypt {
        /// The same context, in any order
        #[arg(long)]
        context: Option<String>,
    },
    /// Encrypt a file without any server, to age recipients or under a key file
    EncryptFile(files::EncryptFile),
    /// Decrypt a file without any server
    DecryptFile(files::DecryptFile),
    /// Get a data key, in the clear and wrapped
    GenerateKey {
        /// `AES_256` or `AES_128`
        #[arg(long, default_value = "AES_256")]
        key_spec: String,
        /// What the wrapped key is bound to
        #[arg(long)]
        context: Option<String>,
        /// The key that wraps it; the server's default when absent
        #[arg(long)]
        key: Option<String>,
        /// Write a key file for `encrypt-file` instead, without any server
        #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "key"])]
        file: Option<std::path::PathBuf>,
    },
    /// Wrap a ciphertext (stdin) again under the newest version of its key
    Rewrap {
        /// Its context
        #[arg(long)]
        context: Option<String>,
    },
    /// Make a new version of a key
    Rotate {
        /// The key
        key: String,
    },
    /// The keys
    #[command(subcommand)]
    Keys(KeysVerb),
    /// What the key service is doing
    Status,
    /// How its backend is
    Health,
    /// Which backends there are
    Backends,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// List keys
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Create a key
    Create {
        /// Its name: `a-z`, `0-9`, `.`, `_` and `-`
        id: String,
    },
    /// Show one
    Show {
        /// Its name
        id: String,
    },
    /// Refuse to use it from now on
    Disable {
        /// Its name
        id: String,
    },
    /// Use it again
    Enable {
        /// Its name
        id: String,
    },
}

impl Kms {
    pub(crate) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::EncryptFile(command) => return command.run(global),
            Self::DecryptFile(command) => return command.run(global),
            Self::GenerateKey { file: Some(path), .. } => return files::generate_key(&path),
            _ => {}
        }
        let session = &Session::of(global)?;
        let client = &session.client;
        let answer = match self {
            Self::Encrypt { context, key } => return encrypt(session, context, key),
            Self::Decrypt { context } => return decrypt(session, context),
            Self::GenerateKey { key_spec, context, key, .. } => {
                let mut body = json!({ "key_spec": key_spec });
                merge(&mut body, [("context", context), ("key_id", key)]);
                client.post("/api/v1/kms/generate-key", &body)?
            }
            Self::Rewrap { context } => {
                let mut body = json!({ "ciphertext": stdin_text()?.as_str() });
                merge(&mut body, [("context", context)]);
                client.post("/api/v1/kms/rewrap", &body)?
            }
            Self::Rotate { key } => key_verb(session, &key, "/rotate")?,
            Self::Keys(KeysVerb::List { part }) => client.get(&part.of("/api/v1/kms/keys", &[]))?,
            Self::Keys(KeysVerb::Create { id }) => {
                client.post("/api/v1/kms/keys", &json!({ "key_id": id }))?
            }
            Self::Keys(KeysVerb::Show { id }) => {
                client.get(&format!("/api/v1/kms/keys/{}", segment(&id)))?
            }
            Self::Keys(KeysVerb::Disable { id }) => key_verb(session, &id, "/disable")?,
            Self::Keys(KeysVerb::Enable { id }) => key_verb(session, &id, "/enable")?,
            Self::Status => client.get("/api/v1/kms/status")?,
            Self::Health => client.get("/api/v1/kms/health")?,
            Self::Backends => client.get("/api/v1/kms/backends")?,
            Self::EncryptFile(_) | Self::DecryptFile(_) => return Ok(()),
        };
        session.show(&answer, &[])
    }
}

fn key_verb(session: &Session, id: &str, verb: &str) -> Outcome<Value> {
    session.client.post(&format!("/api/v1/kms/keys/{}{verb}", segment(id)), &json!({}))
}

/// Prints the ciphertext alone, so that it can be piped.
fn encrypt(session: &Session, context: Option<String>, key: Option<String>) -> Outcome {
    let plaintext = stdin()?;
    let mut body = json!({ "plaintext": STANDARD.encode(&*plaintext) });
    merge(&mut body, [("context", context), ("key_id", key)]);
    let answer = session.client.post("/api/v1/kms/encrypt", &body)?;
    output::print(&shown(text_of(&answer, "ciphertext")?))
}

/// Writes the plaintext alone, byte for byte.
fn decrypt(session: &Session, context: Option<String>) -> Outcome {
    let mut body = json!({ "ciphertext": stdin_text()?.as_str() });
    merge(&mut body, [("context", context)]);
    let answer = session.client.post("/api/v1/kms/decrypt", &body)?;
    let plaintext = STANDARD
        .decode(text_of(&answer, "plaintext")?)
        .map(Zeroizing::new)
        .map_err(|e| Failure::of("reading the server's answer", e))?;
    output::write(&[&plaintext])
}

fn stdin() -> Outcome<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::of("reading stdin", e))?;
    Ok(bytes)
}

fn stdin_text() -> Outcome<Zeroizing<String>> {
    let bytes = stdin()?;
    let text = std::str::from_utf8(&bytes).map_err(|e| Failure::of("reading stdin", e))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
