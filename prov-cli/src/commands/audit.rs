//! `prov audit`.

mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Part, Session};
use crate::cli::Global;
use crate::client::segment;
use crate::failure::Outcome;

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
    },
    /// How many events, how large
    Stats,
    /// Check that nothing was changed: the server's log, or a folder without any server
    Verify {
        /// The log's folder; without it the server checks its own
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE", requires = "dir")]
        key: Option<PathBuf>,
    },
    /// Print the newest signed checkpoint
    Checkpoint,
    /// Print the proof that an event is in the log
    Proof {
        /// The event's id
        id: String,
    },
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
        if let Self::Verify { dir: Some(folder), key } = &self {
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
                    ],
                );
                session.show(&client.get(&path)?, COLUMNS)
            }
            Self::Show { id } => {
                session.show(&client.get(&format!("/api/v1/audit/events/{}", segment(&id)))?, &[])
            }
            Self::Export { format } => {
                print!(
                    "{}",
                    client.text(&format!("/api/v1/audit/export?format={}", segment(&format)))?
                );
                Ok(())
            }
            Self::Stats => session.show(&client.get("/api/v1/audit/stats")?, &[]),
            Self::Verify { .. } => {
                let report = client.post("/api/v1/audit/verify", &json!({}))?;
                session.show(&report, &[])?;
                verify::judge(&report)
            }
            Self::Checkpoint => session.show(&client.get("/api/v1/audit/checkpoint")?, &[]),
            Self::Proof { id } => {
                print!("{}", client.text(&format!("/api/v1/audit/proof/{}", segment(&id)))?);
                Ok(())
            }
        }
    }
}
