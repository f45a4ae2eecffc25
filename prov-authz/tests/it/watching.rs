//! The watcher, with real files and real time.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use prov_authz::{CedarEngine, CedarOptions, PolicyEngine, PolicyReloader};
use prov_core::audit::{MemoryRecorder, Outcome};

use crate::world::{clock, policy_directory};

const FREEZE: &str =
    "@id(\"freeze\")\n@description(\"d\")\nforbid (principal, action, resource);\n";

/// Waits until it holds; fails after ten seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(holds(), "did not come about: {what}");
}

#[tokio::test]
async fn a_change_of_the_directory_goes_live_and_a_broken_one_does_not() {
    let folder = policy_directory();
    let clock = clock();
    let options = CedarOptions::default();
    let engine = Arc::new(CedarEngine::open(folder.path(), Arc::clone(&clock), options).unwrap());
    let recorder = MemoryRecorder::new();
    let reloader = PolicyReloader::new(
        Arc::clone(&engine),
        folder.path(),
        Arc::new(recorder.clone()),
        Arc::clone(&clock),
    );
    let before = engine.revision();
    let file = folder.path().join("freeze.cedar");
    let scenario = async {
        // Let the first look, which finds nothing new, pass.
        tokio::time::sleep(Duration::from_millis(200)).await;
        fs::write(&file, "forbid (").unwrap();
        until("a failure is shown", || engine.status().last_failure.is_some()).await;
        assert_eq!(engine.revision(), before);
        let next = folder.path().join(".freeze.tmp");
        fs::write(&next, FREEZE).unwrap();
        fs::rename(&next, &file).unwrap();
        until("the new set is live", || engine.revision() != before).await;
        fs::remove_file(&file).unwrap();
        until("the old set is live again", || engine.revision() == before).await;
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = Arc::new(reloader).run(clock, Duration::from_hours(1), async {
        let _ = stopped.await;
    });
    tokio::join!(running, async {
        scenario.await;
        stop.send(()).unwrap();
    });
    let outcomes: Vec<_> = recorder.events().iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failure, Outcome::Success, Outcome::Success]);
}

#[tokio::test]
async fn a_directory_that_comes_back_is_found_at_the_next_look() {
    let folder = policy_directory();
    let clock = clock();
    let options = CedarOptions::default();
    let engine = Arc::new(CedarEngine::open(folder.path(), Arc::clone(&clock), options).unwrap());
    let recorder = Arc::new(MemoryRecorder::new());
    let reloader =
        PolicyReloader::new(Arc::clone(&engine), folder.path(), recorder, Arc::clone(&clock));
    let before = engine.revision();
    let aside = tempfile::tempdir().unwrap();
    let scenario = async {
        fs::rename(folder.path(), aside.path().join("away")).unwrap();
        until("a failure is shown", || engine.status().last_failure.is_some()).await;
        assert_eq!(engine.revision(), before);
        fs::write(aside.path().join("away/freeze.cedar"), FREEZE).unwrap();
        fs::rename(aside.path().join("away"), folder.path()).unwrap();
        until("the new set is live", || engine.revision() != before).await;
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = Arc::new(reloader).run(clock, Duration::from_millis(50), async {
        let _ = stopped.await;
    });
    tokio::join!(running, async {
        scenario.await;
        stop.send(()).unwrap();
    });
}
