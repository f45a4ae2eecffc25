//! Our witness, for logs of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use futures_util::future::join_all;
use http::Request;
use http_body_util::BodyExt;
use prov_audit::api::{ApiState, router};
use prov_audit::{
    Checkpoint, Log, Submitted, VerifierKey, Witness, WitnessOptions, WitnessPolicy, codes,
};
use prov_core::audit::{MemoryRecorder, Recorder};
use prov_core::{Clock, RequestFacts, RequestId, SystemClock, codes as core_codes};
use prov_http::EdgeLayer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

use crate::bench_log::Bench;
use crate::foreign_log::ForeignLog;

pub(crate) const NAME: &str = "w.example/house";

/// A witness of these logs, which records in memory.
pub(crate) struct House {
    pub(crate) bench: Bench,
    pub(crate) events: MemoryRecorder,
    pub(crate) witness: Arc<Witness>,
}

impl House {
    pub(crate) async fn watching(keys: &[&str]) -> Self {
        let (bench, events) = (Bench::new(), MemoryRecorder::default());
        let witness = Arc::new(open(&bench, &events, keys).await);
        Self { bench, events, witness }
    }

    async fn send(&self, body: &str) -> prov_core::Result<Submitted> {
        self.witness.add_checkpoint(&facts(&self.bench), body.as_bytes()).await
    }

    /// The signatures it gives for this.
    async fn cosigns(&self, body: &str) -> String {
        match self.send(body).await.unwrap() {
            Submitted::Cosigned(lines) => lines,
            Submitted::Seen(size) => panic!("it has seen {size}: {body}"),
        }
    }

    /// A policy that wants each of its keys.
    pub(crate) fn policy(&self, url: &str) -> WitnessPolicy {
        self.policy_text(url).parse().unwrap()
    }

    pub(crate) fn policy_text(&self, url: &str) -> String {
        let [classic, quantum] = self.witness.keys().map(ToString::to_string);
        format!(
            "witness classic {classic} {url}\nwitness quantum {quantum} {url}\n\
             group both all classic quantum\nquorum both\n"
        )
    }

    fn actions(&self) -> Vec<String> {
        self.events.events().iter().map(|event| event.action.to_string()).collect()
    }
}

async fn open(bench: &Bench, events: &MemoryRecorder, keys: &[&str]) -> Witness {
    let recorder: Arc<dyn Recorder> = Arc::new(events.clone());
    let clock: Arc<dyn Clock> = Arc::<SystemClock>::clone(&bench.clock);
    let mut options = WitnessOptions::new(NAME, Arc::clone(&bench.store), recorder, clock);
    for key in keys {
        options = options.log(key.parse().unwrap());
    }
    Witness::open(options).await.unwrap()
}

fn facts(bench: &Bench) -> RequestFacts {
    RequestFacts::new(RequestId::generate(&*bench.clock).unwrap(), bench.clock.now())
}

/// A log with twelve leaves, and a fork of it that differs from the fifth on.
fn forked() -> (ForeignLog, ForeignLog) {
    let (mut log, mut fork) =
        (ForeignLog::new("f.example/log", 7), ForeignLog::new("f.example/log", 7));
    for (log, kind) in [(&mut log, "true"), (&mut fork, "false")] {
        log.append(5, "common");
        log.append(7, kind);
    }
    (log, fork)
}

#[tokio::test]
async fn a_growing_log_is_cosigned_with_both_algorithms() {
    let (log, _) = forked();
    let house = House::watching(&[&log.vkey]).await;
    let policy = house.policy("https://w.example");
    let key: VerifierKey = log.vkey.parse().unwrap();
    for (old, size) in [(0, 0), (0, 5), (5, 5), (5, 12)] {
        let lines = house.cosigns(&log.request(old, size)).await;
        let note = log.note(size) + &lines;
        let checkpoint = Checkpoint::open(&note, &key).unwrap();
        let by = policy.check(&checkpoint).unwrap();
        assert_eq!(by.len(), 2, "{note}");
        let age = house.bench.clock.now().duration_since(by[0].time).as_secs();
        assert!((0..5).contains(&age), "{age}");
        // Monitors are shown what the log signed, and what the witness signed.
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, log.name.as_bytes());
        assert_eq!(house.witness.checkpoint(&hex::encode(hash)).await.unwrap(), note);
    }
    assert_eq!(house.actions(), ["audit.witness.cosign"; 4]);
    let seen = house.witness.logs().await.unwrap();
    assert_eq!((seen[0].origin.as_str(), seen[0].size), ("f.example/log", Some(12)));
}

