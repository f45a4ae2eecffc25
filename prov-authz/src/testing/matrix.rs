//! The table form of tests: fixtures, a frozen clock, and rows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use prov_core::{Principal, PrincipalKind, Role, TeamName, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::suite::{Asked, Case, CasePlace, ProvQuestion};
use crate::{Circumstances, Claims, Finding, ResourceEntity, SourceFile};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    clock: Spanned<String>,
    address: Spanned<String>,
    #[serde(default)]
    principals: BTreeMap<String, Spanned<PrincipalRow>>,
    #[serde(default)]
    resources: BTreeMap<String, Spanned<ResourceRow>>,
    #[serde(default)]
    tests: Vec<Spanned<Row>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrincipalRow {
    /// `user_` and the name of the fixture when left out.
    id: Option<String>,
    #[serde(default)]
    teams: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceRow {
    #[serde(rename = "type")]
    kind: String,
    /// The name of the fixture when left out.
    id: Option<String>,
    #[serde(default)]
    attributes: Map<String, Value>,
    /// `Environment::production`.
    #[serde(default)]
    parents: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    principal: Names,
    action: Names,
    resource: Names,
    expect: Expected,
    by: Option<Vec<String>>,
    #[serde(default)]
    mfa: bool,
    approval: Option<String>,
    reason: Option<String>,
    force: Option<bool>,
    ssh_key: Option<String>,
    address: Option<String>,
    at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

/// Reads one file.
pub(super) fn read(file: &SourceFile) -> Result<Vec<Case>, Vec<Finding>> {
    let document: Document = toml::from_str(&file.text).map_err(|error| {
        let remedy = "see the form in the documentation of `prov policy test`";
        let finding = Finding::file(&file.name, error.message(), remedy);
        vec![match error.span() {
            Some(span) => finding.at(&file.text, span.start),
            None => finding,
        }]
    })?;
    let mut reader = Reader { file, findings: Vec::new() };
    let cases = reader.cases(&document);
    if reader.findings.is_empty() { Ok(cases) } else { Err(reader.findings) }
}

struct Reader<'f> {
    file: &'f SourceFile,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, offset: usize, message: impl Into<String>, remedy: &str) {
        let finding = Finding::file(&self.file.name, message, remedy);
        self.findings.push(finding.at(&self.file.text, offset));
    }

    fn cases(&mut self, document: &Document) -> Vec<Case> {
        let clock = self.time(document.clock.get_ref(), document.clock.span().start);
        let address = self.address(document.address.get_ref(), document.address.span().start);
        let principals: BTreeMap<_, _> = document
            .principals
            .iter()
            .map(|(name, row)| (name.as_str(), self.principal(name, row)))
            .collect();
        let resources: BTreeMap<_, _> = document
            .resources
            .iter()
            .map(|(name, row)| (name.as_str(), self.resource(name, row)))
            .collect();
        let mut cases = Vec::new();
        for spanned in &document.tests {
            let (row, offset) = (spanned.get_ref(), spanned.span().start);
            let now = Circumstances::new(
                row.mfa,
                row.address.as_ref().map_or(address, |text| self.address(text, offset)),
                row.at.as_ref().map_or(clock, |text| self.time(text, offset)).unwrap_or_default(),
            );
            let claims = Claims {
                approval_id: row.approval.clone(),
                reason: row.reason.clone(),
                force: row.force,
                ssh_key_fingerprint: row.ssh_key.clone(),
                ..Claims::NONE
            };
            for (principal, action, resource) in combinations(row) {
                let (Some(who), Some(what)) = (
                    self.fixture("principal", &principals, principal, offset),
                    self.fixture("resource", &resources, resource, offset),
                ) else {
                    continue;
                };
                cases.push(self.case(
                    row,
                    offset,
                    ProvQuestion {
                        principal: who.clone(),
                        action: action.to_owned(),
                        resource: what.clone(),
                        circumstances: now,
                        claims: claims.clone(),
                    },
                    (principal, resource),
                ));
            }
        }
        cases
    }

    fn case(
        &self,
        row: &Row,
        offset: usize,
        question: ProvQuestion,
        (principal, resource): (&str, &str),
    ) -> Case {
        let several = [
            (row.principal.all().len() > 1).then_some(principal),
            (row.action.all().len() > 1).then_some(question.action.as_str()),
            (row.resource.all().len() > 1).then_some(resource),
        ];
        let several: Vec<_> = several.into_iter().flatten().collect();
        let name = if several.is_empty() {
            row.name.clone()
        } else {
            format!("{} [{}]", row.name, several.join(" "))
        };
        let line = Finding::file("", "", "").at(&self.file.text, offset).line;
        let by = row.by.clone().map(|mut by| {
            by.sort_unstable();
            by
        });
        Case {
            name,
            place: CasePlace { file: self.file.name.clone(), line },
            asked: Asked::Prov(Box::new(question)),
            allowed: row.expect == Expected::Allow,
            by,
        }
    }

    fn fixture<'p, T>(
        &mut self,
        what: &str,
        known: &'p BTreeMap<&str, Option<T>>,
        name: &str,
        offset: usize,
    ) -> Option<&'p T> {
        if let Some(fixture) = known.get(name) {
            return fixture.as_ref();
        }
        let names: Vec<_> = known.keys().copied().collect();
        let remedy = format!("there are: {}", names.join(", "));
        self.wrong(offset, format!("there is no {what} `{name}`"), &remedy);
        None
    }

    fn time(&mut self, text: &str, offset: usize) -> Option<Timestamp> {
        let time = text.parse().ok();
        if time.is_none() {
            let remedy = "write a time with an offset: `2026-03-02T12:00:00Z`";
            self.wrong(offset, format!("`{text}` is no time"), remedy);
        }
        time
    }

    fn address(&mut self, text: &str, offset: usize) -> Option<IpAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let remedy = "write an IPv4 or IPv6 address: `10.0.0.1`";
            self.wrong(offset, format!("`{text}` is no address"), remedy);
        }
        address
    }

    fn principal(&mut self, name: &str, row: &Spanned<PrincipalRow>) -> Option<Principal> {
        let (row, offset) = (row.get_ref(), row.span().start);
        let (mut teams, mut roles) = (Vec::new(), Vec::new());
        for team in &row.teams {
            let Ok(name) = team.parse::<TeamName>() else {
                let message = format!("`{team}` is no name of a team");
                self.wrong(offset, message, "small letters, digits and dashes");
                return None;
            };
            teams.push(name);
        }
        for role in &row.roles {
            let Ok(held) = role.parse::<Role>() else {
                let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
                let remedy = format!("there are: {}", known.join(", "));
                self.wrong(offset, format!("`{role}` is no role"), &remedy);
                return None;
            };
            roles.push(held);
        }
        let id = row.id.clone().unwrap_or_else(|| format!("user_{name}"));
        Some(Principal::new(PrincipalKind::User, id, name).with_teams(teams).with_roles(roles))
    }

    fn resource(&mut self, name: &str, row: &Spanned<ResourceRow>) -> Option<ResourceEntity> {
        let (row, offset) = (row.get_ref(), row.span().start);
        let id = row.id.clone().unwrap_or_else(|| name.to_owned());
        let mut resource = ResourceEntity::new(row.kind.clone(), id);
        resource.attributes.clone_from(&row.attributes);
        for parent in &row.parents {
            let Some((kind, id)) = parent.split_once("::") else {
                self.wrong(offset, format!("`{parent}` is no parent"), "write `Workspace::shop`");
                return None;
            };
            resource = resource.within(kind.to_owned(), id.trim_matches('"').to_owned());
        }
        Some(resource)
    }
}

/// Principal, action and resource of every test of a row.
fn combinations(row: &Row) -> impl Iterator<Item = (&str, &str, &str)> {
    let (actions, resources) = (row.action.all(), row.resource.all());
    row.principal.all().iter().flat_map(move |principal| {
        actions.iter().flat_map(move |action| {
            resources
                .iter()
                .map(move |resource| (principal.as_str(), action.as_str(), resource.as_str()))
        })
    })
}
