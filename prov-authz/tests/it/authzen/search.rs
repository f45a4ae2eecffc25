//! The levels Search Core and Search Properties of the certification scenario (its chapter 4), and
//! the published interoperability cases of searches.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use prov_authz::ResourceEntity;
use prov_authz::authzen::AuthzenOptions;

use super::server::{Client, Directory, PUBLIC_URL, Server};
use super::{asked, with, without};

const SUBJECT: &str = "/access/v1/search/subject";
const RESOURCE: &str = "/access/v1/search/resource";
const ACTION: &str = "/access/v1/search/action";

fn subjects(action: &str, resource: &str) -> Value {
    without(asked("nobody", action, resource), "/subject/id")
}

fn resources(subject: &str, action: &str) -> Value {
    without(asked(subject, action, "nothing"), "/resource/id")
}

fn actions(subject: &str, resource: &str) -> Value {
    without(asked(subject, "nothing", resource), "/action")
}

/// The ids or names that were found.
fn names(answer: &Value) -> Vec<String> {
    let of = |hit: &Value| hit.get("id").or(hit.get("name")).unwrap().as_str().unwrap().to_owned();
    answer["results"].as_array().unwrap().iter().map(of).collect()
}

async fn search(client: Client, path: &str, message: &Value) -> Vec<String> {
    let (status, answer) = client.post(path, message).await;
    assert_eq!((status, &answer["page"]["next_token"]), (200, &json!("")), "{message}: {answer}");
    assert_eq!(answer["page"]["count"], answer["results"].as_array().unwrap().len());
    names(&answer)
}

/// Number in the scenario, path, message, what is found.
type Case = (&'static str, &'static str, Value, &'static str);

pub(super) fn cases() -> Vec<Case> {
    let context = json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"});
    let archived = json!({"status": "archived"});
    let role = json!({"role": "admin"});
    let both = with(actions("bob", "record-2"), "/subject/properties", role.clone());
    vec![
        ("S1, 4.2.1", SUBJECT, subjects("read", "record-1"), "alice bob"),
        (
            "4.2.2",
            SUBJECT,
            with(subjects("read", "record-1"), "/context", context.clone()),
            "alice bob",
        ),
        ("4.2.3 an id is ignored", SUBJECT, asked("alice", "read", "record-1"), "alice bob"),
        (
            "S4, 4.2.4",
            SUBJECT,
            with(subjects("write", "record-2"), "/resource/properties", archived.clone()),
            "bob",
        ),
        ("S2, 4.3.1", RESOURCE, resources("alice", "read"), "record-1 record-2"),
        (
            "4.3.2",
            RESOURCE,
            with(resources("alice", "read"), "/context", context.clone()),
            "record-1 record-2",
        ),
        (
            "4.3.3 an id is ignored",
            RESOURCE,
            asked("alice", "read", "record-1"),
            "record-1 record-2",
        ),
        (
            "S5, 4.3.4",
            RESOURCE,
            with(resources("bob", "write"), "/subject/properties", role),
            "record-2",
        ),
        ("S3, 4.4.1", ACTION, actions("alice", "record-1"), "read write"),
        ("4.4.2", ACTION, with(actions("alice", "record-1"), "/context", context), "read write"),
        ("S6, 4.4.3", ACTION, with(both, "/resource/properties", archived), "read write"),
        (
            "a fact that one action takes",
            ACTION,
            with(actions("alice", "record-1"), "/context", json!({"soft": true})),
            "delete read write",
        ),
    ]
}

#[tokio::test]
async fn every_search_of_the_scenario_finds_exactly_what_the_fixture_says() {
    let server = Server::certification();
    let count = cases().len();
    server
        .while_asked(async |client| {
            for (case, path, message, expected) in cases() {
                assert_eq!(search(client, path, &message).await.join(" "), expected, "{case}");
            }
        })
        .await;
    let events = server.events();
    assert_eq!(events.len(), count, "one event for each search");
    assert!(events.iter().all(|event| event.context.contains_key("entities")));
}

#[tokio::test]
async fn results_carry_the_type_that_was_asked_for() {
    let server = Server::certification();
    server
        .while_asked(async |client| {
            let (_, answer) = client.post(SUBJECT, &subjects("read", "record-1")).await;
            assert_eq!(answer["results"][0], json!({"type": "user", "id": "alice"}));
            let (_, answer) = client.post(RESOURCE, &resources("alice", "read")).await;
            assert_eq!(answer["results"][0], json!({"type": "record", "id": "record-1"}));
            let (_, answer) = client.post(ACTION, &actions("alice", "record-1")).await;
            assert_eq!(answer["results"][0], json!({"name": "read"}));
        })
        .await;
}

#[tokio::test]
async fn what_nobody_knows_has_no_results() {
    let kind = |message, pointer: &str| with(message, pointer, json!("spaceship"));
    let cases = [
        ("4.6.1", ACTION, actions("nonexistent-user", "record-1")),
        ("4.6.2", SUBJECT, kind(subjects("read", "record-1"), "/subject/type")),
        ("a subject", RESOURCE, resources("nonexistent-user", "read")),
        ("a type of subjects", RESOURCE, kind(resources("alice", "read"), "/subject/type")),
        ("a type of subjects", ACTION, kind(actions("alice", "record-1"), "/subject/type")),
        ("a type of resources", SUBJECT, kind(subjects("read", "record-1"), "/resource/type")),
        ("a type of resources", RESOURCE, kind(resources("alice", "read"), "/resource/type")),
        ("a type of resources", ACTION, kind(actions("alice", "record-1"), "/resource/type")),
        ("an action", SUBJECT, subjects("explode", "record-1")),
        ("an action", RESOURCE, resources("alice", "explode")),
    ];
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (case, path, message) in cases {
                assert_eq!(search(client, path, &message).await, [""; 0], "{case} at {path}");
            }
        })
        .await;
}

