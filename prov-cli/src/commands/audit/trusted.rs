//! What the server says of its log, opened with a key that need not be the server's.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_audit::{Checkpoint, VerifierKey};
use serde_json::Value;

use super::verify::read_key;
use crate::commands::Session;
use crate::failure::{Failure, Outcome};

/// The newest checkpoint of the server's log, and the key it must be signed with.
pub(super) struct Newest {
    answer: Value,
    pub(super) key: VerifierKey,
}

impl Newest {
    /// Asks for it at this path. Without a key kept elsewhere the server's own word counts, which is said.
    pub(super) fn of(session: &Session, checkpoint: &str, key: Option<&Path>) -> Outcome<Self> {
        let answer = session.client.get(checkpoint)?;
        let key = if let Some(path) = key {
            read_key(path)?
        } else {
            eprintln!(
                "checked with the key the server says it has; give `--key` with one kept elsewhere"
            );
            text(&answer, "verifier_key")?
                .parse()
                .map_err(|e: prov_core::Error| Failure::Failed(e.to_string()))?
        };
        Ok(Self { answer, key })
    }

    /// The checkpoint.
    pub(super) fn checkpoint(&self) -> Outcome<Checkpoint> {
        self.open(text(&self.answer, "note")?)
            .map_err(|e| Failure::Failed(format!("the server's checkpoint: {e}")))
    }

    /// Any checkpoint of that log.
    pub(super) fn open(&self, note: &str) -> Outcome<Checkpoint> {
        Checkpoint::open(note, &self.key).map_err(|e| Failure::Failed(e.to_string()))
    }
}

/// A text of an answer.
pub(super) fn text<'v>(answer: &'v Value, name: &str) -> Outcome<&'v str> {
    let text = answer.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Failure::Failed(format!("the server's answer has no `{name}`")))
}

/// The hashes of a proof.
pub(super) fn hashes(proof: &Value) -> Outcome<Vec<[u8; 32]>> {
    let hashes = proof.get("hashes").and_then(Value::as_array).cloned().unwrap_or_default();
    hashes
        .iter()
        .map(|hash| STANDARD.decode(hash.as_str()?).ok()?.try_into().ok())
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::Failed("the server's proof has a hash that is none".to_owned()))
}
