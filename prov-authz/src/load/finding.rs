//! What is wrong with a policy set, and where.

use std::fmt;

use miette::Diagnostic;
use prov_core::Error;
use serde::Serialize;

use crate::codes;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "what refuses a set, and what does not")]
pub enum Severity {
    /// The set is refused.
    Error,
    /// Probably not what was meant; the set may go live.
    Warning,
}

/// One thing that is wrong: where, in which policy, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the file, without its directory; empty when it is the directory itself.
    pub file: String,
    /// The line, from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is the file as a whole.
    pub column: usize,
    /// The policy, when it has an id.
    pub policy: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// Something wrong with a file as a whole.
    pub(crate) fn file(file: &str, message: impl Into<String>, remedy: &str) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            policy: None,
            message: message.into(),
            remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
        }
    }

    /// At this byte of the file's text.
    pub(crate) fn at(mut self, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        self.line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.column = last_line.chars().count() + 1;
        self
    }

    /// At this line and column, both from 1.
    pub(crate) const fn at_line(mut self, line: usize, column: usize) -> Self {
        (self.line, self.column) = (line, column);
        self
    }

    /// In this policy.
    pub(crate) fn in_policy(mut self, id: &str) -> Self {
        self.policy = Some(id.to_owned());
        self
    }

    /// What Cedar says of a file, one finding for each thing it names.
    pub(crate) fn of_diagnostic(file: &str, text: &str, diagnostic: &dyn Diagnostic) -> Vec<Self> {
        let placed = |(finding, offset): (Self, Option<usize>)| {
            let finding = Self { file: file.to_owned(), ..finding };
            match offset {
                Some(offset) => finding.at(text, offset),
                None => finding,
            }
        };
        Self::unplaced(diagnostic).into_iter().map(placed).collect()
    }

    /// The same, each with the byte it is about.
    pub(super) fn unplaced(diagnostic: &dyn Diagnostic) -> Vec<(Self, Option<usize>)> {
        let related = diagnostic.related().into_iter().flatten().map(Self::of_one);
        [Self::of_one(diagnostic)].into_iter().chain(related).collect()
    }

    fn of_one(diagnostic: &dyn Diagnostic) -> (Self, Option<usize>) {
        let help = diagnostic.help().map(|help| help.to_string()).unwrap_or_default();
        let mut message = diagnostic.to_string();
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        if let Some(hint) = label.as_ref().and_then(|label| label.label()) {
            message = format!("{message}: {hint}");
        }
        (Self::file("", message, &help), label.map(|label| label.offset()))
    }
}

/// `production.cedar:12:3: policy `x`: what is wrong; what to do`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place())?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.text())
    }
}

impl Finding {
    fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) => "policies".to_owned(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}:{}", self.column),
        }
    }

    fn text(&self) -> String {
        let policy = self.policy.as_ref().map(|id| format!("policy `{id}`: ")).unwrap_or_default();
        let remedy = self.remedy.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
        format!("{policy}{}{remedy}", self.message)
    }
}

/// The refusal of a set because of these findings.
pub(crate) fn refusal(findings: &[Finding]) -> Error {
    /// More would help nobody.
    const SHOWN: usize = 20;
    let error = Error::new(codes::POLICIES_INVALID).detail(format!(
        "the policy set was refused and the one in force stays; {} to correct",
        match findings.len() {
            1 => "1 thing is".to_owned(),
            many => format!("{many} things are"),
        }
    ));
    findings.iter().take(SHOWN).fold(error, |error, f| error.field(f.place(), f.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let found = Finding::file("a.cedar", "odd", "").at("é\néx y", 6);
        assert_eq!((found.line, found.column), (2, 3));
        assert_eq!(found.to_string(), "a.cedar:2:3: odd");
    }
}
