//! The levels Basic Core and Basic Properties of the certification scenario (its chapter 2), and
//! what this decision point promises beyond them.

use serde_json::{Value, json};

use super::server::{Server, gateway};
use super::{asked, with, without};

pub(super) const EVALUATION: &str = "/access/v1/evaluation";

/// Number in the scenario, question, decision.
pub(super) fn decided() -> Vec<(&'static str, Value, bool)> {
    let status =
        |message, status: &str| with(message, "/resource/properties", json!({"status": status}));
    let soft = |soft: bool| {
        with(asked("alice", "delete", "record-1"), "/action/properties", json!({"soft": soft}))
    };
    let role = |message, role: &str| with(message, "/subject/properties", json!({"role": role}));
    let plain = || asked("alice", "read", "record-1");
    let context = json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"});
    let more = with(
        with(
            with(plain(), "/subject/properties", json!({"department": "Sales", "role": "manager"})),
            "/action/properties",
            json!({"method": "GET"}),
        ),
        "/resource/properties",
        json!({"status": "active", "owner": "bob"}),
    );
    let unknown = with(with(plain(), "/foo", json!("bar")), "/future", json!({"nested": true}));
    vec![
        ("rule 1, 2.2.1", plain(), true),
        ("rule 2", asked("alice", "write", "record-1"), true),
        ("rule 3", asked("bob", "read", "record-1"), true),
        ("rule 4, 2.2.2", asked("bob", "write", "record-1"), false),
        ("2.2.3 with context", with(plain(), "/context", context), true),
        ("rule 5, 2.2.4", status(asked("alice", "write", "record-2"), "archived"), false),
        (
            "rule 6, 2.2.5",
            role(status(asked("bob", "write", "record-2"), "archived"), "admin"),
            true,
        ),
        ("rule 7, 2.2.6", soft(true), true),
        ("rule 8, 2.2.7", soft(false), false),
        ("2.2.8 with more properties", more, true),
        ("2.2.9 with unknown members", unknown, true),
    ]
}

#[tokio::test]
async fn every_case_is_decided_as_the_fixture_says_and_again_each_time() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (case, message, expected) in decided() {
                for _ in 0..3 {
                    let (status, answer) = client.post(EVALUATION, &message).await;
                    assert_eq!((status, &answer["decision"]), (200, &json!(expected)), "{case}");
                    let context = answer.get("context");
                    assert_eq!(context.is_some_and(Value::is_object), !expected, "{case}");
                }
            }
        })
        .await;
    // Each answer is in the log with what reproduces it.
    let events = server.events();
    assert_eq!(events.len(), decided().len() * 3);
    for event in events {
        let decision = event.decision.unwrap();
        let asked = decision.asked.unwrap();
        assert_eq!(event.action.as_str(), "authz.decision");
        assert_eq!(event.actor.id.as_deref(), Some("gateway"));
        assert!(["alice", "bob"].contains(&asked.principal.id.as_str()));
    }
}

#[tokio::test]
async fn what_is_malformed_is_400() {
    let plain = || asked("alice", "read", "record-1");
    let cases = [
        ("2.4.1 without subject", without(plain(), "/subject")),
        ("2.4.1 without action", without(plain(), "/action")),
        ("2.4.1 without resource", without(plain(), "/resource")),
        ("2.4.2 subject without type", without(plain(), "/subject/type")),
        ("2.4.2 subject without id", without(plain(), "/subject/id")),
        ("2.4.2 action without name", without(plain(), "/action/name")),
        ("2.4.2 resource without type", without(plain(), "/resource/type")),
        ("2.4.2 resource without id", without(plain(), "/resource/id")),
        ("2.4.6 subject is a text", with(plain(), "/subject", json!("alice"))),
        ("2.4.6 name is a number", with(plain(), "/action/name", json!(123))),
        ("properties are a list", with(plain(), "/resource/properties", json!([1]))),
        ("context is a text", with(plain(), "/context", json!("now"))),
        ("a list of questions", json!([plain()])),
        ("an id without end", asked("alice", "read", &"x".repeat(5_000))),
        ("an id with a control character", asked("ali\0ce", "read", "record-1")),
        ("an empty name", asked("alice", "", "record-1")),
    ];
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (case, message) in cases {
                assert_eq!(client.post(EVALUATION, &message).await.0, 400, "{case}");
            }
            let bodies = [
                ("2.4.4 malformed", "{\"subject\": "),
                ("2.4.5 empty", ""),
                (
                    "twice the same member",
                    r#"{"action":{"name":"read"},"action":{"name":"write"}}"#,
                ),
                ("no UTF-8 escape", r#"{"subject":{"type":"\ud800","id":"x"}}"#),
            ];
            for (case, body) in bodies {
                let answer = client.send("POST", EVALUATION, &gateway(&[]), body).await;
                assert_eq!(answer.status(), 400, "{case}");
            }
            let nested = format!("{{\"context\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
            let answer = client.send("POST", EVALUATION, &gateway(&[]), &nested).await;
            assert_eq!(answer.status(), 400, "deeply nested");
            let body = plain().to_string();
            for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
                let headers = [("authorization", "Bearer gateway"), ("content-type", kind)];
                let answer = client.send("POST", EVALUATION, &headers, &body).await;
                assert_eq!(answer.status(), 400, "2.4.3 `{kind}`");
            }
            let charset = [
                ("authorization", "Bearer gateway"),
                ("content-type", "application/json; charset=utf-8"),
            ];
            let answer = client.send("POST", EVALUATION, &charset, &body).await;
            assert_eq!(answer.status(), 200, "a parameter is no other type");
        })
        .await;
    assert_eq!(server.events().len(), 1, "what was not understood was not decided");
}

