//! Two whole servers on one PostgreSQL.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use prov_audit::{FindingKind, key_beside, verify};
use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::Client;
use crate::holder::{Holder, encode};
use crate::peer_postgres::PeerPostgres;
use crate::people::{ADMIN_PASSWORD, World, column, password_of, signed_in, text};
use crate::server::{Home, PATIENCE, Server, free_port};
use crate::terminal::Terminal;
use crate::tools::prov;

/// The settings of a server of this name on the shared database.
fn settings(postgres: &PeerPostgres, keys: &Home, node: &str) -> Vec<String> {
    let root_key = keys.path().join("root.key");
    let settings = [
        format!("server.node={node}"),
        format!("store.url={}", postgres.url()),
        format!("kms.root_key_path={}", root_key.display()),
        "audit.ml_dsa_44=true".to_owned(),
    ];
    settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

/// Such a server, with a folder of its own for its log.
fn start(postgres: &PeerPostgres, keys: &Home, home: &Home, node: &str) -> Server {
    start_with(postgres, keys, home, node, &[])
}

/// The same with other settings besides.
fn start_with(
    postgres: &PeerPostgres,
    keys: &Home,
    home: &Home,
    node: &str,
    more: &[&str],
) -> Server {
    let settings = settings(postgres, keys, node);
    let mut arguments = vec!["--set", "server.rate_limit=100000/min"];
    arguments.extend(settings.iter().map(String::as_str));
    arguments.extend(more);
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

/// What the log of one node has, wherever it is asked for.
fn events(admin: &Client, action: &str, node: &str) -> Value {
    let origin = format!("control-center/audit/{node}");
    admin.get(&format!("/api/v1/audit/events?action={action}&origin={origin}")).expect(200)
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
        // What the second takes in of the first must be signed with both keys.
        let second = ["standard", "break-glass"].map(|class| {
            let file = home_a.data().join("audit").join(class).join("log-ml-dsa-44.vkey");
            std::fs::read_to_string(file).unwrap().trim().to_owned()
        });
        let stated = format!("audit.join_ml_dsa_44_keys={}", second.join(","));
        let b = start_with(&postgres, &keys, &Home::new(), "b", &["--set", &stated]);
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

/// A client that holds a key, at servers that are reached by one URL.
struct Bound<'a> {
    holder: Holder,
    url: &'a str,
    token: String,
}

impl<'a> Bound<'a> {
    fn proof(&self, method: &str, path: &str) -> String {
        let second = SystemClock::new().now().as_second();
        let mut claims = self.holder.claims(method, path, second);
        claims["htu"] = format!("{}{path}", self.url).into();
        if !self.token.is_empty() {
            claims["ath"] = encode(digest(&SHA256, self.token.as_bytes())).into();
        }
        self.holder.sign(&self.holder.header(), &claims)
    }

    fn signed_in(client: &Client, url: &'a str) -> Self {
        let mut bound = Self { holder: Holder::new(), url, token: String::new() };
        let path = "/api/v1/auth/login";
        let proof = bound.proof("POST", path);
        let body = json!({ "username": "admin", "password": ADMIN_PASSWORD });
        let body = Some(("application/json", serde_json::to_vec(&body).unwrap()));
        let tokens = client.try_send(&Method::POST, path, body, &[("dpop", &proof)]).unwrap();
        let tokens = tokens.expect(200);
        assert_eq!(tokens["token_type"], "DPoP");
        text(&tokens, "access_token").clone_into(&mut bound.token);
        bound
    }

    /// A new proof of a request for who one is.
    fn fresh(&self) -> String {
        self.proof("GET", "/api/v1/auth/me")
    }

    fn ask(&self, client: &Client, proof: &str) -> u16 {
        let authorization = format!("DPoP {}", self.token);
        let headers = [("authorization", &*authorization), ("dpop", proof)];
        client.try_send(&Method::GET, "/api/v1/auth/me", None, &headers).unwrap().status
    }
}

/// The middle of so many good requests, one after another.
fn usual_time<T>(times: usize, prepared: impl Fn() -> T, ask: impl Fn(T) -> u16) -> Duration {
    let clock = SystemClock::new();
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let (prepared, began) = (prepared(), clock.monotonic());
            assert_eq!(ask(prepared), 200);
            clock.monotonic().saturating_sub(began)
        })
        .collect();
    all.sort();
    all[times / 2]
}

