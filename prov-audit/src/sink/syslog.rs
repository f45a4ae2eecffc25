//! Syslog (RFC 5424) over TCP (RFC 6587, octet counting) and TLS (RFC 5425).

use async_trait::async_trait;
use prov_core::{Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::Target;
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// Sends events as syslog messages, each behind its length.
///
/// The protocol confirms nothing: what a receiver has not read when it dies is lost without a word.
/// So each batch has a connection of its own, which is closed for writing behind the last message,
/// and is confirmed when the receiver closes it too: it has read to the end. Receivers that do not
/// close are none for this sink. Whoever can end connections on the way can pretend to be a receiver
/// that has: where that matters, hold the copy against the log (`prov audit reconcile`).
#[derive(Debug)]
pub struct SyslogReceiver {
    target: Target,
}

impl SyslogReceiver {
    /// A receiver at this URL: `tcp://…` or `tls://…`.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target }
    }
}

#[async_trait]
impl Receiver for SyslogReceiver {
    fn kind(&self) -> &'static str {
        "syslog"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let mut stream = self.target.connect().await?;
        let mut bytes = Vec::new();
        for message in batch.records(Format::Syslog) {
            bytes.extend(message.len().to_string().as_bytes());
            bytes.push(b' ');
            bytes.extend(message.as_bytes());
        }
        let broken = |e: std::io::Error| {
            let what = format!("the connection broke off: {}", e.kind());
            Error::new(codes::SINK_FAILED).detail(what).source(e)
        };
        stream.write_all(&bytes).await.map_err(broken)?;
        stream.shutdown().await.map_err(broken)?;
        // What it may say meanwhile means nothing in this protocol, but must not be without end.
        let mut said = [0; 1024];
        for _ in 0..64 {
            match stream.read(&mut said).await {
                Ok(0) => return Ok(()),
                // Receivers there are end the connection without a word of TLS.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other.map_err(broken)?,
            };
        }
        Err(Error::new(codes::SINK_FAILED).detail("talks, which no receiver of syslog does"))
    }
}
