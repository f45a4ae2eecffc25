//! Permissions given for a time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Claims, EntityRef, GrantId, Grants, MatrixRow,
    NewGrant, PolicyDiff, PolicyEngine, PolicyFeed, PolicyFiles, PolicyHistory, PolicyLife,
    PolicyReloader, PrincipalSource, ResourceEntity, ResourceSearch, Review, SourceFile, codes,
};
use prov_core::audit::{MemoryRecorder, Outcome, Recorder};
use prov_core::store::{MemoryStore, Store};
use prov_core::{
    Clock, ManualClock, Principal, PrincipalKind, Result, Role, Timestamp, codes as core_codes,
};

use crate::world::{NOON, circumstances, context_of, holder, member, server};

const TEMPLATES: &str = r#"
@id("on-call-ssh")
@description("whoever is on call logs in to one server")
@grantable("holders")
permit (
  principal == ?principal,
  action == Provisioning::Action::"ssh",
  resource == ?resource
);

@id("look-around")
@description("somebody looks at what is in an environment")
permit (
  principal in ?principal,
  action in [Provisioning::Action::"read", Provisioning::Action::"list"],
  resource in ?resource
)
when { context.mfa_verified };

@id("keep-out")
@description("somebody is kept out of one server")
forbid (principal == ?principal, action, resource == ?resource);
"#;

/// Everybody there is.
#[derive(Debug)]
struct Everybody;

#[async_trait]
impl PrincipalSource for Everybody {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        let known = ["user_ann", "user_bob"].contains(&id);
        Ok(known.then(|| Principal::new(PrincipalKind::User, id, id)))
    }
}

struct Desk {
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    recorder: MemoryRecorder,
    engine: Arc<CedarEngine>,
    grants: Arc<Grants>,
}

fn files(templates: &str) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new("templates.cedar", templates));
    files
}

impl Desk {
    async fn new() -> Self {
        Self::at(Arc::new(ManualClock::at(NOON.parse().unwrap())), None).await
    }

    async fn at(clock: Arc<ManualClock>, store: Option<Arc<dyn Store>>) -> Self {
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let engine =
            CedarEngine::from_files(&files(TEMPLATES), Arc::clone(&time), CedarOptions::default());
        let engine = Arc::new(engine.unwrap());
        engine.put_entities(&[server("staging")]).unwrap();
        let store = store.unwrap_or_else(|| Arc::new(MemoryStore::new(Arc::clone(&time))));
        let recorder = MemoryRecorder::new();
        let grants = Grants::open(
            Arc::clone(&engine),
            Arc::clone(&store),
            Arc::new(recorder.clone()),
            time,
            Arc::new(Everybody),
        );
        let grants = grants.await.unwrap();
        Self { clock, store, recorder, engine, grants }
    }

    fn may(&self, who: &Principal, action: &str, what: &ResourceEntity) -> bool {
        self.may_at(self.clock.now(), who, action, what)
    }

    fn may_at(&self, at: Timestamp, who: &Principal, action: &str, what: &ResourceEntity) -> bool {
        let mut circumstances = circumstances(true, "10.0.0.1", NOON);
        circumstances.time = at;
        self.engine.decide(&AccessRequest::by(who, circumstances, action, what)).allowed
    }

    async fn grant(&self, caller: &Principal, new: &NewGrant) -> Result<GrantId> {
        let caller = context_of(caller, true, &*self.clock);
        self.grants.grant(&caller, new).await.map(|grant| grant.id)
    }

    async fn revoke(&self, caller: &Principal, id: &GrantId) -> Result<()> {
        let caller = context_of(caller, true, &*self.clock);
        self.grants.revoke(&caller, id).await.map(drop)
    }

    fn recorded(&self) -> Vec<(String, Outcome)> {
        let events = self.recorder.events();
        events.iter().map(|e| (e.action.as_str().to_owned(), e.outcome)).collect()
    }
}

