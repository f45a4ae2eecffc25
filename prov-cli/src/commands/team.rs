//! `prov team`.

use clap::Subcommand;
use serde_json::json;

use super::Session;
use crate::client::segment;
use crate::failure::Outcome;

/// Teams.
#[derive(Debug, Subcommand)]
pub(crate) enum Team {
    /// List teams
    List,
    /// Create a team
    Create {
        /// Its name: `a-z`, `0-9` and `-`
        name: String,
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
            Self::List => session.show(&client.get("/api/v1/teams")?, &[]),
            Self::Create { name } => {
                session.show(&client.post("/api/v1/teams", &json!({ "name": name }))?, &[])
            }
            Self::Delete { name } => {
                client.delete(&format!("/api/v1/teams/{}", segment(&name)))?;
                session.done("deleted");
                Ok(())
            }
        }
    }
}