#[tokio::test]
async fn malformed_searches_are_400_and_those_of_whoever_may_not_ask_403() {
    let cases = [
        ("4.7.1 without action", SUBJECT, without(subjects("read", "record-1"), "/action")),
        ("4.7.1 without subject", RESOURCE, without(resources("alice", "read"), "/subject")),
        ("4.7.1 without resource", ACTION, without(actions("alice", "record-1"), "/resource")),
        (
            "4.7.2 resource without id",
            SUBJECT,
            without(subjects("read", "record-1"), "/resource/id"),
        ),
        ("4.7.2 subject without id", RESOURCE, without(resources("alice", "read"), "/subject/id")),
        ("4.7.2 subject without id", ACTION, without(actions("alice", "record-1"), "/subject/id")),
        (
            "a moment that is none",
            ACTION,
            with(actions("alice", "record-1"), "/context", json!({"time": "noon"})),
        ),
        (
            "a token that is none",
            SUBJECT,
            with(subjects("read", "record-1"), "/page", json!({"token": "next"})),
        ),
        (
            "a negative limit",
            SUBJECT,
            with(subjects("read", "record-1"), "/page", json!({"limit": -1})),
        ),
    ];
    let server = Server::certification();
    server
        .while_asked(async |client| {
            for (case, path, message) in cases {
                assert_eq!(client.post(path, &message).await.0, 400, "{case}");
            }
            let alice = [("authorization", "Bearer alice"), ("content-type", "application/json")];
            let status = async |path, message: Value| {
                client.send("POST", path, &alice, &message.to_string()).await.status().as_u16()
            };
            assert_eq!(status(SUBJECT, subjects("read", "record-1")).await, 403);
            assert_eq!(status(RESOURCE, resources("bob", "read")).await, 403);
            assert_eq!(status(ACTION, actions("bob", "record-1")).await, 403);
            assert_eq!(status(RESOURCE, resources("alice", "read")).await, 200);
            assert_eq!(status(ACTION, actions("alice", "record-1")).await, 200);
        })
        .await;
}

