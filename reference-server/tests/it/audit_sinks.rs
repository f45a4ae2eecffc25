//! Events leave the server for those that its configuration names.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::people::{World, column};
use crate::server::Home;

const SINKS: &str = "audit.sinks=[{ name = \"copy\", type = \"file\", path = \"copy\" }, \
                     { name = \"away\", type = \"http\", url = \"http://127.0.0.1:9/in\" }]";

/// Waits for something, not for ever.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn events_reach_a_file_while_another_receiver_is_away_and_all_of_it_is_seen() {
    let world = World::with(&["--set", SINKS]);
    let sinks = || world.admin.get("/api/v1/audit/sinks").expect(200);
    until("both were tried", || {
        let sinks = sinks();
        sinks["items"][0]["delivered"].as_u64() > Some(3) && sinks["items"][1]["state"] == "failing"
    });
    let seen = sinks();
    assert_eq!(column(&seen, "name"), ["copy", "away"]);
    let away = &seen["items"][1];
    assert!(away["behind"].as_u64() > Some(3) && away["failures"].as_u64() > Some(0), "{away}");
    let said = away["last_error"].as_str().unwrap();
    assert!(said.starts_with("connecting to 127.0.0.1:9"), "{said}");
    let file = world.server.home.path().join("copy/audit-00000001.log");
    let first = || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>()
    };
    until("the sign-in is in the file", || {
        first().iter().any(|line| line["leaf"]["action"] == "auth.login")
    });
    let metrics = world.server.client().get("/metrics").text();
    for line in [
        "prov_audit_sink_up{sink=\"copy\",kind=\"file\"} 1",
        "prov_audit_sink_up{sink=\"away\",kind=\"http\"} 0",
        "prov_audit_sink_lag_seconds{sink=\"away\",kind=\"http\"} ",
    ] {
        assert!(metrics.contains(line), "`{line}` in {metrics}");
    }
}

#[test]
fn a_sink_that_makes_no_sense_is_refused_before_anything_starts() {
    for (sink, said) in [
        ("name = \"a\", type = \"http\"", "`url` is missing"),
        ("name = \"a\", url = \"https://x.example\"", "`type` is missing"),
        ("name = \"a/b\", type = \"file\", path = \"x\"", "the name of a sink is"),
        ("name = \"a\", type = \"file\", path = \"x\", url = \"https://x\"", "`url` means nothing"),
        ("name = \"a\", type = \"http\", url = \"http://x.example/\"", "in the clear"),
        ("name = \"a\", type = \"syslog\", url = \"https://x.example/\"", "begins with `tcp://"),
        ("name = \"a\", type = \"file\", path = \"x\", max_lag = \"1ms\"", "`max_lag`"),
        ("name = \"a\", type = \"fiel\", path = \"x\"", "did you mean `file`?"),
        (
            "name = \"a\", type = \"file\", path = \"x\" }, { name = \"a\", type = \"file\", path = \"y\"",
            "another sink with this name",
        ),
    ] {
        let setting = format!("audit.sinks=[{{ {sink} }}]");
        let (code, log) = Home::new().refused(&["--set", &setting]);
        assert!(code != 0 && log.contains(said), "{sink}: {log}");
    }
}

#[test]
fn a_bucket_that_makes_no_sense_is_refused_before_anything_starts() {
    let whole = "url = \"https://s3.example\", region = \"x\", credentials_file = \"x\"";
    for (bucket, said) in [
        ("url = \"ftp://s3.example\"".to_owned(), "`url` begins with"),
        ("url = \"https://s3.example\"".to_owned(), "`credentials_file` is missing"),
        (format!("{whole}, bucket = \"a/b\""), "is no bucket"),
        (format!("{whole}, bucket = \"a\", prefix = \"../b\""), "is no prefix"),
        (whole.replace("https", "http"), "in the clear"),
        (format!("{whole}, buckett = \"a\""), "did you mean `bucket`?"),
    ] {
        let setting = format!("audit.bucket={{ {bucket} }}");
        let (code, log) = Home::new().refused(&["--set", &setting]);
        assert!(code != 0 && log.contains(said), "{bucket}: {log}");
    }
    let setting = format!("audit.bucket={{ {whole}, bucket = \"a\" }}");
    let (code, log) = Home::new().refused(&["--set", &setting, "--set", "audit.archive=\"x\""]);
    assert!(code != 0 && log.contains("say one of them"), "{log}");
}
