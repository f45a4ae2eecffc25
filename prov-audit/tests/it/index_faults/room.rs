//! An index that has no room, while the log has.

use std::process::Command;
use std::time::Duration;

use prov_audit::codes;
use prov_core::audit::RetentionClass;
use prov_core::{HealthCheck, HealthState};

use super::*;
use crate::bench_log::skip;

/// Tells the child that it is one.
const CHILD: &str = "PROV_AUDIT_INDEX_WITHOUT_ROOM";

/// How long a file may become there: more than any of the log's, and less than the index of a thousand events.
const LONGEST: u32 = 1_600_000;

/// Not a test of its own: a process of which no file may be longer, until it says otherwise.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child that it is one")]
async fn child_without_room() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let bench = Bench::new();
    let options = bench.options().index_patience(Duration::from_millis(300));
    let log = Log::open(options).await.unwrap();
    let event = |number: u64| {
        let mixed =
            |word: u64| format!("{:x}", (number * 60 + word).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let words: Vec<String> = (0..60).map(mixed).collect();
        Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success)
            .with("words", words.join(" "))
    };
    let (mut recorded, mut behind) = (0, None);
    while behind.is_none() {
        assert!(recorded < 20_000, "the index never lacked room");
        let some = (recorded..recorded + 250).map(|number| log.record(event(number)));
        for receipt in futures_util::future::join_all(some).await {
            receipt.unwrap();
        }
        recorded += 250;
        behind = log.query(&Query::new()).await.err();
    }
    let behind = behind.unwrap();
    assert!(behind.is(codes::INDEX_BEHIND) && behind.to_string().contains("behind"), "{behind:?}");
    let health = log.health().await;
    assert_eq!(health.state, HealthState::Degraded, "{health:?}");
    // What is recorded does not suffer.
    let some = (recorded..recorded + 500).map(|number| log.record(event(number)));
    for receipt in futures_util::future::join_all(some).await {
        receipt.unwrap();
    }
    recorded += 500;
    assert_eq!(log.size(RetentionClass::Standard), recorded);
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);

    let pid = std::process::id().to_string();
    let more = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(more.success());
    let mut stats = log.stats(None).await;
    for _ in 0..600 {
        if stats.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        stats = log.stats(None).await;
    }
    let stats = stats.unwrap();
    assert_eq!((stats.indexed(), stats.by_action[0].count), (recorded, recorded));
    assert_eq!(log.query(&Query::new().text("words")).await.unwrap().items.len(), 100);
    assert_eq!(log.health().await.state, HealthState::Up);
    println!("caught up");
}

#[test]
fn an_index_without_room_lags_visibly_slows_nobody_and_catches_up() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit (util-linux) is not installed");
    }
    let here = std::env::current_exe().unwrap();
    let test = "index_faults::room::child_without_room";
    let done = Command::new("prlimit")
        .args([&format!("--fsize={LONGEST}:unlimited"), "sh", "-c"])
        // A write beyond the limit is an error, not the end of the process.
        .args(["trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(here)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("caught up"), "{told}\n{errors}");
}
