//! Two deployments vouch for each other.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::Client;
use crate::people::{ADMIN_PASSWORD, World, text};
use crate::server::{Home, Server};
use crate::terminal::Terminal;
use crate::tools::prov;

/// Waits for something, not for ever.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One deployment: its folder, its port, and the name of its issuer.
struct House {
    home: Home,
    port: u16,
    issuer: &'static str,
}

impl House {
    fn new(issuer: &'static str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { home: Home::new(), port, issuer }
    }

    /// A server that watches these logs, and is vouched for by the witness of this key and URL.
    fn start(&self, logs: &[String], other: Option<(&str, u16)>) -> Server {
        let mut settings = vec![
            format!("jwt.issuer={}", self.issuer),
            format!("audit.witness.logs={}", logs.join(",")),
            "audit.witnessing.interval=200ms".to_owned(),
        ];
        if let Some((key, port)) = other {
            let file = self.home.path().join("witnesses");
            let url = format!("http://127.0.0.1:{port}/api/v1/audit/witness");
            std::fs::write(&file, format!("witness other {key} {url}\nquorum other\n")).unwrap();
            settings.push(format!("audit.witnessing.policy_path={}", file.display()));
        }
        let arguments: Vec<&str> =
            settings.iter().flat_map(|setting| ["--set", setting.as_str()]).collect();
        self.home.start_at_with(self.port, &arguments)
    }
}

/// The keys of both logs of a server, from its folder.
fn keys(home: &Home) -> Vec<String> {
    let of = |class: &str| {
        std::fs::read_to_string(home.data().join("audit").join(class).join("log.vkey"))
    };
    ["standard", "break-glass"].map(|class| of(class).unwrap().trim().to_owned()).into()
}

/// The administrator at a server that was started anew.
fn admin(world: &World) -> Client {
    world.server.client().with_token(world.admin.token.as_deref().unwrap())
}

fn witnesses(admin: &Client) -> Value {
    admin.get("/api/v1/audit/witnesses").expect(200)
}

#[test]
fn two_deployments_vouch_for_each_other() {
    let (house_a, house_b) = (House::new("house-a"), House::new("house-b"));
    let mut a = World::over(house_a.start(&[], None));
    let mut b = World::over(house_b.start(&[], None));
    // What the two tell each other: the keys of their logs, and of themselves as witnesses.
    let own_key = |admin: &Client| {
        let found = witnesses(admin);
        assert_eq!(found["witnesses"], json!([]));
        found["own"]["keys"][0].as_str().unwrap().to_owned()
    };
    let (key_a, key_b) = (own_key(&a.admin), own_key(&b.admin));
    let (logs_a, logs_b) = (keys(&house_a.home), keys(&house_b.home));
    a.server.stop();
    b.server.stop();
    a.server = house_a.start(&logs_b, Some((&key_b, house_b.port)));
    b.server = house_b.start(&logs_a, Some((&key_a, house_a.port)));
    let admin =
        |world: &World| world.server.client().with_token(world.admin.token.as_deref().unwrap());
    let (at_a, at_b) = (admin(&a), admin(&b));
    for admin in [&at_a, &at_b] {
        until("the other has cosigned", || {
            let found = witnesses(admin);
            found["logs"][0]["size"].as_u64() > Some(3) && found["witnesses"][0]["state"] == "up"
        });
        let found = witnesses(admin);
        assert_eq!(found["own"]["keys"].as_array().unwrap().len(), 2, "{found}");
        assert!(found["own"]["logs"][1]["size"].as_u64() > Some(3), "{found}");
        let checkpoint = admin.get("/api/v1/audit/checkpoint").expect(200);
        let note = text(&checkpoint, "cosigned");
        assert_eq!(note.lines().filter(|line| line.starts_with('\u{2014}')).count(), 2, "{note}");
        let events = admin.get("/api/v1/audit/events?action=audit.witness.cosign").expect(200);
        let event = &events["items"][0];
        assert_eq!(event["actor"]["id"], "system:audit-witness", "{event}");
    }
    let metrics = a.server.client().get("/metrics").text();
    for line in [
        "prov_audit_witness_up{witness=\"other\"} 1",
        "prov_audit_cosigned_size{log=\"standard\"} ",
    ] {
        assert!(metrics.contains(line), "`{line}` in {metrics}");
    }
    if let Some(program) = prov() {
        offline(&program, &a, &logs_a, &key_b);
    }
    // One dies: the other goes on, and says that nobody vouches for what is new.
    b.server.kill();
    until("it is missed", || witnesses(&at_a)["witnesses"][0]["state"] == "failing");
    at_a.post("/api/v1/teams", &json!({ "name": "payments" })).expect(201);
    until("what is new lags", || witnesses(&at_a)["logs"][0]["behind"].as_u64() > Some(0));
    let metrics = a.server.client().get("/metrics").text();
    assert!(metrics.contains("prov_audit_witness_up{witness=\"other\"} 0"), "{metrics}");
}

