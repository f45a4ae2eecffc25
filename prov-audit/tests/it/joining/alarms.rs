//! What does not fit is noticed, named and recorded, and nothing of it gets into a mirror.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use prov_core::HealthCheck;
use prov_core::store::{Batch, Expect, Key, Record};
use serde_json::Value;

use super::*;

/// What a node recorded about another's log.
pub(super) async fn recorded(node: &Node, action: &str) -> Vec<Value> {
    let own = format!("prov.example/audit/{}", node.name);
    let page = node.log.query(&Query::new().action(action).origin(own)).await.unwrap();
    page.items.into_iter().map(|event| Value::Object(event.context)).collect()
}

pub(super) async fn until_alarm(node: &Node, of: &str, kind: JoinAlarmKind) {
    until(kind.name(), || node.alarm_of(of) == Some(kind)).await;
    let mut events = Vec::new();
    for _ in 0..200 {
        events = recorded(node, "audit.join.alarm").await;
        if events.iter().any(|event| event["kind"] == kind.name()) {
            let health = node.log.health().await;
            assert_eq!(health.state, prov_core::HealthState::Degraded, "{health:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{kind} is not recorded: {events:?}");
}

pub(super) async fn put(
    bench: &Bench,
    kind: &'static str,
    id: String,
    value: impl Into<bytes::Bytes>,
) {
    let batch = Batch::new().put(Key::new(kind, id), value, Expect::Any);
    bench.store.commit(batch).await.unwrap();
}

/// One node with events that are in the store, and another that has none of them yet.
pub(super) async fn published(bench: &Bench, count: usize) -> (Node, Node, Record) {
    let (one, two) = (Node::open(bench, "one").await, Node::open(bench, "two").await);
    let seen = || two.of("one").is_some() && one.of("two").is_some();
    beside(&[&one, &two], until("they know each other", seen)).await;
    // That it follows the other's log is what parts are published for.
    beside(&[&one, &two], async {
        let follows = |record: &Record| record.id.contains("/one/standard");
        while !records_of(bench, "audit.joined_follower").await.iter().any(follows) {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
    .await;
    one.record(bench, count).await;
    let mut part = None;
    beside(&[&one], async {
        for _ in 0..400 {
            let parts = records_of(bench, "audit.joined_part").await;
            part = parts.into_iter().find(|part| {
                let read: Value = serde_json::from_slice(&part.value).unwrap();
                let size = read["checkpoint"].as_str().unwrap().lines().nth(1).unwrap();
                part.id.contains("/one/standard") && size.parse::<usize>().unwrap() >= count
            });
            if part.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
    .await;
    (one, two, part.expect("a part is published"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_leaf_is_named_and_kept_out() {
    let bench = Bench::new();
    let (one, two, part) = published(&bench, 20).await;
    let mut changed: Value = serde_json::from_slice(&part.value).unwrap();
    let packed = BASE64.decode(changed["bytes"].as_str().unwrap()).unwrap();
    let mut bytes = zstd::bulk::decompress(&packed, 1 << 24).unwrap();
    let (at, _) = bytes.windows(5).enumerate().find(|(_, w)| *w == b"thing").unwrap();
    bytes[at] ^= 1;
    changed["bytes"] = BASE64.encode(zstd::bulk::compress(&bytes, 3).unwrap()).into();
    put(&bench, "audit.joined_part", part.id.clone(), serde_json::to_vec(&changed).unwrap()).await;
    let before = two.size_of("one");
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::BadLeaf)).await;
    let known = two.of("one").unwrap();
    assert!(known.alarm.unwrap().detail.contains("part 0"), "it is named");
    assert_eq!(known.size, before, "nothing of it got in");
    assert!(known.behind >= 20);
    // What is right again is taken in, and that is recorded too.
    put(&bench, "audit.joined_part", part.id, part.value).await;
    run_until(&[&one, &two], &one, 20).await;
    beside(&[&one, &two], async {
        while recorded(&two, "audit.join.resumed").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
    .await;
    assert_eq!(two.alarm_of("one"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_not_to_be_had_is_a_gap() {
    let bench = Bench::new();
    let (one, two, part) = published(&bench, 20).await;
    let key = Key::new("audit.joined_part", part.id.clone());
    bench.store.commit(Batch::new().delete(key, Expect::Any)).await.unwrap();
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::Gap)).await;
    let detail = two.of("one").unwrap().alarm.unwrap().detail;
    // From what the other has already, which is whatever was in the store before the part.
    let from = detail.strip_prefix("events from ").and_then(|rest| rest.split(' ').next());
    assert!(from.is_some_and(|from| from.parse::<u64>().unwrap() < 20), "{detail}");
    put(&bench, "audit.joined_part", part.id, part.value).await;
    run_until(&[&one, &two], &one, 20).await;
    assert_eq!(two.alarm_of("one"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_written_anew_under_its_own_key_is_a_fork() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 20).await;
    run_until(&[&one, &two], &one, 20).await;
    one.log.close().await.unwrap();
    // Whoever has the key of a log can sign another history, and put it in the place of the first.
    let forged = bench.forged().await;
    let other = Node::open(&forged, "one").await;
    let reader = Node::open(&forged, "reader").await;
    let seen = || reader.of("one").is_some();
    beside(&[&other, &reader], until("they know each other", seen)).await;
    other.record(&forged, 30).await;
    let of_one = "prov.example/audit/one/standard";
    let size_of = async |bench: &Bench| {
        let all = records_of(bench, "audit.joined_log").await;
        let said = all.iter().find(|said| said.id == of_one).unwrap();
        let said: Value = serde_json::from_slice(&said.value).unwrap();
        let note = said["checkpoint"].as_str().unwrap().to_owned();
        (note.lines().nth(1).unwrap().parse::<u64>().unwrap(), note)
    };
    beside(&[&other], async {
        while size_of(&forged).await.0 < 30 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    })
    .await;
    for kind in ["audit.joined_log", "audit.joined_part"] {
        for record in records_of(&forged, kind).await {
            if record.id.starts_with(of_one) {
                put(&bench, kind, record.id, record.value).await;
            }
        }
    }
    let before = two.size_of("one");
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::Fork)).await;
    assert_eq!(two.size_of("one"), before);
    // The signed checkpoint that can't be explained is kept as evidence.
    let events = recorded(&two, "audit.join.alarm").await;
    let evidence = events[0]["checkpoint"].as_str().unwrap();
    let key = one.log.verifier_key(STANDARD);
    assert!(prov_audit::Checkpoint::open(evidence, key).unwrap().size >= 30);
    let report = verify(&two.mirror_of("one"), key).unwrap();
    assert!(report.intact, "what was mirrored stays: {report:?}");
    // And the first, when it comes back, is told that somebody else has its name.
    drop(one);
    let one = Node::open(&bench, "one").await;
    beside(&[&one], until_alarm(&one, "one", JoinAlarmKind::SameName)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_put_back_is_noticed_by_the_others() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 5).await;
    let id = "prov.example/audit/one/standard";
    let older = records_of(&bench, "audit.joined_log").await;
    let older = older.into_iter().find(|said| said.id == id).unwrap();
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 10).await;
    put(&bench, "audit.joined_log", id.to_owned(), older.value).await;
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::RolledBack)).await;
    // Taken out of the store altogether it is missed.
    let key = Key::new("audit.joined_log", id);
    bench.store.commit(Batch::new().delete(key, Expect::Any)).await.unwrap();
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::Withdrawn)).await;
    assert!(two.log.query(&Query::new().user("at one")).await.unwrap().items.len() == 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_key_that_was_shown_first_is_believed() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 5).await;
    assert!(
        recorded(&two, "audit.join.log")
            .await
            .iter()
            .any(|event| { event["key"] == one.log.verifier_key(STANDARD).to_string() })
    );
    // Another bench's node of that name has another key.
    let other = Bench::new();
    let stranger = Node::open(&other, "one").await;
    let id = "prov.example/audit/one/standard".to_owned();
    let said = || async {
        records_of(&other, "audit.joined_log").await.into_iter().find(|said| said.id == id)
    };
    beside(&[&stranger], async {
        while said().await.is_none() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
    .await;
    let said = said().await.unwrap();
    put(&bench, "audit.joined_log", id.clone(), said.value.clone()).await;
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::KeyChanged)).await;
    // Nor does it help to name the right key.
    let mut forged: Value = serde_json::from_slice(&said.value).unwrap();
    forged["key"] = one.log.verifier_key(STANDARD).to_string().into();
    put(&bench, "audit.joined_log", id, serde_json::to_vec(&forged).unwrap()).await;
    beside(&[&two], until_alarm(&two, "one", JoinAlarmKind::Forged)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_keys_are_given_no_others_are_joined() {
    let bench = Bench::new();
    let (one, other) = (Node::open(&bench, "one").await, Node::open(&bench, "other").await);
    let options = [STANDARD, RetentionClass::BreakGlass]
        .into_iter()
        .fold(join_options(), |options, class| options.key(one.log.verifier_key(class).clone()));
    let two = Node::open_with(&bench, "two", options).await;
    for node in [&one, &other] {
        node.record(&bench, 3).await;
    }
    let joined = || two.size_of("one") >= 3 && two.alarm_of("other").is_some();
    beside(&[&one, &other, &two], until("one is joined, the other refused", joined)).await;
    assert_eq!(two.alarm_of("other"), Some(JoinAlarmKind::UnknownKey));
    assert_eq!(two.size_of("other"), 0);
    let found = two.log.query(&Query::new().action("kms.encrypt")).await.unwrap().items;
    assert!(found.len() >= 3 && found.iter().all(|e| e.origin.contains("/one/")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_mirror_is_not_gone_on_with() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 5).await;
    let mirror = two.mirror_of("one");
    two.log.close().await.unwrap();
    drop(two);
    let history = mirror.join("checkpoints");
    let mut bytes = std::fs::read(&history).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&history, bytes).unwrap();
    let two = Node::open(&bench, "two").await;
    assert_eq!(two.alarm_of("one"), Some(JoinAlarmKind::Damaged));
    beside(&[&one, &two], until_alarm(&two, "one", JoinAlarmKind::Damaged)).await;
    assert!(!verify(&mirror, one.log.verifier_key(STANDARD)).unwrap().intact);
    // Removed, it is made anew.
    two.log.close().await.unwrap();
    drop(two);
    std::fs::remove_dir_all(&mirror).unwrap();
    let two = Node::open(&bench, "two").await;
    run_until(&[&one, &two], &one, 5).await;
    assert!(verify(&mirror, one.log.verifier_key(STANDARD)).unwrap().intact);
}
