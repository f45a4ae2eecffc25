use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
use prov_core::store::{Change, Changes, Entity, StoreExt};
use prov_core::{Error, PrincipalKind, Result};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::following::{PUBLISHED, take_in};
use super::part::Refused;
use super::peer::{self, Peer};
use super::publishing::Publisher;
use super::records::{Announced, Follower, PartRecord};
use super::shared::{Known, MOST};
use super::{JoinAlarm, JoinAlarmKind, JoinOptions, JoinedLog, Keys, Shared};
use crate::codes;
use crate::log::{CLASSES, Log, api_name, blocking, class_name};
use crate::note::VerifierKey;

/// How often a node looks whether its own logs have grown.
const LOOK: Duration = Duration::from_millis(100);

/// News that comes together is looked at together.
const GATHER: Duration = Duration::from_millis(10);

/// Joins a log with those of other nodes: see [the module](crate::joining).
#[derive(Debug)]
pub struct Joining {
    log: Arc<Log>,
    shared: Arc<Shared>,
    publishers: Mutex<[Publisher; 2]>,
}

impl Log {
    /// Answers questions from the logs of all nodes that share the store: from their mirrors here, which
    /// are kept up to date as soon as somebody [runs](Joining::run) what this gives. Every node must run
    /// [`follow`](Self::follow) too.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](prov_core::codes::INVALID_REQUEST) for options that make no sense, and the second time. When keys of
    /// subjects, or the directory of mirrors, can't be read.
    pub async fn join(self: &Arc<Self>, options: JoinOptions) -> Result<Arc<Joining>> {
        options.check()?;
        let shared = Arc::new(Shared::new(options));
        let dirs = mirrors(self).await?;
        if !dirs.is_empty() {
            // The indexes need them to catch up.
            self.vault().preload().await?;
        }
        for dir in dirs {
            let (log, now) = (Arc::clone(self), self.clock().now());
            let (path, of) = (dir.clone(), Arc::clone(&shared));
            let opened =
                blocking(move || Peer::open(log.dir(), &path, log.vault(), (&of.options, now)));
            let is_own = |name: &str| CLASSES.iter().any(|c| self.verifier_key(*c).name() == name);
            let opened = opened.await.and_then(|peer| {
                let fits = peer.dir == peer::dir_of(self.dir(), &peer.name) && !is_own(&peer.name);
                let misplaced = || Error::new(codes::DAMAGED).detail("it is not where it belongs");
                if fits { Ok(peer) } else { Err(misplaced()) }
            });
            match opened {
                Ok(peer) => shared.add(Arc::new(peer)),
                Err(error) => {
                    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    tracing::error!(mirror = name, ?error, "a mirror can't be opened");
                    let what = format!("the mirror can't be opened: {}", error.public_detail());
                    let refused = Refused::new(JoinAlarmKind::Damaged, what);
                    shared.refuse(&name, |known| known.raise(refused, now));
                }
            }
        }
        self.begin_joining(&shared).await?;
        let publishers = Mutex::new(CLASSES.map(Publisher::new));
        Ok(Arc::new(Joining { log: Arc::clone(self), shared, publishers }))
    }

    /// How far this node has its own logs and those of the others; empty unless they are joined.
    #[must_use]
    pub fn joined(&self) -> Vec<JoinedLog> {
        let Some(shared) = self.joining() else { return Vec::new() };
        let own = CLASSES.map(|class| {
            let (published, time, alarm) = shared.of_own(class);
            let size = self.size(class);
            JoinedLog {
                origin: self.verifier_key(class).name().to_owned(),
                log: api_name(class).to_owned(),
                own: true,
                verifier_key: self.verifier_key(class).to_string(),
                ml_dsa_44_key: self.ml_dsa_44_key(class).map(ToString::to_string),
                size,
                pruned: self.pruned_before(class),
                published,
                behind: 0,
                time,
                directory: class_name(class).to_owned(),
                alarm,
            }
        });
        own.into_iter().chain(shared.others()).collect()
    }
}

/// The directories of the mirrors that are there.
async fn mirrors(log: &Arc<Log>) -> Result<Vec<std::path::PathBuf>> {
    let folder = log.dir().join(peer::FOLDER);
    blocking(move || {
        let failed = |e| crate::files::io_error(e, "listing mirrors");
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut dirs = Vec::new();
        for entry in listed {
            let entry = entry.map_err(failed)?;
            if entry.path().is_dir() {
                dirs.push(entry.path());
            }
        }
        Ok(dirs)
    })
    .await
}

