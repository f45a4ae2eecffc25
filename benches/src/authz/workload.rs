//! Policies, resources and questions.

use std::fmt::Write as _;

use prov_authz::{AccessRequest, Circumstances, Claims, PolicyFiles, ResourceEntity, SourceFile};
use prov_core::{Principal, PrincipalKind, Timestamp};

use crate::Failure;

/// Policies that every question meets: those of production.
pub(super) const COMMON: usize = 5;
const COMMON_POLICIES: &str = r#"
@id("deploy-mfa") @description("a deployment needs a second factor")
forbid (principal, action == Provisioning::Action::"deploy", resource in Provisioning::Environment::"production")
unless { context.mfa_verified };
@id("deploy-approval") @description("a deployment needs an approval")
forbid (principal, action == Provisioning::Action::"deploy", resource in Provisioning::Environment::"production")
unless { context has approval_id };
@id("deploy-hours") @description("deployments happen in business hours")
forbid (principal, action == Provisioning::Action::"deploy", resource in Provisioning::Environment::"production")
unless { context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h") };
@id("corporate") @description("from the corporate network only")
forbid (principal, action, resource in Provisioning::Environment::"production")
unless { context.ip_address.isInRange(ip("10.0.0.0/8")) };
@id("not-marked") @description("nothing that is marked")
forbid (principal, action, resource is Provisioning::Server)
when { resource.hostname like "locked-*" };
"#;

/// How many ask, however many policies there are: more of them would cost their own memory's time.
const PEOPLE: usize = 20_000;

/// Everything that is asked about.
pub(super) struct Workload {
    pub(super) servers: Vec<ResourceEntity>,
    /// The same by name alone.
    pub(super) named: Vec<ResourceEntity>,
    pub(super) people: Vec<Principal>,
    pub(super) groups: usize,
    pub(super) claims: Claims,
    pub(super) office: Circumstances,
    pub(super) outside: Circumstances,
    /// At night, from outside, without a second factor.
    pub(super) night: Circumstances,
}

/// One question, by the places of what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) person: usize,
    pub(super) server: usize,
    pub(super) is_outside: bool,
}

impl Workload {
    /// This many servers, in as many workspaces as there are groups of policies.
    pub(super) fn new(servers: usize, groups: usize) -> Result<Self, Failure> {
        let server = |number: usize| {
            ResourceEntity::new("Server", format!("server-{number}"))
                .with("hostname", format!("server-{number}.example.org"))
                .with("workspace", format!("workspace-{}", number % groups))
                .with("environment", "production")
        };
        let person = |number: usize| {
            let team = format!("team-{}", number % groups).parse()?;
            let principal =
                Principal::new(PrincipalKind::User, format!("user_{number}"), "somebody");
            Ok(principal.with_teams([team]))
        };
        let noon: Timestamp = "2026-03-02T12:00:00Z".parse()?;
        let night: Timestamp = "2026-03-02T22:30:00Z".parse()?;
        Ok(Self {
            servers: (0..servers).map(server).collect(),
            named: (0..servers)
                .map(|n| ResourceEntity::new("Server", format!("server-{n}")))
                .collect(),
            people: (0..PEOPLE).map(person).collect::<Result<_, Failure>>()?,
            groups,
            claims: Claims::default().with_approval("CHG-4711"),
            office: Circumstances::new(true, Some([10, 0, 0, 1].into()), noon),
            outside: Circumstances::new(true, Some([203, 0, 113, 5].into()), noon),
            night: Circumstances::new(false, Some([203, 0, 113, 5].into()), night),
        })
    }

    /// Who is in the team of a workspace deploys to its servers; one in eight does not get through.
    pub(super) fn question(&self, number: usize) -> Question {
        // Far from each other, so that nothing is in the processor's cache because it was just used.
        let server = number.wrapping_mul(7_919) % self.servers.len();
        let groups = self.groups;
        // Somebody of the group that the server is of.
        let person = server % groups + groups * (number % (self.people.len() / groups));
        Question { person, server, is_outside: number % 8 == 7 }
    }

    pub(super) fn asked(&self, question: Question) -> Option<AccessRequest<'_>> {
        self.asked_about(question, self.servers.get(question.server)?)
    }

    /// The same where everything stands against it and nothing was claimed.
    pub(super) fn asked_at_night(&self, question: Question) -> Option<AccessRequest<'_>> {
        let (who, what) = (self.people.get(question.person)?, self.servers.get(question.server)?);
        Some(AccessRequest::by(who, self.night, "deploy", what))
    }

    /// The same, when the resource is to be known already.
    pub(super) fn asked_by_name(&self, question: Question) -> Option<AccessRequest<'_>> {
        self.asked_about(question, self.named.get(question.server)?)
    }

    fn asked_about<'a>(
        &'a self,
        question: Question,
        what: &'a ResourceEntity,
    ) -> Option<AccessRequest<'a>> {
        let circumstances = if question.is_outside { self.outside } else { self.office };
        let who = self.people.get(question.person)?;
        Some(AccessRequest::by(who, circumstances, "deploy", what).with_claims(&self.claims))
    }
}

/// How many groups of people a set of so many policies is for.
pub(super) const fn groups(policies: usize) -> usize {
    let of_groups = policies - COMMON;
    of_groups.div_ceil(3)
}

/// The policies: the common ones, and three for each workspace and its team.
pub(super) fn policies(count: usize) -> PolicyFiles {
    let mut text = COMMON_POLICIES.to_owned();
    for number in 0..count - COMMON {
        let group = number / 3;
        let team = format!("Provisioning::Team::\"team-{group}\"");
        let workspace = format!("Provisioning::Workspace::\"workspace-{group}\"");
        let _ = writeln!(text, "@id(\"group-{number}\") @description(\"of group {group}\")");
        let _ = match number % 3 {
            0 => writeln!(
                text,
                "permit (principal in {team}, action in [Provisioning::Action::\"read\", \
                 Provisioning::Action::\"deploy\"], resource in {workspace}) \
                 when {{ resource.environment == \"production\" || context.mfa_verified }};"
            ),
            1 => writeln!(
                text,
                "forbid (principal, action == Provisioning::Action::\"delete\", \
                 resource in {workspace}) unless {{ context.mfa_verified }};"
            ),
            _ => writeln!(
                text,
                "permit (principal in {team}, action == Provisioning::Action::\"ssh\", \
                 resource is Provisioning::Server in {workspace}) \
                 when {{ context.ip_address.isInRange(ip(\"10.0.0.0/8\")) }};"
            ),
        };
    }
    let mut files = PolicyFiles::shipped();
    files.policies = vec![SourceFile::new("bench.cedar", text)];
    files
}
