//! An index that has no room, while the log has.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prov_audit::{LogOptions, codes};
use prov_core::audit::RetentionClass;
use prov_core::{HealthCheck, HealthState, ManualClock};

use super::*;
use crate::bench_log::{ORIGIN, skip};

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
    // A slow machine may be behind before there is no room, which alone is a matter of health.
    while behind.is_none() || log.health().await.state == HealthState::Up {
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

    limit_files("unlimited");
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
    // The thread says so when its step is done.
    for _ in 0..250 {
        if log.health().await.state == HealthState::Up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.health().await.state, HealthState::Up);
    println!("caught up");
}

/// How long a file may become where there is no room for an erasure: longer than any of the log's, and shorter than
/// the index.
const LONGEST_OF_LOG: u32 = 400_000;

/// Sets how long a file of this process may become.
fn limit_files(longest: &str) {
    let pid = std::process::id().to_string();
    let limit = format!("--fsize={longest}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

/// Records events of the first, with many words of their own in their user agents, for which the index takes room;
/// and some of the second, with so many words each.
async fn plant_words(bench: &Bench, log: &Log, words: u32) {
    for number in 0..260 {
        let (person, words) = if number < 240 { (0, 60) } else { (1, words) };
        let agent: Vec<String> = (0..words).map(|word| format!("w{number}x{word}")).collect();
        let id = RequestId::generate(&*bench.clock).unwrap();
        let agent = agent.join(" ");
        let facts = RequestFacts::new(id, bench.clock.now()).by_agent(Some(&agent));
        let account = format!("user_{person}");
        let actor = Actor::account(PrincipalKind::User, account, name(person));
        let event = Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success);
        log.record(event.by(actor).in_request(&facts)).await.unwrap();
    }
}

/// Not a test of its own: a process that erases somebody when there is no room. Either what goes is so much that the
/// change can't be written, or it can, but not be brought into the database.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child what it is for")]
async fn child_that_erases_without_room() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let words: u32 = words.parse().unwrap();
    let bench = Bench::new();
    let options = bench.options().index_patience(Duration::from_millis(300));
    let log = Log::open(options).await.unwrap();
    plant(&bench, &log, 3, 20).await;
    plant_words(&bench, &log, words).await;
    let found = async |query: &Query| Ok(log.query(query).await?.items.len());
    while found(&by_address(1)).await.is_err_and(|e: prov_core::Error| e.is(codes::INDEX_BEHIND)) {}
    assert_eq!(found(&by_address(1)).await.unwrap(), 20);
    let index = bench.dir.path().join("index");
    let hashes = hashes(&*bench.store, 1).await;
    assert!(!found_in(&index, &hashes).is_empty());

    limit_files(&LONGEST_OF_LOG.to_string());
    let admin = prov_core::SecurityContext::system("privacy", &*bench.clock).unwrap();
    let is_erased = AtomicBool::new(false);
    let erasing = async {
        let erased = log.erase_subject(&admin, PrincipalKind::User, "user_1").await;
        is_erased.store(true, Ordering::Release);
        assert!(erased.unwrap(), "also when the index can't be made anew now");
        assert_eq!(found_in(bench.dir.path(), &hashes), Vec::<PathBuf>::new());
    };
    let asking = async {
        loop {
            let was_erased = is_erased.load(Ordering::Acquire);
            let (one, other) = (found(&by_address(1)).await, found(&by_address(2)).await);
            assert!(matches!(one, Ok(0) | Err(_)) || matches!(one, Ok(20) if !was_erased));
            assert!(matches!(other, Ok(20) | Err(_)), "{other:?}");
            for error in [one.err(), other.err()].into_iter().flatten() {
                assert!(error.is(codes::INDEX_BEHIND), "{error:?}");
            }
            if was_erased {
                return;
            }
        }
    };
    tokio::join!(erasing, asking);
    if words > 1 {
        let behind = found(&by_address(2)).await.unwrap_err();
        assert!(behind.is(codes::INDEX_BEHIND), "the index went: {behind:?}");
        assert_eq!(log.health().await.state, HealthState::Degraded);
    }
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);

    limit_files("unlimited");
    let mut left = found(&by_address(2)).await;
    for _ in 0..100 {
        if left.is_ok() {
            break;
        }
        left = found(&by_address(2)).await;
    }
    assert_eq!((left.unwrap(), found(&by_address(1)).await.unwrap()), (20, 0));
    assert_eq!(found_in(bench.dir.path(), &hashes), Vec::<PathBuf>::new());
    println!("caught up");
}

