//! People, things and moments the tests speak of.

use std::sync::Arc;

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Circumstances, Claims, Decision, PolicyEngine,
    PolicyFiles, ResourceEntity,
};
use prov_core::{
    Amr, Authentication, AuthenticationMethod, Clock, Identity, ManualClock, Principal,
    PrincipalKind, RequestFacts, RequestId, Role, SecurityContext, Timestamp,
};

pub(crate) const OFFICE: &str = "10.0.0.1";
pub(crate) const NOON: &str = "2026-03-02T12:00:00Z";
pub(crate) const NIGHT: &str = "2026-03-02T22:30:00Z";

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(NOON.parse().unwrap()))
}

pub(crate) fn engine() -> CedarEngine {
    CedarEngine::shipped(clock(), CedarOptions::default()).unwrap()
}

pub(crate) fn engine_of(files: &PolicyFiles) -> prov_core::Result<CedarEngine> {
    CedarEngine::from_files(files, clock(), CedarOptions::default())
}

/// A user `user_ann` of these teams.
pub(crate) fn member(teams: &[&str]) -> Principal {
    Principal::new(PrincipalKind::User, "user_ann", "ann")
        .with_teams(teams.iter().map(|name| name.parse().unwrap()))
}

/// A user of this role.
pub(crate) fn holder(role: Role) -> Principal {
    Principal::new(PrincipalKind::User, "user_ann", "ann").with_roles([role])
}

pub(crate) fn server(environment: &str) -> ResourceEntity {
    ResourceEntity::new("Server", "web-1")
        .with("hostname", "web-1.example.org")
        .with("workspace", "shop")
        .with("environment", environment)
}

pub(crate) fn cluster(environment: &str, nodes: i64) -> ResourceEntity {
    ResourceEntity::new("Cluster", "k1")
        .with("name", "k1")
        .with("workspace", "shop")
        .with("environment", environment)
        .with("node_count", nodes)
}

pub(crate) fn workspace(environment: &str, owner: &str) -> ResourceEntity {
    ResourceEntity::new("Workspace", "shop")
        .with("name", "shop")
        .with("environment", environment)
        .with("owner_id", owner)
}

pub(crate) fn environment(id: &'static str) -> ResourceEntity {
    ResourceEntity::new("Environment", id)
}

pub(crate) fn circumstances(mfa: bool, address: &str, time: &str) -> Circumstances {
    let time: Timestamp = time.parse().unwrap();
    Circumstances::new(mfa, Some(address.parse().unwrap()), time)
}

/// Asked at noon from the office.
pub(crate) fn ask(
    engine: &CedarEngine,
    who: &Principal,
    action: &str,
    what: &ResourceEntity,
    mfa: bool,
    claims: &Claims,
) -> Decision {
    let circumstances = circumstances(mfa, OFFICE, NOON);
    engine.decide(&AccessRequest::by(who, circumstances, action, what).with_claims(claims))
}

/// A context as the authentication layer makes it: from the office, at the clock's time.
pub(crate) fn context_of(who: &Principal, mfa: bool, clock: &dyn Clock) -> SecurityContext {
    let now = clock.now();
    let amr = [Amr::Pwd].into_iter().chain(mfa.then_some(Amr::Mfa));
    let identity = Identity {
        principal: who.clone(),
        authentication: Authentication::new(AuthenticationMethod::AccessToken, now).with_amr(amr),
    };
    let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), now)
        .from_client(Some(OFFICE.parse().unwrap()))
        .for_target("POST", "/api/v1/authz/authorize");
    SecurityContext::new(Arc::new(identity), Arc::new(facts))
}

/// The directory and the shipped set in it.
pub(crate) fn policy_directory() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    PolicyFiles::shipped().write_missing(folder.path()).unwrap();
    folder
}
