//! Identity providers as an administrator describes them.

use std::fmt;

use prov_core::store::Entity;
use prov_core::{Error, Result, Role, SecretText, TeamName, Timestamp, codes as core_codes};
use serde::{Deserialize, Serialize};

/// More rules than anybody reads.
const MOST_RULES: usize = 256;

/// What members of a group get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupRule {
    /// The group, as the issuer names it; `*` for everybody whom the issuer vouches for.
    pub group: String,
    /// Roles of its members.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Teams of its members.
    #[serde(default)]
    pub teams: Vec<TeamName>,
}

impl GroupRule {
    /// Members of `group` get these roles.
    #[must_use]
    pub fn new(group: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { group: group.into(), roles: roles.into_iter().collect(), teams: Vec::new() }
    }

    /// And belong to these teams.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = TeamName>) -> Self {
        self.teams = teams.into_iter().collect();
        self
    }
}

/// Whose tokens are taken directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "an account is needed or it is not")]
pub enum AcceptedSubjects {
    /// Of people who have signed in here before: they are their accounts, with the roles and teams of
    /// those, and locked when those are.
    Accounts,
    /// Of programs, as a build server's or a cluster's: a principal named `oidc:<issuer>:<subject>` with
    /// what the rules give.
    Workloads,
}

/// Tokens of an issuer that are taken in the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AcceptedTokens {
    /// What the token must name as its audience: a name of this service, and not the client's, or ID
    /// tokens would pass for access tokens.
    pub audience: String,
    /// Whose.
    pub subjects: AcceptedSubjects,
}

impl AcceptedTokens {
    /// Tokens for `audience`, of these subjects.
    #[must_use]
    pub fn new(audience: impl Into<String>, subjects: AcceptedSubjects) -> Self {
        Self { audience: audience.into(), subjects }
    }
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issuer {
    /// Names it here, in paths and user names: 1 to 32 characters of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Its issuer identifier, compared exactly.
    pub issuer: String,
    /// As whom it knows this service.
    pub client_id: String,
    /// The organization of everybody who comes from it; none for an issuer that several share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim of the ID token that holds the groups; dots lead into objects.
    pub groups_claim: String,
    /// What groups mean here. Whom no rule knows does not get in.
    pub rules: Vec<GroupRule>,
    /// Whether its word that a second factor was used (`amr`) is taken.
    pub trusts_second_factor: bool,
    /// Whether its tokens are taken directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_tokens: Option<AcceptedTokens>,
    /// When it was entered.
    pub created_at: Timestamp,
}

/// An identity provider to be entered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewIssuer {
    /// See [`Issuer::name`].
    pub name: String,
    /// See [`Issuer::issuer`].
    pub issuer: String,
    /// See [`Issuer::client_id`].
    pub client_id: String,
    /// The client's secret; none for a public client, which PKCE protects alone.
    pub client_secret: Option<SecretText>,
    /// See [`Issuer::organization`].
    pub organization: Option<String>,
    /// See [`Issuer::scopes`].
    pub scopes: Vec<String>,
    /// See [`Issuer::groups_claim`].
    pub groups_claim: String,
    /// See [`Issuer::rules`].
    pub rules: Vec<GroupRule>,
    /// See [`Issuer::trusts_second_factor`].
    pub trusts_second_factor: bool,
    /// See [`Issuer::accepted_tokens`].
    pub accepted_tokens: Option<AcceptedTokens>,
}

impl NewIssuer {
    /// An issuer without a secret and without rules: nobody gets in yet.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            organization: None,
            scopes: ["profile", "email"].map(str::to_owned).to_vec(),
            groups_claim: "groups".to_owned(),
            rules: Vec::new(),
            trusts_second_factor: false,
            accepted_tokens: None,
        }
    }

    /// With the client's secret.
    #[must_use]
    pub fn with_secret(mut self, secret: SecretText) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// With one more rule.
    #[must_use]
    pub fn with_rule(mut self, rule: GroupRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Everybody who comes from it is of this organization.
    #[must_use]
    pub fn of_organization(mut self, name: impl Into<String>) -> Self {
        self.organization = Some(name.into());
        self
    }

    /// Taking its tokens directly.
    #[must_use]
    pub fn accepting(mut self, tokens: AcceptedTokens) -> Self {
        self.accepted_tokens = Some(tokens);
        self
    }

    /// Asking for these scopes besides `openid`.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Taking its word that a second factor was used.
    #[must_use]
    pub fn trusting_its_second_factor(mut self) -> Self {
        self.trusts_second_factor = true;
        self
    }

    /// Refuses what can't be right.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(core_codes::INVALID_REQUEST).field(field, message))
        };
        if !is_slug(&self.name) {
            return refuse(
                "name",
                "1 to 32 characters of `a-z`, `0-9` and `-`, starting with a letter",
            );
        }
        let url = self.issuer.parse::<http::Uri>().ok();
        let usable = url.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !usable || self.issuer.len() > 512 || self.issuer.contains('#') {
            return refuse("issuer", "an https URL without a query, as the issuer writes it");
        }
        if !is_text(&self.client_id, 256) {
            return refuse("client_id", "1 to 256 printable characters");
        }
        let secret = self.client_secret.as_ref().map_or("x", SecretText::expose);
        if !is_text(secret, 1024) {
            return refuse("client_secret", "1 to 1024 printable characters");
        }
        if !self.organization.as_deref().is_none_or(|name| is_text(name, 128)) {
            return refuse("organization", "1 to 128 printable characters");
        }
        let is_scope = |scope: &String| is_text(scope, 128) && !scope.contains([' ', '"', '\\']);
        if self.scopes.len() > 32 || !self.scopes.iter().all(is_scope) {
            return refuse("scopes", "at most 32, none of them with blanks");
        }
        if !is_text(&self.groups_claim, 128) {
            return refuse("groups_claim", "1 to 128 printable characters");
        }
        if self.rules.len() > MOST_RULES || !self.rules.iter().all(|rule| is_text(&rule.group, 256))
        {
            return refuse(
                "rules",
                "at most 256, each with a group of 1 to 256 printable characters",
            );
        }
        match &self.accepted_tokens {
            Some(tokens)
                if !is_text(&tokens.audience, 256) || tokens.audience == self.client_id =>
            {
                refuse(
                    "accepted_tokens.audience",
                    "a name of this service, and another than `client_id`: ID tokens name that one",
                )
            }
            _ => Ok(()),
        }
    }
}

