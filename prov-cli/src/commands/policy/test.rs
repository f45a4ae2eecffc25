//! `prov policy test`: tests of a folder of policies, without any server.

use std::path::{Path, PathBuf};

use clap::Args;
use prov_authz::testing::{Coverage, Mutation, PolicyTests, Suite, TestReport, junit};
use prov_authz::{CedarOptions, PolicyFiles};
use serde_json::{Map, Value, json};

use super::validate::refused;
use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::terminal::shown;

/// Which tests of which policies, and what to measure.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The folder with `schema.cedarschema` and `*.cedar`; the policies that are built in when left out
    folder: Option<PathBuf>,
    /// A file or a folder of tests (`*.toml`, or `*.json` as for `cedar run-tests`); `tests` in the
    /// folder of the policies when left out
    #[arg(long, value_name = "PATH")]
    tests: Option<PathBuf>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also tell which policies and clauses the tests exercise
    #[arg(long)]
    coverage: bool,
    /// Also change the policies in many small ways and tell which changes no test notices
    #[arg(long)]
    mutate: bool,
    /// Fail when fewer changes are noticed than this, in percent; implies `--mutate`
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_score: Option<f64>,
    /// Write the results as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("from 0 to 100".to_owned()) }
}

impl Test {
    pub(super) fn run(self, format: OutputFormat) -> Outcome {
        let tests = self.read()?;
        let report = tests.run();
        if let Some(path) = &self.junit {
            std::fs::write(path, junit(&report))
                .map_err(|e| Failure::of(&format!("writing `{}`", path.display()), e))?;
        }
        let coverage = self.coverage.then(|| tests.coverage());
        let is_measured = (self.mutate || self.min_score.is_some()) && report.failed() == 0;
        let mutation = if is_measured {
            Some(tests.mutate().map_err(|findings| refused("the tests", &findings))?)
        } else {
            None
        };
        match format {
            OutputFormat::Table => {
                output::print(&text(&report, coverage.as_ref(), mutation.as_ref()))?;
            }
            OutputFormat::Json | OutputFormat::Yaml => {
                output::show(format, &document(&report, coverage, mutation.as_ref())?, &[])?;
            }
        }
        if report.failed() > 0 {
            let (failed, all) = (report.failed(), report.results.len());
            return Err(Failure::Failed(format!("{failed} of {all} tests fail")));
        }
        match (self.min_score, mutation) {
            (Some(least), Some(mutation)) if mutation.score() < least => {
                let score = mutation.score();
                Err(Failure::Failed(format!(
                    "{score:.1} % of the changes are noticed, not {least} %"
                )))
            }
            _ => Ok(()),
        }
    }

    fn read(&self) -> Outcome<PolicyTests> {
        let (files, beside) = match &self.folder {
            Some(folder) => {
                let files = PolicyFiles::read(folder).map_err(|f| refused(&named(folder), &f))?;
                (files, Some(folder.join("tests")))
            }
            None => (PolicyFiles::shipped(), None),
        };
        let suite = match self.tests.as_ref().or(beside.as_ref()) {
            Some(path) => Suite::read(path).map_err(|f| refused(&named(path), &f))?,
            None => Suite::shipped(),
        };
        let suite = match &self.only {
            Some(text) => suite.only(|name| name.contains(text)),
            None => suite,
        };
        if suite.is_empty() {
            return Err(Failure::Failed("no test has such a name".to_owned()));
        }
        let what = self.folder.as_deref().map_or_else(|| "the policies".to_owned(), named);
        PolicyTests::new(&files, CedarOptions::default(), suite).map_err(|f| refused(&what, &f))
    }
}

fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}

fn text(report: &TestReport, coverage: Option<&Coverage>, mutation: Option<&Mutation>) -> String {
    let mut lines = Vec::new();
    for result in &report.results {
        let place = format!("{}:{}", shown(&result.file), result.line);
        if let Some(failure) = &result.failure {
            lines.push(format!("FAIL {}  [{place}]\n     {}", shown(&result.name), shown(failure)));
        }
        if let Some(note) = &result.note {
            lines.push(format!("note {}  [{place}]\n     {}", shown(&result.name), shown(note)));
        }
    }
    let failed = report.failed();
    let passed = report.results.len() - failed;
    let revision: String = report.revision.chars().take(12).collect();
    lines.push(format!("{passed} passed, {failed} failed; revision {revision}"));
    if let Some(coverage) = coverage {
        lines.push(String::new());
        lines.extend(coverage_lines(coverage));
    }
    if let Some(mutation) = mutation {
        lines.push(String::new());
        lines.extend(mutation_lines(mutation));
    }
    lines.join("\n")
}

fn coverage_lines(coverage: &Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    let mut bare = |place: String, what: &str| lines.push(format!("never {what}  [{place}]"));
    for policy in &coverage.policies {
        let place = policy.place.as_ref().map(ToString::to_string).unwrap_or_default();
        if policy.applied == 0 {
            bare(place.clone(), &format!("applies: {}", policy.id));
        }
        if policy.did_not_apply == 0 {
            bare(place, &format!("does not apply: {}", policy.id));
        }
        for clause in &policy.clauses {
            let place = clause.place.as_ref().map(ToString::to_string).unwrap_or_default();
            if clause.held == 0 {
                bare(place.clone(), &format!("holds: {} of {}", shown(&clause.text), policy.id));
            }
            if clause.did_not_hold == 0 {
                bare(place, &format!("fails to hold: {} of {}", shown(&clause.text), policy.id));
            }
        }
    }
    lines.push(format!(
        "coverage: {} of {} outcomes of policies and clauses occur, {:.1} %",
        coverage.covered,
        coverage.outcomes,
        coverage.percent()
    ));
    lines
}

fn mutation_lines(mutation: &Mutation) -> Vec<String> {
    let mut lines: Vec<_> = mutation
        .survivors
        .iter()
        .map(|survivor| {
            let place = survivor.place.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("unnoticed {}: {}  [{place}]", survivor.policy, shown(&survivor.change))
        })
        .collect();
    lines.push(format!(
        "mutation: {} of {} changes are noticed, {:.1} %",
        mutation.killed,
        mutation.mutants,
        mutation.score()
    ));
    lines
}

fn document(
    report: &TestReport,
    coverage: Option<Coverage>,
    mutation: Option<&Mutation>,
) -> Outcome<Value> {
    let value = |value: Result<Value, serde_json::Error>| {
        value.map_err(|e| Failure::of("printing the answer", e))
    };
    let mut all = Map::new();
    all.insert("report".to_owned(), value(serde_json::to_value(report))?);
    all.insert("failed".to_owned(), json!(report.failed()));
    if let Some(coverage) = coverage {
        let percent = coverage.percent();
        all.insert("coverage".to_owned(), value(serde_json::to_value(coverage))?);
        all.insert("coverage_percent".to_owned(), json!(percent));
    }
    if let Some(mutation) = mutation {
        all.insert("mutation".to_owned(), value(serde_json::to_value(mutation))?);
        all.insert("mutation_score".to_owned(), json!(mutation.score()));
    }
    Ok(Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_percentage() {
        assert_eq!(percent("95"), Ok(95.0));
        assert_eq!(percent("95.5%"), Ok(95.5));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("many").is_err());
    }
}
