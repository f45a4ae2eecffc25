//! `prov audit`.

mod evidence;
mod reconcile;
mod retention;
mod tail;
mod trusted;
mod verify;
mod witnesses;

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::HeaderValue;

use super::{Part, Session};
use crate::cli::{Global, OutputFormat};
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::{shown, shown_lines};

/// What happened, and the proof of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find or count events, newest first: `prov audit query --user alice --action deploy --from 24h`,
    /// or in the query language: `prov audit query 'actor:alice not outcome:success | count by action'`
    Query(Box<Query>),
    /// Print events as they are recorded, one JSON object on a line, until interrupted:
    /// `prov audit tail 'outcome:denied'`
    Tail {
        /// Only what matches, in the query language
        question: Option<String>,
        /// Go on behind the event with this id of the stream, of whichever of the servers
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Only of one server (`prov.example/audit/a`), or one of its logs; one that is not known is refused
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
    /// Show one event
    Show {
        /// Its id
        id: String,
    },
    /// Print all events, oldest first, exactly as they stand in the log
    Export(Export),
    /// Hold a copy of the log, as a SIEM exports it, against the log: nothing may be missing, changed
    /// or added: `prov audit reconcile splunk-export.jsonl --key log.vkey`
    Reconcile {
        /// The copy, in any format the log is exported in
        file: PathBuf,
        #[command(flatten)]
        which: Log,
        /// The copy begins with this sequence number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        from_seq: u64,
        /// The copy ends before this sequence number; with the newest unless said
        #[arg(long, value_name = "SEQ")]
        to_seq: Option<u64>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The file with the log's public key for ML-DSA-44: it must have signed too
        #[arg(long, value_name = "FILE")]
        ml_dsa_key: Option<PathBuf>,
    },
    /// How many events, of which logs, by action and outcome
    Stats {
        /// Only of one server (`prov.example/audit/a`), or one of its logs; one that is not known is refused
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
    /// The receivers that events are delivered to, and how far behind each is
    Sinks,
    /// The logs that questions are answered from, of all servers that share a store: how far each is here,
    /// and what is wrong with it
    Logs,
    /// Who vouches that the log only grew, how far, and whose logs this server vouches for
    Witnesses,
    /// The checkpoints that an authority time-stamped (RFC 3161); as files for `openssl ts -verify`:
    /// `prov audit anchors --save case-7`
    Anchors {
        /// Write `NAME.checkpoint` and `NAME.tsr`
        #[arg(long, value_name = "NAME")]
        save: Option<PathBuf>,
        /// Of the checkpoint that covers so many events; the newest unless said
        #[arg(long, value_name = "EVENTS", requires = "save")]
        size: Option<u64>,
        #[command(flatten)]
        which: Which,
    },
    /// Every action that is recorded, and what it means
    Actions,
    /// How long events are kept; longer from now on: `prov audit retention --standard 400d`
    Retention(retention::Retention),
    /// Legal holds: what they are about is neither pruned nor erased
    #[command(subcommand)]
    Hold(retention::Hold),
    /// Check that nothing was changed: the server's log, or a folder without any server
    Verify {
        /// The log's folder; without it the server checks its own
        #[arg(long, value_name = "FOLDER", conflicts_with = "log", group = "offline")]
        dir: Option<PathBuf>,
        /// A file of the archive, beside which its proof lies, without any server
        #[arg(
            long,
            value_name = "FILE",
            conflicts_with = "log",
            requires = "key",
            group = "offline"
        )]
        archive: Option<PathBuf>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE", requires = "offline")]
        key: Option<PathBuf>,
        /// A file that says which witnesses must have cosigned it (C2SP tlog-policy), and may name the
        /// keys of the logs
        #[arg(long, value_name = "FILE", requires = "dir")]
        policy: Option<PathBuf>,
        /// The file with the log's public key for ML-DSA-44, kept apart from the log: it must have signed too
        #[arg(long, value_name = "FILE", requires = "offline")]
        ml_dsa_key: Option<PathBuf>,
        /// The roots (PEM) that the authority's certificate leads to that must have time-stamped it
        #[arg(long, value_name = "FILE", requires = "dir")]
        tsa_ca: Option<PathBuf>,
        /// The name of a joined log: the server checks its copy of it
        #[arg(long, value_name = "NAME", conflicts_with_all = ["log", "offline"])]
        origin: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Print the newest signed checkpoint, or check that the log only grew since one that was kept:
    /// `prov audit checkpoint --note > kept`, later `prov audit checkpoint --since kept`
    Checkpoint {
        /// Print the signed note alone, to be kept away from the server
        #[arg(long)]
        note: bool,
        /// A note that was kept: proves that nothing was changed or taken out since
        #[arg(long, value_name = "FILE", conflicts_with = "note")]
        since: Option<PathBuf>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE", requires = "since")]
        key: Option<PathBuf>,
        /// The file with the log's public key for ML-DSA-44: it must have signed the newest one too
        #[arg(long, value_name = "FILE", requires = "since")]
        ml_dsa_key: Option<PathBuf>,
        #[command(flatten)]
        which: Log,
    },
    /// Print the proof that an event is in the log, keep it as files, or check such files offline:
    /// `prov audit proof ID --save case-7`, later `prov audit proof --check case-7 --key log.vkey`
    Proof {
        /// The event's id
        #[arg(required_unless_present = "check")]
        id: Option<String>,
        /// Write `NAME.leaf`, `NAME.tlog-proof` (C2SP) and `NAME.vkey`
        #[arg(long, value_name = "NAME", conflicts_with = "check")]
        save: Option<PathBuf>,
        /// Check such files, without any server
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        check: Option<PathBuf>,
        /// Only in the joined log of this name, of any of the servers that share a store
        #[arg(long, value_name = "NAME", conflicts_with = "check")]
        origin: Option<String>,
        /// The file with the public key of the log, kept apart from the log
        #[arg(long, value_name = "FILE", requires = "check")]
        key: Option<PathBuf>,
        /// A file that says which witnesses must have cosigned it (C2SP tlog-policy)
        #[arg(long, value_name = "FILE", requires = "check")]
        policy: Option<PathBuf>,
        /// The file with the log's public key for ML-DSA-44: it must have signed too
        #[arg(long, value_name = "FILE", requires = "check")]
        ml_dsa_key: Option<PathBuf>,
    },
}

