//! `prov policy validate`: the folder is examined exactly as a server would before it goes live.

use std::path::Path;

use prov_authz::{CedarOptions, Finding, Severity, validate_dir};
use serde_json::json;

use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::{shown, shown_lines};

pub(super) fn offline(format: OutputFormat, folder: &Path) -> Outcome {
    let report = validate_dir(folder, &CedarOptions::default());
    tell(&report.findings);
    if !report.is_valid() {
        return Err(Failure::Failed(format!("`{}` would be refused", folder.display())));
    }
    let items: Vec<_> = report
        .policies
        .iter()
        .map(|policy| json!({ "id": policy.id, "effect": policy.effect, "file": policy.file, "line": policy.line, "description": policy.description }))
        .collect();
    output::show(format, &json!({ "items": items }), &["id", "effect", "file", "line"])
}

/// Tells everything that is wrong, on stderr.
pub(super) fn tell(findings: &[Finding]) {
    for finding in findings {
        let kind = if finding.severity == Severity::Error { "error" } else { "warning" };
        eprintln!(
            "{kind}: {}:{}:{}: {}",
            shown(&finding.file),
            finding.line,
            finding.column,
            shown_lines(&finding.message)
        );
        if let Some(remedy) = &finding.remedy {
            eprintln!("  {}", shown_lines(remedy));
        }
    }
}

/// Tells everything that is wrong, and fails.
pub(super) fn refused(what: &str, findings: &[Finding]) -> Failure {
    tell(findings);
    Failure::Failed(match findings.len() {
        1 => format!("{what} can't be used; see above"),
        many => format!("{what} can't be used for {many} reasons; see above"),
    })
}
