//! `prov policy`.

mod bundle;
mod entities;
mod explain;
mod grant;
mod lifecycle;
mod matrix;
mod offline;
mod prove;
mod search;
mod test;
mod validate;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Part, Session};
use crate::cli::{Global, OutputFormat};
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Policies and decisions.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// List the policies in force
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Show one policy
    Show {
        /// Its id
        id: String,
    },
    /// Check a folder of policies without any server: `prov policy validate config/cedar-policies`
    Validate {
        /// The folder with `schema.cedarschema` and `*.cedar`
        folder: PathBuf,
    },
    /// Run the tests of a folder of policies without any server
    #[command(after_help = TEST_EXAMPLE)]
    Test(test::Test),
    /// Prove invariants of a folder of policies, or compare two, without any server
    #[command(after_help = PROVE_EXAMPLE)]
    Prove(prove::Prove),
    /// Ask for a decision; the exit code tells it as well: 0 allowed, 4 denied
    #[command(after_help = EXAMPLE)]
    Authorize(Question),
    /// Ask why, and what would change the answer
    #[command(after_help = EXAMPLE)]
    Explain(Question),
    /// Which known resources may somebody do something to: `prov policy what deploy Server`
    #[command(after_help = "Example:\n  prov policy what ssh Server --principal user_01J8 --mfa")]
    What(search::What),
    /// Who may do something to a resource: `prov policy who ssh Server web-1`
    #[command(
        after_help = "Example:\n  prov policy who deploy Server web-1 --mfa --approval CHG-1042"
    )]
    Who(search::Who),
    /// What is known of resources and groups
    #[command(subcommand)]
    Entities(entities::Entities),
    /// Who may do what to which resource, by a folder of policies; and what another folder changes
    #[command(after_help = matrix::EXAMPLE)]
    Matrix(matrix::Matrix),
    /// Permissions given for a time
    #[command(subcommand)]
    Grant(grant::Grant),
    /// Who may use each route of the server, as an auditor reads it
    Routes,
    /// Load the policies again
    Reload,
    /// How many decisions, which policies, since when
    Stats,
    /// The sets that were in force, newest first
    History {
        #[command(flatten)]
        part: Part,
    },
    /// What differs between two sets: numbers of the history, or folders
    Diff(lifecycle::Diff),
    /// Go back to a set that was in force, until the policies change or are loaded again
    Rollback(lifecycle::Rollback),
    /// Put a folder in force, where the store is the source of policies
    Upload(lifecycle::Upload),
    /// Make recorded decisions again by a draft, and see what would change
    Simulate(lifecycle::Simulate),
    /// Try a set beside the one in force
    #[command(subcommand)]
    Shadow(lifecycle::Shadow),
    /// Signed policy sets, without any server
    #[command(subcommand)]
    Bundle(bundle::Bundle),
}

const PROVE_EXAMPLE: &str = "\
Examples:
  prov policy prove config/cedar-policies
  prov policy prove config/cedar-policies --against config/cedar-policies.old --no-more