#[tokio::test]
async fn what_does_not_continue_what_was_seen_is_refused_and_kept_as_evidence() {
    let (log, fork) = forked();
    let house = House::watching(&[&log.vkey]).await;
    house.cosigns(&log.request(0, 8)).await;
    let seen = |size| Ok::<_, prov_core::Error>(Submitted::Seen(size));
    // Whoever does not know what was seen is told.
    for (old, size) in [(0, 12), (5, 12), (5, 8), (9, 12), (0, 5), (12, 12)] {
        assert_eq!(house.send(&log.request(old, size)).await.unwrap(), seen(8).unwrap());
    }
    let before = house.actions().len();
    // A fork of the same size, and one that has grown: the proof leads from its own past.
    for body in [fork.request(8, 8), fork.request(8, 12), fork.request(8, 12)] {
        let error = house.send(&body).await.unwrap_err();
        assert!(error.is(codes::NOT_CONSISTENT), "{error:?}");
    }
    let events = house.events.events().split_off(before);
    assert_eq!(events.len(), 2, "each of the two once: {events:?}");
    assert_eq!(events[1].action.to_string(), "audit.witness.refuse");
    assert_eq!(events[1].context["checkpoint"], fork.note(12));
    assert_eq!(events[1].context["from_size"], 8);
    // Going back, also with an old size that fits.
    let error = house.send(&log.request(8, 8).replace("old 8", "old 9")).await.unwrap_err();
    assert!(error.is(core_codes::INVALID_REQUEST), "{error:?}");
    // A proof that is not empty where it must be, one that is too long, one that is too short.
    let proved = log.request(8, 12);
    let hash = proved.lines().nth(1).unwrap().to_owned() + "\n";
    for bad in [
        log.request(8, 8).replace("old 8\n", &format!("old 8\n{hash}")),
        proved.replacen("old 8\n", &format!("old 8\n{hash}"), 1),
        proved.replacen(&hash, "", 1),
    ] {
        let error = house.send(&bad).await.unwrap_err();
        assert!(error.is(codes::NOT_CONSISTENT), "{bad}: {error:?}");
    }
    house.cosigns(&proved).await;

    // Of an empty log there is one root only, and nothing has to be proved from it.
    let empty = House::watching(&[&log.vkey]).await;
    let root = log.note(3).lines().nth(2).unwrap().to_owned();
    let false_empty = log.sign(format!("{}\n0\n{root}\n", log.name).as_bytes());
    let error = empty.send(&format!("old 0\n\n{false_empty}")).await.unwrap_err();
    assert!(error.is(codes::NOT_CONSISTENT), "{error:?}");
    let body = log.request(0, 8).replace("old 0\n", &format!("old 0\n{hash}"));
    assert!(empty.send(&body).await.unwrap_err().is(codes::NOT_CONSISTENT));
}

#[tokio::test]
async fn only_logs_that_are_known_and_signed_it_themselves_are_cosigned() {
    let (log, _) = forked();
    let mut other = ForeignLog::new("other.example/log", 7);
    other.append(5, "common");
    let mut impostor = ForeignLog::new("f.example/log", 8);
    impostor.append(5, "common");
    let house = House::watching(&[&log.vkey]).await;
    let refused = async |body: &str, code| {
        let error = house.send(body).await.unwrap_err();
        assert!(error.is(code), "{body}: {error:?}");
    };
    refused(&other.request(0, 5), codes::UNKNOWN_LOG).await;
    refused(&impostor.request(0, 5), codes::NOT_SIGNED_BY_LOG).await;
    let good = log.request(0, 5);
    let line = good.lines().last().unwrap().to_owned();
    let broken: String =
        line.chars().take(line.chars().count() - 8).chain("AAAAAAA=".chars()).collect();
    refused(&good.replace(&line, &broken), codes::NOT_SIGNED_BY_LOG).await;
    // One good signature does not make up for one that is false.
    refused(&format!("{good}{broken}\n"), codes::NOT_SIGNED_BY_LOG).await;
    refused(&good.replace("\n5\n", "\n6\n"), codes::NOT_SIGNED_BY_LOG).await;
    refused("old 0\n\nnothing", core_codes::INVALID_REQUEST).await;
    assert!(house.actions().is_empty() && house.witness.logs().await.unwrap()[0].size.is_none());
    // Signatures of others are passed over; and not handed on.
    let stranger = impostor.request(0, 5).lines().last().unwrap().to_owned();
    house.cosigns(&format!("{good}{stranger}\n")).await;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, log.name.as_bytes());
    let shown = house.witness.checkpoint(&hex::encode(hash)).await.unwrap();
    assert!(shown.contains(&line) && !shown.contains(&stranger));
    assert!(house.witness.checkpoint("00").await.unwrap_err().is(codes::UNKNOWN_LOG));
}

