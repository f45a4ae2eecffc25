use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result};

use super::part::Refused;
use super::shared::Known;
use super::{JoinAlarmKind, JoinOptions, JoinedLog, Keys};
use crate::codes;
use crate::index::{Index, Indexed};
use crate::journal::{Mirror, Watermark, origin_hash_of};
use crate::log::{CLASSES, api_name, class_name};
use crate::note::Checkpoint;
use crate::people::Vault;

/// The folder of mirrors, in the directory of the log.
pub(super) const FOLDER: &str = "peers";

/// A log of another node, and this node's mirror of it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The log's name.
    pub(crate) name: String,
    /// Its retention class.
    pub(crate) class: RetentionClass,
    /// Where the mirror lies.
    pub(crate) dir: PathBuf,
    /// The key that it was begun with, and what else it must be signed with.
    pub(crate) keys: Keys,
    /// What its events are looked up in.
    pub(crate) index: Index,
    /// What opens the personal parts of its events.
    pub(crate) vault: Arc<Vault>,
    pub(super) durable: Arc<Watermark>,
    /// Absent when it must be opened again. Held by what blocks.
    pub(super) mirror: Arc<Mutex<Option<Mirror>>>,
    pub(super) known: Mutex<Known>,
    pub(super) pruned: Mutex<u64>,
}

/// The origin of a node and the class, from the name of a log.
pub(super) fn taken_apart(name: &str) -> Option<(&str, RetentionClass)> {
    CLASSES.into_iter().find_map(|class| {
        let origin = name.strip_suffix(class_name(class))?.strip_suffix('/')?;
        (!origin.is_empty()).then_some((origin, class))
    })
}

/// The directory of the mirror of a log: readable, and of no other log.
pub(super) fn dir_of(log_dir: &Path, name: &str) -> PathBuf {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let readable: String = name.chars().map(fit).take(100).collect();
    let hash = origin_hash_of(name);
    let tag = hex::encode(hash.first_chunk::<4>().copied().unwrap_or_default());
    log_dir.join(FOLDER).join(format!("{readable}-{tag}"))
}

impl Peer {
    /// Opens the mirror in this directory. Blocks.
    pub(super) fn open(
        log_dir: &Path,
        dir: &Path,
        vault: &Vault,
        (options, now): (&JoinOptions, Timestamp),
    ) -> Result<Self> {
        let durable = Arc::new(Watermark::new(0));
        let keys = Keys::new(crate::verify::key_beside(dir)?, options);
        let opened = Mirror::open(dir, Arc::clone(&durable));
        let (mirror, error) = match opened {
            Ok(mirror) => (Some(mirror), None),
            Err(error) => (None, Some(error)),
        };
        Self::new(log_dir, dir, keys, durable, mirror, vault).inspect(|peer| {
            if let Some(error) = error {
                peer.damaged(&error, now);
            }
        })
    }

    /// Begins a mirror. Blocks.
    pub(super) fn create(log_dir: &Path, keys: Keys, vault: &Vault) -> Result<Self> {
        let dir = dir_of(log_dir, keys.first.name());
        let mirror = Mirror::create(&dir, &keys.first)?;
        let durable = Arc::clone(mirror.durable());
        Self::new(log_dir, &dir, keys, durable, Some(mirror), vault)
    }

    fn new(
        log_dir: &Path,
        dir: &Path,
        keys: Keys,
        durable: Arc<Watermark>,
        mirror: Option<Mirror>,
        vault: &Vault,
    ) -> Result<Self> {
        let name = keys.first.name().to_owned();
        let (origin, class) = taken_apart(&name).ok_or_else(|| {
            Error::new(codes::DAMAGED).context("a mirror of a log whose name says no class")
        })?;
        let vault = Arc::new(vault.for_origin(origin));
        let file_name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = log_dir.join("index").join(FOLDER).join(format!("{file_name}.sqlite"));
        let log =
            Indexed { dir: dir.to_owned(), name: name.clone(), durable: Arc::clone(&durable) };
        let index = Index::open(file, log, Arc::clone(&vault))?;
        let pruned = mirror.as_ref().and_then(|mirror| mirror.stub().map(|stub| stub.before));
        Ok(Self {
            class,
            dir: dir.to_owned(),
            keys,
            index,
            vault,
            durable,
            mirror: Arc::new(Mutex::new(mirror)),
            known: Mutex::default(),
            pruned: Mutex::new(pruned.unwrap_or_default()),
            name,
        })
    }

    /// How far it may be read.
    pub(crate) fn durable(&self) -> &Arc<Watermark> {
        &self.durable
    }

    /// How many events are here.
    pub(crate) fn size(&self) -> u64 {
        self.durable.size()
    }

    /// The newest checkpoint of the mirror. Blocks.
    pub(crate) fn newest_checkpoint(&self) -> Result<Checkpoint> {
        let newest = self.mirror.lock().as_ref().map(|mirror| mirror.checkpoint().clone());
        newest.map_or_else(|| Checkpoint::read_beside(&self.dir, &self.keys.first), Ok)
    }

    /// Notes that the files can't be used.
    pub(super) fn damaged(&self, error: &Error, now: Timestamp) {
        let what = format!(
            "the mirror can't be opened: {}; verify it, then remove its directory to have it made anew",
            error.public_detail()
        );
        self.known.lock().raise(Refused::new(JoinAlarmKind::Damaged, what), now);
    }

    pub(super) fn status(&self) -> JoinedLog {
        let (known, size) = (self.known.lock().clone(), self.size());
        let directory = self.dir.file_name().unwrap_or_default().to_string_lossy();
        JoinedLog {
            origin: self.name.clone(),
            log: api_name(self.class).to_owned(),
            own: false,
            verifier_key: self.keys.first.to_string(),
            ml_dsa_44_key: self.keys.second.as_ref().map(ToString::to_string),
            size,
            pruned: *self.pruned.lock(),
            published: known.published.max(size),
            behind: known.published.saturating_sub(size),
            time: known.time,
            directory: format!("{FOLDER}/{directory}"),
            alarm: known.alarm.map(|(alarm, _)| alarm),
        }
    }
}