fn bob() -> Principal {
    Principal::new(PrincipalKind::User, "user_bob", "bob")
}

fn in_hours(hours: i64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(hours)
}

fn user(id: &'static str) -> EntityRef {
    EntityRef::new("User", id)
}

fn web() -> EntityRef {
    EntityRef::new("Server", "web-1")
}

fn ssh() -> NewGrant {
    NewGrant::new("on-call-ssh", "on call", in_hours(8)).to(user("user_bob")).on(web())
}

#[tokio::test]
async fn a_grant_permits_what_it_says_to_whom_it_says_until_it_ends() {
    let desk = Desk::new().await;
    let (admin, staging) = (holder(Role::Admin), server("staging"));
    assert!(!desk.may(&bob(), "ssh", &staging));
    let id = desk.grant(&admin, &ssh()).await.unwrap();
    assert!(desk.may(&bob(), "ssh", &staging));
    let mut other = staging.clone();
    other.entity.id = "web-2".into();
    assert!(!desk.may(&bob(), "ssh", &other) && !desk.may(&bob(), "deploy", &staging));
    assert!(!desk.may(&holder(Role::Viewer), "ssh", &staging), "it is somebody else's");
    let (who, now) = (bob(), circumstances(true, "10.0.0.1", NOON));
    let decision = desk.engine.decide(&AccessRequest::by(&who, now, "ssh", &staging));
    assert_eq!(decision.determining_policies, [id.as_str()]);
    let now = circumstances(true, "10.0.0.1", NOON);
    let told = desk.engine.explain(&AccessRequest::by(&who, now, "ssh", &staging)).unwrap();
    assert_eq!(told.summary, format!("allowed by `{}`", id.as_str()));
    assert_eq!(told.determined_by[0].description, "whoever is on call logs in to one server");

    desk.clock.advance(Duration::from_hours(8));
    assert!(!desk.may(&bob(), "ssh", &staging), "nobody swept, and it has ended all the same");
    let before = in_hours(1);
    assert!(!desk.may_at(before, &bob(), "ssh", &staging), "asked about a moment when it had not");
}

#[tokio::test]
async fn a_forbid_of_the_policies_stands_above_every_grant_and_a_granted_forbid_above_permits() {
    let desk = Desk::new().await;
    let admin = holder(Role::Admin);
    let environment_of = |new: NewGrant| new.on(EntityRef::new("Environment", "production"));
    let look = NewGrant::new("look-around", "audit", in_hours(1)).to(user("user_bob"));
    desk.grant(&admin, &environment_of(look)).await.unwrap();
    let mut production = server("production");
    production.entity.id = "db-1".into();
    assert!(desk.may(&bob(), "read", &production));
    let mut outside = circumstances(true, "203.0.113.5", NOON);
    outside.time = desk.clock.now();
    let who = bob();
    let request = AccessRequest::by(&who, outside, "read", &production);
    let decision = desk.engine.decide(&request);
    assert_eq!(
        (decision.allowed, &*decision.determining_policies),
        (false, &["prod-ip-restriction".to_owned()][..])
    );
    // Its own condition holds as well.
    let without =
        AccessRequest::by(&who, circumstances(false, "10.0.0.1", NOON), "read", &production);
    assert!(!desk.engine.decide(&without).allowed);

    let sre = member(&["sre"]);
    assert!(desk.may(&sre, "deploy", &server("staging")));
    let out = NewGrant::new("keep-out", "left", in_hours(1)).to(user("user_ann")).on(web());
    let id = desk.grant(&admin, &out).await.unwrap();
    assert!(!desk.may(&sre, "deploy", &server("staging")));
    desk.revoke(&admin, &id).await.unwrap();
    assert!(desk.may(&sre, "deploy", &server("staging")), "at once");
}

