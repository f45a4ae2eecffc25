//! What leaves the log, judged by schemas and receivers nobody here wrote, and held against the log.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use prov_audit::format::{Format, Writer};
use prov_audit::reconcile::{Copied, Reconciler};
use prov_audit::{ExportedLeaf, Log};
use prov_core::audit::{
    Action, Actor, CATALOGUE, DecisionRecord, Event, Outcome, Recorder, RetentionClass,
};
use serde_json::Value;

use crate::bench_log::{Bench, ORIGIN, peer, skip};

const FORMATS: [Format; 9] = [
    Format::Jsonl,
    Format::Json,
    Format::Csv,
    Format::Splunk,
    Format::Ecs,
    Format::Syslog,
    Format::Cloudwatch,
    Format::Ocsf,
    Format::Cef,
];

/// A log with every action, every outcome, and texts that break formats.
async fn filled(bench: &Bench) -> (Log, Vec<ExportedLeaf>) {
    let log = bench.open().await;
    for (at, info) in CATALOGUE.iter().enumerate() {
        let mut event = bench.event(Action::custom(info.name).unwrap(), "user_1", "alice.canary");
        event.outcome = [Outcome::Success, Outcome::Failure, Outcome::Denied][at % 3];
        log.record(event).await.unwrap();
    }
    let evil = "=cmd|' /C calc'!A0\",\\]|\r\nx=\u{202e}\u{1b}[2J\u{e9}\u{1f600}";
    let event = bench
        .event(Action::KMS_ENCRYPT, evil, "alice.canary")
        .on(evil, evil)
        .with("evil", evil)
        .decided(DecisionRecord::new(evil, false, vec![evil.to_owned()], "r"));
    log.record(event).await.unwrap();
    let bare = Event::new(&*bench.clock, Action::AUTH_LOGIN, Outcome::Failure)
        .by(Actor::unauthenticated(Some("alice.canary")));
    log.record(bare).await.unwrap();
    let mut reader = log.leaves(RetentionClass::Standard, 0).await.unwrap();
    let mut leaves = Vec::new();
    loop {
        let some = reader.next().await.unwrap();
        if some.is_empty() {
            return (log, leaves);
        }
        leaves.extend(some);
    }
}

fn origin() -> String {
    format!("{ORIGIN}/standard")
}

