//! `prov team`.

use clap::Subcommand;
use serde_json::json;

use super::user::merge;
use super::{Part, Session};
use crate::client::segment;
use crate::failure::Outcome;

/// Teams.
#[derive(Debug, Subcommand)]
pub(crate) enum Team {
    /// List teams
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Create a team
    Create {
        /// Its name: `a-z`, `0-9` and `-`
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a team that nobody is in
    Delete {
        /// Its name
        name: String,
    },
}

impl Team {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::List { part } => session.show(&client.get(&part.of("/api/v1/teams", &[]))?, &[]),
            Self::Create { name, description } => {
                let mut body = json!({ "name": name });
                merge(&mut body, [("description", description)]);
                session.show(&client.post("/api/v1/teams", &body)?, &[])
            }
            Self::Delete { name } => {
                client.delete(&format!("/api/v1/teams/{}", segment(&name)))?;
                session.done("deleted");
                Ok(())
            }
        }
    }
}