#[tokio::test]
async fn nobody_grants_beyond_what_they_hold() {
    let desk = Desk::new().await;
    // Everything in development is the team's, but the server is in staging.
    let developer = member(&["developers"]);
    let error = desk.grant(&developer, &ssh()).await.unwrap_err();
    assert_eq!(error.code(), codes::GRANT_BEYOND_OWN);
    assert!(error.public_detail().contains("no policy permits `ssh`"), "{error}");
    let unknown = ssh().on(EntityRef::new("Server", "web-9"));
    let error = desk.grant(&member(&["platform-admin"]), &unknown).await.unwrap_err();
    assert_eq!(error.code(), codes::GRANT_BEYOND_OWN, "of which nobody knows where it stands");

    let holder = member(&["platform-admin"]);
    let id = desk.grant(&holder, &ssh()).await.unwrap();
    assert!(desk.may(&bob(), "ssh", &server("staging")));
    // What was granted is not passed on.
    let error = desk.grant(&bob(), &ssh().to(user("user_ann"))).await.unwrap_err();
    assert_eq!(error.code(), codes::GRANT_BEYOND_OWN);
    // Not a forbid, not what is in an environment.
    let others = [
        NewGrant::new("keep-out", "x", in_hours(1)).to(user("user_bob")).on(web()),
        NewGrant::new("look-around", "x", in_hours(1))
            .to(user("user_bob"))
            .on(EntityRef::new("Environment", "staging")),
    ];
    for other in others {
        let error = desk.grant(&holder, &other).await.unwrap_err();
        assert_eq!(error.code(), codes::GRANT_BEYOND_OWN, "{other:?}");
    }
    // Whoever gave it may take it back; others not.
    let error = desk.revoke(&bob(), &id).await.unwrap_err();
    assert_eq!(error.code(), codes::ACCESS_DENIED);
    desk.revoke(&holder, &id).await.unwrap();
    assert!(!desk.may(&bob(), "ssh", &server("staging")));
    let recorded = desk.recorded();
    let denied = recorded.iter().filter(|(_, outcome)| *outcome == Outcome::Denied).count();
    assert_eq!((recorded.len(), denied), (8, 6), "{recorded:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_grant_is_named() {
    let desk = Desk::new().await;
    let admin = holder(Role::Admin);
    let bare = |template: &str| NewGrant::new(template, "x", in_hours(1));
    let cases = [
        (bare("nothing").to(user("user_bob")).on(web()), "template"),
        (bare("prod-sre").to(user("user_bob")).on(web()), "template"),
        (bare("on-call-ssh").on(web()), "principal"),
        (bare("on-call-ssh").to(user("user_bob")), "resource"),
        (ssh().to(EntityRef::new("Server", "x")), "principal.type"),
        (ssh().to(user("user_mallory")), "principal.id"),
        (ssh().to(user("")), "principal.id"),
        // A team is nobody who logs in, so the policy would never apply.
        (ssh().to(EntityRef::new("Team", "sre")), "template"),
        (ssh().on(EntityRef::new("Toaster", "x")), "resource"),
        (ssh().on(EntityRef::new("Api", "users")), "template"),
        (until("", in_hours(1)), "reason"),
        (until("a\0", in_hours(1)), "reason"),
        (until("x", in_hours(0)), "expires_at"),
        (until("x", in_hours(24 * 367)), "expires_at"),
    ];
    for (new, field) in cases {
        let Err(error) = desk.grant(&admin, &new).await else { panic!("{new:?} was granted") };
        assert_eq!(error.code(), core_codes::INVALID_REQUEST, "{new:?}: {error}");
        assert_eq!(error.fields()[0].field, field, "{new:?}: {error}");
    }
    assert!(desk.recorded().is_empty() && desk.engine.grants().is_empty());
    let unknown = GrantId::generate(&*desk.clock).unwrap();
    assert_eq!(desk.revoke(&admin, &unknown).await.unwrap_err().code(), core_codes::NOT_FOUND);
}

fn until(reason: &str, end: Timestamp) -> NewGrant {
    NewGrant::new("on-call-ssh", reason, end).to(user("user_bob")).on(web())
}

#[tokio::test]
async fn grants_survive_a_restart_and_a_new_set_and_are_idle_without_their_template() {
    let desk = Desk::new().await;
    desk.grant(&holder(Role::Admin), &ssh()).await.unwrap();
    let again = Desk::at(Arc::clone(&desk.clock), Some(Arc::clone(&desk.store))).await;
    assert!(again.may(&bob(), "ssh", &server("staging")));

    let folder = tempfile::tempdir().unwrap();
    files(TEMPLATES).write_missing(folder.path()).unwrap();
    again.engine.reload_from(folder.path()).unwrap();
    assert!(again.may(&bob(), "ssh", &server("staging")));
    std::fs::remove_file(folder.path().join("templates.cedar")).unwrap();
    again.engine.reload_from(folder.path()).unwrap();
    assert!(!again.may(&bob(), "ssh", &server("staging")));
    files(TEMPLATES).write_missing(folder.path()).unwrap();
    again.engine.reload_from(folder.path()).unwrap();
    assert!(again.may(&bob(), "ssh", &server("staging")), "it is back with its template");
}

#[tokio::test]
async fn a_rollback_takes_templates_and_what_was_granted_by_them_along() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOON.parse().unwrap()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let recorder: Arc<dyn Recorder> = Arc::new(MemoryRecorder::new());
    let life = PolicyLife::new(PolicyFeed::Store, CedarOptions::default())
        .with_history(PolicyHistory::new(Arc::clone(&store)));
    let reloader = PolicyReloader::open(life, Arc::clone(&recorder), Arc::clone(&clock));
    let reloader = reloader.await.unwrap();
    let engine = Arc::clone(reloader.engine());
    engine.put_entities(&[server("staging")]).unwrap();
    let admin = context_of(&holder(Role::Admin), true, &*clock);
    let with_templates = reloader.upload(&admin, files(TEMPLATES), None).await.unwrap();

    let everybody = Arc::new(Everybody);
    let grants = Grants::open(Arc::clone(&engine), store, recorder, Arc::clone(&clock), everybody);
    grants.await.unwrap().grant(&admin, &ssh()).await.unwrap();
    let (who, staging) = (bob(), server("staging"));
    let may = || {
        let now = circumstances(true, "10.0.0.1", NOON);
        engine.decide(&AccessRequest::by(&who, now, "ssh", &staging)).allowed
    };
    assert!(may());
    reloader.upload(&admin, PolicyFiles::shipped(), None).await.unwrap();
    assert!(!may(), "the template is gone");
    reloader.rollback(&admin, with_templates.number, None).await.unwrap();
    assert!(may(), "it is back");
}