#[test]
fn a_proof_that_one_server_has_seen_the_other_refuses() {
    let Some(postgres) = PeerPostgres::start(&[]) else { return };
    let [a, b] = [(); 2].map(|()| free_port());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (keys, home, shared_url) = (Home::new(), Home::new(), url(a));
    let public = format!("server.public_url={shared_url}");
    let start = |home: &Home, node: &str, port: u16| {
        let settings = settings(&postgres, &keys, node);
        let mut all: Vec<&str> = settings.iter().map(String::as_str).collect();
        all.extend(["--set", "jwt.dpop=true", "--set", &public]);
        home.start_at_with(port, &all)
    };
    let world = World::over(start(&home, "a", a));
    let _b = start(&Home::new(), "b", b);
    let (at_a, at_b) = (world.server.client(), Client::new(&url(b)));
    let bound = Bound::signed_in(&at_a, &shared_url);
    let (first, second) = (bound.fresh(), bound.fresh());
    assert_eq!((bound.ask(&at_a, &first), bound.ask(&at_b, &first)), (200, 401));
    assert_eq!((bound.ask(&at_b, &second), bound.ask(&at_a, &second)), (200, 401));
    // What it costs, beside the same request with a bearer token.
    let bearer = at_b.with_token(world.admin.token.as_deref().unwrap());
    let with_proof = usual_time(100, || bound.fresh(), |proof| bound.ask(&at_b, &proof));
    let without = usual_time(100, || (), |()| bearer.get("/api/v1/auth/me").status);
    println!("a request with a proof takes {with_proof:?}, with a bearer token {without:?}");
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
    let count = |client: &Client, action: &str, node: &str| {
        column(&events(client, action, node), "action").len()
    };
    for (action, at_a, at_b) in
        [("server.start", 1, 1), ("auth.bootstrap", 1, 0), ("secret.role.set", 1, 0)]
    {
        assert_eq!(count(&world.admin, action, "a"), at_a, "{action} at a");
        assert_eq!(count(&admin_at_b, action, "b"), at_b, "{action} at b");
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

/// Waits for something, not for ever.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !is_so() {
        let waited = clock.monotonic().saturating_sub(began);
        assert!(waited < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a server says of a log.
fn joined(admin: &Client, origin: &str) -> Value {
    let logs = admin.get("/api/v1/audit/logs").expect(200);
    let logs = logs["items"].as_array().unwrap();
    logs.iter().find(|log| log["origin"] == origin).cloned().unwrap_or_default()
}

#[test]
fn what_one_server_records_is_found_and_proved_at_the_other() {
    let Some(pair) = Pair::start() else { return };
    let Pair { mut world, b, admin_at_b, home_a, postgres: _postgres, keys: _keys } = pair;
    let log_a = "control-center/audit/a/standard";
    // Without a filter: the question is answered from the logs of both.
    let found = || admin_at_b.get("/api/v1/audit/events?action=auth.bootstrap").expect(200);
    until("it is found at the other", || !found()["items"].as_array().unwrap().is_empty());
    let event = found()["items"][0].clone();
    assert_eq!((&event["origin"], &event["log"]), (&json!(log_a), &json!("standard")), "{event}");
    assert!(event["seq"].is_u64() && text(&event, "hash").len() == 64, "{event}");
    assert!(found().get("alarms").is_none(), "{}", found());
    let at_a = world.admin.get(&format!("/api/v1/audit/events/{}", text(&event, "id"))).expect(200);
    assert_eq!((&at_a["hash"], &at_a["actor"]), (&event["hash"], &event["actor"]));
    let own = "control-center/audit/b/standard";
    assert_eq!(joined(&admin_at_b, own)["own"], true);
    until("each has the other", || joined(&world.admin, own)["size"].as_u64() > Some(0));
    let metrics = b.client().get("/metrics").text();
    let line = format!("prov_audit_joined_alarm{{log=\"{log_a}\",kind=\"gap\"}} 0");
    assert!(metrics.contains(&line), "{metrics}");
    let second = joined(&admin_at_b, log_a)["ml_dsa_44_key"].clone();
    assert!(text(&json!({ "key": second }), "key").starts_with(log_a), "{second}");
    let checkpoint =
        admin_at_b.get(&format!("/api/v1/audit/checkpoint?origin={log_a}")).expect(200);
    assert_eq!(checkpoint["ml_dsa_44_key"], second);
    assert!(joined(&world.admin, own).get("ml_dsa_44_key").is_none(), "none is stated there");
    let asked = format!("/api/v1/audit/verify?origin={log_a}");
    let report = admin_at_b.get(&asked).expect(200);
    assert_eq!((&report["intact"], &report["origin"]), (&json!(true), &json!(log_a)), "{report}");
    assert_eq!(admin_at_b.get("/api/v1/audit/verify?origin=nobody").status, 404);
    // Its server is gone, with its disk.
    let key = key_beside(&home_a.data().join("audit/standard")).unwrap();
    world.server.kill();
    std::fs::remove_dir_all(home_a.data()).unwrap();
    let home_b = b.home.clone();
    let mirror = home_b.data().join("audit").join(text(&joined(&admin_at_b, log_a), "directory"));
    assert_eq!(text(&found()["items"][0], "id"), text(&event, "id"));
    if let Some(program) = prov() {
        at_a_terminal(&program, &b, &event, &mirror);
    }
    drop(b);
    let report = verify(&mirror, &key).unwrap();
    assert!(report.intact && report.records > 0, "{report:?}");
    // One byte is changed.
    let segment = mirror.join("segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(12).position(|window| window == b"server.start").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let report = verify(&mirror, &key).unwrap();
    let bad = report.first_bad.unwrap();
    assert_eq!(
        (report.intact, bad.kind, bad.seq),
        (false, FindingKind::Record, Some(0)),
        "{bad:?}"
    );
}

/// A live tail.
struct Tail(BufReader<TcpStream>);

impl Tail {
    fn open(server: &Server, admin: &Client, after: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let after = after.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let asked = format!(
            "GET /api/v1/audit/stream?query=action%3Ateam.create HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {}\r\n{after}\r\n",
            admin.token.as_deref().unwrap()
        );
        stream.write_all(asked.as_bytes()).unwrap();
        let mut tail = Self(BufReader::new(stream));
        assert!(tail.line("HTTP/1.1 ").starts_with("200"));
        tail
    }

    /// The rest of the next line that begins so.
    fn line(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the tail ended");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// The next event: its id in the stream, its log and what it is about. A tail that goes on behind
    /// another says of each log first that nothing is wrong with it.
    fn next(&mut self) -> (String, String, String) {
        let (mut id, mut kind) = (self.line("id: "), self.line("event: "));
        while kind == "alarm" {
            let log: Value = serde_json::from_str(&self.line("data: ")).unwrap();
            assert_eq!(log["alarm"], Value::Null, "{log}");
            (id, kind) = (self.line("id: "), self.line("event: "));
        }
        assert_eq!(kind, "audit");
        let event: Value = serde_json::from_str(&self.line("data: ")).unwrap();
        (id, text(&event, "origin").to_owned(), text(&event["resource"], "id").to_owned())
    }
}

#[test]
fn a_tail_is_of_both_servers_and_goes_on_at_the_other() {
    let Some(pair) = Pair::start() else { return };
    let Pair { world, b, admin_at_b, postgres: _postgres, .. } = &pair;
    let own = "control-center/audit/b/standard";
    until("each has the other", || joined(&world.admin, own)["size"].as_u64() > Some(0));
    let team = |client: &Client, name: &str| {
        client.post("/api/v1/teams", &json!({ "name": name })).expect(201);
    };
    let mut at_b = Tail::open(b, admin_at_b, None);
    team(&world.admin, "of-a");
    let (first, origin, about) = at_b.next();
    assert_eq!((origin.as_str(), about.as_str()), ("control-center/audit/a/standard", "of-a"));
    team(admin_at_b, "of-b");
    let (_, origin, about) = at_b.next();
    assert_eq!((origin.as_str(), about.as_str()), (own, "of-b"));
    team(&world.admin, "later");
    // Behind the first of them, at the other server.
    let mut at_a = Tail::open(&world.server, &world.admin, Some(&first));
    let mut rest = [at_a.next(), at_a.next()].map(|(_, origin, about)| (about, origin));
    rest.sort();
    let expected = [("later", "control-center/audit/a/standard"), ("of-b", own)];
    assert_eq!(rest, expected.map(|(about, origin)| (about.to_owned(), origin.to_owned())));
}

/// The same with `prov`.
fn at_a_terminal(program: &std::path::Path, b: &Server, event: &Value, mirror: &std::path::Path) {
    let terminal = Terminal::new(program, &b.url);
    let file = terminal.file("password", ADMIN_PASSWORD);
    terminal.ok(&["login", "--user", "admin", "--password-file", &file]);
    let (log_a, id) = ("control-center/audit/a/standard", text(event, "id"));
    let found = terminal.json(&["audit", "query", "--action", "auth.bootstrap", "--origin", log_a]);
    assert_eq!(found["items"][0]["origin"], log_a, "{found}");
    assert!(terminal.ok(&["audit", "logs"]).contains(log_a));
    terminal.ok(&["audit", "verify", "--origin", log_a]);
    let stats = terminal.json(&["audit", "stats"]);
    assert_eq!(stats["logs"].as_array().unwrap().len(), 4, "{stats}");
    let of_a = terminal.json(&["audit", "stats", "--origin", "control-center/audit/a"]);
    assert!(of_a["standard"].as_u64() < stats["standard"].as_u64(), "{of_a} {stats}");
    // The copy of a log whose server is gone: exported, and held against what is proved complete.
    let copy = terminal.ok(&["audit", "export", "--origin", log_a]);
    let lines: Vec<Value> = copy.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, of_a["standard"].as_u64().unwrap());
    assert!(lines.iter().all(|line| line["origin"] == log_a));
    terminal.file("copy", &copy);
    let key = mirror.join("log.vkey").to_str().unwrap().to_owned();
    let held = ["audit", "reconcile", "copy", "--origin", log_a, "--key", &key];
    assert_eq!(terminal.json(&held)["fits"], true);
    let answer = terminal.json(&["audit", "checkpoint", "--origin", log_a]);
    let second = terminal.file("second", text(&answer, "ml_dsa_44_key"));
    let both = [&held[..], &["--ml-dsa-key", &second]].concat();
    assert_eq!(terminal.json(&both)["fits"], true);
    // That of the other log is not this one's.
    let own = terminal.json(&["audit", "checkpoint"]);
    let other = terminal.file("other", text(&own, "ml_dsa_44_key"));
    terminal.fails(2, &[&held[..], &["--ml-dsa-key", &other]].concat());
    terminal.file("copy", &copy.lines().skip(1).collect::<Vec<_>>().join("\n"));
    terminal.fails(1, &held);
    let all = terminal.ok(&["audit", "export", "--all", "--log", "standard"]);
    for log in [log_a, "control-center/audit/b/standard"] {
        assert!(all.lines().any(|line| line.contains(&format!("\"origin\":\"{log}\""))), "{log}");
    }
    terminal.fails(1, &["audit", "export", "--origin", "nobody"]);
    terminal.ok(&["audit", "proof", id, "--origin", log_a, "--save", "case"]);
    terminal.fails(1, &["audit", "proof", id, "--origin", "control-center/audit/b/standard"]);
    let kept = terminal.ok(&["audit", "checkpoint", "--note", "--origin", log_a]);
    terminal.file("kept", &kept);
    let since = ["audit", "checkpoint", "--since", "kept", "--origin", log_a, "--key", &key];
    let since = [&since[..], &["--ml-dsa-key", &second]].concat();
    assert_eq!(terminal.json(&since)["log"], log_a);
    terminal.fails(1, &["audit", "checkpoint", "--note", "--origin", "nobody"]);
    let key = mirror.join("log.vkey");
    let key = key.to_str().unwrap();
    let checked = terminal.json(&["audit", "proof", "--check", "case", "--key", key]);
    assert_eq!((&checked["log"], &checked["event"]["id"]), (&json!(log_a), &json!(id)));
}
