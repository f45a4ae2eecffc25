//! The levels Batch Core and Batch Properties of the certification scenario (its chapter 3), and the
//! two semantics that it leaves out.

use serde_json::{Value, json};

use super::server::Server;
use super::{asked, with};

pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";

fn record(id: &str, status: Option<&str>) -> Value {
    match status {
        Some(status) => json!({"type": "record", "id": id, "properties": {"status": status}}),
        None => json!({"type": "record", "id": id}),
    }
}

fn user(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn decisions(answer: &Value) -> Vec<bool> {
    assert_eq!(answer.get("decision"), None, "{answer}");
    answer["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["decision"].as_bool().unwrap())
        .collect()
}

/// Number in the scenario, message, decisions.
pub(super) type Case = (&'static str, Value, Vec<bool>);

pub(super) fn core() -> Vec<Case> {
    let (read, write) = (json!({"name": "read"}), json!({"name": "write"}));
    vec![
        (
            "3.2.1",
            json!({
                "subject": user("alice"), "action": read,
                "evaluations": [{"resource": record("record-1", None)}, {"resource": record("record-2", None)}],
            }),
            vec![true, true],
        ),
        (
            "3.2.2",
            json!({
                "subject": user("bob"), "resource": record("record-1", None),
                "evaluations": [{"action": read}, {"action": write}],
            }),
            vec![true, false],
        ),
        (
            "3.2.5",
            json!({"evaluations": [asked("alice", "read", "record-1"), asked("bob", "write", "record-1")]}),
            vec![true, false],
        ),
        (
            "3.2.6",
            json!({
                "subject": user("alice"), "action": read, "context": {"time": "2025-06-27T18:03-07:00"},
                "evaluations": [
                    {"resource": record("record-1", None)},
                    {
                        "resource": record("record-2", None),
                        "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"},
                    },
                ],
            }),
            vec![true, true],
        ),
    ]
}

pub(super) fn properties() -> Vec<Case> {
    let write = json!({"name": "write"});
    let archived = record("record-2", Some("archived"));
    vec![
        (
            "3.2.3",
            json!({
                "subject": user("alice"), "action": write,
                "evaluations": [{"resource": record("record-1", Some("active"))}, {"resource": archived}],
            }),
            vec![true, false],
        ),
        (
            "3.2.4",
            json!({
                "action": write, "resource": archived,
                "evaluations": [
                    {"subject": user("alice")},
                    {"subject": {"type": "user", "id": "bob", "properties": {"role": "admin"}}},
                ],
            }),
            vec![false, true],
        ),
        (
            "3.2.7",
            json!({
                "subject": user("alice"), "action": write, "resource": record("record-1", Some("active")),
                "evaluations": [{}, {"resource": archived}],
            }),
            vec![true, false],
        ),
        (
            "a resource takes the place of the default as a whole, its properties included",
            json!({
                "subject": user("alice"), "action": write, "resource": record("record-9", Some("archived")),
                "evaluations": [{}, {"resource": record("record-9", None)}],
            }),
            vec![false, true],
        ),
    ]
}

fn failures() -> Vec<Case> {
    let read = json!({"name": "read"});
    vec![
        (
            "3.4.1 one is incomplete",
            json!({
                "subject": user("alice"), "action": read, "options": {"evaluations_semantic": "execute_all"},
                "evaluations": [{"resource": record("record-1", None)}, {}],
            }),
            vec![true, false],
        ),
        (
            "one is malformed, one is no object",
            json!({
                "subject": user("alice"), "action": read,
                "evaluations": [{"resource": "record-1"}, 7, {"resource": record("record-1", None)}],
            }),
            vec![false, false, true],
        ),
    ]
}

fn cases() -> impl Iterator<Item = Case> {
    core().into_iter().chain(properties()).chain(failures())
}

#[tokio::test]
async fn every_case_is_answered_in_order_and_in_full() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (case, message, expected) in cases() {
                let (status, answer) = client.post(EVALUATIONS, &message).await;
                assert_eq!((status, decisions(&answer)), (200, expected), "{case}: {answer}");
            }
            let incomplete = &cases().find(|(case, ..)| case.starts_with("3.4.1")).unwrap().1;
            let (_, answer) = client.post(EVALUATIONS, incomplete).await;
            let error = json!({"error": {"status": 400, "message": "missing field `resource`"}});
            assert_eq!(answer["evaluations"][1]["context"], error);
        })
        .await;
}