#[test]
fn what_differs_between_sets_are_their_templates_too() {
    let changed = files(&TEMPLATES.replace("context.mfa_verified", "!context.mfa_verified"));
    let diff = PolicyDiff::between(&files(TEMPLATES), &changed);
    let ids: Vec<_> = diff.changed.iter().map(|policy| policy.after.id.as_str()).collect();
    assert_eq!(ids, ["look-around"]);
    let diff = PolicyDiff::between(&PolicyFiles::shipped(), &changed);
    let ids: Vec<_> = diff.added.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(ids, ["keep-out", "look-around", "on-call-ssh"]);
}

#[cfg(feature = "watch")]
#[tokio::test]
async fn another_node_learns_of_grants_and_ended_ones_are_swept_with_one_event() {
    let here = Desk::new().await;
    let there = Desk::at(Arc::clone(&here.clock), Some(Arc::clone(&here.store))).await;
    let admin = holder(Role::Admin);
    let follow = Arc::clone(&there.grants).follow(std::future::pending());
    let test = async {
        let id = here.grant(&admin, &ssh()).await.unwrap();
        wait_until(|| there.may(&bob(), "ssh", &server("staging"))).await;
        here.revoke(&admin, &id).await.unwrap();
        wait_until(|| !there.may(&bob(), "ssh", &server("staging"))).await;
        here.grant(&admin, &ssh()).await.unwrap();
        here.clock.advance(Duration::from_hours(9));
        here.grants.sweep().await.unwrap();
        there.grants.sweep().await.unwrap();
    };
    tokio::select! {
        () = follow => panic!("it ended"),
        () = test => {}
    }
    let expired = |desk: &Desk| {
        desk.recorded().iter().filter(|(action, _)| action == "authz.grant.expire").count()
    };
    assert_eq!(expired(&here) + expired(&there), 1);
    assert!(here.engine.grants().is_empty());
}

