//! The policies the index finds against the plain way: every policy, each time. Decisions, reasons and
//! errors are the same.

use std::sync::Arc;
use std::thread;

use cedar_policy::{Authorizer, Context, Request};
use prov_core::{ManualClock, Principal, PrincipalKind, Role};

use super::evaluate::{OnError, evaluate};
use super::granted::Granted;
use super::held::hold_stated;
use super::live::Live;
use super::prepare::{Prepared, prepare};
use super::snapshot::Snapshot;
use super::{CedarEngine, PolicySource, context_of};
use crate::load::compile;
use crate::{
    AccessRequest, CedarOptions, Circumstances, Claims, PolicyFiles, ResourceEntity, SourceFile,
};

const ACTIONS: [&str; 12] = [
    "create", "delete", "update", "read", "list", "monitor", "admin", "deploy", "rollback",
    "execute", "ssh", "lockdown",
];
const KINDS: [&str; 7] =
    ["Server", "Taskserv", "Cluster", "Workspace", "Workflow", "Environment", "Api"];
const TEAMS: [&[&str]; 8] = [
    &[],
    &["platform-admin"],
    &["sre"],
    &["developers"],
    &["audit"],
    &["security"],
    &["platform-admin", "sre"],
    &["developers", "audit"],
];
const PARTS: [&str; 8] =
    ["users", "secrets", "kms-data", "policies", "ssh-ca", "status", "decisions", "unheard-of"];

/// Conditions and scopes of many shapes, on top of the shipped set.
const UNUSUAL: &str = r#"
@id("fails") @description("overflows from two nodes on")
forbid (principal, action, resource is Provisioning::Cluster)
when { resource.node_count * 9223372036854775807 < 0 };
@id("named") @description("reads the principal")
permit (principal is Provisioning::User, action == Provisioning::Action::"admin",
        resource == Provisioning::Api::"users")
when { principal.username == "ann" };
@id("secret-hours") @description("reads the time on one part of the API only")
forbid (principal, action in [Provisioning::Action::"read", Provisioning::Action::"admin"],
        resource in Provisioning::Api::"secrets")
when { context.time.toTime() >= duration("18h") };
@id("whole") @description("uses the whole context")
forbid (principal in Provisioning::User::"user_ann", action == Provisioning::Action::"monitor",
        resource is Provisioning::Server in Provisioning::Workspace::"shop")
when { {inner: context}.inner.ip_address.isInRange(ip("192.0.2.0/24")) };
@id("factor") @description("reads the second factor on the API")
forbid (principal, action == Provisioning::Action::"delete", resource is Provisioning::Api)
unless { context.mfa_verified };
@id("reasoned") @description("reads a claim on the API")
permit (principal in Provisioning::Role::"viewer", action == Provisioning::Action::"update",
        resource is Provisioning::Api)
when { context has reason };
"#;

struct World {
    engine: CedarEngine,
    live: Live,
    authorizer: Authorizer,
}

impl World {
    fn of(files: &PolicyFiles) -> Self {
        let clock = Arc::new(ManualClock::at("2026-03-02T12:00:00Z".parse().unwrap()));
        let options = CedarOptions::default();
        let compiled = compile(files.clone(), &options).unwrap();
        let now = "2026-03-02T12:00:00Z".parse().unwrap();
        let set: Arc<_> = Snapshot::new(compiled, now, PolicySource::BuiltIn, None).unwrap().into();
        let granted = Arc::new(Granted::none(&set.compiled));
        Self {
            engine: CedarEngine::from_files(files, clock, options).unwrap(),
            live: Live { set, entities: Arc::default(), granted },
            authorizer: Authorizer::new(),
        }
    }

    /// Asks both ways; how many times.
    fn compare<'m>(
        &self,
        who: &Principal,
        action: &str,
        what: &ResourceEntity,
        moments: impl IntoIterator<Item = &'m Moment>,
    ) -> usize {
        let mut plain: Option<Prepared> = None;
        let mut ran = 0;
        for moment in moments {
            let Moment { circumstances, claims, context } = moment;
            let asked = AccessRequest::by(who, *circumstances, action, what).with_claims(claims);
            let plain = plain.get_or_insert_with(|| {
                prepare(&self.live, &hold_stated(&self.live, &asked).unwrap()).unwrap()
            });
            let request = &plain.request;
            let names = [request.principal(), request.action(), request.resource()];
            let [principal, action, resource] = names.map(|name| name.unwrap().clone());
            let request = Request::new(principal, action, resource, context.clone(), None).unwrap();
            let all = self.live.compiled.policies.as_set().unwrap();
            let expected =
                evaluate(&self.authorizer, &request, all, &plain.entities, OnError::Deny);
            let errors: Vec<_> = expected.errors.into_iter().map(|error| error.message).collect();
            let decision = self.engine.decide_by(&self.live, &asked);
            let ours = (decision.allowed, decision.determining_policies, sorted(decision.errors));
            assert_eq!(ours, (expected.allowed, expected.policies, sorted(errors)), "{asked:?}");
            ran += 1;
        }
        ran
    }

    /// Every action on every type it applies to.
    fn questions(&self) -> Vec<(&'static str, &'static str)> {
        let all = ACTIONS.iter().flat_map(|action| KINDS.iter().map(|kind| (*action, *kind)));
        let actions = &self.live.compiled.facts.actions;
        all.filter(|(action, kind)| actions[*action].resources.iter().any(|r| r == kind)).collect()
    }
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort_unstable();
    list
}