An invariant, in Cedar:
  @id(\"deploy-needs-mfa\")
  @description(\"no deployment to production without a second factor\")
  forbid (principal, action == Provisioning::Action::\"deploy\", resource in Provisioning::Environment::\"production\")
  unless { context.mfa_verified };";

const TEST_EXAMPLE: &str = "\
Example:
  prov policy test config/cedar-policies --coverage --min-score 95 --junit results.xml

A test reads: who (a fixture), does what, to what (a fixture), and what must come of it:
  clock = \"2026-03-02T12:00:00Z\"
  address = \"10.0.0.1\"
  [principals]
  sam = { teams = [\"sre\"] }
  [resources]
  web = { type = \"Server\", attributes = { hostname = \"web-1\", workspace = \"shop\", environment = \"production\" } }
  [[tests]]
  name = \"sre deploys\"
  principal = \"sam\"       # or a list; so action and resource
  action = \"deploy\"
  resource = \"web\"
  mfa = true              # optional, as are approval, force, reason, address, at
  approval = \"CHG-1042\"
  expect = \"allow\"
  by = [\"prod-sre\"]      # optional: exactly these policies determine it";

/// What a whole question looks like.
const EXAMPLE: &str = "\
Each type has attributes that a question must state (`id` is filled in):
  Server                hostname, workspace, environment
  Taskserv              name, workspace, environment
  Cluster               name, workspace, environment, node_count
  Workflow              workflow_type, workspace, environment
  Workspace             name, environment, owner_id
  Environment           none
`--parent` names what it belongs to beyond the environment and workspace of its attributes.

Example:
  prov policy authorize deploy Server web-1 --approval CHG-1042 \\
      -a hostname=web-1.internal -a workspace=core -a environment=production";

/// A question about one action on one resource.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// What: create, delete, update, read, list, deploy, rollback, ssh, execute, monitor, admin, lockdown
    action: String,
    /// The type of the resource: Server, Taskserv, Cluster, Workspace, Workflow, Environment
    resource_type: String,
    /// Its id
    resource: String,
    /// An attribute, `name=value`; may be repeated. Numbers and `true`/`false` are read as such
    #[arg(long = "attribute", short = 'a', value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// A parent, `Type::id`, such as `Environment::production`; may be repeated
    #[arg(long = "parent", value_name = "TYPE::ID")]
    parents: Vec<String>,
    /// The approval
    #[arg(long)]
    approval: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// By force
    #[arg(long)]
    force: bool,
    /// Who, if not you: a user's id; needs a permission of its own
    #[arg(long, value_name = "USER")]
    principal: Option<String>,
    #[command(flatten)]
    offline: offline::Offline,
}

impl Policy {
    pub(crate) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Test(test) => test.run(global.output),
            Self::Prove(prove) => prove.run(global.output),
            other => other.ask(global),
        }
    }

    fn ask(self, global: &Global) -> Outcome {
        match &self {
            Self::Validate { folder } => return validate::offline(global.output, folder),
            Self::Matrix(matrix) => return matrix.run(global.output),
            Self::Authorize(question) if question.offline.is_asked() => {
                let answer = offline::explain(question)?;
                let names =
                    ["decision", "determining_policies", "errors", "decision_id", "revision"];
                let pairs = names
                    .map(|name| (name.to_owned(), answer.get(name).cloned().unwrap_or_default()));
                output::show(global.output, &Value::Object(pairs.into_iter().collect()), &[])?;
                return allowed(&answer);
            }
            Self::Explain(question) if question.offline.is_asked() => {
                return explained(global.output, &offline::explain(question)?);
            }
            Self::Bundle(bundle) => return bundle.run(global.output),
            Self::Diff(diff) => return diff.run(global),
            _ => {}
        }
        let session = &Session::of(global)?;
        let client = &session.client;
        let answer = match self {
            Self::List { part } => {
                let answer = client.get(&part.of("/api/v1/authz/policies", &[]))?;
                return session.show(&answer, &["id", "effect", "description"]);
            }
            Self::Show { id } => client.get(&format!("/api/v1/authz/policies/{}", segment(&id)))?,
            Self::Authorize(question) => {
                let answer = client.post("/api/v1/authz/authorize", &question.body()?)?;
                session.show(&answer, &[])?;
                return allowed(&answer);
            }
            Self::Explain(question) => {
                let answer = client.post("/api/v1/authz/explain", &question.body()?)?;
                return explained(global.output, &answer);
            }
            Self::What(what) => return what.run(session),
            Self::Who(who) => return who.run(session),
            Self::Entities(entities) => return entities.run(session),
            Self::Grant(grant) => return grant.run(session),
            Self::Routes => {
                let answer = client.get("/api/v1/authz/routes")?;
                return session.show(&answer, &["method", "path", "access", "action", "resource"]);
            }
            Self::Reload => client.post("/api/v1/authz/policies/reload", &json!({}))?,
            Self::Stats => client.get("/api/v1/authz/stats")?,
            Self::History { part } => return lifecycle::history(session, &part),
            Self::Rollback(rollback) => return rollback.run(session),
            Self::Upload(upload) => return upload.run(session),
            Self::Simulate(simulate) => return simulate.run(session),
            Self::Shadow(shadow) => return shadow.run(session),
            Self::Validate { .. }
            | Self::Matrix(_)
            | Self::Test(_)
            | Self::Prove(_)
            | Self::Bundle(_)
            | Self::Diff(_) => return Ok(()),
        };
        session.show(&answer, &[])
    }
}

/// A text for people; the whole answer for programs.
fn explained(format: OutputFormat, answer: &Value) -> Outcome {
    match format {
        OutputFormat::Table => output::print(&explain::text(answer)),
        OutputFormat::Json | OutputFormat::Yaml => output::show(format, answer, &[]),
    }
}

/// A refusal is told by the exit code as well, so that scripts can ask.
fn allowed(answer: &Value) -> Outcome {
    if answer.get("decision").and_then(Value::as_str) == Some("ALLOW") {
        return Ok(());
    }
    Err(Failure::Denied)
}

impl Question {
    fn body(&self) -> Outcome<Value> {
        let attributes = self.attributes()?;
        let parents: Vec<Value> = self
            .parents
            .iter()
            .map(|text| entity(text).map(|(kind, id)| json!({ "type": kind, "id": id })))
            .collect::<Outcome<_>>()?;
        let mut context = Map::new();
        for (name, value) in [("approval_id", &self.approval), ("reason", &self.reason)] {
            if let Some(value) = value {
                context.insert(name.to_owned(), value.as_str().into());
            }
        }
        if self.force {
            context.insert("force".to_owned(), true.into());
        }
        let mut body = json!({
            "action": self.action,
            "resource": {
                "type": self.resource_type,
                "id": self.resource,
                "attributes": attributes,
                "parents": parents,
            },
            "context": context,
        });
        if let (Some(id), Some(object)) = (&self.principal, body.as_object_mut()) {
            object.insert("principal".to_owned(), json!({ "type": "User", "id": id }));
        }
        Ok(body)
    }
}

impl Question {
    fn attributes(&self) -> Outcome<Map<String, Value>> {
        attributes_of(&self.attributes)
    }
}

fn attributes_of(pairs: &[String]) -> Outcome<Map<String, Value>> {
    let mut attributes = Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("`--attribute {pair}`: write `name=value`")))?;
        attributes.insert(name.to_owned(), scalar(value));
    }
    Ok(attributes)
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

fn entity(text: &str) -> Outcome<(String, String)> {
    let (kind, id) = text
        .split_once("::")
        .ok_or_else(|| Failure::Usage(format!("`{text}`: write `Environment::production`")))?;
    Ok((kind.to_owned(), id.trim_matches('"').to_owned()))
}
