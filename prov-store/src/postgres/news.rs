//! What changed, told from process to process by LISTEN and NOTIFY.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prov_core::Result;
use prov_core::store::{Change, ChangeSender, Key};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_postgres::Notification;

use super::PostgresOptions;
use super::link::{Link, bounded};

/// The channel of all processes on one database.
pub(super) const CHANNEL: &str = "prov_changes";
/// What NOTIFY carries at most.
const MAX_PAYLOAD: usize = 7999;
/// How often a silent connection is asked whether it is still there, and how long it may take: a
/// connection that broke without a word is noticed within their sum.
const ASK_EVERY: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect again, doubling from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// One notification.
#[derive(Debug, Serialize, Deserialize)]
struct News {
    /// Who tells: its own listeners have heard already.
    from: String,
    /// The key that changed; none when its name is too long to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<(String, String)>,
}

/// The name of a store among those on one database.
#[derive(Debug, Clone)]
pub(super) struct Sender(Arc<str>);

impl Sender {
    /// A name that nobody else has.
    pub(super) fn new() -> Result<Self> {
        let number = u128::from_be_bytes(prov_core::random::bytes()?);
        Ok(Self(format!("{number:032x}").into()))
    }

    /// What to notify of when `key` has changed.
    pub(super) fn payload(&self, key: &Key) -> String {
        let encoded = |key| {
            let news = News { from: self.0.to_string(), key };
            // Two texts always have a JSON form; an empty payload would be heard as a loss.
            serde_json::to_string(&news).unwrap_or_default()
        };
        let payload = encoded(Some((key.kind.to_string(), key.id.clone())));
        if payload.len() <= MAX_PAYLOAD { payload } else { encoded(None) }
    }

    /// What a payload says, unless it is our own.
    fn heard(&self, payload: &str) -> Option<Change> {
        match serde_json::from_str::<News>(payload) {
            Ok(News { from, .. }) if *from == *self.0 => None,
            Ok(News { key: Some((kind, id)), .. }) => Some(Change::Changed(Key::new(kind, id))),
            // Too long, or from a version that says more: something has changed.
            _ => Some(Change::Missed),
        }
    }
}

/// Hears what other processes change, and tells it on.
#[derive(Debug)]
pub(super) struct Listener {
    options: Arc<PostgresOptions>,
    me: Sender,
    changes: ChangeSender,
    is_listening: Arc<AtomicBool>,
    ear: Ear,
}

/// A connection that listens.
#[derive(Debug)]
struct Ear {
    link: Link,
    heard: UnboundedReceiver<Notification>,
}

impl Ear {
    async fn open(options: &PostgresOptions) -> Result<Self> {
        let (telling, heard) = unbounded_channel();
        let link = Link::open(options, Some(telling)).await?;
        let listen = format!("LISTEN {CHANNEL}");
        bounded("listening", options.connect_limit(), link.client.batch_execute(&listen)).await?;
        Ok(Self { link, heard })
    }

    async fn is_alive(&self) -> bool {
        matches!(timeout(ANSWER_WITHIN, self.link.client.simple_query("")).await, Ok(Ok(_)))
    }
}

impl Listener {
    /// Listens from now on.
    pub(super) async fn open(
        options: Arc<PostgresOptions>,
        me: Sender,
        changes: ChangeSender,
        is_listening: Arc<AtomicBool>,
    ) -> Result<Self> {
        let ear = Ear::open(&options).await?;
        is_listening.store(true, Ordering::Relaxed);
        Ok(Self { options, me, changes, is_listening, ear })
    }

    /// Listens until it is dropped, again and again when the connection is lost.
    pub(super) async fn run(mut self) {
        loop {
            self.hear().await;
            self.is_listening.store(false, Ordering::Relaxed);
            tracing::warn!("the connection that hears of other processes' changes is lost");
            // Whatever is kept in memory may be old from this moment, and again from the moment of
            // listening: what happened between the two is never told.
            self.changes.send(Change::Missed);
            self.ear = self.connect_again().await;
            self.is_listening.store(true, Ordering::Relaxed);
            self.changes.send(Change::Missed);
        }
    }

    async fn hear(&mut self) {
        loop {
            tokio::select! {
                news = self.ear.heard.recv() => {
                    let Some(news) = news else { return };
                    if let Some(change) = self.me.heard(news.payload()) {
                        self.changes.send(change);
                    }
                }
                () = sleep(ASK_EVERY) => {
                    if !self.ear.is_alive().await {
                        return;
                    }
                }
            }
        }
    }

    async fn connect_again(&self) -> Ear {
        let mut pause = FIRST_PAUSE;
        loop {
            match Ear::open(&self.options).await {
                Ok(ear) => return ear,
                Err(error) => tracing::debug!(?error, "listening again failed"),
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_hear_what_changed_and_the_sender_does_not() {
        let (a, b) = (Sender::new().unwrap(), Sender::new().unwrap());
        let key = Key::new("auth.session", "with \0 and ☃");
        let payload = a.payload(&key);
        assert!(!payload.contains('\0'), "PostgreSQL's text can't carry it");
        assert_eq!(a.heard(&payload), None);
        assert_eq!(b.heard(&payload), Some(Change::Changed(key)));
    }

    #[test]
    fn what_is_too_long_or_not_understood_is_a_loss() {
        let (a, b) = (Sender::new().unwrap(), Sender::new().unwrap());
        let payload = a.payload(&Key::new("k", "x".repeat(9000)));
        assert!(payload.len() <= MAX_PAYLOAD);
        assert_eq!(b.heard(&payload), Some(Change::Missed));
        assert_eq!(a.heard(&payload), None);
        assert_eq!(b.heard("something else"), Some(Change::Missed));
    }
}