/// What is exported.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// `jsonl`, `json`, `csv`, `splunk`, `ecs`, `syslog`, `cloudwatch`, `ocsf` or `cef`
    #[arg(long, default_value = "jsonl")]
    format: String,
    #[command(flatten)]
    which: Log,
    /// Every log of all servers that share a store, one after the other; with `--log` those of a class
    #[arg(long, conflicts_with_all = ["origin", "from_seq", "to_seq"])]
    all: bool,
    /// Only from this sequence number on
    #[arg(long, value_name = "SEQ")]
    from_seq: Option<u64>,
    /// Only before this sequence number
    #[arg(long, value_name = "SEQ")]
    to_seq: Option<u64>,
}

/// Which log.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Of a server's logs: `standard` unless said, or `break_glass`
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
}

/// Which log, of whichever server.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    which: Which,
    /// The name of a joined log instead, of any of the servers that share a store
    #[arg(long, value_name = "NAME", conflicts_with = "log")]
    origin: Option<String>,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// A question, such as `actor:alice and outcome:denied and time > 24h`; fields are actor, action,
    /// outcome, resource, ip, request, log, text, time, from, to; it may end in `| count by FIELD`
    question: Option<String>,
    /// Who did it: a user's id or name
    #[arg(long)]
    user: Option<String>,
    /// What: `auth.login`, `auth.*`, or what was decided about: `deploy`
    #[arg(long)]
    action: Option<String>,
    /// How it ended: `success`, `failure` or `denied`
    #[arg(long)]
    outcome: Option<String>,
    /// To what, by id
    #[arg(long)]
    resource: Option<String>,
    /// From which address
    #[arg(long)]
    ip: Option<String>,
    /// Not before: a time, or how long ago (`24h`)
    #[arg(long)]
    from: Option<String>,
    /// Before: a time, or how long ago
    #[arg(long)]
    to: Option<String>,
    /// Of one request
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// With all these words, in any text of the event
    #[arg(long)]
    text: Option<String>,
    /// Only of one server (`prov.example/audit/a`), or one of its logs (`prov.example/audit/a/standard`)
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    #[command(flatten)]
    part: Part,
}

