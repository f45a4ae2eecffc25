use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::Policy;
use cedar_policy_core::parser::Loc;
use serde::Serialize;

use crate::PolicyInfo;

/// A place in a policy file. Lines and columns (in characters) count from 1; the end is the first
/// character that is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicyPlace))]
#[non_exhaustive]
pub struct Place {
    /// The name of the file, without its directory.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
    /// The column it begins at.
    pub column: usize,
    /// The line it ends on.
    pub end_line: usize,
    /// The column it ends before.
    pub end_column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What people are told of policies, by id.
pub(crate) type Documents = BTreeMap<String, Arc<PolicyInfo>>;

/// Which file each policy stands in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'d> {
    set: &'d Documents,
    beside: Option<&'d Documents>,
}

impl<'d> Sources<'d> {
    /// Those of a set.
    pub(crate) const fn new(set: &'d Documents) -> Self {
        Self { set, beside: None }
    }

    /// And of policies beside it.
    pub(crate) const fn and(mut self, beside: &'d Documents) -> Self {
        self.beside = Some(beside);
        self
    }

    /// What is known of a policy: of one made from a template, what is known of the template.
    pub(crate) fn of(self, policy: &Policy) -> Option<&'d PolicyInfo> {
        let template = policy.template().id();
        let find = |id: &str| self.set.get(id).or_else(|| self.beside?.get(id));
        find(policy.id().as_ref()).or_else(|| find(template.as_ref())).map(AsRef::as_ref)
    }

    /// Where in its file something of this policy stands.
    pub(crate) fn place(self, policy: &Policy, loc: Option<&Loc>) -> Option<Place> {
        let (told, loc) = (self.of(policy)?, loc?);
        // Lines are counted from the policy on, so that a long file costs no more than a short one.
        let known = policy.loc().map_or((0, 1), |whole| (whole.start(), told.line));
        let (line, column) = line_and_column(&loc.src, known, loc.start());
        let (end_line, end_column) = line_and_column(&loc.src, known, loc.end());
        Some(Place { file: told.file.clone(), line, column, end_line, end_column })
    }
}

/// Where an offset stands, `known` being the line of one before it.
fn line_and_column(text: &str, known: (usize, usize), offset: usize) -> (usize, usize) {
    let (start, line) = known;
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    let between = before.get(start..).unwrap_or_default();
    (line + between.bytes().filter(|byte| *byte == b'\n').count(), column)
}
