//! Somebody acts for somebody else: both must be allowed.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use prov_authz::{
    AuthzLayer, CedarEngine, CedarOptions, Claims, DecisionService, PolicyEngine, PolicyFiles,
    Protection, Question, ResourceMapper, SourceFile,
};
use prov_core::audit::{DecisionRecord, MemoryRecorder};
use prov_core::{Identity, Principal, PrincipalKind, Role, SecurityContext};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{clock, context_of, engine, holder, member, server};

/// A context of `principal`, for whom `actor` acts.
fn acting(principal: &Principal, actor: &Principal) -> SecurityContext {
    let plain = context_of(principal, true, &*clock());
    let identity = Identity {
        principal: principal.clone(),
        authentication: plain.authentication().clone().acted_by(actor.clone()),
    };
    SecurityContext::new(Arc::new(identity), Arc::clone(plain.request()))
}

/// Somebody else with the same roles and teams.
fn other(mut principal: Principal) -> Principal {
    "user_bot".clone_into(&mut principal.id);
    "bot".clone_into(&mut principal.name);
    principal
}

#[derive(Debug)]
struct ReadsUsers;

impl ResourceMapper for ReadsUsers {
    fn protection(&self, request: &http::request::Parts) -> Protection {
        let resource = prov_authz::ResourceEntity::api("users");
        match request.method.as_str() {
            "GET" => Protection::permitted("read", resource),
            _ => Protection::Unknown,
        }
    }
}

async fn through_the_layer(context: SecurityContext, method: &str) -> (StatusCode, DecisionRecord) {
    let handler =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let layer = AuthzLayer::with_resources(Arc::new(engine()), clock(), Arc::new(ReadsUsers));
    let mut request = Request::builder().method(method).body(()).unwrap();
    request.extensions_mut().insert(context);
    let answer = layer.layer(handler).oneshot(request).await.unwrap();
    let none = DecisionRecord::new("", false, vec![], "");
    (answer.status(), answer.extensions().get().cloned().unwrap_or(none))
}

#[tokio::test]
async fn a_request_passes_only_if_both_may() {
    let (admin, viewer) = (holder(Role::Admin), holder(Role::Viewer));
    let workload =
        Principal::new(PrincipalKind::Workload, "spiffe://prov/ci", "ci").with_roles([Role::Admin]);
    let cases = [
        ("both", &admin, other(holder(Role::Auditor)), true),
        ("the actor may not", &admin, other(viewer.clone()), false),
        ("the user may not", &viewer, other(admin.clone()), false),
        ("neither", &viewer, other(viewer.clone()), false),
        // The shipped schema speaks of users only, whatever roles a program claims to have.
        ("a program", &admin, workload, false),
    ];
    for (case, principal, actor, expected) in cases {
        let (status, decision) = through_the_layer(acting(principal, &actor), "GET").await;
        assert_eq!(status == StatusCode::OK, expected, "{case}");
        assert_eq!(decision.allowed, expected, "{case}");
        let asked = decision.asked.unwrap();
        assert_eq!((asked.principal.id.as_str(), asked.actor.unwrap().id), ("user_ann", actor.id));
    }
    // An administrator is an auditor as well.
    let both = vec!["api-admin".to_owned(), "api-auditor".to_owned()];
    let (status, decision) = through_the_layer(acting(&admin, &other(admin.clone())), "GET").await;
    assert_eq!((status, decision.policies), (StatusCode::OK, both));
}

/// The shipped set, whose actions programs take as well.
fn with_workloads() -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    let declared =
        "entity Workload in [Team, Role] { id: String, name: String };\n  entity User in";
    files.schema.text = files.schema.text.replacen("entity User in", declared, 1);
    files.schema.text =
        files.schema.text.replace("principal: [User]", "principal: [User, Workload]");
    let text = r#"
        @id("only-ci-deploys") @description("of all programs only this one deploys")
        forbid (principal is Provisioning::Workload, action == Provisioning::Action::"deploy", resource)
        unless { principal.id == "spiffe://prov/ci" && principal.name == "ci" };
    "#;
    files.policies.push(SourceFile::new("workloads.cedar", text));
    files
}