const COLUMNS: &[&str] = &[
    "seq",
    "time",
    "action",
    "outcome",
    "actor/name",
    "resource/type",
    "resource/id",
    "request/ip",
];

const SINK_COLUMNS: &[&str] =
    &["name", "kind", "state", "behind", "delivered", "left_out", "last_delivered", "last_error"];

const LOG_COLUMNS: &[&str] =
    &["origin", "own", "size", "pruned", "behind", "time", "alarm/kind", "alarm/detail"];

impl Audit {
    pub(crate) fn run(self, global: &Global) -> Outcome {
        if let Self::Verify { dir: Some(folder), key, policy, ml_dsa_key, tsa_ca, .. } = &self {
            let wanted = verify::Wanted {
                policy: policy.as_deref(),
                ml_dsa_key: ml_dsa_key.as_deref(),
                tsa_ca: tsa_ca.as_deref(),
            };
            return verify::offline(global.output, folder, key.as_deref(), &wanted);
        }
        if let Self::Verify { archive: Some(file), key: Some(key), ml_dsa_key, .. } = &self {
            return retention::archived(global.output, file, key, ml_dsa_key.as_deref());
        }
        if let Self::Proof { check: Some(name), key, policy, ml_dsa_key, .. } = &self {
            let wanted = (policy.as_deref(), ml_dsa_key.as_deref());
            return evidence::check(global.output, name, key.as_deref(), wanted);
        }
        self.ask(&Session::of(global)?)
    }

    /// What needs the server.
    fn ask(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::Query(query) => {
                let answer = client.post("/api/v1/audit/query", &query.body())?;
                match answer.get("counts") {
                    Some(counts) => show_counts(session, counts),
                    None => session.show(&answer, COLUMNS),
                }
            }
            Self::Tail { question, after, origin } => {
                tail::follow(client, (question.as_deref(), origin.as_deref()), after)
            }
            Self::Show { id } => {
                session.show(&client.get(&format!("/api/v1/audit/events/{}", segment(&id)))?, &[])
            }
            Self::Export(asked) => asked.run(session),
            Self::Reconcile { file, which, from_seq, to_seq, key, ml_dsa_key } => {
                let keys = (key.as_deref(), ml_dsa_key.as_deref());
                reconcile::run(session, &which, &file, (from_seq, to_seq), keys)
            }
            Self::Stats { origin } => {
                let asked = [("origin", origin.as_deref())];
                let path = Part::default().of("/api/v1/audit/stats", &asked);
                session.show(&client.get(&path)?, &[])
            }
            Self::Sinks => session.show(&client.get("/api/v1/audit/sinks")?, SINK_COLUMNS),
            Self::Logs => session.show(&client.get("/api/v1/audit/logs")?, LOG_COLUMNS),
            Self::Witnesses => witnesses::show(session),
            Self::Anchors { save, size, which } => {
                evidence::anchors(session, &which, save.as_deref(), size)
            }
            Self::Retention(command) => command.run(session),
            Self::Hold(command) => command.run(session),
            Self::Actions => {
                session.show(&client.get("/api/v1/audit/actions")?, &["action", "log", "meaning"])
            }
            Self::Verify { which, origin, .. } => {
                let asked = [("origin", origin.as_deref())];
                let report = client.get(&which.with("/api/v1/audit/verify", &asked))?;
                session.show(&report, &[])?;
                verify::judge(&report)
            }
            Self::Checkpoint { since: Some(kept), key, ml_dsa_key, which, .. } => {
                evidence::since(session, &which, &kept, (key.as_deref(), ml_dsa_key.as_deref()))
            }
            Self::Checkpoint { note, which, .. } => evidence::newest(session, &which, note),
            Self::Proof { id, save, origin, .. } => {
                let id = id.unwrap_or_default();
                evidence::proof(session, (&id, origin.as_deref()), save.as_deref())
            }
        }
    }
}

