//! Recorded decisions made again, and a candidate beside the set in force.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Circumstances, Claims, DecisionService, Draft,
    EntityRef, PolicyEngine, PolicyFiles, Question, RecordedDecision, RecordedDecisions,
    RecordedPage, ShadowedEngine, SourceFile, StatedContext, Window, codes,
};
use prov_core::audit::{Action, MemoryRecorder};
use prov_core::{Clock, Principal, Result, Role, Timestamp};

use crate::world::{NOON, OFFICE, clock, context_of, holder, member, server};

const FREEZE: &str = "@id(\"freeze\")\n@description(\"d\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

/// The events of a recorder, as the audit log would give them back: two to a page.
#[derive(Debug)]
struct Recorded(MemoryRecorder);

#[async_trait]
impl RecordedDecisions for Recorded {
    async fn recorded(&self, window: Window, cursor: Option<&str>) -> Result<RecordedPage> {
        let start: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let events = self.0.events();
        let is_asked = |at: Timestamp| (window.from..=window.to).contains(&at);
        let items = events.iter().skip(start).take(2).filter(|event| is_asked(event.time));
        let items = items.filter_map(|event| {
            let record = event.decision.clone().filter(|record| record.asked.is_some())?;
            let name = event.actor.name.as_ref().map(|name| name.expose().clone());
            let address = event.ip.as_ref().map(|ip| *ip.expose());
            let recorded = RecordedDecision::new(record);
            Some(recorded.by(event.actor.id.clone(), name).from_address(address))
        });
        let next = (start + 2 < events.len()).then(|| (start + 2).to_string());
        Ok(RecordedPage { items: items.collect(), next })
    }
}

struct Desk {
    service: DecisionService,
    shadowed: Arc<ShadowedEngine>,
    recorder: MemoryRecorder,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn new() -> Self {
        let (clock, recorder) = (clock(), MemoryRecorder::new());
        let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
        let engine = Arc::new(engine);
        let shadowed = Arc::new(ShadowedEngine::new(Arc::clone(&engine)));
        let service = DecisionService::new(engine, Arc::new(recorder.clone()), Arc::clone(&clock))
            .with_recorded(Arc::new(Recorded(recorder.clone())))
            .with_shadow(Arc::clone(&shadowed));
        Self { service, shadowed, recorder, clock }
    }

    async fn ask(&self, who: &Principal, action: &str, environment: &str, claims: Claims) {
        let context = context_of(who, true, &*self.clock);
        let question =
            Question::new(action, server(environment)).under(StatedContext::claiming(claims));
        let _recorded = self.service.authorize(&context, &question).await.unwrap();
    }

    async fn simulate(&self, files: Option<PolicyFiles>) -> Result<prov_authz::Simulation> {
        let now = self.clock.now();
        let window = Window { from: now - Duration::from_mins(1), to: now };
        let mut draft = Draft::of_live(window, NonZeroU32::new(100).unwrap());
        if let Some(files) = files {
            draft = draft.trying(files);
        }
        let admin = context_of(&holder(Role::Admin), true, &*self.clock);
        self.service.simulate(&admin, &draft).await
    }
}

fn with(extra: &str) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new("zz.cedar", extra));
    files
}

async fn three_questions(desk: &Desk) {
    let sre = member(&["sre"]);
    desk.ask(&sre, "read", "development", Claims::NONE).await;
    desk.ask(&sre, "deploy", "production", Claims::NONE.with_approval("CHG-1")).await;
    desk.ask(&sre, "deploy", "production", Claims::NONE).await;
}

#[tokio::test]
async fn the_set_that_decided_decides_the_same_again() {
    let desk = Desk::new();
    three_questions(&desk).await;
    let found = desk.simulate(None).await.unwrap();
    assert_eq!((found.considered, found.evaluated, found.incomplete), (3, 3, 0));
    assert_eq!((found.inexact, found.unreproduced), (0, 0));
    assert_eq!((found.newly_allowed, found.newly_denied, found.otherwise_determined), (0, 0, 0));
}

