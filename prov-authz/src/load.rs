//! From files to a policy set that may go live, or to findings that say why not.

mod compile;
mod compiler;
mod digest;
mod files;
mod finding;
mod nesting;
mod networks;
mod parse;
mod policies;
mod probe;
mod schema;
mod templates;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use compile::PolicyInfo;
pub(crate) use compile::{Compiled, Provenance, compile, findings_of_draft};
pub(crate) use compiler::Compiler;
pub(crate) use digest::digest_of;
pub(crate) use files::{BUNDLE_FILE, ENTITIES_FILE, SCHEMA_FILE};
pub use files::{PolicyFiles, SourceFile};
pub(crate) use finding::refusal;
pub use finding::{Finding, Severity};
pub use networks::CedarOptions;
pub(crate) use networks::first_address;
pub(crate) use parse::parsed_policies;
#[cfg(test)]
pub(crate) use policies::Policies;
pub(crate) use schema::{ActionFacts, Attribute, AttributeKind, SchemaFacts, TypeFacts};
pub(crate) use templates::PolicyTemplate;

/// What is to be said of a set of files: for `prov policy validate`, without a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The revision the set would have; absent when it would be refused.
    pub revision: Option<crate::Revision>,
    /// Its policies, by id; empty when it would be refused.
    pub policies: Vec<PolicyInfo>,
    /// Errors, for which it would be refused, and warnings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the set could go live.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.revision.is_some()
    }
}

/// Examines a directory of `schema.cedarschema` and `*.cedar` exactly as loading it would.
#[must_use]
pub fn validate_dir(path: &Path, options: &CedarOptions) -> Report {
    match PolicyFiles::read(path).and_then(|files| compile(files, options)) {
        Ok(compiled) => Report {
            revision: Some(compiled.revision.clone()),
            policies: compiled.documents.into_values().map(Arc::unwrap_or_clone).collect(),
            findings: compiled.warnings,
        },
        Err(findings) => Report { revision: None, policies: Vec::new(), findings },
    }
}