impl Query {
    /// What is asked, as the body of a request: it does not stand in any URL.
    fn body(&self) -> Value {
        let asked = [
            ("query", &self.question),
            ("user", &self.user),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("resource", &self.resource),
            ("ip", &self.ip),
            ("from", &self.from),
            ("to", &self.to),
            ("request_id", &self.request_id),
            ("text", &self.text),
            ("origin", &self.origin),
            ("cursor", &self.part.cursor),
        ];
        let texts =
            asked.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
        let limit = self.part.limit.map(|limit| ("limit", json!(limit)));
        Value::Object(texts.chain(limit).map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// Prints what was counted; to people first each value, then the sum.
fn show_counts(session: &Session, counts: &Value) -> Outcome {
    if session.format != OutputFormat::Table {
        return session.show(counts, &[]);
    }
    let values = counts.get("values").filter(|v| v.as_array().is_some_and(|all| !all.is_empty()));
    if let Some(values) = values {
        session.show(values, &["count", "value"])?;
    }
    let complete = counts.get("complete").and_then(Value::as_bool) == Some(true);
    let total = counts.get("total").and_then(Value::as_u64).unwrap_or_default();
    let so_far = if complete { "" } else { " so far, the newest: narrow the question" };
    output::print(&format!("total {total}{so_far}"))
}

impl Export {
    fn run(&self, session: &Session) -> Outcome {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let (from, to) = (number(self.from_seq), number(self.to_seq));
        let asked = [
            ("format", Some(self.format.as_str())),
            ("all", self.all.then_some("true")),
            ("from_seq", from.as_deref()),
            ("to_seq", to.as_deref()),
        ];
        let path = self.which.with("/api/v1/audit/export", &asked);
        let answer = session.client.stream(&path, None)?;
        let said = answer.headers().get("audit-logs").map(HeaderValue::as_bytes);
        say_what_lacks(said.unwrap_or_default(), self.from_seq.unwrap_or_default());
        print(answer.into_body().into_reader())
    }
}

impl Log {
    fn of(&self, path: &str) -> String {
        self.with(path, &[])
    }

    fn with(&self, path: &str, more: &[(&str, Option<&str>)]) -> String {
        let origin = [("origin", self.origin.as_deref())];
        self.which.with(path, &[&origin, more].concat())
    }
}

impl Which {
    fn of(&self, path: &str) -> String {
        self.with(path, &[])
    }

    fn with(&self, path: &str, more: &[(&str, Option<&str>)]) -> String {
        let mut all = vec![("log", self.log.as_deref())];
        all.extend(more);
        Part::default().of(path, &all)
    }
}

/// Says of which of the logs of an export something is not there.
fn say_what_lacks(said: &[u8], from: u64) {
    let said = String::from_utf8_lossy(said);
    for log in said.split(", ").filter(|log| !log.is_empty()) {
        let begins = log.split(";from=").nth(1).and_then(|rest| rest.split(';').next());
        let begins: u64 = begins.and_then(|number| number.parse().ok()).unwrap_or_default();
        if begins > from || log.contains(";behind=") || log.contains(";alarm=") {
            eprintln!("not everything is here: {}", shown(log));
        } else if begins < from {
            eprintln!("nothing is there yet: {}", shown(log));
        }
    }
}

/// Prints an export byte for byte, but for a terminal, which must not obey what somebody else did.
fn print(body: impl Read) -> Outcome {
    let is_terminal = std::io::stdout().is_terminal();
    let mut body = BufReader::new(body);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = body.read_until(b'\n', &mut line);
        if read.map_err(|e| Failure::of("reading the server's answer", e))? == 0 {
            return Ok(());
        }
        let is_read = if is_terminal {
            output::write_while_read(&[shown_lines(&String::from_utf8_lossy(&line)).as_bytes()])?
        } else {
            output::write_while_read(&[&line])?
        };
        if !is_read {
            return Ok(());
        }
    }
}
