//! Reloading: a bad set never replaces a good one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use prov_authz::{
    CedarEngine, CedarOptions, Claims, PolicyEngine, PolicyFiles, PolicyReloader, codes,
};
use prov_core::audit::{Action, Event, MemoryRecorder, Outcome, Receipt, Recorder};
use prov_core::{Error, HealthCheck, HealthState, Result, Role, codes as core_codes};
use tempfile::TempDir;

use crate::world::{ask, clock, context_of, holder, member, policy_directory, server};

const FREEZE: &str = "@id(\"freeze\")\n@description(\"nothing changes during the audit\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

fn opened() -> (TempDir, Arc<CedarEngine>) {
    let folder = policy_directory();
    let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
    (folder, Arc::new(engine))
}

fn reads_development(engine: &CedarEngine) -> bool {
    ask(engine, &member(&["sre"]), "read", &server("development"), true, &Claims::NONE).allowed
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_set_in_force_and_is_shown_until_it_is_fixed() {
    let (folder, engine) = opened();
    let before = engine.revision();
    write(folder.path(), "freeze.cedar", "@id(\"freeze\")\n@description(\"d\")\nforbid (principal");
    let error = engine.reload_from(folder.path()).unwrap_err();
    assert!(error.fields()[0].field.starts_with("freeze.cedar:3:"), "{error}");
    assert_eq!(engine.revision(), before);
    assert!(reads_development(&engine));
    let shown = engine.status().last_failure.unwrap();
    assert_eq!((shown.findings[0].file.as_str(), shown.findings[0].line), ("freeze.cedar", 3));
    let health = engine.health().await;
    assert_eq!(health.state, HealthState::Degraded);
    let detail = health.detail.unwrap();
    assert!(
        detail.contains("refused") && !detail.contains("freeze"),
        "no word of the draft: {detail}"
    );

    write(folder.path(), "freeze.cedar", FREEZE);
    let after = engine.reload_from(folder.path()).unwrap();
    assert_ne!(after, before);
    assert_eq!(engine.revision(), after);
    assert!(!reads_development(&engine));
    assert_eq!(engine.status().last_failure, None);
    assert_eq!(engine.health().await.state, HealthState::Up);
    assert_eq!((engine.stats().reloads, engine.stats().reload_failures), (1, 1));
}

#[test]
fn a_file_cut_short_anywhere_never_opens_what_the_whole_file_closes() {
    let (folder, engine) = opened();
    let before = engine.revision();
    let files = PolicyFiles::shipped();
    let whole = &files.policies.iter().find(|file| file.name == "production.cedar").unwrap().text;
    let cuts = [0, 1, 150, 200, whole.len() / 3, whole.len() / 2, whole.len() - 2];
    for cut in cuts {
        let part = whole.get(..cut).unwrap();
        write(folder.path(), "production.cedar", part);
        let error = engine.reload_from(folder.path()).unwrap_err();
        assert!(error.is(codes::POLICIES_INVALID), "cut at {cut}");
        assert!(error.fields()[0].field.starts_with("production.cedar"), "cut at {cut}: {error}");
        assert_eq!(engine.revision(), before);
    }
}

#[test]
fn a_directory_that_vanishes_leaves_the_old_set_in_force() {
    let (folder, engine) = opened();
    let before = engine.revision();
    for name in ["schema.cedarschema", "production.cedar"] {
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        if name.ends_with("schema") {
            assert!(engine.reload_from(folder.path()).is_err());
        }
        fs::write(path, text).unwrap();
    }
    let path = folder.path().to_owned();
    folder.close().unwrap();
    assert!(engine.reload_from(&path).is_err());
    assert_eq!(engine.revision(), before);
    assert!(reads_development(&engine));
}

#[tokio::test]
async fn every_reload_is_recorded_and_a_repeated_refusal_once() {
    let (folder, engine) = opened();
    let recorder = MemoryRecorder::new();
    let clock = clock();
    let reloader = PolicyReloader::new(
        Arc::clone(&engine),
        folder.path(),
        Arc::new(recorder.clone()),
        Arc::clone(&clock),
    );
    let context = context_of(&holder(Role::Admin), true, &*clock);
    let outcomes = || -> Vec<_> { recorder.events().iter().map(|event| event.outcome).collect() };

    reloader.refresh(&context).await.unwrap();
    assert_eq!(outcomes(), [], "nothing changed");
    write(folder.path(), "freeze.cedar", "forbid");
    assert!(reloader.refresh(&context).await.is_err());
    assert!(reloader.refresh(&context).await.is_err());
    assert_eq!(outcomes(), [Outcome::Failure], "the same refusal again is no news");
    assert!(reloader.reload(&context).await.is_err());
    assert_eq!(outcomes().len(), 2, "somebody asked");
    write(folder.path(), "freeze.cedar", FREEZE);
    let revision = reloader.refresh(&context).await.unwrap();
    let events = recorder.events();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.action == Action::AUTHZ_POLICY_RELOAD));
    assert_eq!(events[2].outcome, Outcome::Success);
    assert_eq!(events[2].context["revision"], revision.as_str());
    assert_ne!(events[2].context["previous_revision"], revision.as_str());
    assert!(events[0].context["findings"][0].as_str().unwrap().starts_with("freeze.cedar:1:"));
}

