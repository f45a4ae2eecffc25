//! What is kept of a set.

use std::collections::HashSet;

use prov_core::store::Entity;
use prov_core::{SecurityContext, Timestamp};
use serde::{Deserialize, Serialize};

use crate::load::{BUNDLE_FILE, Compiled, digest_of};
use crate::{PolicyFiles, SourceFile};

/// How a set came to be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SetOrigin {
    /// Read from the directory.
    Directory,
    /// Uploaded through the API.
    Upload,
    /// Somebody went back to it.
    Rollback,
}

/// A set that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptSet {
    /// Counts the sets of one store, from 1.
    pub number: u64,
    /// Its revision.
    pub revision: String,
    /// The number of its policies.
    pub policies: usize,
    /// How it came to be in force.
    pub origin: SetOrigin,
    /// The set somebody went back to, for a rollback.
    pub same_as: Option<u64>,
    /// The git commit it was read from.
    pub commit: Option<String>,
    /// The version its signed bundle states.
    pub bundle_version: Option<u64>,
    /// Who put it in force: the id of an account, or `system:policy-watcher`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, if somebody said so.
    pub reason: Option<String>,
    /// The corporate networks that were configured.
    pub networks: Vec<String>,
    /// Its files.
    pub files: Vec<KeptFile>,
    /// Its schema.
    pub(crate) schema: KeptFile,
    /// Its entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entities: Option<KeptFile>,
    /// Its signed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bundle: Option<KeptFile>,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptFile {
    /// Its name.
    pub name: String,
    /// The SHA-256, in hexadecimal, of each part of its text: what the parts are kept under.
    pub parts: Vec<String>,
}

impl KeptFile {
    fn of(name: &str, text: &str) -> Self {
        let parts = parts_of(text).map(|part| hex::encode(digest_of(part))).collect();
        Self { name: name.to_owned(), parts }
    }
}

/// A text in parts of at most 512 KiB, because a record of the store may not hold more than 1 MiB.
fn parts_of(text: &str) -> impl Iterator<Item = &str> {
    const LARGEST: usize = 512 << 10;
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = (0..=LARGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let (part, more) = text.split_at_checked(end?)?;
        rest = (!more.is_empty()).then_some(more);
        Some(part)
    })
}

/// Who keeps a set, and why.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) origin: SetOrigin,
    pub(crate) same_as: Option<u64>,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) pin: Option<Pin>,
    /// Version and content of the newest signed bundle.
    pub(crate) bundle: Option<(u64, String)>,
}

impl Upkeep {
    pub(crate) fn new(origin: SetOrigin, context: &SecurityContext, at: Timestamp) -> Self {
        let by = context.principal().id.clone();
        Self { origin, same_as: None, by, at, reason: None, pin: None, bundle: None }
    }
}

impl KeptSet {
    pub(super) fn of(number: u64, set: &Compiled, upkeep: &Upkeep) -> Self {
        let file = |file: &SourceFile| KeptFile::of(&file.name, &file.text);
        Self {
            number,
            revision: set.revision.to_string(),
            policies: set.documents.len(),
            origin: upkeep.origin,
            same_as: upkeep.same_as,
            commit: set.provenance.commit.clone(),
            bundle_version: set.provenance.bundle_version,
            by: upkeep.by.clone(),
            at: upkeep.at,
            reason: upkeep.reason.clone(),
            networks: set.options.corporate_networks.clone(),
            files: set.files.policies.iter().map(file).collect(),
            schema: file(&set.files.schema),
            entities: set.files.entities.as_ref().map(file),
            bundle: set.files.bundle.as_deref().map(|text| KeptFile::of(BUNDLE_FILE, text)),
        }
    }

    /// Newest first, in the order of ids.
    pub(super) fn id_of(number: u64) -> String {
        format!("{:020}", u64::MAX - number)
    }

    /// What its texts are kept under.
    pub(super) fn digests(&self) -> HashSet<String> {
        let files = self.files.iter().chain([&self.schema]).chain(&self.entities);
        files.chain(&self.bundle).flat_map(|file| &file.parts).cloned().collect()
    }
}

impl Entity for KeptSet {
    const KIND: &'static str = "authz.policy_set";

    fn id(&self) -> String {
        Self::id_of(self.number)
    }
}

/// A text or a part of one, kept once under its SHA-256 however many sets have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(super) text: String,
}

impl Text {
    pub(super) fn all_of(files: &PolicyFiles) -> impl Iterator<Item = Self> {
        let texts = files.all().map(|file| &file.text).chain(&files.bundle);
        texts.flat_map(|text| parts_of(text)).map(|part| Self { text: part.to_owned() })
    }

    pub(super) fn digest(&self) -> String {
        hex::encode(digest_of(&self.text))
    }

    pub(super) fn is_of(&self, digest: &str) -> bool {
        self.digest() == digest
    }
}

impl Entity for Text {
    const KIND: &'static str = "authz.policy_text";

    fn id(&self) -> String {
        self.digest()
    }
}

/// Which of the kept sets is in force: one record, so that every change of it is one
/// compare-and-swap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The highest number that was given.
    pub(crate) newest: u64,
    /// The set in force.
    pub(crate) live: u64,
    /// Somebody went back to the set in force.
    pub(crate) pin: Option<Pin>,
    /// Version and content of the newest signed bundle that was ever accepted: never lower again.
    pub(crate) bundle: Option<(u64, String)>,
}

/// A rollback that holds until the directory changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The content of the directory that is passed over; absent when it could not be read.
    pub(crate) passed_over: Option<String>,
}

impl Head {
    pub(crate) const ID: &'static str = "head";

    pub(super) fn followed_by(&self, number: u64, upkeep: &Upkeep) -> Self {
        let bundle = self.bundle.iter().chain(&upkeep.bundle).max_by_key(|(version, _)| *version);
        Self { newest: number, live: number, pin: upkeep.pin.clone(), bundle: bundle.cloned() }
    }
}

impl Entity for Head {
    const KIND: &'static str = "authz.policy_head";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
