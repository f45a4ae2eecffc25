//! `prov audit witnesses`, and the policies that say whose word is wanted.

use std::path::Path;

use prov_audit::{VerifierKey, WitnessPolicy};
use serde_json::Value;

use crate::cli::OutputFormat;
use crate::commands::Session;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::shown;

const LOGS: &[&str] = &["log", "size", "behind", "time"];
const WITNESSES: &[&str] = &["name", "state", "sizes", "last_cosigned", "last_error"];
const WATCHED: &[&str] = &["origin", "size"];

/// Prints who vouches for the server's log, and for whose logs it vouches itself.
pub(super) fn show(session: &Session) -> Outcome {
    let answer = session.client.get("/api/v1/audit/witnesses")?;
    if session.format != OutputFormat::Table {
        return session.show(&answer, &[]);
    }
    let list = |at: &str, columns: &[&str]| match answer.pointer(at) {
        Some(Value::Array(items)) if !items.is_empty() => {
            session.show(&Value::Array(items.clone()), columns)
        }
        _ => Ok(()),
    };
    if answer.pointer("/witnesses").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        output::print("nobody vouches for this log: see `[audit.witnessing]`")?;
    }
    list("/logs", LOGS)?;
    list("/witnesses", WITNESSES)?;
    if let Some(keys) = answer.pointer("/own/keys").and_then(Value::as_array) {
        output::print("this server is a witness itself, with the keys")?;
        for key in keys.iter().filter_map(Value::as_str) {
            output::print(key)?;
        }
    }
    list("/own/logs", WATCHED)
}

/// Reads a policy.
pub(super) fn policy(path: &Path) -> Outcome<WitnessPolicy> {
    let failed = |e: &dyn std::fmt::Display| Failure::of(&format!("`{}`", path.display()), e);
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    let policy: WitnessPolicy = text.parse().map_err(|e: prov_core::Error| failed(&e))?;
    for key in policy.ml_dsa_44_logs() {
        if policy.logs().iter().any(|first| first.name() == key.name()) {
            eprintln!(
                "the policy names the log `{}` by keys for Ed25519 and for ML-DSA-44, of which either is \
                 enough; leave the first out, or give `--ml-dsa-key`, to want both",
                shown(key.name())
            );
        }
    }
    Ok(policy)
}

/// Says that a log is checked with a key that lies beside it, unless the policy says by another whose it is.
pub(super) fn say_beside(policy: Option<&WitnessPolicy>, log: Option<&str>, said: &str) {
    let wanted = policy.zip(log).map(|(policy, log)| policy.wanted_ml_dsa_44(log));
    if wanted.is_none_or(|wanted| wanted.is_empty()) {
        eprintln!("{said}");
    }
}

/// The key of the log of this name, if the policy knows it.
pub(super) fn key_in(policy: Option<&WitnessPolicy>, log: &str) -> Option<VerifierKey> {
    policy?.logs().iter().find(|key| key.name() == log).cloned()
}
