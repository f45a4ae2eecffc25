//! RELP: syslog messages that the receiver has confirmed, each of them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use prov_core::{Error, Result};
use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWriteExt, BufReader};

use super::wire::{Target, quoted};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// More than this a receiver says in no answer.
const LONGEST: usize = 64 << 10;

/// What is offered when a session begins.
const OFFER: &str = "relp_version=0\nrelp_software=prov-audit\ncommands=syslog";

/// Sends events as syslog messages (RFC 5424) in a session of RELP. A batch is confirmed when the
/// receiver has confirmed every message in it.
#[derive(Debug)]
pub struct RelpReceiver {
    target: Target,
}

impl RelpReceiver {
    /// A receiver at this URL: `relp://…` or `tls://…`.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target }
    }
}

/// A frame: transaction, command, length and data.
fn frame(transaction: usize, command: &str, data: &str) -> String {
    if data.is_empty() {
        return format!("{transaction} {command} 0\n");
    }
    format!("{transaction} {command} {} {data}\n", data.len())
}

/// What the receiver answers: to which transaction, and with which data.
async fn answer(from: &mut (impl AsyncBufRead + Unpin + Send)) -> Result<(usize, Vec<u8>)> {
    let nonsense = |said: &[u8]| {
        let what = format!("answered what no receiver says: {}", quoted(said));
        Error::new(codes::SINK_FAILED).detail(what)
    };
    let (transaction, _) = word(from).await?;
    let (command, _) = word(from).await?;
    let (length, end) = word(from).await?;
    let length: usize = length.parse().map_err(|_| nonsense(length.as_bytes()))?;
    if length > LONGEST {
        return Err(nonsense(b"a very long answer"));
    }
    let mut data = Vec::new();
    if end == b' ' {
        data.resize(length + 1, 0);
        from.read_exact(&mut data).await.map_err(broken)?;
        data.truncate(length);
    }
    match (transaction.parse(), command.as_str()) {
        (Ok(transaction), "rsp") => Ok((transaction, data)),
        (_, "serverclose") => Err(Error::new(codes::SINK_FAILED).detail("ended the session")),
        _ => Err(nonsense(command.as_bytes())),
    }
}

/// The next word, and what it ended with: a space or a line break.
async fn word(from: &mut (impl AsyncBufRead + Unpin + Send)) -> Result<(String, u8)> {
    let mut word = String::new();
    loop {
        let byte = from.read_u8().await.map_err(broken)?;
        if byte == b' ' || byte == b'\n' {
            return Ok((word, byte));
        }
        word.push(char::from(byte));
        if word.len() > 32 {
            let what = format!("answered what no receiver says: {}", quoted(word.as_bytes()));
            return Err(Error::new(codes::SINK_FAILED).detail(what));
        }
    }
}

fn broken(error: std::io::Error) -> Error {
    let what = format!("the connection broke off: {}", error.kind());
    Error::new(codes::SINK_FAILED).detail(what).source(error)
}

/// Confirmed is what is answered with 200.
fn accepted(data: &[u8]) -> Result<()> {
    if data.starts_with(b"200") {
        return Ok(());
    }
    let what = format!("refused: {}", quoted(data));
    Err(Error::new(codes::SINK_FAILED).detail(what))
}

#[async_trait]
impl Receiver for RelpReceiver {
    fn kind(&self) -> &'static str {
        "relp"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let stream = self.target.connect().await?;
        let (from, mut to) = tokio::io::split(stream);
        let mut from = BufReader::new(from);
        to.write_all(frame(1, "open", OFFER).as_bytes()).await.map_err(broken)?;
        to.flush().await.map_err(broken)?;
        accepted(&answer(&mut from).await?.1)?;
        let mut missing = BTreeSet::new();
        let mut said = String::new();
        for (transaction, message) in (2..).zip(batch.records(Format::Syslog)) {
            said.push_str(&frame(transaction, "syslog", &message));
            missing.insert(transaction);
        }
        let last = missing.len() + 2;
        let saying = async {
            to.write_all(said.as_bytes()).await.map_err(broken)?;
            to.flush().await.map_err(broken)
        };
        let hearing = async {
            while !missing.is_empty() {
                let (transaction, data) = answer(&mut from).await?;
                accepted(&data)?;
                missing.remove(&transaction);
            }
            Ok(())
        };
        // Both at once: whoever does not read answers may not be read from.
        tokio::try_join!(saying, hearing)?;
        // Everything is confirmed; whether the session ends in good order changes nothing.
        let _ = to.write_all(frame(last, "close", "").as_bytes()).await;
        let _ = to.flush().await;
        Ok(())
    }
}
