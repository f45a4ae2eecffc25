//! A million requests of prov's own shape, under policies of every shape, by each of the three ways:
//! all policies by Cedar, those the index finds by Cedar, and the engine as it decides. Decisions,
//! reasons and the words of errors are the same.

mod policies;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, PolicyId, PolicySet, Request};
use prov_core::{Principal, PrincipalKind, Role};

use super::evaluate::{Evaluated, OnError, evaluate};
use super::granted::Granted;
use super::held::hold_stated;
use super::live::Live;
use super::prepare::prepare;
use super::rules::set_of;
use super::snapshot::Snapshot;
use super::{PolicySource, context_of};
use crate::load::{Compiled, Policies, compile};
use crate::{
    AccessRequest, CedarOptions, Circumstances, Claims, PolicyFiles, PolicyInfo, ResourceEntity,
};

const ACTIONS: [&str; 12] = [
    "create", "delete", "update", "read", "list", "monitor", "admin", "deploy", "rollback",
    "execute", "ssh", "lockdown",
];
const KINDS: [&str; 7] =
    ["Server", "Taskserv", "Cluster", "Workspace", "Workflow", "Environment", "Api"];

/// The same throws every time (splitmix64, by Sebastiano Vigna).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut thrown = self.0;
        thrown = (thrown ^ (thrown >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        thrown = (thrown ^ (thrown >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((thrown ^ (thrown >> 31)) % sides as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The shipped schema with these policies, which nobody validated.
fn live(text: &str) -> Live {
    let (mut policies, mut documents) = (Vec::new(), BTreeMap::new());
    for policy in PolicySet::from_str(text).unwrap().policies() {
        let id = policy.annotation("id").unwrap().to_owned();
        let document = Arc::new(PolicyInfo {
            id: id.clone(),
            description: String::new(),
            effect: "",
            file: String::new(),
            line: 1,
            text: policy.to_string(),
        });
        let named = policy.new_id(PolicyId::new(&id));
        policies.push((Arc::clone(&document), Arc::new(named)));
        documents.insert(id, document);
    }
    let policies: Policies = policies.into_iter().collect();
    let shipped = compile(PolicyFiles::shipped(), &CedarOptions::default()).unwrap();
    let compiled = Compiled { policies, documents, ..shipped };
    let now = "2026-03-02T12:00:00Z".parse().unwrap();
    let set: Arc<_> = Snapshot::new(compiled, now, PolicySource::BuiltIn, None).unwrap().into();
    let granted = Arc::new(Granted::none(&set.compiled));
    Live { set, entities: Arc::default(), granted }
}

fn somebody(dice: &mut Dice) -> Principal {
    let name = dice.pick(&["ann", "bob"]);
    let teams = ["platform-admin", "sre", "developers", "audit", "security", "unheard-of"];
    let teams = (0..dice.below(3)).map(|_| dice.pick(&teams).parse().unwrap());
    let teams: Vec<_> = teams.collect();
    let roles: Vec<_> = (0..dice.below(3)).map(|_| dice.pick(&Role::ALL)).collect();
    Principal::new(PrincipalKind::User, format!("user_{name}"), name)
        .with_teams(teams)
        .with_roles(roles)
}

fn something(dice: &mut Dice, kind: &'static str) -> ResourceEntity {
    let environment = dice.pick(&["production", "staging", "development", "lab"]);
    let bare = ResourceEntity::new(kind, dice.pick(&["shop", "web-1", "production"]));
    let placed = |bare: ResourceEntity, name: &str| {
        bare.with(name, "x").with("workspace", "shop").with("environment", environment)
    };
    match kind {
        "Server" => placed(bare, "hostname"),
        "Taskserv" => placed(bare, "name"),
        "Cluster" => placed(bare, "name").with("node_count", dice.below(10)),
        "Workflow" => placed(bare, "workflow_type"),
        "Workspace" => bare
            .with("name", "shop")
            .with("environment", environment)
            .with("owner_id", dice.pick(&["user_ann", "user_bob"])),
        _ => bare,
    }
}

fn claims(dice: &mut Dice) -> Claims {
    let mut claims = Claims::NONE;
    match dice.below(4) {
        0 => {}
        1 => claims = claims.with_approval("EMERGENCY-1"),
        _ => claims = claims.with_approval(dice.pick(&["CHG-4711", "CHG-4712"])),
    }
    if dice.below(3) == 0 {
        claims = claims.with_force(dice.below(2) == 0);
    }
    if dice.below(3) == 0 {
        claims = claims.with_reason("why not");
    }
    claims
}

fn circumstances(dice: &mut Dice) -> Circumstances {
    let addresses = ["10.0.0.1", "203.0.113.5", "127.0.0.1", "::1", "2001:db8::7", "ff02::1"];
    let times = [
        "2026-03-02T12:00:00Z",
        "2026-03-02T08:00:00Z",
        "2026-03-02T17:59:59.999999999Z",
        "2026-03-02T22:30:00Z",
        "1969-12-31T23:59:59.998500001Z",
        "0001-01-01T00:00:00.000000001Z",
    ];
    let address = Some(dice.pick(&addresses).parse().unwrap());
    Circumstances::new(dice.below(2) == 0, address, dice.pick(&times).parse().unwrap())
}

type Moment = (Circumstances, Claims, Context);

fn moment(dice: &mut Dice) -> Moment {
    let (circumstances, claims) = (circumstances(dice), claims(dice));
    let context = context_of(&circumstances, &claims).unwrap();
    (circumstances, claims, context)
}

fn outcome(evaluated: Evaluated) -> (bool, Vec<String>, BTreeMap<String, String>) {
    let errors = evaluated.errors.into_iter().map(|error| (error.policy, error.message));
    (evaluated.allowed, evaluated.policies, errors.collect())
}

/// How much ran.
#[derive(Debug, Default)]
struct Ran {
    requests: usize,
    allowed: usize,
    failed: usize,
    fast: usize,
}

/// One question at every moment, by each of the ways.
fn ask(
    live: &Live,
    (who, action, what): (&Principal, &str, &ResourceEntity),
    moments: &[Moment],
    ran: &mut Ran,
) {
    let authorizer = Authorizer::new();
    let bare = AccessRequest::by(who, moments[0].0, action, what);
    let held = hold_stated(live, &bare).unwrap();
    let prepared = prepare(live, &held).unwrap();
    let request = &prepared.request;
    let names = [request.principal(), request.action(), request.resource()];
    let names = names.map(|name| name.unwrap().clone());
    let all = live.compiled.policies.as_set().unwrap();
    let few = set_of(&live.rules, &live.candidates(&held)).unwrap();
    for (circumstances, claims, context) in moments {
        let asked = AccessRequest::by(who, *circumstances, action, what).with_claims(claims);
        let [who, does, what] = names.clone();
        let request = Request::new(who, does, what, context.clone(), None).unwrap();
        let by = |policies| {
            let entities = &prepared.entities;
            outcome(evaluate(&authorizer, &request, policies, entities, OnError::Deny))
        };
        let plain = by(all);
        assert_eq!(by(&few), plain, "{asked:?}");
        let held = hold_stated(live, &asked).unwrap();
        let candidates = live.candidates(&held);
        ran.requests += 1;
        ran.allowed += usize::from(plain.0);
        ran.failed += usize::from(!plain.2.is_empty());
        #[cfg(feature = "fast")]
        if let Some(fast) = live.evaluate_fast(&held, &candidates) {
            assert_eq!(outcome(fast), plain, "{asked:?}");
            ran.fast += 1;
            continue;
        }
        // Then the engine does what was done above, but prepares it for each request.
        if ran.requests.is_multiple_of(16) {
            let ours = outcome(live.evaluate(&held, &candidates).unwrap());
            assert_eq!(ours, plain, "{asked:?}");
        }
    }
}

fn run(seed: u64, worlds: usize) {
    let mut dice = Dice(seed);
    let mut ran = Ran::default();
    for _ in 0..worlds {
        let text = policies::policies(&mut dice, 10);
        let live = live(&text);
        let moments: Vec<_> = (0..50).map(|_| moment(&mut dice)).collect();
        for _ in 0..50 {
            let (kind, who) = (dice.pick(&KINDS), somebody(&mut dice));
            let what = something(&mut dice, kind);
            for _ in 0..4 {
                let action = dice.pick(&ACTIONS);
                if live.compiled.facts.actions[action].resources.iter().any(|known| known == kind) {
                    ask(&live, (&who, action, &what), &moments, &mut ran);
                }
            }
        }
    }
    println!("{ran:?}");
    assert!(ran.requests >= 125_000, "{ran:?}");
    assert!(ran.allowed > ran.requests / 20 && ran.failed > ran.requests / 20, "{ran:?}");
    let enough = if cfg!(feature = "fast") { ran.requests / 3 } else { 0 };
    assert!(ran.fast >= enough, "Cedar was asked too often: {ran:?}");
}

/// One test for each share, so that they run beside each other.
macro_rules! generated {
    ($($name:ident: $seed:literal,)*) => {$(
        #[test]
        fn $name() {
            run($seed, 16);
        }
    )*};
}

generated! {
    generated_requests_1_are_exact: 1,
    generated_requests_2_are_exact: 2,
    generated_requests_3_are_exact: 3,
    generated_requests_4_are_exact: 4,
    generated_requests_5_are_exact: 5,
    generated_requests_6_are_exact: 6,
    generated_requests_7_are_exact: 7,
    generated_requests_8_are_exact: 8,
}