#[tokio::test]
async fn a_draft_is_shown_by_what_it_would_have_changed() {
    let desk = Desk::new();
    three_questions(&desk).await;
    let before = desk.service.engine().revision();
    let found = desk.simulate(Some(with(FREEZE))).await.unwrap();
    assert_eq!((found.newly_allowed, found.newly_denied), (0, 2));
    assert_eq!(found.otherwise_determined, 1, "denied before, and by one more policy now");
    assert_eq!(found.policies["freeze"].newly_denies, 2);
    let sample = &found.samples[0];
    assert!(sample.was_allowed && !sample.would_be_allowed);
    assert_eq!(sample.would_be_determined_by, ["freeze"]);
    assert_eq!((sample.principal.as_str(), sample.action.as_str()), ("user_ann", "read"));
    assert_eq!(desk.service.engine().revision(), before, "a simulation changes nothing");
    assert_eq!(desk.service.engine().stats().denied, 1, "nor does it count as deciding");
    let event = desk.recorder.events().pop().unwrap();
    assert_eq!(
        (event.action, &event.context["newly_denied"]),
        (Action::AUTHZ_POLICY_SIMULATE, &2.into())
    );

    let mut open = PolicyFiles::shipped();
    for file in &mut open.policies {
        file.text = file.text.replace("@id(\"prod-deploy-approval\")", "@id(\"off\")");
        if let Some(at) = file.text.find("@id(\"off\")") {
            let end = at + file.text.get(at..).unwrap().find("};").unwrap() + 2;
            file.text.replace_range(at..end, "");
        }
    }
    let found = desk.simulate(Some(open)).await.unwrap();
    assert_eq!((found.newly_allowed, found.newly_denied), (1, 0));
    assert!(found.policies["prod-deploy-approval"].no_longer_determines == 1);
}

#[tokio::test]
async fn what_was_not_kept_is_counted_and_never_guessed() {
    let desk = Desk::new();
    let sre = member(&["sre"]);
    desk.ask(&sre, "deploy", "production", Claims::NONE.with_reason("for Bob")).await;
    let admin = context_of(&holder(Role::Admin), true, &*desk.clock);
    let elsewhere = StatedContext::default().from_address("203.0.113.5");
    let asked = Question::new("read", server("production")).under(elsewhere);
    let _recorded = desk.service.authorize(&admin, &asked).await.unwrap();
    let found = desk.simulate(None).await.unwrap();
    assert_eq!((found.considered, found.evaluated), (2, 1));
    assert_eq!((found.incomplete, found.inexact), (1, 1));
}

#[tokio::test]
async fn a_draft_that_could_not_go_live_is_refused_with_its_findings() {
    let desk = Desk::new();
    three_questions(&desk).await;
    let error = desk.simulate(Some(with("forbid ("))).await.unwrap_err();
    assert!(error.is(codes::POLICIES_INVALID));
    assert!(error.fields()[0].field.starts_with("zz.cedar:1:"));
    assert_eq!(desk.service.engine().status().last_failure, None, "a draft is no failed reload");
}

#[tokio::test]
async fn a_candidate_beside_the_live_set_counts_what_differs_and_decides_nothing() {
    let desk = Desk::new();
    let admin = context_of(&holder(Role::Admin), true, &*desk.clock);
    let report = desk.service.start_shadow(&admin, &with(FREEZE), NonZeroU32::new(1)).await;
    assert_eq!(report.unwrap().policies, 33);
    let sre = member(&["sre"]);
    let at: Timestamp = NOON.parse().unwrap();
    let here = Circumstances::new(true, Some(OFFICE.parse().unwrap()), at);
    let (read, place) = (server("development"), EntityRef::new("Server", "web-1"));
    for _ in 0..10 {
        let decision = desk.shadowed.decide(&AccessRequest::by(&sre, here, "read", &read));
        assert!(decision.allowed, "the set in force decides");
    }
    let mut report = desk.service.shadow_report().unwrap();
    for _ in 0..500 {
        if report.found.evaluated == 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        report = desk.service.shadow_report().unwrap();
    }
    assert_eq!((report.seen, report.found.evaluated, report.passed_over), (10, 10, 0));
    assert_eq!((report.found.newly_denied, report.found.newly_allowed), (10, 0));
    assert_eq!(report.found.samples[0].resource, place);
    desk.service.stop_shadow(&admin).await.unwrap();
    assert!(desk.service.shadow_report().unwrap_err().is(prov_core::codes::NOT_FOUND));
    let actions: Vec<_> = desk.recorder.events().iter().map(|event| event.action.clone()).collect();
    assert_eq!(actions, [Action::AUTHZ_POLICY_SHADOW, Action::AUTHZ_POLICY_SHADOW]);
}

#[tokio::test]
async fn a_trial_that_cannot_keep_up_loses_samples_and_never_requests() {
    let desk = Desk::new();
    let admin = context_of(&holder(Role::Admin), true, &*desk.clock);
    desk.service.start_shadow(&admin, &with(FREEZE), NonZeroU32::new(1)).await.unwrap();
    let sre = member(&["sre"]);
    let here = Circumstances::new(true, Some(OFFICE.parse().unwrap()), desk.clock.now());
    let read = server("development");
    for _ in 0..3_000 {
        assert!(desk.shadowed.decide(&AccessRequest::by(&sre, here, "read", &read)).allowed);
    }
    let report = desk.service.stop_shadow(&admin).await.unwrap();
    assert_eq!(report.seen, 3_000);
    assert!(report.found.evaluated + report.passed_over <= 3_000);
}
