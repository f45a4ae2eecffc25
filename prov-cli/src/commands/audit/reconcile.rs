//! `prov audit reconcile`: a SIEM's copy, held against the log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use prov_audit::reconcile::Reconciler;
use prov_audit::{Checkpoint, ExportedLeaf, verify_range};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Log;
use super::evidence::seconded;
use super::trusted::{Newest, hashes, text};
use crate::commands::Session;
use crate::failure::{Failure, Outcome};

/// So many events of the log are asked for and proved at once.
const PART: u64 = 10_000;

/// A line of the log's own export.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    #[serde(borrow)]
    leaf: &'a RawValue,
}

/// Holds a copy against the log, whose own events are proved to be complete before they are trusted.
pub(super) fn run(
    session: &Session,
    which: &Log,
    file: &Path,
    (from, to): (u64, Option<u64>),
    (key, ml_dsa_key): (Option<&Path>, Option<&Path>),
) -> Outcome {
    let newest = Newest::of(session, &which.of("/api/v1/audit/checkpoint"), key)?;
    let opened = newest.checkpoint()?;
    seconded(&opened, ml_dsa_key)?;
    let to = to.unwrap_or(opened.size);
    if from >= to || to > opened.size {
        let size = opened.size;
        return Err(Failure::Usage(format!(
            "the log has {size} events: no range from {from} to {to}"
        )));
    }
    let mut reconciler = Reconciler::new(newest.key.name());
    let failed = |e: std::io::Error| Failure::of(&format!("`{}`", file.display()), e);
    for line in BufReader::new(File::open(file).map_err(failed)?).lines() {
        reconciler.copied(&line.map_err(failed)?);
    }
    let mut start = from;
    while start < to {
        let end = to.min(start + PART);
        let checkpoint = part(session, which, &newest, (start, end), &mut reconciler)?;
        seconded(&checkpoint, ml_dsa_key)?;
        start = end;
    }
    let result = reconciler.finish();
    let answer = serde_json::to_value(&result).map_err(|e| Failure::of("printing", e))?;
    session.show(&answer, &[])?;
    if result.fits {
        return Ok(());
    }
    Err(Failure::Failed(
        "the copy is not what the log says: something is missing, changed or added".to_owned(),
    ))
}

/// Takes a part of the log, proved complete under the checkpoint that is given.
fn part(
    session: &Session,
    which: &Log,
    newest: &Newest,
    (start, end): (u64, u64),
    reconciler: &mut Reconciler,
) -> Outcome<Checkpoint> {
    let (from, to) = (start.to_string(), end.to_string());
    let exported = which.with(
        "/api/v1/audit/export",
        &[("from_seq", Some(from.as_str())), ("to_seq", Some(to.as_str()))],
    );
    let body = BufReader::new(session.client.stream(&exported, None)?.into_body().into_reader());
    let mut leaves = Vec::new();
    for line in body.lines() {
        let line = line.map_err(|e| Failure::of("reading the server's answer", e))?;
        let line: Line<'_> = serde_json::from_str(&line)
            .map_err(|e| Failure::of("reading the server's answer", e))?;
        leaves.push(ExportedLeaf::new(line.seq, line.leaf.get().as_bytes().to_vec()));
    }
    let range = [("from", Some(from.as_str())), ("to", Some(to.as_str()))];
    let proof = session.client.get(&which.with("/api/v1/audit/proof/range", &range))?;
    let checkpoint = newest.open(text(&proof, "checkpoint")?)?;
    let hashes = hashes(&proof)?;
    let bytes: Vec<&[u8]> = leaves.iter().map(|leaf| leaf.leaf.as_slice()).collect();
    verify_range(&bytes, start, &hashes, &checkpoint)
        .map_err(|e| Failure::Failed(format!("the server's own answer: {e}")))?;
    for leaf in &leaves {
        reconciler.logged(leaf);
    }
    Ok(checkpoint)
}
