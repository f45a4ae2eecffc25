//! `kill -9` while fifty clients work: whatever was confirmed to one of them is there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Answer, Client};
use crate::people::{ADMIN_PASSWORD, World, column, signed_in, text};

const CLIENTS: usize = 50;
const ROUNDS: usize = 3;

/// What the clients were told.
#[derive(Debug, Default)]
struct Confirmed {
    keys: BTreeSet<String>,
    roles: BTreeSet<String>,
    teams: BTreeSet<String>,
    users: BTreeSet<String>,
    ciphertexts: Vec<String>,
    /// The ids of all requests that were answered with success.
    requests: BTreeSet<String>,
}

/// One thing a client asks for, and where its confirmation is noted.
fn ask(client: &Client, name: &str, turn: usize) -> (Result<Answer, ureq::Error>, usize) {
    let kind = turn % 5;
    let (method, path, body) = match kind {
        0 => (Method::POST, "/api/v1/kms/keys".to_owned(), json!({ "key_id": name })),
        1 => {
            let role = json!({ "allowed_principals": ["{{username}}"], "roles": ["operator"] });
            (Method::PUT, format!("/api/v1/secrets/roles/{name}"), role)
        }
        2 => (Method::POST, "/api/v1/teams".to_owned(), json!({ "name": name })),
        3 => {
            let body = json!({ "plaintext": STANDARD.encode(name), "context": "by=crash" });
            (Method::POST, "/api/v1/kms/encrypt".to_owned(), body)
        }
        _ => (Method::PATCH, "/api/v1/users/admin".to_owned(), json!({ "display_name": name })),
    };
    let body = ("application/json", serde_json::to_vec(&body).unwrap());
    (client.try_send(&method, &path, Some(body), &[]), kind)
}

/// Works until the server is gone; anything but success or its absence is a failure.
fn work(
    client: &Client,
    who: &str,
    gone: &AtomicBool,
    count: &AtomicUsize,
    all: &Mutex<Confirmed>,
) {
    for turn in 0.. {
        let name = format!("{who}-{turn}");
        let (answered, kind) = ask(client, &name, turn);
        let Ok(answer) = answered else {
            if gone.load(Ordering::SeqCst) {
                return;
            }
            continue;
        };
        // Everyone renames the administrator at once: who loses the race is told so.
        if answer.status == 409 && kind == 4 {
            continue;
        }
        assert!((200..300).contains(&answer.status), "{}: {}", answer.asked, answer.text());
        let mut all = all.lock().unwrap();
        all.requests.insert(answer.request_id());
        match kind {
            0 => drop(all.keys.insert(name)),
            1 => drop(all.roles.insert(name)),
            2 => drop(all.teams.insert(name)),
            3 => all.ciphertexts.push(text(&answer.json(), "ciphertext").to_owned()),
            _ => drop(all.users.insert(name)),
        }
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// All items of a list, page by page.
fn all_items(client: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let join = if path.contains('?') { '&' } else { '?' };
        let mut page = client.get(&format!("{path}{join}limit=1000{next}")).expect(200);
        items.append(page["items"].as_array_mut().unwrap());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return items,
        }
    }
}

fn names(client: &Client, path: &str, field: &str) -> BTreeSet<String> {
    let items = json!({ "items": all_items(client, path) });
    column(&items, field).into_iter().collect()
}

fn assert_all_there(admin: &Client, confirmed: &Confirmed) {
    let missing = |wanted: &BTreeSet<String>, path: &str, field: &str| {
        let there = names(admin, path, field);
        let missing: Vec<_> = wanted.difference(&there).collect();
        assert!(missing.is_empty(), "of {} in {path}: {missing:?}", wanted.len());
    };
    missing(&confirmed.keys, "/api/v1/kms/keys", "key_id");
    missing(&confirmed.roles, "/api/v1/secrets/roles", "name");
    missing(&confirmed.teams, "/api/v1/teams", "name");
    for ciphertext in &confirmed.ciphertexts {
        let body = json!({ "ciphertext": ciphertext, "context": "by=crash" });
        admin.post("/api/v1/kms/decrypt", &body).expect(200);
    }
    let report = admin.get("/api/v1/audit/verify").expect(200);
    assert_eq!(report["intact"], true, "{report}");
    let recorded: BTreeSet<String> = all_items(admin, "/api/v1/audit/events")
        .iter()
        .filter_map(|event| event["request"]["id"].as_str().map(str::to_owned))
        .collect();
    let unrecorded: Vec<_> = confirmed.requests.difference(&recorded).collect();
    assert!(unrecorded.is_empty(), "of {}: {unrecorded:?}", confirmed.requests.len());
}

#[test]
fn what_was_confirmed_survives_kill_9_under_fifty_clients() {
    let mut world = World::new();
    let confirmed = Mutex::new(Confirmed::default());
    for round in 0..ROUNDS {
        let (gone, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                // Each has connections of its own.
                let client = Client::new(&world.server.url)
                    .with_token(world.admin.token.as_deref().unwrap());
                let (gone, count, confirmed) = (&gone, &count, &confirmed);
                scope.spawn(move || {
                    work(&client, &format!("r{round}-{number}"), gone, count, confirmed);
                });
            }
            while count.load(Ordering::SeqCst) < 400 + 170 * round {
                std::thread::sleep(Duration::from_millis(5));
            }
            gone.store(true, Ordering::SeqCst);
            world.server.kill();
        });
        world.server = world.server.home.start();
        // Tokens from before hold as well: keys and sessions are there.
        world.admin = world.server.client().with_token(world.admin.token.as_deref().unwrap());
        assert_eq!(text(&world.admin.get("/api/v1/auth/me").expect(200), "name"), "admin");
        assert_all_there(&world.admin, &confirmed.lock().unwrap());
    }
    signed_in(&world.server.client(), "admin", ADMIN_PASSWORD);
    let confirmed = confirmed.into_inner().unwrap();
    let kinds = [&confirmed.keys, &confirmed.roles, &confirmed.teams, &confirmed.users];
    assert!(kinds.iter().all(|kind| kind.len() > 100), "each kind of write was at work");
    world.server.stop();
}