#[tokio::test]
async fn without_evaluations_the_top_is_the_one_question() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            let plain = asked("alice", "read", "record-1");
            let empty = with(plain.clone(), "/evaluations", json!([]));
            for (case, message) in [("3.4.2", &plain), ("3.4.3", &empty)] {
                let answer = client.post(EVALUATIONS, message).await;
                assert_eq!(answer, (200, json!({"decision": true})), "{case}");
            }
            for message in
                [json!({}), json!({"evaluations": []}), json!({"subject": user("alice")})]
            {
                assert_eq!(client.post(EVALUATIONS, &message).await.0, 400, "{message}");
            }
        })
        .await;
}

/// Reads, writes and reads again, of which bob may the first and the last.
fn three(semantic: &Value) -> Value {
    json!({
        "subject": user("bob"), "resource": record("record-1", None),
        "options": {"evaluations_semantic": semantic, "another_option": "value"},
        "evaluations": [
            {"action": {"name": "read"}}, {"action": {"name": "write"}}, {"action": {"name": "read"}},
        ],
    })
}

#[tokio::test]
async fn the_three_semantics_stop_where_they_should() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            let all: [(&str, &[bool]); 3] = [
                ("execute_all", &[true, false, true]),
                ("deny_on_first_deny", &[true, false]),
                ("permit_on_first_permit", &[true]),
            ];
            for (semantic, expected) in all {
                let (_, answer) = client.post(EVALUATIONS, &three(&json!(semantic))).await;
                assert_eq!(decisions(&answer), expected, "{semantic}");
            }
            // A failure counts as a denial.
            let mut failing = three(&json!("deny_on_first_deny"));
            failing["evaluations"][0] =
                json!({"subject": user("mallory"), "action": {"name": "read"}});
            let (_, answer) = client.post(EVALUATIONS, &failing).await;
            assert_eq!(decisions(&answer), [false]);
            let mut later = three(&json!("permit_on_first_permit"));
            later["evaluations"][0] = json!({"action": {}});
            let (_, answer) = client.post(EVALUATIONS, &later).await;
            assert_eq!(decisions(&answer), [false, false, true]);
            for unknown in [json!("first_come"), json!(1), json!(null)] {
                assert_eq!(client.post(EVALUATIONS, &three(&unknown)).await.0, 400);
            }
        })
        .await;
    // What came after the end was neither decided nor recorded: 3 + 2 + 1, then 1, then 2.
    assert_eq!(server.events().len(), 9);
}

#[tokio::test]
async fn a_message_as_a_whole_is_refused_for_what_holds_for_all_of_it() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            let evaluations: Vec<_> = (0..101).map(|_| json!({})).collect();
            let many = with(asked("alice", "read", "record-1"), "/evaluations", json!(evaluations));
            assert_eq!(client.post(EVALUATIONS, &many).await.0, 400);
            let mut top = three(&json!("execute_all"));
            top["subject"] = json!({"type": "user"});
            assert_eq!(client.post(EVALUATIONS, &top).await.0, 400);
            let alice = [("authorization", "Bearer alice"), ("content-type", "application/json")];
            let message = json!({"evaluations": [asked("alice", "read", "record-1"), asked("bob", "read", "record-1")]});
            let answer = client.send("POST", EVALUATIONS, &alice, &message.to_string()).await;
            assert_eq!(answer.status(), 403, "one of them is about somebody else");
        })
        .await;
}