/// Follows the tokens to the end; the parts that were answered.
async fn parts(client: Client, path: &str, message: &Value, limit: u64) -> Vec<Vec<String>> {
    let mut page = json!({"limit": limit});
    let mut parts = Vec::new();
    loop {
        let (status, answer) = client.post(path, &with(message.clone(), "/page", page)).await;
        assert_eq!(status, 200, "{answer}");
        parts.push(names(&answer));
        match answer["page"]["next_token"].as_str().unwrap() {
            "" => return parts,
            // The limit goes on from the token.
            token => page = json!({"token": token}),
        }
    }
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end_and_tokens_hold_for_their_question_only() {
    let server = people_and_records();
    server
        .while_asked(async |client| {
            let all = search(client, SUBJECT, &subjects("view", "105")).await;
            for limit in 1..=all.len() as u64 + 1 {
                let parts = parts(client, SUBJECT, &subjects("view", "105"), limit).await;
                assert!(parts.iter().all(|part| part.len() as u64 <= limit), "{parts:?}");
                assert_eq!(parts.concat(), all, "{limit} at a time");
            }
            let all = search(client, RESOURCE, &resources("alice", "view")).await;
            assert_eq!(all.len(), 20);
            assert_eq!(parts(client, RESOURCE, &resources("alice", "view"), 7).await.concat(), all);

            let first = with(subjects("view", "105"), "/page", json!({"limit": 1}));
            let token = client.post(SUBJECT, &first).await.1["page"]["next_token"].clone();
            for (question, page) in [
                (subjects("edit", "105"), json!({"token": token})),
                (subjects("view", "106"), json!({"token": token})),
                (subjects("view", "105"), json!({"token": token, "limit": 2})),
            ] {
                assert_eq!(client.post(SUBJECT, &with(question, "/page", page)).await.0, 400);
            }
            let none = with(subjects("view", "105"), "/page", json!({"limit": 0}));
            let (_, answer) = client.post(SUBJECT, &none).await;
            assert_eq!(answer["results"], json!([]));
            assert_ne!(answer["page"]["next_token"], "", "there are some all the same");
        })
        .await;
}

/// Name, role, department.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("alice", "manager", "sales"),
    ("bob", "employee", "legal"),
    ("carol", "contractor", "legal"),
    ("dan", "manager", "finance"),
    ("erin", "employee", "finance"),
    ("felix", "contractor", "accounting"),
];

/// Id, department, owner: the records 101 to 120 belong to the six in turn.
fn records() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let departments = "LLLALASLASALSAFLLALA".chars().map(|letter| match letter {
        'L' => "legal",
        'A' => "accounting",
        'S' => "sales",
        _ => "finance",
    });
    let owners = PEOPLE.iter().cycle().map(|(name, ..)| *name);
    (101..).map(|id: u32| id.to_string()).zip(departments).zip(owners).map(|((i, d), o)| (i, d, o))
}

/// Whether the six rules of the published scenario allow it.
fn may(who: &str, action: &str, (_, department, owner): &(String, &str, &str)) -> bool {
    let (_, role, own) = PEOPLE.iter().find(|(name, ..)| *name == who).unwrap();
    match action {
        "view" => *owner == who || department == own || *role == "manager",
        "edit" => *owner == who || (department == own && *role == "manager"),
        _ => *owner == who,
    }
}

fn people_and_records() -> Server {
    let texts = [include_str!("search/schema.cedarschema"), include_str!("search/records.cedar")];
    let directory = PEOPLE.iter().fold(Directory::default(), |directory, (name, role, own)| {
        directory.with(name, name, &[role, own])
    });
    let entity = |(id, department, owner): (String, &str, &str)| {
        let name = |kind: &str, id: &str| json!({"type": format!("Search::{kind}"), "id": id});
        ResourceEntity::new("Record", id)
            .with("department", name("Team", department))
            .with("owner", name("User", owner))
    };
    let records: Vec<_> = records().map(entity).collect();
    let options = AuthzenOptions::default().published_at(PUBLIC_URL).unwrap();
    let options = options.with_resource_type("record", "Record");
    Server::new("Search", texts, (directory, &records), options)
}

#[tokio::test]
async fn the_published_searches_find_what_the_rules_of_their_scenario_say() {
    let all: Vec<_> = records().collect();
    assert_eq!(all.len(), 20);
    let mut count = 0;
    let server = people_and_records();
    server
        .while_asked(async |client| {
            for action in ["view", "edit", "delete"] {
                for record in &all {
                    let found = search(client, SUBJECT, &subjects(action, &record.0)).await;
                    let people = PEOPLE.map(|(name, ..)| name);
                    let expected: Vec<_> =
                        people.into_iter().filter(|who| may(who, action, record)).collect();
                    assert_eq!(found, expected, "who may {action} {}", record.0);
                    count += 1;
                }
                for (who, ..) in PEOPLE {
                    let found = search(client, RESOURCE, &resources(who, action)).await;
                    let expected = all.iter().filter(|record| may(who, action, record));
                    let expected: Vec<_> = expected.map(|record| record.0.clone()).collect();
                    assert_eq!(found, expected, "what {who} may {action}");
                    count += 1;
                }
            }
            for (who, ..) in PEOPLE {
                for record in &all {
                    let found = search(client, ACTION, &actions(who, &record.0)).await;
                    let expected = ["delete", "edit", "view"];
                    let expected: Vec<_> =
                        expected.into_iter().filter(|action| may(who, action, record)).collect();
                    assert_eq!(found, expected, "what {who} may do to {}", record.0);
                    count += 1;
                }
            }
        })
        .await;
    // The six of the identity providers' scenario are among the 18: what each may delete.
    assert_eq!(count, 60 + 18 + 120);
}
