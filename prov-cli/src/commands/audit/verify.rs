//! `prov audit verify --dir`: from the files alone, without any server.

use std::path::Path;
use std::str::FromStr;

use prov_audit::{Trust, TsaRoots, VerifierKey, key_beside, verify_with};
use serde_json::Value;

use super::witnesses;

use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Whose word is wanted, in files.
pub(super) struct Wanted<'a> {
    pub(super) policy: Option<&'a Path>,
    pub(super) ml_dsa_key: Option<&'a Path>,
    pub(super) tsa_ca: Option<&'a Path>,
}

/// Verifies the log in a folder: of one retention class, or of all of them.
pub(super) fn offline(
    format: OutputFormat,
    folder: &Path,
    key: Option<&Path>,
    wanted: &Wanted<'_>,
) -> Outcome {
    let policy = wanted.policy.map(witnesses::policy).transpose()?;
    let mut trust = Trust::new();
    trust.witnesses.clone_from(&policy);
    if let Some(path) = wanted.ml_dsa_key {
        let key = read_key(path)?;
        trust = trust.ml_dsa_44(key).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    if let Some(path) = wanted.tsa_ca {
        let roots = TsaRoots::read(path).map_err(|e| Failure::Usage(e.to_string()))?;
        trust = trust.time_stamps(roots);
    }
    let logs = logs_in(folder);
    if logs.is_empty() {
        return Err(Failure::Usage(format!("there is no log in `{}`", folder.display())));
    }
    if (key.is_some() || wanted.ml_dsa_key.is_some()) && logs.len() > 1 {
        return Err(Failure::Usage(
            "a key belongs to one log: name its folder, such as `audit/standard`".to_owned(),
        ));
    }
    let mut intact = true;
    for log in logs {
        let failed = |e: &dyn std::fmt::Display| Failure::of(&format!("`{}`", log.display()), e);
        let beside = key_beside(&log).map_err(|e| failed(&e));
        let name = beside.as_ref().ok().map(VerifierKey::name);
        let known = name.and_then(|name| witnesses::key_in(policy.as_ref(), name));
        let key = if let Some(path) = key {
            read_key(path)?
        } else if let Some(key) = known {
            key
        } else {
            let said = format!(
                "{}: verified with the key that lies beside it, which proves that the log is whole, \
                 not whose it is; give `--key` with a key kept elsewhere",
                log.display()
            );
            witnesses::say_beside(policy.as_ref(), name, &said);
            beside?
        };
        let report = verify_with(&log, &key, &trust).map_err(|e| failed(&e))?;
        let answer = serde_json::to_value(&report).map_err(|e| failed(&e))?;
        output::show(format, &answer, &[])?;
        intact &= report.intact;
    }
    if intact { Ok(()) } else { Err(changed()) }
}

/// A report of the server's own check, as an exit code.
pub(super) fn judge(report: &Value) -> Outcome {
    let intact = |report: &Value| report.get("intact").and_then(Value::as_bool) == Some(true);
    let all = match report.get("items").or_else(|| report.get("logs")).and_then(Value::as_array) {
        Some(reports) => !reports.is_empty() && reports.iter().all(intact),
        None => intact(report),
    };
    if all { Ok(()) } else { Err(changed()) }
}

fn changed() -> Failure {
    Failure::Failed(
        "the log was changed or damaged, or lacks the word of others that is wanted: see the findings"
            .to_owned(),
    )
}

fn logs_in(folder: &Path) -> Vec<std::path::PathBuf> {
    if folder.join("log.vkey").exists() || folder.join("checkpoint").exists() {
        return vec![folder.to_owned()];
    }
    ["standard", "break-glass"]
        .map(|class| folder.join(class))
        .into_iter()
        .filter(|log| log.is_dir())
        .collect()
}

/// Reads a public key: of a log, or its second one for ML-DSA-44.
pub(super) fn read_key<K: FromStr<Err = prov_core::Error>>(path: &Path) -> Outcome<K> {
    let failed = |e: &dyn std::fmt::Display| Failure::of(&format!("`{}`", path.display()), e);
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    text.trim().parse().map_err(|e: prov_core::Error| failed(&e))
}
