//! What goes over the wire.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ChangedPolicy, KeptSet, PolicyDiff, PolicyFiles, ShadowReport, Simulation, SourceFile,
};

/// A file of a policy set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyFile)]
pub(crate) struct FileDocument {
    /// Its name: `production.cedar`.
    name: String,
    /// Its text, at most 1 MiB.
    text: String,
}

/// A policy set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicySet)]
pub(crate) struct SetDocument {
    /// In Cedar's schema syntax; the schema in force when left out.
    schema: Option<String>,
    /// The policies.
    policies: Vec<FileDocument>,
    /// The signed list of the files (`bundle.note`), where signatures are asked for.
    bundle: Option<String>,
}

impl SetDocument {
    pub(super) fn files(self, live_schema: impl FnOnce() -> String) -> PolicyFiles {
        let draft = DraftSetDocument { schema: self.schema, policies: self.policies };
        draft.files(live_schema).with_bundle(self.bundle)
    }
}

/// A policy set that decides nothing yet, signed or not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyDraftSet)]
pub(crate) struct DraftSetDocument {
    /// In Cedar's schema syntax; the schema in force when left out.
    schema: Option<String>,
    /// The policies.
    policies: Vec<FileDocument>,
}

impl DraftSetDocument {
    pub(super) fn files(self, live_schema: impl FnOnce() -> String) -> PolicyFiles {
        let policies =
            self.policies.into_iter().map(|file| SourceFile::new(file.name, file.text)).collect();
        PolicyFiles::new(self.schema.unwrap_or_else(live_schema), policies)
    }
}

/// An upload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyUpload)]
pub(crate) struct UploadDocument {
    /// The set.
    pub(super) set: SetDocument,
    /// Why.
    pub(super) reason: Option<String>,
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyRollback)]
pub(crate) struct RollbackDocument {
    /// The number of a kept set.
    pub(super) number: u64,
    /// Why.
    pub(super) reason: Option<String>,
}

/// A set that was in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptPolicySet)]
pub(crate) struct KeptDocument {
    /// Counts the sets, from 1.
    number: u64,
    /// Its revision.
    revision: String,
    /// The number of its policies.
    policies: usize,
    /// `directory`, `upload` or `rollback`.
    #[schema(value_type = String)]
    origin: crate::SetOrigin,
    /// The set somebody went back to, for a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<u64>,
    /// The git commit it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The version its signed bundle states.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_version: Option<u64>,
    /// Who put it in force: an account, or `system:policy-watcher`.
    by: String,
    /// When.
    at: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The corporate networks of its time.
    corporate_networks: Vec<String>,
    /// The names of its files.
    files: Vec<String>,
}

impl From<KeptSet> for KeptDocument {
    fn from(set: KeptSet) -> Self {
        Self {
            number: set.number,
            revision: set.revision,
            policies: set.policies,
            origin: set.origin,
            same_as: set.same_as,
            commit: set.commit,
            bundle_version: set.bundle_version,
            by: set.by,
            at: set.at.to_string(),
            reason: set.reason,
            corporate_networks: set.networks,
            files: set.files.into_iter().map(|file| file.name).collect(),
        }
    }
}

/// A set that was in force, with its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptPolicySetText)]
pub(crate) struct KeptTextDocument {
    #[serde(flatten)]
    pub(super) set: KeptDocument,
    /// Its schema.
    pub(super) schema: String,
    /// Its policies.
    pub(super) texts: Vec<FileDocument>,
}

impl KeptTextDocument {
    pub(super) fn of(set: KeptSet, files: PolicyFiles) -> Self {
        let text = |file: SourceFile| FileDocument { name: file.name, text: file.text };
        let texts = files.policies.into_iter().map(text).collect();
        Self { set: set.into(), schema: files.schema.text, texts }
    }
}

/// Which two sets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffQuery {
    /// The earlier set.
    pub(super) from: u64,
    /// The later one; the one in force when left out.
    pub(super) to: Option<u64>,
}

/// What differs from one set to another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDiff)]
pub(crate) struct DiffDocument {
    /// Policies of the second set alone.
    added: Vec<super::PolicyDocument>,
    /// Policies of the first set alone.
    removed: Vec<super::PolicyDocument>,
    /// Policies of both that say something else.
    changed: Vec<ChangedDocument>,
    /// Whether the schemas differ.
    schema_changed: bool,
}

/// A policy before and after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedPolicy)]
pub(crate) struct ChangedDocument {
    /// As the first set has it.
    before: super::PolicyDocument,
    /// As the second set has it.
    after: super::PolicyDocument,
}

impl From<PolicyDiff> for DiffDocument {
    fn from(diff: PolicyDiff) -> Self {
        let changed = |policy: ChangedPolicy| ChangedDocument {
            before: policy.before.into(),
            after: policy.after.into(),
        };
        Self {
            added: diff.added.into_iter().map(Into::into).collect(),
            removed: diff.removed.into_iter().map(Into::into).collect(),
            changed: diff.changed.into_iter().map(changed).collect(),
            schema_changed: diff.schema_changed,
        }
    }
}

/// What to try on which recorded decisions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicySimulationQuestion)]
pub(crate) struct SimulationQuestion {
    /// The draft; the set in force when left out.
    pub(super) set: Option<DraftSetDocument>,
    /// Not before: a time (RFC 3339), or how long ago (`24h`).
    pub(super) from: String,
    /// Not after; now when left out.
    pub(super) to: Option<String>,
    /// At most so many decisions, newest first: 1 to 10,000; 1,000 when left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    pub(super) limit: Option<NonZeroU32>,
}

/// What would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicySimulation)]
pub(crate) struct SimulationDocument {
    /// Counts, shares of policies, and samples.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    found: Simulation,
}

impl From<Simulation> for SimulationDocument {
    fn from(found: Simulation) -> Self {
        Self { found }
    }
}

/// A set to try beside the one in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyShadowStart)]
pub(crate) struct ShadowStart {
    /// The set.
    pub(super) set: DraftSetDocument,
    /// One decision in so many is tried; 64 when left out.
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub(super) one_in: Option<NonZeroU32>,
}

/// What became of a trial, on this node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyShadow)]
pub(crate) struct ShadowDocument {
    /// The candidate, counts, and what differs.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    report: ShadowReport,
}

impl From<ShadowReport> for ShadowDocument {
    fn from(report: ShadowReport) -> Self {
        Self { report }
    }
}