#[cfg(feature = "watch")]
async fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..100 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(holds(), "it took more than a second");
}

#[tokio::test]
async fn what_is_granted_is_enumerated_and_explained_and_others_grants_are_not_told() {
    let desk = Desk::new().await;
    let admin = holder(Role::Admin);
    let id = desk.grant(&admin, &ssh()).await.unwrap();
    let office = circumstances(true, "10.0.0.1", NOON);
    let (bob, what) = (bob(), ResourceEntity::new("Server", "web-1"));
    let hundred = NonZeroU32::new(100).unwrap();

    let search = ResourceSearch::new(&bob, office, "ssh", "Server");
    let found = desk.engine.permitted_resources(&search, None, hundred).unwrap();
    assert_eq!(found.items, [web()]);
    let may = |claims| desk.engine.permitted_actions(&bob, office, &what, claims).unwrap();
    assert_eq!(may(&Claims::NONE), ["ssh"]);
    let mut cells = Vec::new();
    let people = [bob.clone()];
    let review = Review::new(&people, office).of_kind("Server");
    let row = |row: MatrixRow| -> Result<()> {
        cells.extend(row.allowed);
        Ok(())
    };
    desk.engine.matrix(&review, row).unwrap();
    assert_eq!(cells, ["ssh"]);

    let told = desk.engine.explain(&AccessRequest::by(&bob, office, "ssh", &what)).unwrap();
    assert!(told.decision.allowed);
    assert_eq!(told.determined_by[0].id, id.as_str());
    assert_eq!(told.determined_by[0].description, "whoever is on call logs in to one server");
    let eve = Principal::new(PrincipalKind::User, "user_eve", "eve");
    let told = desk.engine.explain(&AccessRequest::by(&eve, office, "ssh", &what)).unwrap();
    assert!(!told.decision.allowed && !format!("{told:?}").contains(id.as_str()), "{told:?}");

    // A moment that is stated brings nobody back what has ended.
    desk.clock.advance(Duration::from_hours(9));
    let search = ResourceSearch::new(&bob, office, "ssh", "Server");
    assert!(desk.engine.permitted_resources(&search, None, hundred).unwrap().items.is_empty());
}

#[test]
fn templates_are_held_against_the_schema_when_they_are_loaded() {
    let refused = |template: &str| {
        let clock = Arc::new(ManualClock::at(NOON.parse().unwrap()));
        CedarEngine::from_files(&files(template), clock, CedarOptions::default()).unwrap_err()
    };
    let head = "permit (principal == ?principal, action, resource)";
    for (what, text) in [
        ("no id", format!("@description(\"x\") {head};")),
        ("no description", format!("@id(\"x\") {head};")),
        ("an id that a policy has", format!("@id(\"prod-sre\") @description(\"x\") {head};")),
        (
            "an unknown attribute",
            format!("@id(\"x\") @description(\"x\") {head} when {{ context.mfa }};"),
        ),
        (
            "grantable by whom",
            format!("@id(\"x\") @description(\"x\") @grantable(\"all\") {head};"),
        ),
    ] {
        let error = refused(&text);
        assert_eq!(error.code(), codes::POLICIES_INVALID, "{what}");
        assert!(error.fields()[0].field.starts_with("templates.cedar"), "{what}: {error}");
    }
}
