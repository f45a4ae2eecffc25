//! `prov policy matrix`: for access reviews, without any server.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use prov_authz::{
    CedarEngine, CedarOptions, Circumstances, Claims, MatrixChange, MatrixRow, Review,
};
use prov_core::{Clock, Principal, PrincipalKind, Role, SystemClock, TeamName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal;

pub(super) const EXAMPLE: &str = "\
The resources are those of `entities.json` in the folder; the people those of a file as
`prov user list -o json` prints it, or one of each team that is shipped.

Example:
  prov policy matrix config/policies --users users.json --approval CHG-1 > access.csv
  prov policy matrix config/policies --diff config/policies.next --users users.json";

/// What is reviewed.
#[derive(Debug, Args)]
pub(crate) struct Matrix {
    /// The folder with `schema.cedarschema`, `*.cedar` and `entities.json`
    folder: PathBuf,
    /// Print only what this folder would change
    #[arg(long, value_name = "FOLDER")]
    diff: Option<PathBuf>,
    /// The people: `{"items": [{"id", "username", "teams", "roles"}]}`, or the list alone
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Only resources of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Without a second factor
    #[arg(long)]
    without_mfa: bool,
    /// With this approval
    #[arg(long)]
    approval: Option<String>,
    /// From this address
    #[arg(long, value_name = "ADDRESS", default_value = "10.0.0.1")]
    from: IpAddr,
    /// At this moment, such as `2026-03-02T12:00:00Z`; now when left out
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// `csv`, or one JSON object on each line
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// Somebody of the file.
#[derive(Debug, Deserialize)]
struct User {
    id: String,
    username: String,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    teams: Vec<TeamName>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Users {
    Listed { items: Vec<User> },
    Bare(Vec<User>),
}

impl Matrix {
    pub(super) fn run(&self, format: OutputFormat) -> Outcome {
        let as_lines = self.format == Format::Jsonl || format == OutputFormat::Json;
        let clock = Arc::new(SystemClock::new());
        let now = self.at.unwrap_or_else(|| clock.now());
        let open = |folder: &Path| {
            CedarEngine::open(folder, Arc::<SystemClock>::clone(&clock), CedarOptions::default())
                .map_err(|e| super::offline::refused(&format!("`{}`", folder.display()), &e))
        };
        let (engine, people) = (open(&self.folder)?, self.people()?);
        let claims = match &self.approval {
            Some(approval) => Claims::NONE.with_approval(approval.as_str()),
            None => Claims::NONE,
        };
        let circumstances = Circumstances::new(!self.without_mfa, Some(self.from), now);
        let mut review = Review::new(&people, circumstances).with_claims(&claims);
        if let Some(kind) = &self.kind {
            review = review.of_kind(kind);
        }
        if let Some(other) = &self.diff {
            let next = open(other)?;
            head(as_lines, "principal,type,resource,gained,lost")?;
            return engine.matrix_changes(&next, &review, |one| changed(as_lines, &one));
        }
        if engine.entities().is_empty() {
            let message =
                "nothing is known: write the resources into `entities.json` of the folder";
            return Err(Failure::Failed(message.to_owned()));
        }
        head(as_lines, "principal,type,resource,action,decision")?;
        engine.matrix(&review, |one| row(as_lines, &one))
    }

    fn people(&self) -> Outcome<Vec<Principal>> {
        let Some(file) = &self.users else {
            return TeamName::SHIPPED
                .iter()
                .map(|name| {
                    let team = name.parse().map_err(|e| Failure::of("the name of a team", e))?;
                    Ok(Principal::new(PrincipalKind::User, format!("one-of-{name}"), *name)
                        .with_teams([team]))
                })
                .collect();
        };
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::of(&format!("reading `{name}`"), e))?;
        let users: Users = serde_json::from_str(&text)
            .map_err(|e| Failure::of(&format!("`{name}` is no list of users"), e))?;
        let (Users::Listed { items } | Users::Bare(items)) = users;
        let principal = |user: User| {
            Principal::new(PrincipalKind::User, user.id, user.username)
                .with_roles(user.roles)
                .with_teams(user.teams)
        };
        Ok(items.into_iter().map(principal).collect())
    }
}

fn head(as_lines: bool, columns: &str) -> Outcome {
    if as_lines { Ok(()) } else { output::print(columns) }
}

fn row(as_lines: bool, row: &MatrixRow) -> Outcome {
    if as_lines {
        return line(row);
    }
    let decided = [(&row.allowed, "allow"), (&row.denied, "deny")];
    for (action, decision) in decided.iter().flat_map(|(list, d)| list.iter().map(move |a| (a, *d)))
    {
        let (kind, id) = (&row.resource.kind, &row.resource.id);
        cells(&[&row.principal, kind, id, action, decision])?;
    }
    Ok(())
}

fn changed(as_lines: bool, change: &MatrixChange) -> Outcome {
    if as_lines {
        return line(change);
    }
    let (kind, id) = (&change.resource.kind, &change.resource.id);
    cells(&[&change.principal, kind, id, &change.gained.join(" "), &change.lost.join(" ")])
}

fn line(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(value).map_err(|e| Failure::of("printing a line", e))?;
    output::print(&terminal::json(&text))
}

/// A line of CSV (RFC 4180). What a spreadsheet would take for a formula begins with a quote mark.
fn cells(values: &[&str]) -> Outcome {
    let cell = |text: &&str| {
        let text = terminal::shown(text);
        let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    };
    output::print(&values.iter().map(cell).collect::<Vec<_>>().join(","))
}
