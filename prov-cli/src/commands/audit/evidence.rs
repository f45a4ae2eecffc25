//! `prov audit proof` and `prov audit checkpoint --since`: what an auditor keeps and checks without
//! trusting the server.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_audit::{Checkpoint, CosignerKey, VerifierKey, verify_extension, verify_proof};
use serde_json::{Value, json};

use super::trusted::{Newest, hashes, text};
use super::verify::read_key;
use super::{Log, Which, witnesses};
use crate::cli::OutputFormat;
use crate::client::segment;
use crate::commands::{Part, Session};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Prints the time stamps of a log, or writes one as files.
pub(super) fn anchors(
    session: &Session,
    which: &Which,
    name: Option<&Path>,
    size: Option<u64>,
) -> Outcome {
    let all = session.client.get(&which.of("/api/v1/audit/anchors"))?;
    let Some(name) = name else { return session.show(&all, &[]) };
    let sizes = all.get("sizes").and_then(Value::as_array);
    let newest = sizes.and_then(|sizes| sizes.last()).and_then(Value::as_u64);
    let size = size.or(newest).ok_or_else(|| {
        Failure::Failed("nothing is time-stamped yet: see `[audit.anchoring]`".to_owned())
    })?;
    let anchor = session.client.get(&which.of(&format!("/api/v1/audit/anchors/{size}")))?;
    let answer = STANDARD
        .decode(text(&anchor, "tsr")?)
        .map_err(|e| Failure::of("reading the server's answer", e))?;
    let files = [("checkpoint", text(&anchor, "checkpoint")?.as_bytes()), ("tsr", &answer)];
    write_files(session, name, &files)
}

/// Prints the newest checkpoint, or its note alone.
pub(super) fn newest(session: &Session, which: &Log, note: bool) -> Outcome {
    let checkpoint = session.client.get(&which.of("/api/v1/audit/checkpoint"))?;
    if note {
        return output::write(&[text(&checkpoint, "note")?.as_bytes()]);
    }
    session.show(&checkpoint, &[])
}

/// Prints the proof of an event, in whichever log or in this one, or writes it as files.
pub(super) fn proof(
    session: &Session,
    (id, origin): (&str, Option<&str>),
    name: Option<&Path>,
) -> Outcome {
    let path = format!("/api/v1/audit/proof/{}", segment(id));
    let proof = session.client.get(&Part::default().of(&path, &[("origin", origin)]))?;
    match name {
        Some(name) => save(session, &proof, name),
        None => output::print(&output::json(&proof)?),
    }
}

/// Writes a proof as files that need no server.
fn save(session: &Session, proof: &Value, name: &Path) -> Outcome {
    let leaf = STANDARD
        .decode(text(proof, "leaf")?)
        .map_err(|e| Failure::of("reading the server's answer", e))?;
    let key = format!("{}\n", text(proof, "verifier_key")?);
    let files = [
        ("leaf", leaf.as_slice()),
        ("tlog-proof", text(proof, "proof")?.as_bytes()),
        ("vkey", key.as_bytes()),
    ];
    write_files(session, name, &files)
}

/// Writes files of one name.
fn write_files(session: &Session, name: &Path, files: &[(&str, &[u8])]) -> Outcome {
    for (extension, bytes) in files {
        let path = with(name, extension);
        std::fs::write(&path, bytes)
            .map_err(|e| Failure::of(&format!("writing `{}`", path.display()), e))?;
        session.done(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Checks such files.
pub(super) fn check(
    format: OutputFormat,
    name: &Path,
    key: Option<&Path>,
    (policy, ml_dsa_key): (Option<&Path>, Option<&Path>),
) -> Outcome {
    let policy = policy.map(witnesses::policy).transpose()?;
    let beside = read_key::<VerifierKey>(&with(name, "vkey"));
    let log = beside.as_ref().ok().map(VerifierKey::name);
    let known = log.and_then(|log| witnesses::key_in(policy.as_ref(), log));
    let key = if let Some(path) = key {
        read_key(path)?
    } else if let Some(key) = known {
        key
    } else {
        let said = "checked with the key that lies beside the proof, which does not say whose log it is; \
                    give `--key` with a key kept elsewhere";
        witnesses::say_beside(policy.as_ref(), log, said);
        beside?
    };
    let leaf = read(&with(name, "leaf"))?;
    let proof = String::from_utf8(read(&with(name, "tlog-proof"))?)
        .map_err(|e| Failure::of("reading the proof", e))?;
    let (index, checkpoint) =
        verify_proof(&leaf, &proof, &key).map_err(|e| Failure::Failed(e.to_string()))?;
    seconded(&checkpoint, ml_dsa_key)?;
    let by = policy.map(|policy| policy.check(&checkpoint)).transpose();
    let by = by.map_err(|e| Failure::Failed(e.to_string()))?.unwrap_or_default();
    let by: Vec<Value> =
        by.iter().map(|one| json!({ "witness": one.witness, "time": one.time })).collect();
    let answer = json!({
        "valid": true,
        "log": checkpoint.origin,
        "index": index,
        "size": checkpoint.size,
        "witnessed": by,
        "event": serde_json::from_slice::<Value>(&leaf).unwrap_or_default(),
    });
    output::show(format, &answer, &[])
}

/// Checks that the server's log continues the one of a checkpoint that was kept.
pub(super) fn since(
    session: &Session,
    which: &Log,
    kept: &Path,
    (key, ml_dsa_key): (Option<&Path>, Option<&Path>),
) -> Outcome {
    let newest = Newest::of(session, &which.of("/api/v1/audit/checkpoint"), key)?;
    let note = String::from_utf8(read(kept)?).map_err(|e| Failure::of("reading the note", e))?;
    let older =
        newest.open(&note).map_err(|e| Failure::Failed(format!("`{}`: {e}", kept.display())))?;
    let newer = newest.checkpoint()?;
    seconded(&newer, ml_dsa_key)?;
    let (from, to) = (older.size.to_string(), newer.size.to_string());
    if older.size > newer.size {
        return Err(Failure::Failed(format!(
            "the log had {from} events and has {to}: it was put back; keep both checkpoints"
        )));
    }
    let path = which.with(
        "/api/v1/audit/proof/consistency",
        &[("from", Some(from.as_str())), ("to", Some(to.as_str()))],
    );
    let proof = session.client.get(&path)?;
    let hashes = hashes(&proof)?;
    verify_extension(&older, &newer, &hashes).map_err(|e| Failure::Failed(e.to_string()))?;
    let answer = json!({
        "unchanged": true, "log": newer.origin, "from": older.size, "to": newer.size,
    });
    session.show(&answer, &[])
}

/// Wants the log's second signature, where its key is given.
pub(super) fn seconded(checkpoint: &Checkpoint, key: Option<&Path>) -> Outcome {
    let Some(path) = key else { return Ok(()) };
    let key: CosignerKey = read_key(path)?;
    key.check_second(checkpoint).map(drop).map_err(|e| wrong_key(path, &e))
}

/// What a check with a second key from this file found.
pub(super) fn wrong_key(path: &Path, error: &prov_core::Error) -> Failure {
    if error.is(prov_audit::codes::BAD_VERIFIER_KEY) {
        let what = format!("`{}` is no key for ML-DSA-44 of this log", path.display());
        return Failure::Usage(what);
    }
    Failure::Failed(error.to_string())
}

fn with(name: &Path, extension: &str) -> PathBuf {
    let mut path = name.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::of(&format!("`{}`", path.display()), e))
}