#[tokio::test]
async fn the_request_id_comes_back_whatever_the_answer_is() {
    let server = Server::certification();
    let id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716";
    server
        .while_asked(async |client| {
            let body = asked("alice", "read", "record-1").to_string();
            let answer =
                client.send("POST", EVALUATION, &gateway(&[("x-request-id", id)]), &body).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-request-id"]),
                (200, &id.parse().unwrap())
            );
            let answer =
                client.send("POST", EVALUATION, &gateway(&[("x-request-id", id)]), "{").await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-request-id"]),
                (400, &id.parse().unwrap())
            );
            let stranger = [("x-request-id", id), ("content-type", "application/json")];
            let answer = client.send("POST", EVALUATION, &stranger, &body).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-request-id"]),
                (401, &id.parse().unwrap())
            );
            // Without one the server gives its own.
            let answer = client.send("POST", EVALUATION, &gateway(&[]), &body).await;
            assert!(answer.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
        })
        .await;
}

#[tokio::test]
async fn whoever_may_not_ask_about_others_gets_403_and_may_ask_about_themselves() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            let alice = [("authorization", "Bearer alice"), ("content-type", "application/json")];
            let ask = async |message: Value| {
                client.send("POST", EVALUATION, &alice, &message.to_string()).await
            };
            assert_eq!(ask(asked("bob", "read", "record-1")).await.status(), 403);
            let own = ask(asked("alice", "read", "record-1")).await;
            assert_eq!((own.status().as_u16(), own.body().as_str()), (200, r#"{"decision":true}"#));
            // What prov knows itself is not hers to state.
            let lie =
                with(asked("alice", "read", "record-1"), "/context", json!({"mfa_verified": true}));
            assert_eq!(ask(lie).await.status(), 403);
        })
        .await;
    let outcomes: Vec<_> = server.events().iter().map(|event| event.outcome.as_str()).collect();
    assert_eq!(outcomes, ["denied", "success", "denied"]);
}

#[tokio::test]
async fn a_role_that_the_asker_gives_a_subject_is_not_believed() {
    let server = Server::certification();
    let message = with(
        with(
            asked("alice", "write", "record-2"),
            "/resource/properties",
            json!({"status": "archived"}),
        ),
        "/subject/properties",
        json!({"role": "admin", "teams": ["record-admins"], "parents": ["Team::record-admins"]}),
    );
    let answer = server.while_asked(async |client| client.post(EVALUATION, &message).await.1).await;
    assert_eq!(answer["decision"], false);
    assert_eq!(answer["context"]["policies"], json!([]));
    let reason = answer["context"]["reason"].as_str().unwrap();
    assert_eq!(reason, "no policy permits `write` on `Record` `record-2`");
}

#[tokio::test]
async fn what_is_stored_about_a_resource_wins_over_what_is_said_about_it() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (resource, said, expected) in [
                ("record-2", "active", false),
                ("record-1", "archived", true),
                ("record-9", "active", true),
                ("record-9", "archived", false),
            ] {
                let status = json!({"status": said});
                let message =
                    with(asked("alice", "write", resource), "/resource/properties", status);
                let (_, answer) = client.post(EVALUATION, &message).await;
                assert_eq!(answer["decision"], expected, "{resource} said to be {said}");
            }
        })
        .await;
}

#[tokio::test]
async fn what_cannot_be_decided_is_denied_with_the_error_and_recorded() {
    let plain = || asked("alice", "read", "record-1");
    let cases = [
        ("an unknown subject", asked("mallory", "read", "record-1"), 404),
        ("an unknown type of subject", with(plain(), "/subject/type", json!("spaceship")), 400),
        ("an unknown type of resource", with(plain(), "/resource/type", json!("spaceship")), 400),
        ("an unknown action", asked("alice", "explode", "record-1"), 400),
        (
            "a property of the wrong type",
            with(asked("alice", "read", "record-9"), "/resource/properties", json!({"status": 7})),
            400,
        ),
        ("a fact of the wrong type", with(plain(), "/context", json!({"soft": "yes"})), 400),
        (
            "a circumstance of the wrong type",
            with(plain(), "/context", json!({"mfa_verified": "yes"})),
            400,
        ),
        ("a moment that is none", with(plain(), "/context", json!({"time": "noon"})), 400),
    ];
    let server = Server::certification();
    let count = cases.len();
    server
        .while_asked(async |client| {
            for (case, message, expected) in cases {
                let (status, answer) = client.post(EVALUATION, &message).await;
                assert_eq!((status, &answer["decision"]), (200, &json!(false)), "{case}");
                assert_eq!(answer["context"]["error"]["status"], expected, "{case}: {answer}");
            }
        })
        .await;
    let events = server.events();
    assert_eq!(events.len(), count);
    assert!(events.iter().all(|event| event.outcome.as_str() == "denied"));
}
