//! A mirror holds what its log signed with ML-DSA-44 too, and takes in nothing else where that key is stated.

use prov_audit::{Checkpoint, Trust, codes, verify_with};
use serde_json::Value;

use super::alarms::{put, until_alarm};
use super::pruned::{DAY, Years};
use super::whole::name_of;
use super::*;
use crate::bench_log::Bench;

const BREAK_GLASS: RetentionClass = RetentionClass::BreakGlass;

/// A node whose log signs with both keys.
async fn twice(bench: &Bench, name: &str, join: JoinOptions) -> Node {
    let options = log_options(bench, name).with_ml_dsa_44(true);
    Node::with(bench, name, options, join).await
}

/// Options that state the second keys of this node's logs.
fn stating(node: &Node) -> JoinOptions {
    let key = |class| node.log.ml_dsa_44_key(class).unwrap().clone();
    [STANDARD, BREAK_GLASS].map(key).into_iter().fold(join_options(), JoinOptions::ml_dsa_44)
}

fn trust(node: &Node) -> Trust {
    Trust::new().ml_dsa_44(node.log.ml_dsa_44_key(STANDARD).unwrap().clone()).unwrap()
}

async fn stop(node: Node) {
    node.log.close().await.unwrap();
}

/// What is in the store under this kind and id, as soon as it is there.
async fn record_of(bench: &Bench, kind: &'static str, id: &str) -> Value {
    loop {
        let all = records_of(bench, kind).await;
        if let Some(record) = all.iter().find(|record| record.id == id) {
            return serde_json::from_slice(&record.value).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

async fn put_value(bench: &Bench, kind: &'static str, id: &str, value: &Value) {
    put(bench, kind, id.to_owned(), serde_json::to_vec(value).unwrap()).await;
}

/// The signed note with the first signature alone.
fn alone(note: &str) -> String {
    let lines = note.split_inclusive('\n');
    let signatures = note.lines().filter(|line| line.starts_with('\u{2014}')).count();
    let count = note.lines().count();
    lines.take(count + 1 - signatures).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_verified_with_both_keys_also_when_the_second_came_later() {
    let bench = Bench::new();
    let b = Node::open(&bench, "b").await;
    let a = Node::open(&bench, "a").await;
    a.record(&bench, 300).await;
    // And that it saw both logs of the other.
    run_until(&[&a, &b], &a, 302).await;
    stop(a).await;
    let a = twice(&bench, "a", join_options()).await;
    let mirror = b.mirror_of("a");
    let verified = || verify_with(&mirror, a.log.verifier_key(STANDARD), &trust(&a)).unwrap();
    assert!(!verified().intact);
    // Nothing is new but the signature.
    beside(&[&a, &b], until("the second signature is there", || verified().intact)).await;
    assert_eq!(b.size_of("a"), 302);
    a.record(&bench, 10).await;
    run_until(&[&a, &b], &a, 312).await;
    let report = verified();
    assert!(report.intact && report.signed_size == 312, "{report:?}");
    drop(a);
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_with_and_without_a_stated_second_key_are_joined_side_by_side() {
    let bench = Bench::new();
    let (a, b) = (twice(&bench, "a", join_options()).await, Node::open(&bench, "b").await);
    // More than one part, of which each must have both signatures.
    a.record(&bench, 700).await;
    b.record(&bench, 20).await;
    let c = Node::open_with(&bench, "c", stating(&a)).await;
    let both = || c.size_of("a") >= 700 && c.size_of("b") >= 20;
    beside(&[&a, &b, &c], until("both are joined", both)).await;
    assert_eq!((c.alarm_of("a"), c.alarm_of("b")), (None, None));
    assert!(c.log.joined().iter().all(|log| log.alarm.is_none()), "{:?}", c.log.joined());
    let key = a.log.ml_dsa_44_key(STANDARD).unwrap();
    assert_eq!(c.of("a").unwrap().ml_dsa_44_key, Some(key.to_string()));
    assert_eq!(a.of("a").unwrap().ml_dsa_44_key, Some(key.to_string()), "its own");
    assert_eq!(c.of("b").unwrap().ml_dsa_44_key, None);
    assert_eq!(c.log.joined_ml_dsa_44_key(&name_of("a")).unwrap().as_ref(), Some(key));
    for log in ["a", "b"] {
        let report = c.log.verify_joined(&name_of(log)).await.unwrap();
        assert!(report.intact, "{log}: {report:?}");
    }
    let mirror = c.mirror_of("a");
    assert!(verify_with(&mirror, a.log.verifier_key(STANDARD), &trust(&a)).unwrap().intact);
    // The mirror's second signature is wanted when the mirror is verified here, too.
    let note = std::fs::read_to_string(mirror.join("checkpoint")).unwrap();
    std::fs::write(mirror.join("checkpoint"), alone(&note)).unwrap();
    assert!(!c.log.verify_joined(&name_of("a")).await.unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_does_not_sign_with_the_stated_key_is_taken_in_only_when_it_does() {
    let bench = Bench::new();
    let a = twice(&bench, "a", join_options()).await;
    let states = stating(&a);
    stop(a).await;
    // Turned off there, stated here.
    let (a, b) =
        (Node::open(&bench, "a").await, Node::open_with(&bench, "b", states.clone()).await);
    a.record(&bench, 20).await;
    beside(&[&a, &b], until_alarm(&b, "a", JoinAlarmKind::Forged)).await;
    assert_eq!(b.size_of("a"), 0);
    let alarm = b.of("a").unwrap().alarm.unwrap();
    assert!(alarm.detail.contains("ML-DSA-44"), "{alarm:?}");
    stop(a).await;
    let a = twice(&bench, "a", join_options()).await;
    a.record(&bench, 5).await;
    run_until(&[&a, &b], &a, 25).await;
    let well = || b.alarm_of("a").is_none();
    beside(&[&a, &b], until("it is well again", well)).await;
    stop(a).await;
    // Turned off again: what is here stays, and nothing comes.
    let a = Node::open(&bench, "a").await;
    a.record(&bench, 20).await;
    let had = b.size_of("a");
    beside(&[&a, &b], until_alarm(&b, "a", JoinAlarmKind::Forged)).await;
    assert_eq!(b.size_of("a"), had);
    assert!(b.log.verify_joined(&name_of("a")).await.unwrap().intact);
    // Who does not state it goes on with the first key alone, also with the mirror from before.
    stop(b).await;
    let b = Node::open(&bench, "b").await;
    run_until(&[&a, &b], &a, had + 20).await;
    beside(&[&a, &b], until("it is well", || b.alarm_of("a").is_none())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_from_before_the_key_was_stated_goes_on_under_both() {
    let bench = Bench::new();
    let (a, b) = (Node::open(&bench, "a").await, Node::open(&bench, "b").await);
    a.record(&bench, 300).await;
    run_until(&[&a, &b], &a, 300).await;
    stop(a).await;
    let a = twice(&bench, "a", join_options()).await;
    stop(b).await;
    let b = Node::open_with(&bench, "b", stating(&a)).await;
    assert!(!b.log.verify_joined(&name_of("a")).await.unwrap().intact, "by the first key alone");
    a.record(&bench, 10).await;
    run_until(&[&a, &b], &a, 310).await;
    let report = b.log.verify_joined(&name_of("a")).await.unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!(b.alarm_of("a"), None);
}

/// What somebody publishes of another past who has every secret of a node but its key for ML-DSA-44.
async fn forged(bench: &Bench, count: usize) -> (Value, Value) {
    let forged = bench.forged_without("checkpoint-key-ml-dsa-44/").await;
    let (other, reader) =
        (twice(&forged, "a", join_options()).await, Node::open(&forged, "reader").await);
    let seen = || reader.of("a").is_some();
    beside(&[&other, &reader], until("they know each other", seen)).await;
    other.record(&forged, count).await;
    run_until(&[&other, &reader], &other, u64::try_from(count).unwrap()).await;
    let name = name_of("a");
    let part = format!("{name}+{:020}", 0);
    let said = record_of(&forged, "audit.joined_log", &name).await;
    (said, record_of(&forged, "audit.joined_part", &part).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_ed25519_key_of_another_node_alone_is_found_out() {
    let bench = Bench::new();
    let a = twice(&bench, "a", join_options()).await;
    let (states, key) = (stating(&a), a.log.verifier_key(STANDARD).clone());
    beside(&[&a], record_of(&bench, "audit.joined_log", &name_of("a"))).await;
    stop(a).await;
    let (said, part) = forged(&bench, 30).await;
    let b = Node::open_with(&bench, "b", states).await;
    let naive = Node::open(&bench, "naive").await;
    let part_id = format!("{}+{:020}", name_of("a"), 0);
    put_value(&bench, "audit.joined_log", &name_of("a"), &said).await;
    put_value(&bench, "audit.joined_part", &part_id, &part).await;
    let fooled = || naive.size_of("a") >= 30;
    beside(&[&b, &naive], async {
        until("who does not state the key believes it", fooled).await;
        until_alarm(&b, "a", JoinAlarmKind::Forged).await;
    })
    .await;
    let refused = b.of("a").unwrap();
    assert_eq!((refused.size, refused.directory.as_str()), (0, ""), "no mirror is begun for it");
    // The note is evidence that somebody has the first key.
    let evidence = refused.alarm.unwrap().checkpoint.unwrap();
    assert!(Checkpoint::open(&evidence, &key).unwrap().size >= 30);
    assert!(b.log.query(&Query::new().user("at a")).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_or_a_checkpoint_without_the_second_signature_is_not_taken_in() {
    let bench = Bench::new();
    let a = twice(&bench, "a", join_options()).await;
    let reader = Node::open(&bench, "reader").await;
    a.record(&bench, 30).await;
    run_until(&[&a, &reader], &a, 30).await;
    let (name, part_id) = (name_of("a"), format!("{}+{:020}", name_of("a"), 0));
    let part = record_of(&bench, "audit.joined_part", &part_id).await;
    let said = record_of(&bench, "audit.joined_log", &name).await;
    let with = |record: &Value, note: String| {
        let mut record = record.clone();
        record["checkpoint"] = note.into();
        record
    };
    let note_of = |record: &Value| record["checkpoint"].as_str().unwrap().to_owned();
    // Another past; the log's own past with one signature; another past with the signature of the log's own.
    let (_, other) = forged(&bench, 30).await;
    let stripped = with(&part, alone(&note_of(&part)));
    let second = note_of(&part).lines().last().unwrap().to_owned();
    let borrowed = with(&other, format!("{}{second}\n", alone(&note_of(&other))));
    let quiet = with(&said, alone(&note_of(&said)));
    let cases = [(&said, &other), (&said, &stripped), (&said, &borrowed), (&quiet, &part)];
    for (at, (said, part)) in cases.into_iter().enumerate() {
        put_value(&bench, "audit.joined_log", &name, said).await;
        put_value(&bench, "audit.joined_part", &part_id, part).await;
        let b = Node::open_with(&bench, &format!("b{at}"), stating(&a)).await;
        beside(&[&b], until_alarm(&b, "a", JoinAlarmKind::Forged)).await;
        let known = b.of("a").unwrap();
        assert_eq!(known.size, 0, "nothing of it got in");
        let detail = known.alarm.unwrap().detail;
        let expected = if at < 3 { "part 0" } else { "that is published" };
        assert!(detail.contains(expected) && detail.contains("ML-DSA-44"), "{at}: {detail}");
    }
    // What is right again is taken in.
    put_value(&bench, "audit.joined_log", &name, &said).await;
    put_value(&bench, "audit.joined_part", &part_id, &part).await;
    let b = Node::open_with(&bench, "b3", stating(&a)).await;
    run_until(&[&a, &b], &a, 30).await;
    assert_eq!(b.alarm_of("a"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_is_believed_by_both_keys_where_the_second_is_stated() {
    let years = Years::new();
    let one = years.open_with("one", 365 * DAY, true, join_options()).await;
    years.record(&one, 1500).await;
    years.clock.advance(366 * DAY);
    years.record(&one, 700).await;
    let mut before = 0;
    beside(&[&one], async {
        // Once it knows that nobody needs anything.
        while before == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            before = one.log.prune().await.unwrap()[0].to;
        }
    })
    .await;
    let late = years.open_with("late", 365 * DAY, false, stating(&one)).await;
    run_until(&[&one, &late], &one, one.log.size(STANDARD)).await;
    let mirror = late.mirror_of("one");
    let verified = || verify_with(&mirror, one.log.verifier_key(STANDARD), &trust(&one)).unwrap();
    let report = verified();
    assert!(report.intact && report.pruned == before, "{report:?}");
    // Who has the first key alone can't say that more is gone, nor that this is.
    let id = name_of("one");
    let key = prov_core::store::Key::new("audit.joined_log", id.clone());
    let record = years.store.scan(&Scan::kind("audit.joined_log")).await.unwrap().records;
    let record = record.into_iter().find(|record| record.id == id).unwrap();
    let mut said: Value = serde_json::from_slice(&record.value).unwrap();
    said["pruned"] = alone(said["pruned"].as_str().unwrap()).into();
    let value = serde_json::to_vec(&said).unwrap();
    let batch = prov_core::store::Batch::new().put(key, value, prov_core::store::Expect::Any);
    years.store.commit(batch).await.unwrap();
    beside(&[&late], until_alarm(&late, "one", JoinAlarmKind::Forged)).await;
    assert!(late.of("one").unwrap().alarm.unwrap().detail.contains("what was pruned"));
    // A mirror that has it with one signature gets the other.
    std::fs::write(mirror.join("pruned"), said["pruned"].as_str().unwrap()).unwrap();
    assert!(!verified().intact);
    stop(late).await;
    let late = years.open_with("late", 365 * DAY, false, stating(&one)).await;
    stop(one).await;
    let one = years.open_with("one", 365 * DAY, true, join_options()).await;
    let verified = || verify_with(&mirror, one.log.verifier_key(STANDARD), &trust(&one)).unwrap();
    beside(&[&one, &late], until("it is signed for the second time", || verified().intact)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_keys_that_would_be_of_no_effect_are_refused() {
    let bench = Bench::new();
    let a = twice(&bench, "a", join_options()).await;
    let options = stating(&a);
    options.check().unwrap();
    let key = a.log.ml_dsa_44_key(STANDARD).unwrap().clone();
    let of_b = Node::open(&bench, "b").await.log.verifier_key(STANDARD).clone();
    // Of no log that could be joined: its name says no class.
    let plain = Bench::new();
    let witness = prov_audit::WitnessOptions::new(
        "w.example/witness",
        Arc::clone(&plain.store),
        Arc::<Log>::clone(&a.log),
        Arc::<SystemClock>::clone(&bench.clock),
    );
    let witness = prov_audit::Witness::open(witness).await.unwrap();
    for (wrong, said) in [
        (options.clone().ml_dsa_44(key.clone()), "two keys"),
        (join_options().key(of_b).ml_dsa_44(key), "none of those that are joined"),
        (join_options().ml_dsa_44(witness.keys()[0].clone()), "none for ML-DSA-44"),
        (join_options().ml_dsa_44(witness.keys()[1].clone()), "no name of a log"),
    ] {
        let refused = wrong.check().unwrap_err();
        assert!(refused.is(codes::BAD_VERIFIER_KEY), "{refused:?}");
        assert!(refused.public_detail().contains(said), "{said}: {refused:?}");
        assert!(a.log.join(wrong).await.is_err());
    }
}
