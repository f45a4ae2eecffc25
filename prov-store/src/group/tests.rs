use std::time::Duration;

use super::*;

fn key(id: &str) -> Key {
    Key::new("test.group", id)
}

fn put(id: &str, expect: Expect) -> Batch {
    Batch::new().put(key(id), Bytes::from_static(b"x"), expect)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn run<'b>(batches: &'b [Batch], states: States<'b>) -> Settled<'b> {
    let mut last = 100;
    settle(batches.iter(), states, now(), || {
        last += 1;
        Version::from_number(last)
    })
}

#[test]
fn of_two_that_expect_the_same_state_the_first_wins() {
    let read = Version::from_number(7);
    let state = State { version: read, expires_at: None };
    let batches = [put("a", Expect::Version(read)), put("a", Expect::Version(read))];
    let key = key("a");
    let settled = run(&batches, HashMap::from([(&key, state)]));
    assert!(settled.verdicts[0].is_ok());
    assert!(settled.verdicts[1].as_ref().unwrap_err().is(codes::CONFLICT));
    assert_eq!(settled.writes.len(), 1);
}

#[test]
fn a_conflict_leaves_the_others_of_its_group_alone() {
    let batches = [
        put("a", Expect::Absent),
        put("b", Expect::Any).check(key("a"), Expect::Absent),
        put("c", Expect::Absent),
    ];
    let settled = run(&batches, States::new());
    let held: Vec<bool> = settled.verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(held, [true, false, true]);
    assert!(!settled.writes.contains_key(&key("b")), "nothing of a failed batch is written");
}

#[test]
fn expectations_look_at_the_state_before_their_own_batch() {
    let batches = [
        put("a", Expect::Absent),
        Batch::new().delete(key("a"), Expect::Any).put(key("a"), "x", Expect::Absent),
    ];
    let settled = run(&batches, States::new());
    assert!(settled.verdicts[1].is_err(), "it was there before the batch");
}

#[test]
fn the_last_write_of_a_group_remains_and_versions_rise() {
    let batches =
        [put("a", Expect::Any), put("a", Expect::Any), Batch::new().delete(key("a"), Expect::Any)];
    let settled = run(&batches, States::new());
    assert!(settled.verdicts.iter().map(|v| *v.as_ref().unwrap()).is_sorted_by(|a, b| a < b));
    assert_eq!(settled.writes, BTreeMap::from([(&key("a"), Write::Delete)]));
}

#[test]
fn what_has_expired_counts_as_absent() {
    let ended = State {
        version: Version::from_number(7),
        expires_at: Some(now() - Duration::from_nanos(1)),
    };
    let ends_now = State { expires_at: Some(now()), ..ended };
    let key = key("a");
    for state in [ended, ends_now] {
        let batches = [put("a", Expect::Version(state.version)), put("a", Expect::Absent)];
        let settled = run(&batches, HashMap::from([(&key, state)]));
        assert!(settled.verdicts[0].is_err());
        assert!(settled.verdicts[1].is_ok());
    }
}

#[test]
fn deleting_nothing_changes_nothing_but_succeeds() {
    let batches = [Batch::new().delete(key("nobody"), Expect::Any)];
    let settled = run(&batches, States::new());
    assert!(settled.has_effect(), "its version must be durable");
    assert_eq!(settled.changed().count(), 0);
}

#[test]
fn keys_come_once_and_in_order() {
    let batches = [put("b", Expect::Any), put("a", Expect::Any), put("b", Expect::Any)];
    let ids: Vec<_> = keys(batches.iter()).into_iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
}