/// What somebody gets by the rules of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Grants {
    pub(crate) roles: Vec<Role>,
    pub(crate) teams: Vec<TeamName>,
}

impl Issuer {
    /// What members of these groups get; `None` when no rule knows them.
    pub(crate) fn grants(&self, groups: &[String]) -> Option<Grants> {
        let holds = |rule: &&GroupRule| rule.group == "*" || groups.contains(&rule.group);
        let mut matching = self.rules.iter().filter(holds).peekable();
        matching.peek()?;
        let mut grants = Grants::default();
        for rule in matching {
            grants.roles.extend(&rule.roles);
            grants.teams.extend(rule.teams.iter().cloned());
        }
        grants.roles.sort_unstable();
        grants.roles.dedup();
        grants.teams.sort_unstable();
        grants.teams.dedup();
        Some(grants)
    }
}

fn is_slug(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// How an issuer is remembered, with the client's secret; the store is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct IssuerRecord {
    pub(crate) issuer: Issuer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl fmt::Debug for IssuerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerRecord").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl IssuerRecord {
    pub(crate) fn new(new: NewIssuer, now: Timestamp) -> Self {
        let client_secret = new.client_secret.map(|secret| secret.expose().to_owned());
        let issuer = Issuer {
            name: new.name,
            issuer: new.issuer,
            client_id: new.client_id,
            organization: new.organization,
            scopes: new.scopes,
            groups_claim: new.groups_claim,
            rules: new.rules,
            trusts_second_factor: new.trusts_second_factor,
            accepted_tokens: new.accepted_tokens,
            created_at: now,
        };
        Self { issuer, client_secret }
    }

    pub(crate) fn secret(&self) -> Option<SecretText> {
        self.client_secret.clone().map(SecretText::new)
    }
}

impl Entity for IssuerRecord {
    const KIND: &'static str = "auth.issuer";

    fn id(&self) -> String {
        self.issuer.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(rules: Vec<GroupRule>) -> Issuer {
        let new = NewIssuer { rules, ..NewIssuer::new("corp", "https://idp.example.com", "prov") };
        new.check().unwrap();
        IssuerRecord::new(new, Timestamp::UNIX_EPOCH).issuer
    }

    #[test]
    fn groups_become_roles_and_teams_by_rule_and_nobody_is_let_in_without_one() {
        let sre: TeamName = "sre".parse().unwrap();
        let corp = issuer(vec![
            GroupRule::new("ops", [Role::Operator]).with_teams([sre.clone()]),
            GroupRule::new("dev", [Role::Developer]),
        ]);
        let groups = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            corp.grants(&groups(&["dev", "ops", "dev"])).unwrap(),
            Grants { roles: vec![Role::Operator, Role::Developer], teams: vec![sre] }
        );
        assert_eq!(corp.grants(&groups(&["Dev", "ops "])), None, "names are compared exactly");
        assert_eq!(corp.grants(&[]), None);
        let open = issuer(vec![GroupRule::new("*", [Role::Viewer])]);
        assert_eq!(open.grants(&[]).unwrap().roles, [Role::Viewer]);
        assert_eq!(issuer(Vec::new()).grants(&groups(&["*"])), None);
    }

    #[test]
    fn issuers_that_cannot_be_right_are_refused_by_field() {
        let good = || NewIssuer::new("corp", "https://idp.example.com", "prov");
        let refused = |new: NewIssuer, field: &str| {
            let error = new.check().unwrap_err();
            assert_eq!(error.fields()[0].field, field, "{error}");
        };
        for name in ["", "Corp", "a/b", "1corp", "../x", &"x".repeat(33)] {
            refused(NewIssuer { name: name.to_owned(), ..good() }, "name");
        }
        for url in ["", "idp", "ftp://idp", "https://u@idp", "https://idp?x=1", "https://idp/#x"] {
            refused(NewIssuer { issuer: url.to_owned(), ..good() }, "issuer");
        }
        refused(good().with_scopes(["a b"]), "scopes");
        refused(good().with_rule(GroupRule::new("", [])), "rules");
        let tokens = AcceptedTokens::new("prov", AcceptedSubjects::Accounts);
        refused(good().accepting(tokens), "accepted_tokens.audience");
        refused(good().with_secret(SecretText::new("a\nb")), "client_secret");
    }
}
