//! The life of the policies: what was in force, what would change, going back.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use prov_authz::{Finding, PolicyDiff, PolicyFiles, PolicyInfo};
use serde_json::{Value, json};

use super::super::{Part, Session};
use crate::cli::Global;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::{shown, shown_lines};

/// Which two sets.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The earlier set: its number in the history, or a folder
    from: String,
    /// The later set; the one in force when left out
    to: Option<String>,
}

impl Diff {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let is_number = |text: &String| text.parse::<u64>().is_ok();
        if is_number(&self.from) && self.to.as_ref().is_none_or(is_number) {
            let session = Session::of(global)?;
            let mut path = format!("/api/v1/authz/policies/history/diff?from={}", self.from);
            if let Some(to) = &self.to {
                path = format!("{path}&to={to}");
            }
            return session.show(&session.client.get(&path)?, &[]);
        }
        let Some(to) = self.to.as_ref().filter(|to| !is_number(to) && !is_number(&self.from))
        else {
            let message = "compare two numbers of the history, or two folders";
            return Err(Failure::Usage(message.to_owned()));
        };
        let diff = PolicyDiff::between(&read(self.from.as_ref())?, &read(to.as_ref())?);
        let policies = |of: &[PolicyInfo]| of.iter().map(document).collect::<Vec<_>>();
        let changed: Vec<_> = diff
            .changed
            .iter()
            .map(|both| json!({ "before": document(&both.before), "after": document(&both.after) }))
            .collect();
        let answer = json!({
            "added": policies(&diff.added),
            "removed": policies(&diff.removed),
            "changed": changed,
            "schema_changed": diff.schema_changed,
        });
        output::show(global.output, &answer, &[])
    }
}

fn document(policy: &PolicyInfo) -> Value {
    json!({ "id": policy.id, "file": policy.file, "line": policy.line, "text": policy.text })
}

/// Where to go back to.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The number of a set in the history
    number: u64,
    /// Why; is kept
    #[arg(long)]
    reason: Option<String>,
}

impl Rollback {
    pub(super) fn run(&self, session: &Session) -> Outcome {
        let body = json!({ "number": self.number, "reason": self.reason });
        let answer = session.client.post("/api/v1/authz/policies/rollback", &body)?;
        session.show(&answer, &[])
    }
}

/// What to put in force, where the store is the source of policies.
#[derive(Debug, Args)]
pub(crate) struct Upload {
    /// The folder with `schema.cedarschema`, `*.cedar` and, where signatures are asked for, `bundle.note`
    folder: PathBuf,
    /// Why; is kept
    #[arg(long)]
    reason: Option<String>,
}

impl Upload {
    pub(super) fn run(&self, session: &Session) -> Outcome {
        let mut set = set(&self.folder)?;
        if let Some(set) = set.as_object_mut() {
            set.insert("bundle".to_owned(), read(&self.folder)?.bundle.into());
        }
        let body = json!({ "set": set, "reason": self.reason });
        session.show(&session.client.put("/api/v1/authz/policies", &body)?, &[])
    }
}

/// What to try on which decisions.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The folder of the draft; the set in force when left out
    folder: Option<PathBuf>,
    /// Decisions not before: a time, or how long ago (`24h`)
    #[arg(long, default_value = "24h")]
    from: String,
    /// Decisions not after: a time, or how long ago
    #[arg(long)]
    to: Option<String>,
    /// At most so many, newest first (1 to 10000)
    #[arg(long)]
    limit: Option<u32>,
}

impl Simulate {
    pub(super) fn run(&self, session: &Session) -> Outcome {
        let set = self.folder.as_deref().map(set).transpose()?;
        let body = json!({ "set": set, "from": self.from, "to": self.to, "limit": self.limit });
        session.show(&session.client.post("/api/v1/authz/policies/simulate", &body)?, &[])
    }
}

/// A set that is tried beside the one in force.
#[derive(Debug, Subcommand)]
pub(crate) enum Shadow {
    /// Try a folder beside the set in force, on the server that answers
    Start {
        /// The folder
        folder: PathBuf,
        /// Try one decision in so many
        #[arg(long)]
        one_in: Option<u32>,
    },
    /// What differs so far
    Show,
    /// End the trial
    Stop,
}

impl Shadow {
    pub(super) fn run(&self, session: &Session) -> Outcome {
        const PATH: &str = "/api/v1/authz/policies/shadow";
        let client = &session.client;
        let answer = match self {
            Self::Start { folder, one_in } => {
                client.put(PATH, &json!({ "set": set(folder)?, "one_in": one_in }))?
            }
            Self::Show => client.get(PATH)?,
            Self::Stop => {
                client.delete(PATH)?;
                session.done("ended");
                return Ok(());
            }
        };
        session.show(&answer, &[])
    }
}

pub(super) fn history(session: &Session, part: &Part) -> Outcome {
    let answer = session.client.get(&part.of("/api/v1/authz/policies/history", &[]))?;
    let columns = [
        "number",
        "at",
        "origin",
        "same_as",
        "by",
        "policies",
        "commit",
        "bundle_version",
        "reason",
    ];
    session.show(&answer, &columns)
}

/// A folder as the API takes it, but for the signed list.
fn set(folder: &Path) -> Outcome<Value> {
    let files = read(folder)?;
    let policies: Vec<_> =
        files.policies.iter().map(|file| json!({ "name": file.name, "text": file.text })).collect();
    Ok(json!({ "schema": files.schema.text, "policies": policies }))
}

/// A folder; everything that is wrong with it is told.
pub(super) fn read(folder: &Path) -> Outcome<PolicyFiles> {
    PolicyFiles::read(folder).map_err(|findings| refused(folder, &findings))
}

pub(super) fn refused(folder: &Path, findings: &[Finding]) -> Failure {
    for finding in findings {
        eprintln!("error: {}", shown_lines(&finding.to_string()));
    }
    Failure::Failed(format!("`{}` can't be used", shown(&folder.display().to_string())))
}

/// Writes a file in one step: a reader sees the old one or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Outcome {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let next = path.with_file_name(format!(".{name}.new"));
    let failed = |error| Failure::of(&format!("writing `{}`", path.display()), error);
    fs::write(&next, text).map_err(failed)?;
    fs::rename(&next, path).map_err(failed)
}
