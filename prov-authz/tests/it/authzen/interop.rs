//! The published interoperability cases: the todo application, and the gateway before it.

use serde_json::{Value, json};

use super::server::{Directory, PUBLIC_URL, Server};
use prov_authz::authzen::AuthzenOptions;

/// Letter of the id, address, teams.
const PEOPLE: [(&str, &str, &[&str]); 5] = [
    ("A", "rick@the-citadel.com", &["admin", "evil-genius"]),
    ("E", "morty@the-citadel.com", &["editor"]),
    ("I", "summer@the-smiths.com", &["editor"]),
    ("M", "beth@the-smiths.com", &["viewer"]),
    ("Q", "jerry@the-smiths.com", &["viewer"]),
];

fn id(letter: &str) -> String {
    format!("CiRmZD{letter}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs")
}

fn server() -> Server {
    let texts = [include_str!("interop/schema.cedarschema"), include_str!("interop/todos.cedar")];
    let directory = PEOPLE.iter().fold(Directory::default(), |directory, (letter, name, teams)| {
        directory.with(&id(letter), name, teams)
    });
    let options = AuthzenOptions::default()
        .published_at(PUBLIC_URL)
        .unwrap()
        .with_subject_type("identity", "User")
        .with_resource_type("user", "Profile")
        .with_resource_type("todo", "Todo")
        .with_resource_type("route", "Route");
    Server::new("Interop", texts, (directory, &[]), options)
}

fn todo_of(owner: &str) -> Value {
    json!({"type": "todo", "id": format!("todo-of-{owner}"), "properties": {"ownerID": owner}})
}

/// The 40 questions of the application with their answers: eight for each of five people.
fn todo_cases() -> Vec<(Value, bool)> {
    let mut cases = Vec::new();
    for (letter, name, teams) in PEOPLE {
        let is = |team: &str| teams.contains(&team);
        let rick = PEOPLE[0].1;
        // Rick meets somebody else's, everybody else their own.
        let other = if name == rick { PEOPLE[1].1 } else { name };
        let changes = |owner: &str, any: &str| is(any) || (is("editor") && owner == name);
        let profile = |who: &str| json!({"type": "user", "id": who});
        let list = json!({"type": "todo", "id": "todo-1"});
        let asked = [
            ("can_read_user", profile("beth@the-smiths.com"), true),
            ("can_read_user", profile(name), true),
            ("can_read_todos", list.clone(), true),
            ("can_create_todo", list, is("editor") || is("admin")),
            ("can_update_todo", todo_of(rick), changes(rick, "evil-genius")),
            ("can_update_todo", todo_of(other), changes(other, "evil-genius")),
            ("can_delete_todo", todo_of(rick), changes(rick, "admin")),
            ("can_delete_todo", todo_of(other), changes(other, "admin")),
        ];
        cases.extend(asked.map(|(action, resource, expected)| {
            let subject = json!({"type": "user", "id": id(letter)});
            let message =
                json!({"subject": subject, "action": {"name": action}, "resource": resource});
            (message, expected)
        }));
    }
    cases
}

/// The 25 questions of the gateway: five routes for each of five people.
fn gateway_cases() -> Vec<(Value, bool)> {
    let routes = [
        ("GET", "/users/{userId}"),
        ("GET", "/todos"),
        ("POST", "/todos"),
        ("PUT", "/todos/{todoId}"),
        ("DELETE", "/todos/{todoId}"),
    ];
    let of = |(letter, _, teams): (&str, &str, &[&str])| {
        let changes = teams.contains(&"editor") || teams.contains(&"admin");
        let subject = json!({"type": "identity", "id": id(letter)});
        routes.map(|(method, path)| {
            let resource = json!({"type": "route", "id": path});
            let message =
                json!({"subject": subject, "action": {"name": method}, "resource": resource});
            (message, method == "GET" || changes)
        })
    };
    PEOPLE.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_todo_application_and_its_gateway_are_decided_as_published() {
    let cases: Vec<_> = todo_cases().into_iter().chain(gateway_cases()).collect();
    assert_eq!(cases.len(), 40 + 25);
    let permitted = cases.iter().filter(|(_, expected)| *expected).count();
    assert_eq!(permitted, 26 + 19, "as many as in the published results");
    let server = server();
    server
        .while_asked(async |client| {
            for (message, expected) in cases {
                let (status, answer) = client.post("/access/v1/evaluation", &message).await;
                assert_eq!((status, &answer["decision"]), (200, &json!(expected)), "{message}");
            }
        })
        .await;
}

#[tokio::test]
async fn the_three_batches_of_the_todo_application_are_decided_as_published() {
    let [rick, morty, _, _, jerry] = PEOPLE;
    let cases = [
        (rick, [rick, jerry], [true, true]),
        (morty, [rick, morty], [false, true]),
        (jerry, [rick, jerry], [false, false]),
    ];
    let server = server();
    server
        .while_asked(async |client| {
            for ((letter, ..), owners, expected) in cases {
                let message = json!({
                    "subject": {"type": "user", "id": id(letter)},
                    "action": {"name": "can_update_todo"},
                    "evaluations": owners.map(|(_, owner, _)| json!({"resource": todo_of(owner)})),
                });
                let (_, answer) = client.post("/access/v1/evaluations", &message).await;
                let answered = answer["evaluations"].as_array().unwrap();
                let decisions: Vec<_> = answered.iter().map(|e| e["decision"].clone()).collect();
                assert_eq!(decisions, expected.map(Value::Bool), "{message}");
            }
        })
        .await;
}
