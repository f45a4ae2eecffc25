//! NATS `JetStream`: messages that the stream has confirmed, each once by its id.

use std::path::PathBuf;

use async_trait::async_trait;
use prov_core::{Error, Result, codes as core_codes, random};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::wire::{SecretFile, Stream, Target, quoted};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// More than this the server says in no line and no message to us.
const LONGEST: u64 = 64 << 10;

/// Publishes events to a subject that a stream takes. A message's id is the hash of its leaf, so that
/// what comes twice within the stream's window is kept once. A batch is confirmed when the stream has
/// confirmed every message.
#[derive(Debug)]
pub struct NatsReceiver {
    target: Target,
    subject: String,
    token: Option<SecretFile>,
}

impl NatsReceiver {
    /// A server at this URL (`nats://…`, `tls://…:4222`), and the subject.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for what can't be published to.
    pub fn new(target: Target, subject: impl Into<String>) -> Result<Self> {
        let subject = subject.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let good = subject.split('.').all(|word| !word.is_empty() && word.chars().all(plain));
        if !good || subject.len() > 255 {
            let what = format!("`{subject}` is no subject: words of letters, digits, `-`, `_`");
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        Ok(Self { target, subject, token: None })
    }

    /// With the token that stands in this file.
    #[must_use]
    pub fn token(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(SecretFile::new(file.into()));
        self
    }

    /// Everything that is said for a batch, and the inbox that the answers come to.
    async fn said(&self, batch: &Batch) -> Result<(Vec<u8>, String)> {
        let mut connect = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "name": "prov-audit", "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
        });
        if let (Some(file), Some(members)) = (&self.token, connect.as_object_mut()) {
            let token = file.read().await?;
            members.insert("auth_token".to_owned(), Value::from(token.expose()));
        }
        let inbox = format!("_INBOX.{}", hex::encode(random::bytes::<12>()?));
        let mut said = format!("CONNECT {connect}\r\nSUB {inbox}.* 1\r\n").into_bytes();
        for (leaf, record) in batch.leaves.iter().zip(batch.records(Format::Jsonl)) {
            let head = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\n\r\n", hex::encode(leaf.hash));
            let (subject, seq) = (&self.subject, leaf.seq);
            let (of_head, of_all) = (head.len(), head.len() + record.len());
            said.extend(format!("HPUB {subject} {inbox}.{seq} {of_head} {of_all}\r\n").bytes());
            said.extend(head.bytes());
            said.extend(record.bytes());
            said.extend(b"\r\n");
        }
        said.extend(b"PING\r\n");
        Ok((said, inbox))
    }
}

fn broken(error: std::io::Error) -> Error {
    let what = format!("the connection broke off: {}", error.kind());
    Error::new(codes::SINK_FAILED).detail(what).source(error)
}

fn nonsense(said: &str) -> Error {
    let what = format!("answered what no server says: {}", quoted(said.as_bytes()));
    Error::new(codes::SINK_FAILED).detail(what)
}

/// One thing that the server says.
enum Said {
    Ping,
    Message { subject: String, head: Vec<u8>, body: Vec<u8> },
    Refused(String),
    Nothing,
}

async fn hear(from: &mut (impl tokio::io::AsyncBufRead + Unpin + Send)) -> Result<Said> {
    let mut line = String::new();
    let read = (&mut *from).take(LONGEST).read_line(&mut line).await.map_err(broken)?;
    if read == 0 || !line.ends_with('\n') {
        return Err(Error::new(codes::SINK_FAILED).detail("broke the connection off"));
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (head, all, subject) = match words.as_slice() {
        ["PING"] => return Ok(Said::Ping),
        ["PONG" | "+OK"] | ["INFO", ..] => return Ok(Said::Nothing),
        ["-ERR", rest @ ..] => return Ok(Said::Refused(rest.join(" "))),
        ["MSG", subject, _, all] => ("0", *all, *subject),
        ["HMSG", subject, _, head, all] => (*head, *all, *subject),
        _ => return Err(nonsense(&line)),
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n <= LONGEST);
    let (Some(head), Some(all)) = (number(head), number(all)) else { return Err(nonsense(&line)) };
    let mut bytes = vec![0; usize::try_from(all + 2).unwrap_or_default()];
    from.read_exact(&mut bytes).await.map_err(broken)?;
    bytes.truncate(bytes.len().saturating_sub(2));
    let head = usize::try_from(head).unwrap_or_default().min(bytes.len());
    let body = bytes.split_off(head);
    Ok(Said::Message { subject: subject.to_owned(), head: bytes, body })
}

/// Whether a stream has confirmed a message, by what it answers.
fn confirmed(head: &[u8], body: &[u8]) -> Result<()> {
    if !head.is_empty() {
        let what = "no stream takes the subject".to_owned();
        return Err(Error::new(codes::SINK_FAILED).detail(what));
    }
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(error) = answer.get("error") {
        let what = format!("the stream refused: {}", quoted(error.to_string().as_bytes()));
        return Err(Error::new(codes::SINK_FAILED).detail(what));
    }
    let known = answer.get("stream").is_some_and(Value::is_string)
        && answer.get("seq").is_some_and(Value::is_u64);
    if known { Ok(()) } else { Err(nonsense(&String::from_utf8_lossy(body))) }
}

#[async_trait]
impl Receiver for NatsReceiver {
    fn kind(&self) -> &'static str {
        "nats"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let (said, inbox) = self.said(batch).await?;
        let mut plain = BufReader::new(self.target.connect_plain().await?);
        // The server speaks first, and in the clear; what follows is behind TLS where that is wanted.
        let mut info = String::new();
        (&mut plain).take(LONGEST).read_line(&mut info).await.map_err(broken)?;
        if !info.starts_with("INFO ") {
            return Err(nonsense(&info));
        }
        let stream: Box<dyn Stream> = self.target.secure(plain.into_inner()).await?;
        let (from, mut to) = tokio::io::split(stream);
        let mut from = BufReader::new(from);
        let answers = async {
            let mut missing: std::collections::BTreeSet<String> =
                batch.leaves.iter().map(|leaf| format!("{inbox}.{}", leaf.seq)).collect();
            while !missing.is_empty() {
                match hear(&mut from).await? {
                    Said::Message { subject, head, body } => {
                        confirmed(&head, &body)?;
                        missing.remove(&subject);
                    }
                    Said::Refused(why) => {
                        let what = format!("refused: {}", quoted(why.as_bytes()));
                        return Err(Error::new(codes::SINK_FAILED).detail(what));
                    }
                    // It asks only those that have said nothing for long; a batch ends sooner.
                    Said::Ping | Said::Nothing => {}
                }
            }
            Ok(())
        };
        let asking = async {
            to.write_all(&said).await.map_err(broken)?;
            to.flush().await.map_err(broken)
        };
        // Both at once: whoever does not read answers may not be read from.
        tokio::try_join!(asking, answers).map(drop)
    }
}
