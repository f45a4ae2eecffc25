//! The service: whom one may ask about, what one may state, what is recorded.

use std::sync::Arc;

use async_trait::async_trait;
use prov_authz::{
    CedarEngine, CedarOptions, Claims, DecisionService, EntityRef, PrincipalSource, Question,
    StatedContext, codes,
};
use prov_core::audit::{Action, MemoryRecorder, Outcome};
use prov_core::{Clock, Principal, Result, Role, SecurityContext, codes as core_codes};

use crate::world::{NIGHT, clock, context_of, environment, holder, member, server};

fn named(id: &str, mut who: Principal) -> Principal {
    id.clone_into(&mut who.id);
    who
}

#[derive(Debug)]
struct Directory;

#[async_trait]
impl PrincipalSource for Directory {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        Ok((id == "user_bob").then(|| named("user_bob", member(&["sre"]))))
    }
}

struct Desk {
    service: DecisionService,
    recorder: MemoryRecorder,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn new() -> Self {
        let (recorder, clock) = (MemoryRecorder::new(), clock());
        let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
        let service =
            DecisionService::new(Arc::new(engine), Arc::new(recorder.clone()), Arc::clone(&clock))
                .with_principals(Arc::new(Directory));
        Self { service, recorder, clock }
    }

    fn caller(&self, who: &Principal, mfa: bool) -> SecurityContext {
        context_of(who, mfa, &*self.clock)
    }
}

fn deploy() -> Question {
    let approved = StatedContext::claiming(Claims::NONE.with_approval("CHG-1"));
    Question::new("deploy", server("production")).under(approved)
}

#[tokio::test]
async fn a_decision_about_oneself_is_recorded_before_it_is_answered() {
    let desk = Desk::new();
    let ann = desk.caller(&member(&["sre"]), true);
    let allowed = desk.service.authorize(&ann, &deploy()).await.unwrap();
    assert!(allowed.allowed);
    let without = desk.caller(&member(&["sre"]), false);
    let denied = desk.service.authorize(&without, &deploy()).await.unwrap();
    assert_eq!(denied.determining_policies, ["prod-deploy-mfa"]);
    let events = desk.recorder.events();
    assert_eq!(events.len(), 2);
    for (event, decision) in events.iter().zip([&allowed, &denied]) {
        assert_eq!(event.action, Action::AUTHZ_DECISION);
        let mut recorded = event.decision.clone().unwrap();
        let asked = recorded.asked.take().unwrap();
        assert_eq!(recorded, decision.record());
        assert_eq!((asked.action.as_str(), asked.address_stated), ("deploy", false));
        assert_eq!(asked.attributes["environment"], "production");
        assert_eq!(event.resource.as_ref().unwrap().kind, "Server");
        assert_eq!(event.context["action"], "deploy");
    }
    assert_eq!([events[0].outcome, events[1].outcome], [Outcome::Success, Outcome::Denied]);
    assert!(ann.request().is_recorded());
}

#[tokio::test]
async fn nobody_states_their_own_circumstances_without_permission() {
    let desk = Desk::new();
    let ann = desk.caller(&member(&["sre"]), false);
    let approved = || StatedContext::claiming(Claims::NONE.with_approval("CHG-1"));
    for lie in [
        approved().with_mfa(true),
        approved().from_address("10.0.0.1"),
        approved().at("2026-03-02T12:00:00Z"),
    ] {
        let asked = Question::new("deploy", server("production")).under(lie);
        let error = desk.service.authorize(&ann, &asked).await.unwrap_err();
        assert!(error.is(codes::ACCESS_DENIED), "{error}");
        assert!(desk.service.explain(&ann, &asked).await.is_err());
        let asked_for = &[server("production")];
        let answer = desk.service.permissions(&ann, None, asked_for, &asked.context).await;
        assert!(answer.is_err());
    }
    let events = desk.recorder.events();
    assert_eq!(events.len(), 9);
    assert!(events.iter().all(|event| event.outcome == Outcome::Denied));
    assert_eq!(events[0].resource.as_ref().unwrap().id, "decisions");
}

