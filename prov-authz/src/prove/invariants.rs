use std::path::Path;
use std::str::FromStr;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use crate::load::{Compiled, findings_of_draft};
use crate::testing::read_text;
use crate::{Finding, Severity, SourceFile};

/// What must hold of every request; see the [module](super).
#[derive(Debug, Clone)]
pub struct Invariants {
    source: SourceFile,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Invariant {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) policy: Policy,
    pub(super) line: usize,
}

/// Invariants held against a schema.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: String,
    pub(super) claims: Vec<Invariant>,
    /// Forbids of requests that there can't be.
    pub(super) assumptions: Vec<Policy>,
}

impl Invariants {
    /// The invariants of the policies that this crate ships.
    #[must_use]
    pub fn shipped() -> Self {
        Self::of(SourceFile::new(
            "invariants.cedar",
            include_str!("../../policies/tests/invariants.cedar"),
        ))
    }

    /// These.
    #[must_use]
    pub const fn of(source: SourceFile) -> Self {
        Self { source }
    }

    /// Those of a file.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(path: &Path) -> Result<Self, Vec<Finding>> {
        read_text(path).map(Self::of).map_err(|finding| vec![finding])
    }

    /// Parsed, named and found to fit the schema.
    pub(super) fn check(&self, set: &Compiled) -> Result<Checked, Vec<Finding>> {
        let file = &self.source;
        let mut findings: Vec<_> = findings_of_draft(&set.facts, file)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        let mut checked =
            Checked { file: file.name.clone(), claims: Vec::new(), assumptions: Vec::new() };
        let parsed = PolicySet::from_str(&file.text).unwrap_or_default();
        for policy in parsed.policies() {
            let start = policy.as_ref().loc().map_or(0, cedar_policy_core::parser::Loc::start);
            let id = policy.annotation("id").unwrap_or_default().to_owned();
            // Apart from the ids of the policies they are about.
            let named = policy.new_id(PolicyId::new(format!("invariant/{id}")));
            if policy.annotation("assume").is_some() {
                if policy.effect() == Effect::Permit {
                    let message = "an assumption is a `forbid`: of requests that there can't be";
                    let finding = Finding::file(&file.name, message, "write `forbid`");
                    findings.push(finding.at(&file.text, start).in_policy(&id));
                }
                checked.assumptions.push(named);
                continue;
            }
            let line = Finding::file("", "", "").at(&file.text, start).line;
            let description = policy.annotation("description").unwrap_or_default().to_owned();
            checked.claims.push(Invariant { id, description, policy: named, line });
        }
        if checked.claims.is_empty() && findings.is_empty() {
            let message = "there is no invariant";
            findings.push(Finding::file(&file.name, message, "write a `forbid` or a `permit`"));
        }
        checked.claims.sort_by_key(|claim| claim.line);
        if findings.is_empty() { Ok(checked) } else { Err(findings) }
    }
}