/// When and from where somebody asks, with what in hand; and the whole context of that.
struct Moment {
    circumstances: Circumstances,
    claims: Claims,
    context: Context,
}

fn moments() -> Vec<Moment> {
    let claims = [
        Claims::NONE,
        Claims::NONE.with_approval("CHG-4711"),
        Claims::NONE.with_approval("EMERGENCY-1"),
        Claims::NONE.with_approval("CHG-4711").with_force(true).with_reason("why not"),
    ];
    let mut all = Vec::new();
    for claims in claims {
        for mfa in [false, true] {
            for address in ["10.0.0.1", "203.0.113.5"] {
                for time in ["2026-03-02T12:00:00Z", "2026-03-02T22:30:00Z"] {
                    let address = Some(address.parse().unwrap());
                    let circumstances = Circumstances::new(mfa, address, time.parse().unwrap());
                    let context = context_of(&circumstances, &claims).unwrap();
                    all.push(Moment { circumstances, claims: claims.clone(), context });
                }
            }
        }
    }
    all
}

fn ann(teams: &[&str]) -> Principal {
    Principal::new(PrincipalKind::User, "user_ann", "ann")
        .with_teams(teams.iter().map(|name| name.parse().unwrap()))
}

fn resource(kind: &'static str, environment: &'static str, own: bool) -> ResourceEntity {
    let bare = ResourceEntity::new(kind, "shop");
    let placed = |bare: ResourceEntity, name: &str| {
        bare.with(name, "x").with("workspace", "shop").with("environment", environment)
    };
    match kind {
        "Server" => placed(bare, "hostname"),
        "Taskserv" => placed(bare, "name"),
        "Cluster" => placed(bare, "name").with("node_count", if own { 1 } else { 6 }),
        "Workflow" => placed(bare, "workflow_type"),
        "Workspace" => bare
            .with("name", "shop")
            .with("environment", environment)
            .with("owner_id", if own { "user_ann" } else { "user_bob" }),
        "Environment" => ResourceEntity::new("Environment", environment),
        _ => ResourceEntity::api("users"),
    }
}

/// Every combination in production, and of those elsewhere every n-th; how many there were.
fn compare_all(world: &World, production: usize, elsewhere: usize) -> usize {
    let (moments, questions) = (moments(), world.questions());
    let compare_some = |questions: &[(&'static str, &'static str)]| {
        let (mut subject, mut ran) = (0, 0);
        for (action, kind) in questions {
            for teams in TEAMS {
                for environment in ["production", "staging", "development"] {
                    subject += 1;
                    let what = resource(kind, environment, subject % 2 == 0);
                    let every = if environment == "production" { production } else { elsewhere };
                    let some = moments.iter().skip(subject % every).step_by(every);
                    ran += world.compare(&ann(teams), action, &what, some);
                }
            }
        }
        ran
    };
    let (some, others) = questions.split_at(questions.len() / 2);
    thread::scope(|scope| {
        let beside = scope.spawn(|| compare_some(others));
        compare_some(some) + beside.join().unwrap()
    })
}

/// Roles, and parts of the API.
fn compare_api(world: &World) -> usize {
    let api: Vec<_> = world.questions().into_iter().filter(|(_, kind)| *kind == "Api").collect();
    let moments = moments();
    let mut ran = 0;
    for (action, _) in api {
        for part in PARTS {
            let what = ResourceEntity::api(part);
            for role in Role::ALL {
                for name in ["ann", "bob"] {
                    let who = Principal::new(PrincipalKind::User, "user_ann", name);
                    let some = moments.iter().take(8).chain(moments.last());
                    ran += world.compare(&who.with_roles([role]), action, &what, some);
                }
            }
        }
    }
    ran
}

#[test]
fn the_shipped_set_decides_every_combination_as_all_its_policies_do() {
    let world = World::of(&PolicyFiles::shipped());
    let ran = compare_all(&world, 1, 8);
    println!("{ran} requests");
    assert!(ran >= 20_000, "only {ran}");
}

#[test]
fn prov_s_own_api_is_decided_alike() {
    let world = World::of(&PolicyFiles::shipped());
    let ran = compare_api(&world);
    assert!(ran >= 5_000, "{ran}");
}

#[test]
fn unusual_policies_decide_as_all_of_them_do() {
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new("unusual.cedar", UNUSUAL));
    let world = World::of(&files);
    let ran = compare_all(&world, 9, 11) + compare_api(&world);
    assert!(ran >= 8_000, "{ran}");
}
