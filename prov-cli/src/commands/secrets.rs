//! `prov secrets`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Part, Session};
use crate::client::segment;
use crate::failure::{Failure, Outcome};

/// Short-lived credentials and their leases.
#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// List what credentials can be had
    Engines,
    /// Get a credential, for example `prov secrets generate ssh --role default --ttl 1hr`
    Generate {
        /// The engine
        engine: String,
        /// The role
        #[arg(long, default_value = "default")]
        role: String,
        /// How long, as `15m` or `1hr`
        #[arg(long)]
        ttl: Option<String>,
    },
    /// List leases: `prov secrets leases --state active`
    Leases {
        /// Of this engine
        #[arg(long)]
        engine: Option<String>,
        /// Of this user, by id
        #[arg(long)]
        user: Option<String>,
        /// In this state
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show one lease
    Show {
        /// Its id
        id: String,
    },
    /// Let a lease live longer
    Renew {
        /// Its id
        id: String,
        /// How long from now, as `15m` or `1hr`
        #[arg(long)]
        ttl: String,
    },
    /// End a lease and its credential
    Revoke {
        /// Its id
        id: String,
    },
    /// End all leases whose engine and role start like this
    RevokePrefix {
        /// Such as `ssh/`
        prefix: String,
    },
    /// End all leases of a user
    RevokeUser {
        /// The user's id
        user: String,
    },
    /// How many leases in which state
    Stats,
    /// The rules for credentials
    #[command(subcommand)]
    Role(RoleVerb),
}

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleVerb {
    /// List roles
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Create or replace a role from a JSON file
    Set {
        /// Its name
        name: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Show one
    Show {
        /// Its name
        name: String,
    },
    /// Delete a role
    Delete {
        /// Its name
        name: String,
    },
}

impl Secrets {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        let lease = |id: &str, verb: &str| format!("/api/v1/secrets/leases/{}{verb}", segment(id));
        let answer = match self {
            Self::Engines => client.get("/api/v1/secrets/engines")?,
            Self::Generate { engine, role, ttl } => {
                let path = format!("/api/v1/secrets/{}/generate", segment(&engine));
                client.post(&path, &with_ttl(json!({ "role": role }), ttl))?
            }
            Self::Leases { engine, user, state, part } => {
                let filter = [
                    ("engine", engine.as_deref()),
                    ("user", user.as_deref()),
                    ("state", state.as_deref()),
                ];
                client.get(&part.of("/api/v1/secrets/leases", &filter))?
            }
            Self::Show { id } => client.get(&lease(&id, ""))?,
            Self::Renew { id, ttl } => {
                client.post(&lease(&id, "/renew"), &json!({ "ttl": ttl }))?
            }
            Self::Revoke { id } => client.post(&lease(&id, "/revoke"), &json!({}))?,
            Self::RevokePrefix { prefix } => {
                client.post("/api/v1/secrets/leases/revoke-prefix", &json!({ "prefix": prefix }))?
            }
            Self::RevokeUser { user } => {
                client.post("/api/v1/secrets/leases/revoke-user", &json!({ "user": user }))?
            }
            Self::Stats => client.get("/api/v1/secrets/stats")?,
            Self::Role(verb) => return verb.run(session),
        };
        session.show(&answer, &[])
    }
}

impl RoleVerb {
    fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        let path = |name: &str| format!("/api/v1/secrets/roles/{}", segment(name));
        let answer = match self {
            Self::List { part } => client.get(&part.of("/api/v1/secrets/roles", &[]))?,
            Self::Show { name } => client.get(&path(&name))?,
            Self::Set { name, file } => {
                let failed =
                    |e: &dyn std::fmt::Display| Failure::of(&format!("`{}`", file.display()), e);
                let text = std::fs::read_to_string(&file).map_err(|e| failed(&e))?;
                let body: Value = serde_json::from_str(&text).map_err(|e| failed(&e))?;
                client.put(&path(&name), &body)?
            }
            Self::Delete { name } => client.delete(&path(&name))?,
        };
        session.show(&answer, &[])
    }
}

/// Adds the duration if one was given.
pub(crate) fn with_ttl(mut body: Value, ttl: Option<String>) -> Value {
    super::user::merge(&mut body, [("ttl", ttl)]);
    body
}
