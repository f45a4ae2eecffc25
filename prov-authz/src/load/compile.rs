//! A whole set, from files to what may go live.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::compiler::Compiler;
use super::files::PolicyFiles;
use super::policies::Policies;
use super::templates::Templates;
use super::{CedarOptions, Finding, SchemaFacts, SourceFile};
use crate::Revision;
use crate::entities::EntityFact;

/// A set that may go live.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) facts: Arc<SchemaFacts>,
    pub(crate) policies: Policies,
    pub(crate) documents: BTreeMap<String, Arc<PolicyInfo>>,
    /// What grants fill.
    pub(crate) templates: Templates,
    /// The files as they were read, before the options went into them.
    pub(crate) files: Arc<PolicyFiles>,
    /// The options that went into it.
    pub(crate) options: CedarOptions,
    pub(crate) revision: Revision,
    /// What `entities.json` says, each checked.
    pub(crate) entities: Vec<Arc<EntityFact>>,
    pub(crate) warnings: Vec<Finding>,
    /// Where it came from.
    pub(crate) provenance: Provenance,
}

/// Where a set came from, beyond its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// The git commit that is checked out.
    pub(crate) commit: Option<String>,
    /// The version its signed bundle states.
    pub(crate) bundle_version: Option<u64>,
    /// Its number in the history.
    pub(crate) number: Option<u64>,
    /// Whether somebody went back to it, so that the directory is passed over until it changes.
    pub(crate) is_pinned: bool,
}

/// One policy, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyInfo {
    /// Its `@id`.
    pub id: String,
    /// Its `@description`.
    pub description: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The file it stands in.
    pub file: String,
    /// The line it starts on, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

/// Compiles a set that nothing is remembered of; every reason to refuse it is collected, not only
/// the first.
pub(crate) fn compile(
    files: PolicyFiles,
    options: &CedarOptions,
) -> Result<Compiled, Vec<Finding>> {
    Compiler::default().compile(&Arc::new(files), options)
}

/// What is wrong with a draft, held against the schema in force.
pub(crate) fn findings_of_draft(facts: &Arc<SchemaFacts>, draft: &SourceFile) -> Vec<Finding> {
    Compiler::default().findings_of_draft(facts, draft)
}
