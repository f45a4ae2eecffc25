//! The contract of [`SecretEngine`] as a program: run it against every engine and wrapper.
//!
//! A case that fails panics with what was expected.
#![expect(
    clippy::expect_used,
    reason = "a conformance suite is a test: it panics with what was expected"
)]

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use prov_core::{Clock, Principal, PrincipalKind, Role};

use crate::{
    Effect, Handle, IssueRequest, Issued, LeaseId, Plan, Renewal, SecretEngine, Wish, codes,
};

/// How the suite asks an engine, and looks at what the engine works on.
#[async_trait]
pub trait Outside: Debug + Send + Sync {
    /// Completes a wish so that the engine accepts it: the role and the parameters.
    fn wish(&self, wish: Wish) -> Wish;

    /// Whether the credential works.
    async fn is_usable(&self, issued: &Issued) -> bool;

    /// The names of all credentials that exist outside; empty for an engine that only computes.
    async fn names(&self) -> Vec<String>;
}

/// Runs every case.
pub async fn all(engine: &dyn SecretEngine, outside: &dyn Outside, clock: &dyn Clock) {
    planning_has_no_effect(engine, outside, clock).await;
    an_issued_credential_works_and_carries_its_name(engine, outside, clock).await;
    nothing_outlives_its_lease(engine, outside, clock).await;
    no_secret_is_remembered_or_printed(engine, outside, clock).await;
    revoking_ends_it_and_may_be_repeated(engine, outside, clock).await;
    the_handle_of_the_intent_is_enough_to_revoke(engine, outside, clock).await;
    revoking_what_never_was_is_no_error(engine, outside, clock).await;
    renewing_does_what_the_engine_says_of_itself(engine, outside, clock).await;
}

const TTL: Duration = Duration::from_mins(10);

struct Prepared {
    handle: Handle,
    request: IssueRequest,
}

async fn plan(engine: &dyn SecretEngine, outside: &dyn Outside, clock: &dyn Clock) -> (Wish, Plan) {
    let lease = LeaseId::generate(clock).expect("there is randomness");
    let caller = Principal::new(PrincipalKind::User, "user_conformance", "conformance")
        .with_roles([Role::Admin]);
    let wish = outside.wish(Wish::new(lease, caller, "default", clock.now()).for_ttl(Some(TTL)));
    let plan = engine.plan(&wish).await.expect("the suite's wish is allowed");
    (wish, plan)
}

async fn prepare(engine: &dyn SecretEngine, outside: &dyn Outside, clock: &dyn Clock) -> Prepared {
    let (wish, plan) = plan(engine, outside, clock).await;
    assert_eq!(plan.ttl, TTL, "the time that was asked for, or a refusal");
    let handle = Handle::new(wish.lease.clone(), wish.role.clone()).with_facts(plan.facts);
    let ends = wish.asked_at.checked_add(plan.ttl).expect("ten minutes from now exists");
    let request = IssueRequest::new(handle.clone(), wish.requester.id, wish.asked_at, ends)
        .with_input(plan.input);
    Prepared { handle, request }
}

fn carries(names: &[String], handle: &Handle) -> bool {
    names.iter().any(|name| name.contains(&handle.name()) || name.contains(handle.lease.as_str()))
}

async fn planning_has_no_effect(e: &dyn SecretEngine, o: &dyn Outside, clock: &dyn Clock) {
    let before = o.names().await;
    plan(e, o, clock).await;
    assert_eq!(before, o.names().await, "planning creates nothing outside");
}

async fn an_issued_credential_works_and_carries_its_name(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    let issued = engine.issue(&prepared.request).await.expect("issuing succeeds");
    assert!(outside.is_usable(&issued).await, "an issued credential is usable");
    if engine.info().effect == Effect::Outside {
        assert!(carries(&outside.names().await, &prepared.handle), "its name carries its lease");
    }
    engine.revoke(&prepared.handle).await.expect("revoking succeeds");
}

async fn nothing_outlives_its_lease(e: &dyn SecretEngine, o: &dyn Outside, clock: &dyn Clock) {
    let prepared = prepare(e, o, clock).await;
    let issued = e.issue(&prepared.request).await.expect("issuing succeeds");
    assert!(issued.expires_at <= prepared.request.expires_at, "it ends with its lease");
    e.revoke(&prepared.handle).await.expect("revoking succeeds");
}

async fn no_secret_is_remembered_or_printed(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    let asked = format!("{:?}", prepared.request);
    let issued = engine.issue(&prepared.request).await.expect("issuing succeeds");
    let seen = format!("{asked} {issued:?} {:?} {:?}", issued.facts, prepared.handle.facts);
    for (name, value) in &issued.data {
        let secret = ["password", "private_key", "secret", "token"].contains(&name.as_str());
        let shown = secret && seen.contains(value.expose());
        assert!(!shown, "`{name}` is printed or remembered");
    }
    engine.revoke(&prepared.handle).await.expect("revoking succeeds");
}

async fn revoking_ends_it_and_may_be_repeated(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    let issued = engine.issue(&prepared.request).await.expect("issuing succeeds");
    for _ in 0..3 {
        engine.revoke(&prepared.handle).await.expect("revoking is idempotent");
    }
    if engine.info().effect == Effect::Outside {
        assert!(!outside.is_usable(&issued).await, "a revoked credential is of no use");
        assert!(!carries(&outside.names().await, &prepared.handle), "nothing of it is left");
    }
}

async fn the_handle_of_the_intent_is_enough_to_revoke(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    // What came back is lost, as after a crash: only what was planned is known.
    drop(engine.issue(&prepared.request).await.expect("issuing succeeds"));
    engine.revoke(&prepared.handle).await.expect("the planned handle finds it");
    assert!(!carries(&outside.names().await, &prepared.handle), "nothing of it is left");
}

async fn revoking_what_never_was_is_no_error(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    engine.revoke(&prepared.handle).await.expect("there is nothing to revoke, which is fine");
}

async fn renewing_does_what_the_engine_says_of_itself(
    engine: &dyn SecretEngine,
    outside: &dyn Outside,
    clock: &dyn Clock,
) {
    let prepared = prepare(engine, outside, clock).await;
    engine.issue(&prepared.request).await.expect("issuing succeeds");
    let renewed = engine.renew(&prepared.handle, TTL).await;
    match engine.info().renewal {
        Renewal::UpToMaximum => {
            let ends = renewed.expect("a renewable credential is renewed");
            let most = clock.now().checked_add(TTL).expect("ten minutes from now exists");
            assert!(ends <= most, "not beyond what was asked");
        }
        Renewal::Never => {
            let error = renewed.expect_err("its end is fixed");
            assert!(error.is(codes::LEASE_NOT_RENEWABLE), "it says so");
        }
    }
    engine.revoke(&prepared.handle).await.expect("revoking succeeds");
}
