//! Our log, cosigned by witnesses.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_audit::witnessing::{Witnessing, WitnessingOptions};
use prov_audit::{
    Checkpoint, FindingKind, Log, Query, Report, Trust, VerifierKey, WitnessPolicy, WitnessState,
    codes, key_beside, verify_proof, verify_with,
};
use prov_core::Clock;
use prov_core::audit::{Action, Recorder, RetentionClass};
use tokio::task::JoinSet;

use crate::bench_log::{Bench, ORIGIN, peer};
use crate::receivers::{Peer, fake_http, free_port, listening};
use crate::sinks::{Running, record_and_sign, until};
use crate::witness::{House, serve};

const CLASS: RetentionClass = RetentionClass::Standard;

/// Verifies a log, and wants the word of its witnesses.
fn verify_witnessed(
    dir: &std::path::Path,
    key: &VerifierKey,
    policy: &WitnessPolicy,
) -> prov_core::Result<Report> {
    verify_with(dir, key, &Trust::new().witnesses(policy.clone()))
}

/// Has witnesses asked while the test runs.
async fn asking(log: &Arc<Log>, policy: WitnessPolicy) -> Running {
    let options = WitnessingOptions::new(policy)
        .every(Duration::from_millis(100))
        .patience(Duration::from_millis(600));
    run(log.add_witnesses(options).await.unwrap())
}

fn run(witnessing: Arc<Witnessing>) -> Running {
    Running::one(|stop| witnessing.run(stop))
}

fn cosigned(log: &Log) -> u64 {
    log.witnessing().unwrap().logs[0].size
}

