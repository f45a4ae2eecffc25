//! `prov auth issuer`: identity providers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Session;
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::prompt;

const ISSUERS: &str = "/api/v1/auth/issuers";

/// What to do with identity providers.
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerVerb {
    /// List them
    List,
    /// Enter one: `prov auth issuer add corp https://login.example.com --client-id prov --rule ops=operator:sre`
    Add(Add),
    /// Remove one and end the sessions that began there, for example `prov auth issuer remove corp`
    Remove {
        /// Its name
        name: String,
    },
}

/// What an identity provider is entered with.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What to call it: 1 to 32 characters of `a-z`, `0-9` and `-`
    name: String,
    /// Its issuer identifier, exactly
    issuer: String,
    /// As whom it knows the server
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// A file with the client's secret (`-`: stdin); without it, a public client
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// The organization of everybody who comes from it
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// What members of a group get, `GROUP=ROLE,…[:TEAM,…]`; `*` for everybody. Repeat for several;
    /// whom no rule knows does not get in
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// What to ask for besides `openid`. Repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The claim with the groups; dots lead into objects
    #[arg(long, value_name = "CLAIM")]
    groups_claim: Option<String>,
    /// Take its word that a second factor was used
    #[arg(long)]
    trust_second_factor: bool,
    /// Take its tokens directly, if they name this audience
    #[arg(long, value_name = "AUDIENCE", requires = "subjects")]
    accept_tokens_for: Option<String>,
    /// Whose tokens are taken
    #[arg(long, value_name = "WHOSE", requires = "accept_tokens_for")]
    subjects: Option<Subjects>,
}

/// Whose tokens are taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Subjects {
    /// People who have signed in here before
    Accounts,
    /// Programs
    Workloads,
}

impl IssuerVerb {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List => session.show(&session.client.get(ISSUERS)?, &[]),
            Self::Add(add) => session.show(&session.client.post(ISSUERS, &add.body()?)?, &[]),
            Self::Remove { name } => {
                session.client.delete(&format!("{ISSUERS}/{}", segment(&name)))?;
                session.done("identity provider removed");
                Ok(())
            }
        }
    }
}

impl Add {
    fn body(&self) -> Outcome<Value> {
        let rules = self.rules.iter().map(|rule| read_rule(rule)).collect::<Outcome<Vec<_>>>()?;
        let mut body = json!({
            "name": self.name,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "organization": self.organization,
            "groups_claim": self.groups_claim,
            "rules": rules,
            "trusts_second_factor": self.trust_second_factor,
        });
        let mut set = |name: &str, value: Value| {
            if let Some(members) = body.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        if !self.scopes.is_empty() {
            set("scopes", json!(self.scopes));
        }
        if let Some(file) = &self.client_secret_file {
            let secret = prompt::secret("client secret", Some(file.as_path()))?;
            set("client_secret", json!(secret.as_str()));
        }
        if let (Some(audience), Some(subjects)) = (&self.accept_tokens_for, self.subjects) {
            let subjects = match subjects {
                Subjects::Accounts => "accounts",
                Subjects::Workloads => "workloads",
            };
            set("accepted_tokens", json!({ "audience": audience, "subjects": subjects }));
        }
        Ok(body)
    }
}

/// `ops=operator,auditor:sre` is a group, roles and teams.
fn read_rule(text: &str) -> Outcome<Value> {
    let (group, given) =
        text.rsplit_once('=').filter(|(group, _)| !group.is_empty()).ok_or_else(|| {
            Failure::Usage(format!(
                "`{text}` is no rule: write `GROUP=ROLE,…` or `GROUP=ROLE,…:TEAM,…`"
            ))
        })?;
    let (roles, teams) = given.split_once(':').unwrap_or((given, ""));
    let names = |list: &str| -> Vec<String> {
        list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    Ok(json!({ "group": group, "roles": names(roles), "teams": names(teams) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_groups_roles_and_teams() {
        for (text, group, roles, teams) in [
            ("ops=operator", "ops", json!(["operator"]), json!([])),
            ("*=viewer,auditor:sre", "*", json!(["viewer", "auditor"]), json!(["sre"])),
            ("cn=ops,dc=x=:sre,security", "cn=ops,dc=x", json!([]), json!(["sre", "security"])),
        ] {
            let rule = read_rule(text).unwrap();
            assert_eq!(rule, json!({ "group": group, "roles": roles, "teams": teams }), "{text}");
        }
        for text in ["", "ops", "=viewer"] {
            assert!(matches!(read_rule(text), Err(Failure::Usage(_))), "{text}");
        }
    }
}