fn exported(format: Format, leaves: &[ExportedLeaf]) -> String {
    let mut writer = Writer::new(format, origin(), RetentionClass::Standard);
    writer.write(leaves) + &writer.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_every_format_is_found_again_and_holds_against_the_log() {
    let bench = Bench::new();
    let (_log, leaves) = filled(&bench).await;
    for format in FORMATS {
        let text = exported(format, &leaves);
        assert!(!text.contains("canary") && !text.contains("203.0.113.77"), "{format}");
        let writer = Writer::new(format, origin(), RetentionClass::Standard);
        for leaf in &leaves {
            let record = writer.record(leaf);
            assert!(!record.contains(['\n', '\r']), "{format}: {record}");
            let found = Copied::find(&record).unwrap_or_else(|| panic!("{format}: {record}"));
            assert_eq!((found.origin, found.seq), (origin(), leaf.seq), "{format}");
            assert_eq!(found.hash, hex::encode(leaf.hash), "{format}");
            assert_eq!(found.leaf.unwrap(), serde_json::from_slice::<Value>(&leaf.leaf).unwrap());
        }
        let held = |text: &str| {
            let mut reconciler = Reconciler::new(origin());
            for line in text.lines() {
                reconciler.copied(line);
            }
            for leaf in &leaves {
                reconciler.logged(leaf);
            }
            reconciler.finish()
        };
        let whole = held(&text);
        assert!(whole.fits && whole.found == leaves.len() as u64, "{format}: {whole:?}");
        let lines: Vec<&str> = text.lines().collect();
        let doubled = held(&format!("{text}{}\n", lines[5]));
        assert!(doubled.fits && doubled.repeated == 1, "{format}: at least once is no harm");
        let seq = Copied::find(lines[5]).unwrap().seq;
        let without: Vec<&str> =
            lines.iter().enumerate().filter(|(at, _)| *at != 5).map(|(_, l)| *l).collect();
        let gap = held(&without.join("\n"));
        assert!(!gap.fits && gap.missing == [(seq, seq)], "{format}: {gap:?}");
        let changed = lines[5].replace("user_1", "user_2");
        assert_ne!(changed, lines[5]);
        let changed = held(&text.replacen(lines[5], &changed, 1));
        assert!(!changed.fits && changed.changed == [seq], "{format}: {changed:?}");
        let more = held(&format!("{text}{}\n", lines[5].replace(&origin(), "other/log")));
        assert!(!more.fits && more.added.len() == 1, "{format}: {more:?}");
    }
}

/// Gives a program texts on its standard input; what it prints.
fn judged(program: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .env("XDG_CACHE_HOME", std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A judge that gives up reads no further.
    let _ = writing.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn ocsf_events_are_valid_by_the_schema_and_a_changed_one_is_not() {
    const JUDGE: &str = "
import json, sys
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
import jsonschema
schema, judges, bad = OcsfJsonSchemaEmbedded(get_ocsf_schema('1.8.0')), {}, 0
for line in sys.stdin:
    event = json.loads(line)
    uid = event['class_uid']
    if uid not in judges:
        name = schema.lookup_class_name_from_uid(uid)
        judges[uid] = jsonschema.Draft202012Validator(schema.get_class_schema(name))
    for error in judges[uid].iter_errors(event):
        bad += 1
        print(event.get('metadata', {}).get('event_code'), list(error.path), error.message[:200])
sys.exit(bad > 0)
";
    let Some(python) = peer("ocsf-json-schema-1.2.0", "python") else { return };
    let bench = Bench::new();
    let (_log, leaves) = filled(&bench).await;
    let text = exported(Format::Ocsf, &leaves);
    let (valid, said) = judged(&python, &["-c", JUDGE], &text);
    assert!(valid, "{said}");
    let changed = text.replacen("\"activity_id\":", "\"activity_idd\":", 1);
    assert!(!judged(&python, &["-c", JUDGE], &changed).0, "the judge looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_reads_syslog_and_cef_as_they_are_meant() {
    let Some(tenzir) = peer("tenzir-6.20.0", "tenzir") else { return };
    let bench = Bench::new();
    let (_log, leaves) = filled(&bench).await;
    for (format, reader) in [(Format::Syslog, "read_syslog"), (Format::Cef, "read_cef")] {
        let text = exported(format, &leaves);
        let pipeline = format!("from_stdin {{ {reader} }}\nwrite_ndjson");
        let (fine, said) = judged(&tenzir, &[&pipeline], &text);
        assert!(fine, "{said}");
        let read: Vec<Value> =
            said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(read.len(), leaves.len(), "{format}: {said}");
        for (read, leaf) in read.iter().zip(&leaves) {
            let found = read.to_string();
            assert!(found.contains(&hex::encode(leaf.hash)), "{format}: {found}");
            assert!(found.contains(&origin()), "{format}: {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ecs_documents_name_only_what_the_schema_knows() {
    const JUDGE: &str = "
const { EcsFlat } = require(process.argv[1]);
const fields = EcsFlat, bad = [];
const walk = (value, path) => {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) walk(inner, path ? path + '.' + name : name);
    return;
  }
  const known = fields[path] ?? (path.startsWith('labels.') ? { type: 'keyword' } : undefined);
  if (!known) return bad.push('unknown field ' + path);
  const allowed = (known.allowed_values ?? []).map(one => one.name);
  for (const one of [value].flat()) {
    if (allowed.length && !allowed.includes(one)) bad.push(path + ' may not be ' + one);
    if (['long', 'integer'].includes(known.type) && typeof one !== 'number') bad.push(path + ' is no number');
    if (known.type === 'keyword' && typeof one !== 'string') bad.push(path + ' is no text');
  }
};
const text = require('fs').readFileSync(0, 'utf8');
for (const line of text.trim().split('\\n')) {
  const event = JSON.parse(line);
  walk(event, '');
  for (const category of event.event.category) {
    const entry = fields['event.category'].allowed_values.find(one => one.name === category);
    for (const type of event.event.type)
      if (!entry.expected_event_types.includes(type)) bad.push(category + ' has no type ' + type);
  }
}
console.log([...new Set(bad)].join('\\n'));
process.exit(bad.length > 0 ? 1 : 0);
";
    let Some(schema) = peer("ecs-9.4.0", "../node_modules/@elastic/ecs") else { return };
    if Command::new("node").arg("--version").output().is_err() {
        return skip("node is not installed");
    }
    let bench = Bench::new();
    let (_log, leaves) = filled(&bench).await;
    let text = exported(Format::Ecs, &leaves);
    let schema = schema.to_str().unwrap();
    let (valid, said) = judged(Path::new("node"), &["-e", JUDGE, schema], &text);
    assert!(valid, "{said}");
    let changed = text.replacen("\"outcome\":\"success\"", "\"outcome\":\"denied\"", 1);
    assert!(!judged(Path::new("node"), &["-e", JUDGE, schema], &changed).0, "the judge looks");
}
