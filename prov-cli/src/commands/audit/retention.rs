//! `prov audit retention` and `prov audit hold`.

use clap::{Args, Subcommand};
use prov_audit::CosignerKey;
use serde_json::{Map, Value, json};

use crate::client::segment;
use crate::commands::Session;
use crate::failure::{Failure, Outcome};

const PATH: &str = "/api/v1/audit/retention";
const HOLDS: &str = "/api/v1/audit/holds";

/// How long events are kept.
#[derive(Debug, Args)]
pub(crate) struct Retention {
    /// Keep everything but emergency access for so long from now on: `400d`
    #[arg(long, value_name = "TIME")]
    standard: Option<String>,
    /// Keep events of emergency access for so long from now on: `2555d`
    #[arg(long, value_name = "TIME")]
    break_glass: Option<String>,
}

impl Retention {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        let now = client.get(PATH)?;
        if self.standard.is_none() && self.break_glass.is_none() {
            return session.show(&now, &[]);
        }
        let kept = |name: &str, wanted: Option<String>| {
            wanted.map_or_else(|| now.get(name).cloned().unwrap_or_default(), Value::String)
        };
        let wanted = json!({
            "standard": kept("standard", self.standard),
            "break_glass": kept("break_glass", self.break_glass),
        });
        session.show(&client.put(PATH, &wanted)?, &[])
    }
}

/// What may be neither pruned nor erased.
#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Place a hold: `prov audit hold add "case 7" --user user_01J…`; without conditions on everything
    Add {
        /// Why
        reason: String,
        /// Only events of this account, by id
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// Only of this log: `standard` or `break_glass`
        #[arg(long, value_name = "LOG")]
        log: Option<String>,
        /// Only events at or after this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only events at or before this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
    /// Release a hold
    Remove {
        /// Its id
        id: String,
    },
    /// Show the holds that are in force
    List,
}

const COLUMNS: &[&str] = &["id", "reason", "log", "user", "from", "to", "placed_by", "placed_at"];

impl Hold {
    pub(super) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Add { reason, user, log, from, to } => {
                let mut hold = Map::from_iter([("reason".to_owned(), Value::String(reason))]);
                for (name, value) in [("user", user), ("log", log), ("from", from), ("to", to)] {
                    hold.extend(value.map(|value| (name.to_owned(), Value::String(value))));
                }
                session.show(&session.client.post(HOLDS, &Value::Object(hold))?, COLUMNS)
            }
            Self::Remove { id } => {
                session.client.delete(&format!("{HOLDS}/{}", segment(&id)))?;
                session.done("released");
                Ok(())
            }
            Self::List => session.show(&session.client.get(HOLDS)?, COLUMNS),
        }
    }
}

/// A file of the archive, checked without any server.
pub(super) fn archived(
    format: crate::cli::OutputFormat,
    file: &std::path::Path,
    key: &std::path::Path,
    ml_dsa_key: Option<&std::path::Path>,
) -> Outcome {
    let key = super::verify::read_key(key)?;
    let second: Option<CosignerKey> = ml_dsa_key.map(super::verify::read_key).transpose()?;
    let report = prov_audit::verify_archive(file, &key, second.as_ref())
        .map_err(|e| super::evidence::wrong_key(ml_dsa_key.unwrap_or(file), &e))?;
    let answer = serde_json::to_value(&report).map_err(|e| Failure::of("printing", e))?;
    crate::output::show(format, &answer, &[])
}
