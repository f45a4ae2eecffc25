//! `prov policy grant`.

use clap::Subcommand;
use serde_json::json;

use super::entity;
use crate::client::segment;
use crate::commands::{Part, Session};
use crate::failure::Outcome;

/// Permissions given for a time, by a template of the policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// List grants
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Grant: `prov policy grant add on-call-ssh --to User::alice --on Server::web-1 --for 8h --reason "on call"`
    Add {
        /// The id of the template
        template: String,
        /// Who, `Type::id`: a User, a Team or a Role
        #[arg(long, value_name = "TYPE::ID")]
        to: Option<String>,
        /// On what, `Type::id`
        #[arg(long, value_name = "TYPE::ID")]
        on: Option<String>,
        /// For how long: 8h, 7d
        #[arg(long = "for", value_name = "DURATION")]
        ttl: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take a grant back, at once
    Revoke {
        /// Its id
        id: String,
    },
}

impl Grant {
    pub(super) fn run(self, session: &Session) -> Outcome {
        const GRANTS: &str = "/api/v1/authz/grants";
        let client = &session.client;
        match self {
            Self::List { part } => {
                let answer = client.get(&part.of(GRANTS, &[]))?;
                session.show(&answer, &["id", "template", "principal", "resource", "expires_at"])
            }
            Self::Add { template, to, on, ttl, reason } => {
                let mut body = json!({ "template": template, "ttl": ttl, "reason": reason });
                for (field, named) in [("principal", to), ("resource", on)] {
                    if let (Some(text), Some(body)) = (named, body.as_object_mut()) {
                        let (kind, id) = entity(&text)?;
                        body.insert(field.to_owned(), json!({ "type": kind, "id": id }));
                    }
                }
                session.show(&client.post(GRANTS, &body)?, &[])
            }
            Self::Revoke { id } => {
                client.delete(&format!("{GRANTS}/{}", segment(&id)))?;
                session.done("revoked");
                Ok(())
            }
        }
    }
}