/// Not a test of its own: a process in which the key of a day of strangers ends when there is no room.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child that it is one")]
async fn child_that_outlives_a_key_without_room() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let (bench, hour) = (Bench::new(), Duration::from_hours(1));
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let shared = Arc::<ManualClock>::clone(&clock);
    let options = LogOptions::new(bench.dir.path(), ORIGIN, Arc::clone(&bench.store), shared)
        .index_patience(Duration::from_millis(300))
        .unattributed_for(hour);
    let log = Log::open(options).await.unwrap();
    for number in 0..240 {
        let agent: Vec<String> = (0..60).map(|word| format!("w{number}x{word}")).collect();
        let id = RequestId::generate(&*clock).unwrap();
        let facts = RequestFacts::new(id, clock.now())
            .from_client(Some([203, 0, 113, 1].into()))
            .by_agent(Some(&agent.join(" ")));
        let event = Event::new(&*clock, Action::AUTH_LOGIN, Outcome::Failure);
        let stranger = Actor::unauthenticated(Some("canary1"));
        log.record(event.by(stranger).in_request(&facts)).await.unwrap();
    }
    let hashes = hashes(&*bench.store, 1).await;
    let found = async || Ok(log.query(&by_address(1)).await?.items.len());
    while found().await.is_err_and(|e: prov_core::Error| e.is(codes::INDEX_BEHIND)) {}
    assert_eq!(found().await.unwrap(), 100, "a page of them");
    assert!(!found_in(&bench.dir.path().join("index"), &hashes).is_empty());

    limit_files(&LONGEST_OF_LOG.to_string());
    clock.advance(hour);
    for _ in 0..400 {
        if found_in(bench.dir.path(), &hashes).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(found_in(bench.dir.path(), &hashes), Vec::<PathBuf>::new());

    limit_files("unlimited");
    let mut left = found().await;
    for _ in 0..100 {
        if left.is_ok() {
            break;
        }
        left = found().await;
    }
    assert_eq!(left.unwrap(), 0);
    println!("caught up");
}

#[test]
fn what_ends_when_there_is_no_room_takes_the_index_with_it() {
    run_without_room("child_that_outlives_a_key_without_room", "unlimited", "1");
}

/// Runs a child of which no file may be longer than so much, until it says otherwise.
fn run_without_room(child: &str, longest: &str, told: &str) {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("prlimit (util-linux) is not installed");
    }
    let done = Command::new("prlimit")
        .args([&format!("--fsize={longest}:unlimited"), "sh", "-c"])
        // A write beyond the limit is an error, not the end of the process.
        .args(["trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("index_faults::room::{child}"), "--nocapture"])
        .env(CHILD, told)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("caught up"), "{told}\n{errors}");
}

#[test]
fn an_index_without_room_lags_visibly_slows_nobody_and_catches_up() {
    run_without_room("child_without_room", &LONGEST.to_string(), "1");
}

#[test]
fn an_erasure_for_which_there_is_no_room_takes_the_index_with_it_and_is_final() {
    // Of so many words: what goes can be written, but not all be brought into the database; it can't be written.
    for words in ["1", "60"] {
        run_without_room("child_that_erases_without_room", "unlimited", words);
    }
    keep_index_row("there is no room for an erasure", 2, 0);
}
