//! `prov audit`.

mod verify;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Part, Session};
use crate::cli::Global;
use crate::client::segment;
use crate::failure::Outcome;
use crate::output;
use crate::terminal::shown_lines;

/// What happened, and the proof of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find events, newest first: `prov audit query --user alice --action deploy --from 24h`
    Query(Box<Query>),
    /// Show one event
    Show {
        /// Its id
        id: String,
    },
    /// Print all events, oldest first, exactly as they stand in the log
    Export {
        /// `jsonl`, `json` or `csv`
        #[arg(long, default_value = "jsonl")]
        format: String,
        #[command(flatten)]
        which: Which,
        /// Only from this sequence number on
        #[arg(long, value_name = "SEQ")]
        from_seq: Option<u64>,
    },
    /// How many events, how large
    Stats,
    /// Check that nothing was changed: the server's log, or a folder without any server
    Verify {
        /// The log's folder; without it the server checks its own
        #[arg(long, value_name = "FOLDER", conflicts_with = "log")]
        dir: Option<PathBuf>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE", requires = "dir")]
        key: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
    },
    /// Print the newest signed checkpoint
    Checkpoint {
        #[command(flatten)]
        which: Which,
    },
    /// Print the proof that an event is in the log
    Proof {
        /// The event's id
        id: String,
    },
}

/// Which log.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Of a server's logs: `standard` unless said, or `break_glass`
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Who did it: a user's id or name
    #[arg(long)]
    user: Option<String>,
    /// What: `auth.login`, or `auth.*`
    #[arg(long)]
    action: Option<String>,
    /// How it ended: `success`, `failure` or `denied`
    #[arg(long)]
    outcome: Option<String>,
    /// To what, by id
    #[arg(long)]
    resource: Option<String>,
    /// From which address
    #[arg(long)]
    ip: Option<String>,
    /// Not before: a time, or how long ago (`24h`)
    #[arg(long)]
    from: Option<String>,
    /// Before: a time, or how long ago
    #[arg(long)]
    to: Option<String>,
    /// Of one request
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    part: Part,
}

const COLUMNS: &[&str] = &[
    "seq",
    "time",
    "action",
    "outcome",
    "actor/name",
    "resource/type",
    "resource/id",
    "request/ip",
];

impl Audit {
    pub(crate) fn run(self, global: &Global) -> Outcome {
        if let Self::Verify { dir: Some(folder), key, .. } = &self {
            return verify::offline(global.output, folder, key.as_deref());
        }
        let session = &Session::of(global)?;
        let client = &session.client;
        match self {
            Self::Query(query) => {
                let path = query.part.of(
                    "/api/v1/audit/events",
                    &[
                        ("user", query.user.as_deref()),
                        ("action", query.action.as_deref()),
                        ("outcome", query.outcome.as_deref()),
                        ("resource", query.resource.as_deref()),
                        ("ip", query.ip.as_deref()),
                        ("from", query.from.as_deref()),
                        ("to", query.to.as_deref()),
                        ("request_id", query.request_id.as_deref()),
                    ],
                );
                session.show(&client.get(&path)?, COLUMNS)
            }
            Self::Show { id } => {
                session.show(&client.get(&format!("/api/v1/audit/events/{}", segment(&id)))?, &[])
            }
            Self::Export { format, which, from_seq } => {
                let from_seq = from_seq.map(|seq| seq.to_string());
                let asked = [
                    ("format", Some(format.as_str())),
                    ("log", which.log.as_deref()),
                    ("from_seq", from_seq.as_deref()),
                ];
                print(&client.text(&Part::default().of("/api/v1/audit/export", &asked))?)
            }
            Self::Stats => session.show(&client.get("/api/v1/audit/stats")?, &[]),
            Self::Verify { which, .. } => {
                let report = client.get(&which.of("/api/v1/audit/verify"))?;
                session.show(&report, &[])?;
                verify::judge(&report)
            }
            Self::Checkpoint { which } => {
                session.show(&client.get(&which.of("/api/v1/audit/checkpoint"))?, &[])
            }
            Self::Proof { id } => {
                let proof = client.get(&format!("/api/v1/audit/proof/{}", segment(&id)))?;
                output::print(&output::json(&proof)?)
            }
        }
    }
}

impl Which {
    fn of(&self, path: &str) -> String {
        Part::default().of(path, &[("log", self.log.as_deref())])
    }
}

/// Prints an export byte for byte, but for a terminal, which must not obey what somebody else did.
fn print(text: &str) -> Outcome {
    let is_terminal = std::io::stdout().is_terminal();
    let shown = if is_terminal { shown_lines(text).into() } else { Cow::Borrowed(text) };
    output::write(&[shown.as_bytes()])
}