/// What an auditor does with `prov`, without any server but for what was handed over.
fn offline(program: &Path, world: &World, logs: &[String], key: &str) {
    let terminal = Terminal::of(program, world, "admin", ADMIN_PASSWORD);
    let shown = terminal.ok(&["audit", "witnesses"]);
    assert!(shown.contains("other") && shown.contains("house-b/audit/local/standard"), "{shown}");
    let known = format!("log {}\n", logs.join("\nlog "));
    let wanted = |key: &str| format!("{known}witness other {key}\nquorum other\n");
    let policy = terminal.file("policy", &wanted(key));
    let own = witnesses(&admin(world))["own"]["keys"][0].as_str().unwrap().to_owned();
    let another = terminal.file("another", &wanted(&own));
    let found = terminal.json(&["audit", "query", "--action", "server.start"]);
    let event =
        found["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    terminal.ok(&["audit", "proof", &event, "--save", "case"]);
    let checked = terminal.json(&["audit", "proof", "--check", "case", "--policy", &policy]);
    assert_eq!(checked["witnessed"][0]["witness"], "other", "{checked}");
    terminal.fails(1, &["audit", "proof", "--check", "case", "--policy", &another]);
    // A copy of the log, as it lies there.
    let copy = terminal.path("copy");
    let from = world.server.home.data().join("audit");
    assert!(
        std::process::Command::new("cp").arg("-r").arg(from).arg(&copy).status().unwrap().success()
    );
    let emergency = ["audit", "verify", "--dir", "copy/break-glass", "--policy", &policy];
    let report = terminal.json(&emergency);
    assert_eq!(
        (&report["intact"], &report["cosigned_size"]),
        (&json!(true), &json!(0)),
        "{report}"
    );
    terminal.fails(1, &["audit", "verify", "--dir", "copy/break-glass", "--policy", &another]);
}

#[test]
fn what_nobody_signed_is_refused_whatever_it_is() {
    let world = World::new();
    let nobody = world.server.client();
    let path = "/api/v1/audit/witness/add-checkpoint";
    let note = "x.example/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} x.example/log AAAAAAAA\n";
    for body in [
        Vec::new(),
        b"old 0\n\n".to_vec(),
        vec![0xff; 2000],
        note.as_bytes().to_vec(),
        vec![b'a'; 2 << 20],
    ] {
        for kind in ["text/plain", "application/json"] {
            let sent = Some((kind, body.clone()));
            let Ok(answer) = nobody.try_send(&Method::POST, path, sent, &[]) else {
                assert!(body.len() > 1 << 20, "cut off");
                continue;
            };
            assert!([400, 404, 413].contains(&answer.status), "{answer:?}");
            answer.expect_problem();
        }
    }
    assert_eq!(
        nobody.get(&format!("/api/v1/audit/witness/{}/checkpoint", "0".repeat(64))).status,
        404
    );
}

#[test]
fn witnesses_that_make_no_sense_are_refused_before_anything_starts() {
    let home = Home::new();
    let file = home.path().join("policy");
    for (policy, said) in [
        ("quorum nobody\n", "line 1: `nobody` is not defined"),
        ("quorum none\n", "no witness of the policy has a URL"),
    ] {
        std::fs::write(&file, policy).unwrap();
        let setting = format!("audit.witnessing.policy_path={}", file.display());
        let (code, log) = home.refused(&["--set", &setting]);
        assert!(code != 0 && log.contains("`audit.witnessing`") && log.contains(said), "{log}");
    }
    for (setting, said) in [
        ("audit.witnessing.policy_path=/nowhere/at-all", "can't be read"),
        ("audit.anchoring.tsa_url=http://tsa.example", "`tsa_url` and `ca_path` belong together"),
        ("audit.witness.logs=nonsense", "`audit.witness`: a verifier key looks like"),
    ] {
        let (code, log) = home.refused(&["--set", setting]);
        assert!(code != 0 && log.contains(said), "{setting}: {log}");
    }
}
