//! One file of policies, parsed and named: what does not depend on any other file.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Template};

use super::digest::{self, Digest};
use super::templates::PolicyTemplate;
use super::{Finding, PolicyFiles, PolicyInfo, SourceFile, nesting};

/// A parsed file and what is wrong with it by itself.
#[derive(Debug, Default)]
pub(super) struct ParsedFile {
    pub(super) policies: Vec<ParsedPolicy>,
    pub(super) findings: Vec<Finding>,
}

/// A policy or a template of policies under its own id.
#[derive(Debug)]
pub(super) struct ParsedPolicy {
    pub(super) statement: Statement,
    pub(super) document: Arc<PolicyInfo>,
    /// Of its text: what it says depends on nothing else.
    pub(super) digest: Digest,
    /// Where its text stands in the file, in bytes.
    pub(super) place: Range<usize>,
}

/// What stands in a file.
#[derive(Debug)]
pub(super) enum Statement {
    /// Decides.
    Policy(Arc<Policy>),
    /// Decides nothing until a grant fills it.
    Template(Box<Template>, Arc<PolicyTemplate>),
}

impl Statement {
    /// Adds it to a set, unless its id is taken there.
    pub(super) fn is_added_to(&self, set: &mut PolicySet) -> bool {
        match self {
            Self::Policy(policy) => set.add(Policy::clone(policy)).is_ok(),
            Self::Template(template, _) => set.add_template(Template::clone(template)).is_ok(),
        }
    }
}

impl ParsedFile {
    pub(super) fn read(file: &SourceFile) -> Self {
        // Before the parser, which recurses as deep as the text does.
        if let Err(finding) = nesting::check_policies(file) {
            return Self { findings: vec![finding], policies: Vec::new() };
        }
        let parsed = match PolicySet::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let findings = Finding::of_diagnostic(&file.name, &file.text, &errors);
                return Self { findings, policies: Vec::new() };
            }
        };
        let mut read = Self::default();
        if parsed.num_of_policies() + parsed.num_of_templates() == 0 {
            let message = "the file has no policy";
            let remedy = "delete the file if that is meant";
            read.findings.push(Finding::file(&file.name, message, remedy));
        }
        let policies = parsed.policies().map(|policy| of_policy(file, policy));
        let templates = parsed.templates().map(|template| of_template(file, template));
        for parsed in policies.chain(templates) {
            match parsed {
                Ok(parsed) => read.policies.push(parsed),
                Err(finding) => read.findings.push(finding),
            }
        }
        // A set of policies has no order of its own.
        read.policies.sort_by_key(|policy| policy.place.start);
        read
    }
}

fn of_policy(file: &SourceFile, policy: &Policy) -> Result<ParsedPolicy, Finding> {
    let place = policy.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
    let annotation = |name: &str| policy.annotation(name);
    let document = describe(file, &place, annotation, policy.effect(), || policy.to_string())?;
    let statement = Statement::Policy(Arc::new(policy.new_id(PolicyId::new(&document.id))));
    Ok(ParsedPolicy::new(statement, document.into(), place))
}

fn of_template(file: &SourceFile, template: &Template) -> Result<ParsedPolicy, Finding> {
    let place = template.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
    let annotation = |name: &str| template.annotation(name);
    let document = describe(file, &place, annotation, template.effect(), || template.to_string())?;
    let document = Arc::new(document);
    let template = template.new_id(PolicyId::new(&document.id));
    let read = PolicyTemplate::read(&template, Arc::clone(&document)).map_err(|finding| {
        Finding { file: file.name.clone(), ..finding }
            .at(&file.text, place.start)
            .in_policy(&document.id)
    })?;
    Ok(ParsedPolicy::new(Statement::Template(Box::new(template), read.into()), document, place))
}

impl ParsedPolicy {
    fn new(statement: Statement, document: Arc<PolicyInfo>, place: Range<usize>) -> Self {
        Self { statement, digest: digest::of(&[&document.text]), document, place }
    }
}

/// The policy as people see it; refused without an id and a description.
fn describe<'p>(
    file: &SourceFile,
    place: &Range<usize>,
    annotation: impl Fn(&str) -> Option<&'p str>,
    effect: Effect,
    unplaced: impl FnOnce() -> String,
) -> Result<PolicyInfo, Finding> {
    let wrong = |message: String, remedy: &str| {
        Finding::file(&file.name, message, remedy).at(&file.text, place.start)
    };
    let Some(id) = annotation("id").filter(|id| !id.is_empty()) else {
        return Err(wrong("a policy has no id".into(), "write `@id(\"…\")` before it"));
    };
    if id.len() > 128 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b)) {
        let message = format!("`{}` can't be an id", id.escape_debug());
        return Err(wrong(message, "take at most 128 letters, digits and `-_.:/`"));
    }
    let Some(description) = annotation("description").filter(|text| !text.is_empty()) else {
        let remedy = "write `@description(\"…\")` before it";
        return Err(wrong("the policy has no description".into(), remedy).in_policy(id));
    };
    let text = file.text.get(place.clone()).filter(|text| !text.is_empty());
    Ok(PolicyInfo {
        id: id.to_owned(),
        description: description.to_owned(),
        effect: match effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        },
        file: file.name.clone(),
        line: wrong(String::new(), "").line,
        text: text.map_or_else(unplaced, str::to_owned),
    })
}

/// The policies and templates of every file that parses, in the order of files.
pub(crate) fn parsed_policies(files: &PolicyFiles) -> Vec<PolicyInfo> {
    let parsed = files.policies.iter().map(ParsedFile::read);
    let policies = parsed.flat_map(|file| file.policies);
    policies.map(|policy| Arc::unwrap_or_clone(policy.document)).collect()
}