#[tokio::test]
async fn a_set_that_was_refused_and_taken_back_is_no_failure_any_more() {
    let (folder, engine) = opened();
    let clock = clock();
    let recorder = MemoryRecorder::new();
    let reloader = PolicyReloader::new(
        Arc::clone(&engine),
        folder.path(),
        Arc::new(recorder.clone()),
        Arc::clone(&clock),
    );
    let context = context_of(&holder(Role::Admin), true, &*clock);
    write(folder.path(), "freeze.cedar", "forbid");
    assert!(reloader.refresh(&context).await.is_err());
    fs::remove_file(folder.path().join("freeze.cedar")).unwrap();
    reloader.refresh(&context).await.unwrap();
    assert_eq!(engine.status().last_failure, None);
    assert_eq!(recorder.events().len(), 2);
}

/// A log that is full.
#[derive(Debug)]
struct Full;

#[async_trait]
impl Recorder for Full {
    async fn record(&self, _: Event) -> Result<Receipt> {
        Err(Error::new(core_codes::STORAGE_FULL))
    }
}

#[tokio::test]
async fn a_set_whose_event_can_not_be_recorded_does_not_go_live() {
    let (folder, engine) = opened();
    let clock = clock();
    let before = engine.revision();
    let reloader =
        PolicyReloader::new(Arc::clone(&engine), folder.path(), Arc::new(Full), Arc::clone(&clock));
    write(folder.path(), "freeze.cedar", FREEZE);
    let context = context_of(&holder(Role::Admin), true, &*clock);
    let error = reloader.reload(&context).await.unwrap_err();
    assert!(error.is(core_codes::STORAGE_FULL));
    assert_eq!(engine.revision(), before);
}

/// While two threads decide without a pause; the benchmark `policy_reload` does it a thousand times.
#[test]
fn decisions_under_reload_are_whole_and_none_fails() {
    let (folder, engine) = opened();
    let frozen = policy_directory();
    write(frozen.path(), "freeze.cedar", FREEZE);
    let open = engine.revision();
    let done = AtomicBool::new(false);
    let decide = || {
        let (who, what) = (member(&["sre"]), server("development"));
        let mut seen = 0_u64;
        while !done.load(Ordering::Relaxed) {
            let decision = ask(&engine, &who, "read", &what, true, &Claims::NONE);
            // What decided and what is said to have decided are one set.
            assert_eq!(decision.allowed, decision.revision == open);
            assert!(decision.errors.is_empty(), "{decision:?}");
            seen += 1;
        }
        seen
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(decide), scope.spawn(decide)];
        for _ in 0..50 {
            engine.reload_from(frozen.path()).unwrap();
            engine.reload_from(folder.path()).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert_eq!(engine.stats().reloads, 100);
}