impl Joining {
    /// Publishes this node's logs and takes in those of the others, until `shutdown` ends. Run a second
    /// time while it runs it waits for its turn.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = self.run_on() => {}
            () = shutdown => {}
        }
    }

    async fn run_on(&self) {
        let mut publishers = self.publishers.lock().await;
        let mut news = Some(self.log.store().changes());
        let mut heard = true;
        loop {
            let any = match self.round(&mut publishers, heard).await {
                Ok(any) => any,
                Err(error) => {
                    tracing::warn!(?error, "the logs of other nodes can't be joined at the moment");
                    sleep(self.shared.options.every).await;
                    true
                }
            };
            heard = any || self.wait(&publishers, &mut news).await;
        }
    }

    /// Waits until there is something to do; whether the others may have said something.
    async fn wait(&self, publishers: &[Publisher; 2], news: &mut Option<Changes>) -> bool {
        let until = Instant::now() + self.shared.options.every;
        while Instant::now() < until {
            tokio::select! {
                change = next(news) => match change {
                    Some(change) if self.concerns_us(&change) => {
                        sleep(GATHER).await;
                        return true;
                    }
                    Some(_) => {}
                    None => *news = None,
                },
                () = sleep(LOOK) => {
                    if publishers.iter().any(|publisher| publisher.is_due(&self.log)) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn concerns_us(&self, change: &Change) -> bool {
        let Change::Changed(key) = change else { return true };
        let names = CLASSES.map(|class| self.log.verifier_key(class).name());
        let is_own = names.iter().any(|name| key.id.split('+').next() == Some(name));
        let of_log = key.kind == Announced::KIND || key.kind == PartRecord::KIND;
        (of_log && !is_own) || (key.kind == Follower::KIND && is_own)
    }

    /// Publishes, and takes in what there is; whether there was any.
    async fn round(&self, publishers: &mut [Publisher; 2], heard: bool) -> Result<bool> {
        for publisher in publishers {
            if (heard || publisher.is_due(&self.log))
                && let Err(error) = publisher.publish(&self.log, &self.shared, heard).await
            {
                tracing::warn!(?error, "this node's log can't be passed on at the moment");
            }
        }
        let mut any = false;
        if heard {
            let announced = self.log.store().load_all::<Announced>().await?;
            let names: BTreeSet<String> = announced.iter().map(|said| said.log.clone()).collect();
            for said in announced {
                any |= self.visit(&said.entity).await;
            }
            self.miss(&names);
        }
        self.tell().await;
        Ok(any)
    }

    /// Takes in what one log has published; whether there was any.
    async fn visit(&self, said: &Announced) -> bool {
        if CLASSES.iter().any(|class| self.log.verifier_key(*class).name() == said.log) {
            return false;
        }
        let now = self.log.clock().now();
        let taken = match self.peer(said).await {
            Ok(Ok(peer)) => take_in(&self.log, &peer, said).await.map(|taken| (peer, taken)),
            Ok(Err(refused)) => {
                if self.shared.peer(&said.log).is_none() {
                    self.shared.refuse(&said.log, |known| known.raise(refused, now));
                }
                return false;
            }
            Err(error) => Err(error),
        };
        match taken {
            Ok((peer, taken)) => self.judge(&peer, taken),
            // One that can't be taken in does not keep the others from it.
            Err(error) => {
                tracing::warn!(log = said.log, ?error, "a log can't be taken in at the moment");
                if let Some(peer) = self.shared.peer(&said.log)
                    && error.is(codes::DAMAGED)
                {
                    peer.damaged(&error, now);
                }
                false
            }
        }
    }

    async fn peer(&self, said: &Announced) -> Result<Result<Arc<Peer>, Refused>> {
        match self.shared.peer(&said.log) {
            Some(peer) if self.may_join(&peer.keys.first) => Ok(Ok(peer)),
            Some(peer) => {
                let refused = Self::unknown(&peer.keys.first);
                peer.known.lock().raise(refused.clone(), self.log.clock().now());
                Ok(Err(refused))
            }
            None => self.begin(said).await,
        }
    }

    fn may_join(&self, key: &VerifierKey) -> bool {
        let keys = &self.shared.options.keys;
        keys.is_empty() || keys.contains(key)
    }

    fn unknown(key: &VerifierKey) -> Refused {
        let what = format!("its key `{key}` is none of those that are to be joined");
        Refused::new(JoinAlarmKind::UnknownKey, what)
    }

    /// Begins the mirror of a log that was never seen, if it may be joined.
    async fn begin(&self, said: &Announced) -> Result<Result<Arc<Peer>, Refused>> {
        let key: Option<VerifierKey> = said.key.parse().ok();
        let key =
            key.filter(|key| key.name() == said.log && peer::taken_apart(&said.log).is_some());
        let Some(key) = key else {
            let what = "it shows no key of its name";
            return Ok(Err(Refused::new(JoinAlarmKind::Forged, what)));
        };
        if !self.may_join(&key) {
            return Ok(Err(Self::unknown(&key)));
        }
        // Nobody begins the mirror of a log for it whose second key is known.
        let keys = Keys::new(key.clone(), &self.shared.options);
        if let Err(refused) = keys.open(&said.checkpoint, PUBLISHED) {
            return Ok(Err(refused));
        }
        if self.shared.peers().len() >= MOST {
            let what = format!("{MOST} logs are joined already");
            return Ok(Err(Refused::new(JoinAlarmKind::UnknownKey, what)));
        }
        // Whose key is believed from here on is said before anything is believed.
        let event = self.event(Action::AUDIT_JOIN_LOG, Outcome::Success, &said.log);
        self.log.record(event.with("key", key.to_string())).await?;
        let log = Arc::clone(&self.log);
        let peer = blocking(move || Peer::create(log.dir(), keys, log.vault())).await?;
        let peer = Arc::new(peer);
        self.shared.add(Arc::clone(&peer));
        Ok(Ok(peer))
    }

    /// Notes what came of taking in a log.
    fn judge(&self, peer: &Peer, taken: Result<bool, Refused>) -> bool {
        let now = self.log.clock().now();
        let mut known = peer.known.lock();
        let any = match taken {
            Ok(any) => any,
            Err(refused) => {
                known.raise(refused, now);
                return false;
            }
        };
        let size = peer.size();
        if any || size >= known.published {
            known.lacking_since = None;
            known.clear();
            return any;
        }
        let since = *known.lacking_since.get_or_insert(now);
        let due = since.checked_add(self.shared.options.patience);
        if due.is_ok_and(|due| due <= now) {
            let what = format!("events from {size} on are published, and not to be had");
            known.raise(Refused::new(JoinAlarmKind::Gap, what), now);
        }
        false
    }

    /// Notes which logs show themselves no longer.
    fn miss(&self, announced: &BTreeSet<String>) {
        let now = self.log.clock().now();
        for peer in self.shared.peers() {
            if !announced.contains(&peer.name) {
                let what =
                    "the log shows itself no longer: what it said was taken out of the store";
                peer.known.lock().raise(Refused::new(JoinAlarmKind::Withdrawn, what), now);
            }
        }
    }

    /// Records what is wrong, and what is well again.
    async fn tell(&self) {
        let mut news: Vec<(String, JoinAlarm, bool)> = Vec::new();
        let mut gather = |name: &str, known: &mut Known| {
            news.extend(known.ended.take().map(|alarm| (name.to_owned(), alarm, false)));
            if let Some((alarm, is_told)) = known.alarm.as_mut().filter(|(_, is_told)| !*is_told) {
                *is_told = true;
                news.push((name.to_owned(), alarm.clone(), true));
            }
        };
        self.shared.each(&mut gather);
        for class in CLASSES {
            gather(self.log.verifier_key(class).name(), &mut self.shared.own(class).lock());
        }
        for (name, alarm, is_wrong) in news {
            let (action, outcome) = if is_wrong {
                tracing::error!(log = name, kind = alarm.kind.name(), "{}", alarm.detail);
                (Action::AUDIT_JOIN_ALARM, Outcome::Failure)
            } else {
                tracing::info!(log = name, kind = alarm.kind.name(), "a joined log is well again");
                (Action::AUDIT_JOIN_RESUMED, Outcome::Success)
            };
            let event = self.event(action, outcome, &name).with("kind", alarm.kind.name());
            let event = event.with("detail", alarm.detail);
            let event = match alarm.checkpoint {
                Some(note) => event.with("checkpoint", note),
                None => event,
            };
            if let Err(error) = self.log.record(event).await {
                // It is in the state and in this program's own messages all the same.
                tracing::error!(?error, "what is wrong with a joined log could not be recorded");
            }
        }
    }

    fn event(&self, action: Action, outcome: Outcome, name: &str) -> Event {
        let actor = Actor::account(PrincipalKind::System, "system:audit-log", "audit-log");
        Event::new(self.log.clock(), action, outcome).by(actor).on("audit_log", name)
    }
}

/// The next change; never one of a store that is gone.
async fn next(news: &mut Option<Changes>) -> Option<Change> {
    match news {
        Some(news) => news.next().await,
        None => std::future::pending().await,
    }
}