#[tokio::test]
async fn of_two_forks_at_once_only_one_is_ever_cosigned_also_after_a_restart() {
    let (log, fork) = forked();
    for round in 0..20_u64 {
        let house = House::watching(&[&log.vkey]).await;
        // Two servers that are the same witness over one store.
        let second = open(&house.bench, &house.events, &[&log.vkey]).await;
        house.cosigns(&log.request(0, 3)).await;
        let bodies: Vec<String> =
            (6..12).flat_map(|size| [log.request(3, size), fork.request(3, size)]).collect();
        let facts = facts(&house.bench);
        let sent = bodies.iter().enumerate().map(|(n, body)| {
            let witness =
                if (n as u64 + round).is_multiple_of(2) { &house.witness } else { &second };
            witness.add_checkpoint(&facts, body.as_bytes())
        });
        let answers = join_all(sent).await;
        let mut won = BTreeSet::new();
        for (body, answer) in bodies.iter().zip(answers) {
            match answer {
                Ok(Submitted::Cosigned(_)) => {
                    won.insert(body.clone());
                }
                Ok(Submitted::Seen(_)) => {}
                Err(error) => assert!(error.is(core_codes::CONFLICT), "{error:?}"),
            }
        }
        assert_eq!(won.len(), 1, "all began at 3");
        let again = open(&house.bench, &house.events, &[&log.vkey]).await;
        assert_eq!(again.keys(), house.witness.keys());
        let kept = again.logs().await.unwrap()[0].size.unwrap();
        let winner = won.into_iter().next().unwrap();
        assert!(winner.contains(&format!("\n{kept}\n")));
        for loser in [log.request(3, 12), fork.request(3, 12)] {
            let answer = again.add_checkpoint(&facts, loser.as_bytes()).await.unwrap();
            assert_eq!(answer, Submitted::Seen(kept));
        }
    }
}

#[tokio::test]
async fn the_endpoint_answers_as_the_protocol_says() {
    let (log, fork) = forked();
    let house = House::watching(&[&log.vkey]).await;
    let clock: Arc<dyn Clock> = Arc::<SystemClock>::clone(&house.bench.clock);
    let app = app(Some(&house.witness), house.bench.open().await, Arc::clone(&clock));
    let send = async |app: &Router, method: &str, path: &str, body: String| {
        let uri = format!("/api/v1/audit/witness/{path}");
        let request = Request::builder().method(method).uri(uri).body(Body::from(body)).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    };
    let add = async |body: String| send(&app, "POST", "add-checkpoint", body).await;
    let (status, kind, lines) = add(log.request(0, 8)).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"), "{lines}");
    assert!(lines.starts_with("\u{2014} w.example/house ") && lines.ends_with('\n'), "{lines}");
    let (status, kind, size) = add(log.request(0, 12)).await;
    assert_eq!((status, kind.as_str(), size.as_str()), (409, "text/x.tlog.size", "8\n"));
    let mut stranger = ForeignLog::new("other.example/log", 7);
    stranger.append(3, "leaf");
    let mut impostor = ForeignLog::new(&log.name, 8);
    impostor.append(3, "leaf");
    let problem = "application/problem+json";
    for (body, expected) in [
        (stranger.request(0, 3), 404),
        (impostor.request(0, 3), 403),
        (fork.request(8, 12), 422),
        (log.request(8, 8).replace("old 8", "old 9"), 400),
        ("old".to_owned(), 400),
        (format!("old 0\n\n{}", "x".repeat(70_000)), 413),
    ] {
        let (status, kind, said) = add(body).await;
        assert_eq!((status, kind.as_str()), (expected, problem), "{said}");
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, log.name.as_bytes());
    let path = format!("{}/checkpoint", hex::encode(hash));
    let (status, _, shown) = send(&app, "GET", &path, String::new()).await;
    assert_eq!((status, shown), (200, log.note(8) + &lines));
    // A server that is told of no log knows none.
    let none = app_of_nobody(&house, clock).await;
    for (method, path, body) in
        [("POST", "add-checkpoint", log.request(0, 8)), ("GET", path.as_str(), String::new())]
    {
        assert_eq!(send(&none, method, path, body).await.0, 404, "{path}");
    }
}

async fn app_of_nobody(house: &House, clock: Arc<dyn Clock>) -> Router {
    let elsewhere = house.bench.forged().await;
    app(None, elsewhere.open().await, clock)
}

/// The endpoints of a log, and of this witness.
fn app(witness: Option<&Arc<Witness>>, log: Log, clock: Arc<dyn Clock>) -> Router {
    let mut state = ApiState::new(Arc::new(log), Arc::clone(&clock));
    if let Some(witness) = witness {
        state = state.witness(Arc::clone(witness));
    }
    let (router, _) = router(state).split_for_parts();
    Router::new().fallback_service(EdgeLayer::new(clock).layer(router))
}

/// The endpoints of a house, listening; what they do ends with the set.
pub(crate) async fn serve(
    witness: &Arc<Witness>,
    log: Log,
    clock: Arc<dyn Clock>,
) -> (JoinSet<()>, String) {
    let app = app(Some(witness), log, clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/audit/witness", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (tasks, url)
}