#[tokio::test]
async fn an_administrator_may_ask_about_others_under_stated_circumstances() {
    let desk = Desk::new();
    let admin = desk.caller(&named("user_adm", holder(Role::Admin)), true);
    let bob = || EntityRef::new("User", "user_bob");
    let plain = desk.service.authorize(&admin, &deploy().about(bob())).await.unwrap();
    assert_eq!(plain.determining_policies, ["prod-deploy-mfa"], "the caller's MFA is not bob's");
    let stated = || StatedContext::claiming(Claims::NONE.with_approval("CHG-1")).with_mfa(true);
    let asked = |context| Question::new("deploy", server("production")).about(bob()).under(context);
    assert!(desk.service.authorize(&admin, &asked(stated())).await.unwrap().allowed);
    let at_night = desk.service.authorize(&admin, &asked(stated().at(NIGHT))).await.unwrap();
    assert_eq!(at_night.determining_policies, ["prod-deploy-hours"]);
    let away = asked(stated().from_address("::ffff:203.0.113.5"));
    let away = desk.service.authorize(&admin, &away).await.unwrap();
    assert_eq!(away.determining_policies, ["prod-ip-restriction"]);
    assert_eq!(desk.recorder.events()[0].context["principal"], "user_bob");

    for (bad, field) in [
        (stated().at("noon"), "context.time"),
        (stated().from_address("10.0.0.0/8"), "context.ip_address"),
    ] {
        let error = desk.service.authorize(&admin, &asked(bad)).await.unwrap_err();
        assert_eq!(error.fields()[0].field, field);
    }
    let nobody = deploy().about(EntityRef::new("User", "user_zoe"));
    let error = desk.service.authorize(&admin, &nobody).await.unwrap_err();
    assert!(error.is(core_codes::NOT_FOUND));
    let team = deploy().about(EntityRef::new("Team", "sre"));
    let error = desk.service.authorize(&admin, &team).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "principal.type");
}

#[tokio::test]
async fn others_are_not_asked_about_without_permission_or_source() {
    let desk = Desk::new();
    let ann = desk.caller(&member(&["platform-admin"]), true);
    let about_bob = deploy().about(EntityRef::new("User", "user_bob"));
    let error = desk.service.authorize(&ann, &about_bob).await.unwrap_err();
    assert!(error.is(codes::ACCESS_DENIED));
    let about_self = deploy().about(EntityRef::new("User", "user_ann"));
    assert!(desk.service.authorize(&ann, &about_self).await.unwrap().allowed);

    let bare = DecisionService::new(
        Arc::clone(desk.service.engine()),
        Arc::new(desk.recorder.clone()),
        Arc::clone(&desk.clock),
    );
    let admin = desk.caller(&holder(Role::Admin), true);
    let error = bare.authorize(&admin, &about_bob).await.unwrap_err();
    assert!(error.is(codes::PRINCIPALS_UNKNOWN));
}

#[tokio::test]
async fn a_batch_answers_in_order_or_not_at_all() {
    let desk = Desk::new();
    let ann = desk.caller(&member(&["sre"]), true);
    let read = Question::new("read", server("production"));
    let answers = desk.service.authorize_all(&ann, &[deploy(), read.clone()]).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.allowed).collect::<Vec<_>>(), [true, true]);
    assert_eq!(desk.recorder.events().len(), 2);
    let odd = Question::new("explode", server("production"));
    let error = desk.service.authorize_all(&ann, &[read, odd]).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "requests[1].action");
    for count in [0, 101] {
        let many = vec![deploy(); count];
        let error = desk.service.authorize_all(&ann, &many).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "requests");
    }
}

#[tokio::test]
async fn permissions_are_what_each_decision_would_be() {
    let desk = Desk::new();
    let ann = desk.caller(&member(&["security"]), true);
    let resources = [server("production"), environment("production"), server("development")];
    let none = StatedContext::default();
    let all = desk.service.permissions(&ann, None, &resources, &none).await.unwrap();
    let actions: Vec<_> = all.iter().map(|one| one.actions.join(" ")).collect();
    assert_eq!(actions, ["list monitor read", "list lockdown monitor read", "list monitor read"]);
    assert_eq!(desk.recorder.events().len(), 1);
    let odd = [server("production").with("colour", "red")];
    let error = desk.service.permissions(&ann, None, &odd, &none).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "resources[0].resource.attributes.colour");
    for (claims, field) in [
        (Claims::NONE.with_approval("a\0b"), "context.approval_id"),
        (Claims::NONE.with_reason("a".repeat(1025)), "context.reason"),
    ] {
        let malformed = StatedContext::claiming(claims);
        let error = desk.service.permissions(&ann, None, &resources, &malformed).await.unwrap_err();
        assert_eq!(error.fields()[0].field, field);
    }
}

#[tokio::test]
async fn built_in_policies_are_not_reloaded() {
    let desk = Desk::new();
    let admin = desk.caller(&holder(Role::Admin), true);
    let error = desk.service.reload(&admin).await.unwrap_err();
    assert!(error.is(codes::POLICIES_BUILT_IN));
}
