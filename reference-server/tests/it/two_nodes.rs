//! Two whole servers on one PostgreSQL.

use std::time::Duration;

use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::Client;
use crate::holder::{Holder, URL, facts_of};
use crate::peer_postgres::PeerPostgres;
use crate::people::{ADMIN_PASSWORD, World, column, password_of, signed_in, text};
use crate::server::{Home, PATIENCE, Server};

/// A server of this name on the shared database, with a folder of its own for its log.
fn start(postgres: &PeerPostgres, keys: &Home, home: &Home, node: &str) -> Server {
    start_with(postgres, keys, home, node, &[])
}

fn start_with(
    postgres: &PeerPostgres,
    keys: &Home,
    home: &Home,
    node: &str,
    more: &[&str],
) -> Server {
    let root_key = keys.path().join("root.key");
    let settings = [
        "server.rate_limit=100000/min".to_owned(),
        format!("server.node={node}"),
        format!("store.url={}", postgres.url()),
        format!("kms.root_key_path={}", root_key.display()),
    ];
    let settings = settings.iter().map(String::as_str).chain(more.iter().copied());
    let arguments: Vec<&str> = settings.flat_map(|setting| ["--set", setting]).collect();
    home.start_with(&arguments)
}

/// How long until this client is refused.
fn until_refused(client: &Client) -> Duration {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    loop {
        let status = client.get("/api/v1/auth/me").status;
        let waited = clock.monotonic().saturating_sub(began);
        match status {
            401 => return waited,
            200 => assert!(waited < PATIENCE, "it is never refused"),
            other => panic!("{other}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a server says of its own log.
fn origin(admin: &Client) -> String {
    let report = admin.get("/api/v1/audit/verify").expect(200);
    assert_eq!(report["intact"], true, "{report}");
    text(&admin.get("/api/v1/audit/checkpoint").expect(200), "origin").to_owned()
}

fn events(admin: &Client, action: &str) -> Value {
    admin.get(&format!("/api/v1/audit/events?action={action}")).expect(200)
}

/// Two running servers, and the administrator at each.
struct Pair {
    postgres: PeerPostgres,
    keys: Home,
    home_a: Home,
    world: World,
    b: Server,
    admin_at_b: Client,
}

impl Pair {
    fn start() -> Option<Self> {
        let postgres = PeerPostgres::start(&[])?;
        let (keys, home_a) = (Home::new(), Home::new());
        let world = World::over(start(&postgres, &keys, &home_a, "a"));
        let b = start(&postgres, &keys, &Home::new(), "b");
        assert_eq!(b.greeting.len(), 1, "nobody is invited to be a second first administrator");
        let admin_at_b = b.client().with_token(world.admin.token.as_deref().unwrap());
        Some(Self { postgres, keys, home_a, world, b, admin_at_b })
    }
}

#[test]
fn what_one_server_knows_or_revokes_the_other_does_too() {
    let Some(Pair { world, b, admin_at_b, postgres: _postgres, .. }) = Pair::start() else {
        return;
    };
    assert_eq!(text(&admin_at_b.get("/api/v1/auth/me").expect(200), "name"), "admin");
    let mut waits = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let at_a = world.person(name, &["viewer"], &[]);
        let at_b = b.client().with_token(at_a.token.as_deref().unwrap());
        assert_eq!(text(&at_b.get("/api/v1/auth/me").expect(200), "name"), name);
        signed_in(&b.client(), name, &password_of(name)).get("/api/v1/auth/me").expect(200);
        assert_eq!(at_a.delete("/api/v1/auth/sessions").status, 204);
        assert_eq!(at_a.get("/api/v1/auth/me").status, 401);
        waits.push(until_refused(&at_b));
    }
    println!("what one revoked, the other refused after {waits:?}");
    // The machine may be busy with other tests: of three, the quickest counts.
    assert!(waits.iter().min().unwrap() <= &Duration::from_secs(1), "{waits:?}");

    // What was asked of one is repeated at the other.
    let send = |client: &Client| {
        let team = ("application/json", br#"{"name":"payments"}"#.to_vec());
        let headers = [("idempotency-key", "one-key")];
        client.try_send(&Method::POST, "/api/v1/teams", Some(team), &headers).unwrap()
    };
    let made = send(&world.admin).expect(201);
    let again = send(&admin_at_b);
    assert_eq!(again.expect(201), made);
    assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));
}

/// A client that holds a key, at servers that are reached by one name.
struct Bound {
    holder: Holder,
    token: String,
}

impl Bound {
    fn proof(&self, method: &str, path: &str, token: Option<&str>) -> String {
        let facts = facts_of(&SystemClock::new(), method, path);
        self.holder.proof(&facts, token).expose().to_owned()
    }

    fn signed_in(client: &Client) -> Self {
        let mut bound = Self { holder: Holder::new(), token: String::new() };
        let proof = bound.proof("POST", "/api/v1/auth/login", None);
        let body = json!({ "username": "admin", "password": ADMIN_PASSWORD });
        let body = Some(("application/json", serde_json::to_vec(&body).unwrap()));
        let path = "/api/v1/auth/login";
        let tokens = client.try_send(&Method::POST, path, body, &[("dpop", &proof)]).unwrap();
        let tokens = tokens.expect(200);
        assert_eq!(tokens["token_type"], "DPoP");
        text(&tokens, "access_token").clone_into(&mut bound.token);
        bound
    }

    /// A new proof for `GET /api/v1/auth/me`.
    fn fresh(&self) -> String {
        self.proof("GET", "/api/v1/auth/me", Some(&self.token))
    }

    fn ask(&self, client: &Client, proof: &str) -> u16 {
        let authorization = format!("DPoP {}", self.token);
        let headers = [("authorization", &*authorization), ("dpop", proof)];
        client.try_send(&Method::GET, "/api/v1/auth/me", None, &headers).unwrap().status
    }

    /// The middle of so many requests with new proofs, one after another.
    fn usual_time(&self, client: &Client, times: usize) -> Duration {
        let clock = SystemClock::new();
        let mut all: Vec<Duration> = (0..times)
            .map(|_| {
                let (proof, began) = (self.fresh(), clock.monotonic());
                assert_eq!(self.ask(client, &proof), 200);
                clock.monotonic().saturating_sub(began)
            })
            .collect();
        all.sort();
        all[times / 2]
    }
}

#[test]
fn a_proof_that_one_server_has_seen_the_other_refuses() {
    let Some(postgres) = PeerPostgres::start(&[]) else { return };
    let public = format!("server.public_url={URL}");
    let (keys, home) = (Home::new(), Home::new());
    let more = ["jwt.dpop=true", &*public];
    let world = World::over(start_with(&postgres, &keys, &home, "a", &more));
    let b = start_with(&postgres, &keys, &Home::new(), "b", &more).client();
    let a = world.server.client();
    let bound = Bound::signed_in(&a);
    let (first, second) = (bound.fresh(), bound.fresh());
    assert_eq!((bound.ask(&a, &first), bound.ask(&b, &first)), (200, 401));
    assert_eq!((bound.ask(&b, &second), bound.ask(&a, &second)), (200, 401));
    // What it costs, beside a server of its own whose memory is enough.
    let more =
        ["--set", "server.rate_limit=100000/min", "--set", "jwt.dpop=true", "--set", &public];
    let alone = World::over(Home::new().start_with(&more));
    let by_itself = Bound::signed_in(&alone.server.client());
    let shared = bound.usual_time(&b, 100);
    let local = by_itself.usual_time(&alone.server.client(), 100);
    println!("a request with a proof: {shared:?} where it is remembered by all, {local:?} by one");
}

#[test]
fn each_server_has_a_log_of_its_own_and_outlives_the_other() {
    let Some(pair) = Pair::start() else { return };
    let Pair { postgres, keys, home_a, mut world, b, admin_at_b } = pair;
    let role =
        json!({ "name": "machines", "roles": ["operator"], "allowed_principals": ["deploy"] });
    world.admin.post("/api/v1/secrets/roles", &role).expect(201);
    let lease = |client: &Client| {
        let asked = json!({ "role": "machines", "ttl": "1h" });
        text(&client.post("/api/v1/ssh/keys", &asked).expect(201), "lease_id").to_owned()
    };
    let (of_a, of_b) = (lease(&world.admin), lease(&admin_at_b));
    for client in [&world.admin, &admin_at_b] {
        let leases = column(&client.get("/api/v1/secrets/leases").expect(200), "lease_id");
        assert!(leases.contains(&of_a) && leases.contains(&of_b), "{leases:?}");
    }

    let (log_a, log_b) = (origin(&world.admin), origin(&admin_at_b));
    let expected = ("control-center/audit/a/standard", "control-center/audit/b/standard");
    assert_eq!((log_a.as_str(), log_b.as_str()), expected);
    let count = |client: &Client, action: &str| column(&events(client, action), "action").len();
    for (action, at_a, at_b) in
        [("server.start", 1, 1), ("auth.bootstrap", 1, 0), ("secret.role.set", 1, 0)]
    {
        assert_eq!(count(&world.admin, action), at_a, "{action} at a");
        assert_eq!(count(&admin_at_b, action), at_b, "{action} at b");
    }

    // One dies; the other goes on, also with what the dead one handed out.
    world.server.kill();
    let revoked = admin_at_b.post(&format!("/api/v1/secrets/leases/{of_a}/revoke"), &json!({}));
    assert_eq!(revoked.status, 200, "{revoked:?}");
    signed_in(&b.client(), "admin", ADMIN_PASSWORD).get("/api/v1/users").expect(200);
    let a = start(&postgres, &keys, &home_a, "a");
    let admin = a.client().with_token(world.admin.token.as_deref().unwrap());
    assert_eq!(origin(&admin), log_a);
    let ended = admin.get(&format!("/api/v1/secrets/leases/{of_a}")).expect(200);
    assert_ne!(ended["state"], "active", "{ended}");
}