#[test]
fn a_program_acts_for_somebody_where_the_schema_speaks_of_programs() {
    let files = with_workloads();
    let program = |id: &str, name: &str, team: &str| {
        Principal::new(PrincipalKind::Workload, id, name).with_teams([team.parse().unwrap()])
    };
    let sre = member(&["sre"]);
    let claims = Claims::NONE.with_approval("CHG-1");
    for options in [CedarOptions::default(), CedarOptions::default().evaluated_by_cedar()] {
        let engine = Arc::new(CedarEngine::from_files(&files, clock(), options).unwrap());
        let handler = |context: &SecurityContext| decides(&engine, context, "deploy", &claims);
        for (actor, expected) in [
            (program("spiffe://prov/ci", "ci", "sre"), true),
            // Another program, one that is in no team that may, and one with another's name.
            (program("spiffe://prov/cd", "ci", "sre"), false),
            (program("spiffe://prov/ci", "ci", "developers"), false),
            (program("spiffe://prov/ci", "cd", "sre"), false),
        ] {
            assert_eq!(handler(&acting(&sre, &actor)), expected, "{actor:?}");
            // Never more than whom it acts for.
            assert!(!handler(&acting(&member(&["developers"]), &actor)), "{actor:?}");
        }
    }
}

fn decides(
    engine: &Arc<CedarEngine>,
    context: &SecurityContext,
    action: &'static str,
    claims: &Claims,
) -> bool {
    let claims = claims.clone();
    let handler =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let engine: Arc<dyn PolicyEngine> = Arc::<CedarEngine>::clone(engine);
    let layer = AuthzLayer::with_mapper(engine, clock(), move |_| Protection::Permitted {
        action: action.into(),
        resource: Box::new(server("production")),
        claims: Box::new(claims.clone()),
    });
    let mut request = Request::builder().body(()).unwrap();
    request.extensions_mut().insert(context.clone());
    let answer = layer.layer(handler).oneshot(request).now_or_never().unwrap().unwrap();
    answer.status() == StatusCode::OK
}

#[test]
fn a_schema_whose_programs_prov_can_not_make_is_refused_when_it_is_loaded() {
    let mut files = with_workloads();
    files.schema.text = files.schema.text.replace(
        "{ id: String, name: String };\n  entity User",
        "{ id: String, owner: String };\n  entity User",
    );
    let error = CedarEngine::from_files(&files, clock(), CedarOptions::default()).unwrap_err();
    let schema = &error.fields()[0];
    assert_eq!(schema.field, "schema.cedarschema");
    assert!(schema.message.contains("`id` and `name` of a team and of a workload"), "{error}");
}

#[tokio::test]
async fn a_mapper_that_does_not_know_a_request_refuses_it() {
    let admin = context_of(&holder(Role::Admin), true, &*clock());
    assert_eq!(through_the_layer(admin.clone(), "GET").await.0, StatusCode::OK);
    assert_eq!(through_the_layer(admin, "PATCH").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn questions_about_oneself_are_answered_for_both_and_the_log_names_the_actor() {
    let recorder = MemoryRecorder::new();
    let service = DecisionService::new(Arc::new(engine()), Arc::new(recorder.clone()), clock());
    let (sre, developers) = (member(&["sre"]), member(&["developers"]));
    let ssh = Question::new("ssh", server("production"));
    let read = Question::new("read", server("production"));
    let caller = acting(&sre, &other(developers.clone()));
    let denied = service.authorize(&caller, &ssh).await.unwrap();
    assert_eq!(
        (denied.allowed, &*denied.determining_policies),
        (false, &["prod-ssh-restricted".to_owned()][..])
    );
    let allowed = service.authorize(&caller, &read).await.unwrap();
    assert!(allowed.allowed);
    assert_eq!(allowed.determining_policies, ["prod-developers-read", "prod-sre"]);
    let explained = service.explain(&caller, &ssh).await.unwrap();
    assert!(!explained.decision.allowed);
    let (about, stated) = ([server("production")], prov_authz::StatedContext::default());
    let may = service.permissions(&caller, None, &about, &stated).await.unwrap();
    assert_eq!(may[0].actions, ["list", "monitor", "read"]);
    for event in recorder.events() {
        assert_eq!(event.actor.id.as_deref(), Some("user_ann"));
        assert_eq!(event.context["acted_by"], "user_bot");
    }
}

#[tokio::test]
async fn whoever_acts_for_an_administrator_does_not_speak_for_others() {
    let service =
        DecisionService::new(Arc::new(engine()), Arc::new(MemoryRecorder::new()), clock());
    let stated = prov_authz::StatedContext::default().with_mfa(true);
    let question = Question::new("read", server("production")).under(stated);
    let admin = holder(Role::Admin).with_teams(["sre".parse().unwrap()]);
    let alone = context_of(&admin, true, &*clock());
    assert!(service.authorize(&alone, &question).await.is_ok());
    let caller = acting(&admin, &other(member(&["sre"])));
    let error = service.authorize(&caller, &question).await.unwrap_err();
    assert_eq!(error.code(), prov_authz::codes::ACCESS_DENIED);
}