/// A house that watches this log, listening.
async fn house_of(log: &Log) -> (House, JoinSet<()>, String) {
    let classes = [CLASS, RetentionClass::BreakGlass];
    let [standard, emergency] = classes.map(|class| log.verifier_key(class).to_string());
    let house = House::watching(&[&standard, &emergency]).await;
    let clock: Arc<dyn Clock> = Arc::<prov_core::SystemClock>::clone(&house.bench.clock);
    let (tasks, url) = serve(&house.witness, house.bench.open().await, clock).await;
    (house, tasks, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_cosigned_kept_and_verified_offline_with_the_policy() {
    let bench = Bench::new();
    // What the log itself signs with ML-DSA-44 stands beside.
    let log = Arc::new(Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap());
    let (house, _tasks, url) = house_of(&log).await;
    // The policy wants it, of both logs.
    let logs = [CLASS, RetentionClass::BreakGlass].map(|class| {
        let key = log.ml_dsa_44_key(class).unwrap();
        format!("log {key}\n")
    });
    let policy: WitnessPolicy =
        format!("{}{}", logs.concat(), house.policy_text(&url)).parse().unwrap();
    record_and_sign(&bench, &log, 3).await;
    let asked = asking(&log, policy.clone()).await;
    until("3 are cosigned", || cosigned(&log) == 3).await;
    record_and_sign(&bench, &log, 400).await;
    until("403 are cosigned", || cosigned(&log) == 403).await;
    let status = log.witnessing().unwrap();
    assert!(status.witnesses.iter().all(|one| one.state == WitnessState::Up), "{status:?}");
    assert_eq!((status.logs[0].behind, status.witnesses[1].sizes), (0, [403, 0]));

    // An event's proof carries the cosignatures; one that came later waits for the next round.
    let id = log.query(&Query::new()).await.unwrap().items[0].id;
    let proof = log.proof(id).await.unwrap();
    let key = log.verifier_key(CLASS).clone();
    let (_, checkpoint) = verify_proof(&proof.leaf, &proof.text, &key).unwrap();
    assert_eq!(policy.check(&checkpoint).unwrap().len(), 2);
    log.ml_dsa_44_key(CLASS).unwrap().check(&checkpoint).unwrap();
    asked.stop().await;
    record_and_sign(&bench, &log, 7).await;
    log.close().await.unwrap();

    let dir = bench.standard();
    let report = verify_witnessed(&dir, &key, &policy).unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!((report.cosigned_size, report.signed_size), (Some(403), 410));
    let names: Vec<&str> = report.witnessed.iter().map(|one| one.witness.as_str()).collect();
    assert_eq!(names, ["classic", "quantum"]);
    // That there was no emergency access is vouched for as well.
    let (other, key_of_it) = (dir.with_file_name("break-glass"), RetentionClass::BreakGlass);
    let report = verify_witnessed(&other, log.verifier_key(key_of_it), &policy).unwrap();
    assert!(report.intact && report.cosigned_size == Some(0), "{report:?}");

    let found = |what: &str| {
        let report = verify_witnessed(&dir, &key, &policy).unwrap();
        let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
        assert!(!report.intact && kinds.contains(&FindingKind::Witness), "{what}: {report:?}");
        report.findings[0].detail.clone()
    };
    let file = dir.join("cosigned");
    let note = std::fs::read_to_string(&file).unwrap();
    // One of the two is not enough.
    let lines: Vec<&str> = note.lines().collect();
    std::fs::write(&file, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    assert!(found("a cosignature is missing").contains("cosigned by classic"));
    let swapped = note.replace(lines[lines.len() - 2], lines[lines.len() - 1]);
    std::fs::write(&file, swapped).unwrap();
    found("the same one twice");
    let other = House::watching(&[&key.to_string()]).await.policy("https://other.example");
    std::fs::write(&file, &note).unwrap();
    assert!(!verify_witnessed(&dir, &key, &other).unwrap().intact, "others are asked for");
    std::fs::write(&file, note.replace("\n403\n", "\n402\n")).unwrap();
    found("changed");
    std::fs::write(&file, note.replace(&format!("{}\n", lines[5]), "")).unwrap();
    assert!(found("the log's second signature is gone").contains("ML-DSA-44"));
    std::fs::remove_file(&file).unwrap();
    assert!(found("gone").contains("there is no cosigned checkpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_wants_a_second_signature_is_refused_where_there_is_none() {
    let (bench, plain) = (Bench::new(), Bench::new());
    let twice = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap();
    let key = twice.ml_dsa_44_key(CLASS).unwrap();
    let witnesses = House::watching(&[]).await.policy_text("https://w.example");
    let policy: WitnessPolicy = format!("log {key}\n{witnesses}").parse().unwrap();
    let log = Arc::new(plain.open().await);
    let refused = log.add_witnesses(WitnessingOptions::new(policy)).await.unwrap_err();
    assert!(refused.public_detail().contains("does not sign"), "{refused:?}");
}

/// What a log shows to one and not to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_shows_two_faces_gets_one_of_them_cosigned() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record_and_sign(&bench, &log, 5).await;
    let (house, _tasks, url) = house_of(&log).await;
    let policy = house.policy(&url);
    let asked = asking(&log, policy.clone()).await;
    until("5 are cosigned", || cosigned(&log) == 5).await;
    asked.stop().await;
    record_and_sign(&bench, &log, 3).await;
    log.close().await.unwrap();

    // Somebody with everything the server has, its keys too, writes another past and remembers no
    // other: three events instead of five, then more.
    let key = key_beside(&bench.standard()).unwrap();
    let forged = bench.forged().await;
    let fork = Arc::new(forged.open().await);
    record_and_sign(&forged, &fork, 3).await;
    assert_eq!(fork.verifier_key(CLASS), &key);
    let asked = asking(&fork, policy.clone()).await;
    let refusing = |log: &Log| log.witnessing().unwrap().witnesses[0].clone();
    until("it refuses", || refusing(&fork).state == WitnessState::Refusing).await;
    assert!(refusing(&fork).last_error.unwrap().contains("has seen 5 events"));
    record_and_sign(&forged, &fork, 30).await;
    let said = || refusing(&fork).last_error.unwrap_or_default();
    until("it is no continuation", || said().contains("does not continue")).await;
    assert_eq!(cosigned(&fork), 0);
    asked.stop().await;
    let told = fork.query(&Query::new().action("audit.witness.failing")).await.unwrap().items;
    assert!(
        told.iter().all(|event| event.context["refuses"] == true) && told.len() == 2,
        "{told:?}"
    );
    fork.close().await.unwrap();
    let report = verify_witnessed(&forged.standard(), &key, &policy).unwrap();
    assert!(!report.intact, "nobody vouches for it: {report:?}");
    // Nor does what was cosigned of the true one help.
    let kept = bench.standard().join("cosigned");
    std::fs::copy(kept, forged.standard().join("cosigned")).unwrap();
    let report = verify_witnessed(&forged.standard(), &key, &policy).unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Root], "{report:?}");
    assert!(verify_witnessed(&bench.standard(), &key, &policy).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_here_is_asked_of_the_witness_and_a_restart_goes_on() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let (house, _tasks, url) = house_of(&log).await;
    record_and_sign(&bench, &log, 300).await;
    let asked = asking(&log, house.policy(&url)).await;
    until("300 are cosigned", || cosigned(&log) == 300).await;
    asked.stop().await;
    log.close().await.unwrap();
    drop(log);
    for (forgotten, size) in [(false, 310), (true, 320)] {
        if forgotten {
            std::fs::remove_file(bench.standard().join("cosigned")).unwrap();
        }
        let log = Arc::new(bench.open().await);
        record_and_sign(&bench, &log, 10).await;
        let options = WitnessingOptions::new(house.policy(&url)).every(Duration::from_millis(100));
        let witnessing = log.add_witnesses(options).await.unwrap();
        let known = log.witnessing().unwrap();
        assert_eq!(known.logs[0].size, if forgotten { 0 } else { 300 });
        let asked = run(witnessing);
        until("the next is cosigned", || cosigned(&log) == size).await;
        asked.stop().await;
        log.close().await.unwrap();
    }
}

/// An answer of HTTP, raw.
fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// What a witness may answer that is no use, and what is said of it then.
fn lies(name: &str) -> [(Vec<u8>, &'static str); 9] {
    let wrong = format!("\u{2014} {name} AAAAAAAAAAAAAAAA\n");
    [
        (answer("500 Internal Server Error", "no"), "answered 500: no"),
        (answer("404 Not Found", "who?"), "answered 404: who?"),
        (answer("200 OK", "all is well"), "answered what is no signature lines"),
        (answer("200 OK", &wrong), "without a signature of its key"),
        (answer("409 Conflict", "many"), "answered 409: many"),
        (answer("409 Conflict", "0\n"), "each time that it has seen another size"),
        (answer("409 Conflict", "99\n"), "has seen 99 events"),
        (b"\0\0".to_vec(), "answered what is no HTTP"),
        (Vec::new(), "did not answer within"),
    ]
}

/// The line of a policy for a witness with a key of its own.
async fn witness_line(name: &str, url: &str) -> String {
    let key = House::watching(&[]).await.witness.keys()[0].to_string();
    format!("witness {name} {key} {url}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_dead_stalled_or_lies_is_seen_and_delays_nobody() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let (house, _tasks, url) = house_of(&log).await;
    record_and_sign(&bench, &log, 5).await;
    let good = house.witness.keys()[0].to_string();
    let lies = lies(house.witness.name());
    let (mut listeners, mut policy) = (Vec::new(), String::new());
    for (at, (raw, _)) in lies.iter().enumerate() {
        let (raw, stalls) = (raw.clone(), raw.is_empty());
        let (tasks, port, _) = fake_http(move |_| {
            if stalls {
                std::thread::sleep(Duration::from_millis(1200));
            }
            raw.clone()
        })
        .await;
        listeners.push(tasks);
        policy += &witness_line(&format!("lie{at}"), &format!("http://127.0.0.1:{port}")).await;
    }
    policy += &witness_line("dead", "http://127.0.0.1:9").await;
    policy += &witness_line("silent", "").await;
    let policy = format!("{policy}witness good {good} {url}\nquorum good\n");
    let asked = asking(&log, policy.parse().unwrap()).await;
    // Nobody who records waits, and the good one's word is kept at once.
    let start = Instant::now();
    record_and_sign(&bench, &log, 50).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    until("the good one has cosigned", || cosigned(&log) > 0).await;
    let told = |at: usize| log.witnessing().unwrap().witnesses[at].failures > 3;
    until("each was asked and told of", || (0..=lies.len()).all(told)).await;
    let status = log.witnessing().unwrap();
    for ((_, said), witness) in lies.iter().zip(&status.witnesses) {
        let error = witness.last_error.as_deref().unwrap();
        assert!(error.contains(said), "{}: {error}", witness.name);
        let refuses = said.contains("99");
        let expected = if refuses { WitnessState::Refusing } else { WitnessState::Failing };
        assert_eq!(witness.state, expected, "{}", witness.name);
    }
    assert_eq!(status.witnesses[lies.len() + 1].state, WitnessState::NotAsked);
    asked.stop().await;
    let told = log.query(&Query::new().action("audit.witness.failing")).await.unwrap().items;
    assert_eq!(told.len(), lies.len() + 1, "each once: {told:?}");
    assert!(told.iter().any(|event| event.context["reason"] == "answered 500: no"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_comes_together_although_the_log_grows_between_two_witnesses() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let (house, _tasks, url) = house_of(&log).await;
    // The slow one takes longer than it takes for the next checkpoint to be signed.
    let (slow, slow_url) = slowly(&url).await;
    let [classic, quantum] = house.witness.keys().map(ToString::to_string);
    let policy = format!(
        "witness quick {classic} {url}\nwitness slow {quantum} {slow_url}\n\
         group both all quick slow\nquorum both\n"
    );
    let emergency = || Action::custom("break_glass.request").unwrap();
    let asked = asking(&log, policy.parse().unwrap()).await;
    let size = || log.witnessing().unwrap().logs[1].size;
    let start = Instant::now();
    while size() < 3 {
        assert!(start.elapsed() < Duration::from_secs(15), "no quorum: {:?}", log.witnessing());
        log.record(bench.event(emergency(), "user_1", "alice")).await.unwrap();
        log.checkpoint(RetentionClass::BreakGlass).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    asked.stop().await;
    drop(slow);
}

/// What is behind this URL, 60 ms later.
async fn slowly(url: &str) -> (JoinSet<()>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (host, slow) = (host.to_owned(), format!("http://{here}/{path}"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let host = host.clone();
            open.spawn(async move {
                tokio::time::sleep(Duration::from_millis(60)).await;
                let mut far = tokio::net::TcpStream::connect(host).await.unwrap();
                let _ = slow_copy(&mut near, &mut far).await;
            });
        }
    });
    (tasks, slow)
}

/// Carries bytes both ways, each time 60 ms late.
async fn slow_copy(
    near: &mut tokio::net::TcpStream,
    far: &mut tokio::net::TcpStream,
) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut there, mut back) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut there) => {
                let count = read?;
                if count == 0 { return Ok(()) }
                tokio::time::sleep(Duration::from_millis(60)).await;
                far.write_all(&there[..count]).await?;
            }
            read = far.read(&mut back) => {
                let count = read?;
                if count == 0 { return Ok(()) }
                near.write_all(&back[..count]).await?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let key = House::watching(&[]).await.witness.keys()[0].to_string();
    let refused = async |policy: &str, said: &str| {
        let options = WitnessingOptions::new(policy.parse().unwrap());
        let error = log.add_witnesses(options).await.unwrap_err();
        assert!(error.public_detail().contains(said), "{policy}: {error:?}");
    };
    refused("quorum none", "no witness of the policy has a URL").await;
    refused(&format!("witness a {key} tcp://127.0.0.1:1\nquorum a"), "begins with `https://`")
        .await;
    refused(&format!("witness a {key} http://w.example\nquorum a"), "in the clear").await;
    assert!(log.witnessing().is_none());
    record_and_sign(&bench, &log, 2).await;
    let dir = bench.standard();
    let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    log.close().await.unwrap();
    drop(log);
    // A state of the whole folder from before, but for what witnesses have cosigned.
    let more = Bench::new();
    let log = Arc::new(more.open().await);
    std::fs::write(more.standard().join("cosigned"), note).unwrap();
    let policy = format!("witness a {key} https://w.example\nquorum none");
    let options = || WitnessingOptions::new(policy.parse().unwrap());
    // Of another log: damaged, and replaced by the next.
    log.add_witnesses(options()).await.unwrap();
    assert!(log.add_witnesses(options()).await.is_err(), "twice");
    drop(log);
    let log = Arc::new(bench.open().await);
    record_and_sign(&bench, &log, 1).await;
    let ahead = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    log.close().await.unwrap();
    drop(log);
    let forged = bench.forged().await;
    let log = Arc::new(forged.open().await);
    std::fs::write(forged.standard().join("cosigned"), ahead).unwrap();
    let error = log.add_witnesses(options()).await.unwrap_err();
    assert!(error.is(codes::ROLLED_BACK), "{error:?}");
}

/// Runs `aics-witness` with these arguments, in this folder.
fn aics(tool: &std::path::Path, folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_witness_cosigns_our_log_and_a_foreign_tool_verifies_that() {
    let Some(tool) = peer("aics-witness-0.1.0", "aics-witness") else { return };
    let Some(verifier) = peer("aics-tlog-0.2.1", "aics-tlog") else { return };
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let made = printed(&mut aics(
        &tool,
        folder.path(),
        &["init", "--name", "w.example/foreign", "--listen", &listen],
    ));
    let key = made.split_whitespace().find(|word| word.starts_with("w.example/foreign+")).unwrap();
    let vkey = log.verifier_key(CLASS).to_string();
    for (class, name) in [(CLASS, "standard"), (RetentionClass::BreakGlass, "break-glass")] {
        let (origin, vkey) = (format!("{ORIGIN}/{name}"), log.verifier_key(class).to_string());
        let add = ["add-log", "--origin", &origin, "--vkey", &vkey];
        printed(&mut aics(&tool, folder.path(), &add));
    }
    let serve: Child = aics(&tool, folder.path(), &["serve"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _serve = Peer(serve);
    listening(port).await;
    record_and_sign(&bench, &log, 300).await;
    let policy = format!("witness foreign {key} http://{listen}\nquorum foreign\n");
    let asked = asking(&log, policy.parse().unwrap()).await;
    until("300 are cosigned", || cosigned(&log) == 300).await;
    record_and_sign(&bench, &log, 411).await;
    until("711 are cosigned", || cosigned(&log) == 711).await;
    asked.stop().await;
    log.close().await.unwrap();
    let report =
        verify_witnessed(&bench.standard(), log.verifier_key(CLASS), &policy.parse().unwrap());
    assert!(report.as_ref().unwrap().intact, "{report:?}");
    let kept = folder.path().join("log.vkey");
    std::fs::write(&kept, format!("{vkey}\n")).unwrap();
    let cosigned = bench.standard().join("cosigned");
    let check = |quorum: &str, witness: &str| {
        let mut command = Command::new(&verifier);
        command.arg("verify-checkpoint").arg("--note").arg(&cosigned);
        command.arg("--vkey-file").arg(&kept).args(["--witness-key", witness, "--quorum", quorum]);
        let output = command.output().unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout));
        output.status.success()
    };
    assert!(check("1", key));
    let house = House::watching(&[]).await;
    assert!(!check("1", &house.witness.keys()[0].to_string()), "somebody else has not cosigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_is_cosigned_by_our_witness_and_a_foreign_library_verifies_ml_dsa() {
    let Some(python) = peer("aics-witness-0.1.0", "python") else { return };
    let mut log = crate::foreign_log::ForeignLog::new("f.example/log", 9);
    log.append(700, "leaf");
    let house = House::watching(&[&log.vkey]).await;
    let clock: Arc<dyn Clock> = Arc::<prov_core::SystemClock>::clone(&house.bench.clock);
    let (_tasks, url) = serve(&house.witness, house.bench.open().await, clock).await;
    let script = "tests/it/python/feed.py";
    let [classic, quantum] = house.witness.keys().map(ToString::to_string);
    let run = move || {
        let mut command = Command::new(&python);
        command.arg(script).args([&url, &classic, &quantum]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // Two sizes of the log, and the proof between them, as the tools have it.
    let requests: Vec<String> = [(0, 300), (300, 700)].map(|(old, n)| log.request(old, n)).into();
    let printed = tokio::task::spawn_blocking(move || {
        let mut child = run().spawn().unwrap();
        let input = serde_json::to_vec(&requests).unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &input).unwrap();
        let output = child.wait_with_output().unwrap();
        let text =
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
        text
    })
    .await
    .unwrap();
    println!("{printed}");
    let verified = printed.lines().filter(|line| *line == "ML-DSA-44 verified").count();
    assert_eq!(verified, 2, "{printed}");
    assert!(printed.contains("cosigned 300") && printed.contains("cosigned 700"), "{printed}");
    let opened = Checkpoint::open(&log.note(700), &log.vkey.parse().unwrap()).unwrap();
    assert_eq!(house.witness.logs().await.unwrap()[0].size, Some(opened.size));
}
