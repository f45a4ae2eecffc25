//! One file of policies, parsed and named: what does not depend on any other file.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use super::digest::{self, Digest};
use super::{Finding, PolicyFiles, PolicyInfo, SourceFile, nesting};

/// A parsed file and what is wrong with it by itself.
#[derive(Debug, Default)]
pub(super) struct ParsedFile {
    pub(super) policies: Vec<ParsedPolicy>,
    pub(super) findings: Vec<Finding>,
}

/// A policy under its own id.
#[derive(Debug)]
pub(super) struct ParsedPolicy {
    pub(super) policy: Policy,
    pub(super) document: Arc<PolicyInfo>,
    /// Of its text: what it says depends on nothing else.
    pub(super) digest: Digest,
    /// Where its text stands in the file, in bytes.
    pub(super) place: Range<usize>,
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
        if parsed.num_of_templates() > 0 {
            let message = "the file has a template (`?principal` or `?resource`)";
            read.findings.push(Finding::file(&file.name, message, "write the policy out"));
        }
        if parsed.num_of_policies() == 0 {
            let message = "the file has no policy";
            let remedy = "delete the file if that is meant";
            read.findings.push(Finding::file(&file.name, message, remedy));
        }
        for policy in parsed.policies() {
            match describe(file, policy) {
                Ok(policy) => read.policies.push(policy),
                Err(finding) => read.findings.push(finding),
            }
        }
        // A set of policies has no order of its own.
        read.policies.sort_by_key(|policy| policy.place.start);
        read
    }
}

/// The policy under its own id, as people see it; refused without an id and a description.
fn describe(file: &SourceFile, policy: &Policy) -> Result<ParsedPolicy, Finding> {
    let place = policy.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
    let wrong = |message: String, remedy: &str| {
        Finding::file(&file.name, message, remedy).at(&file.text, place.start)
    };
    let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
        return Err(wrong("a policy has no id".into(), "write `@id(\"…\")` before it"));
    };
    if id.len() > 128 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b)) {
        let message = format!("`{}` can't be an id", id.escape_debug());
        return Err(wrong(message, "take at most 128 letters, digits and `-_.:/`"));
    }
    let Some(description) = policy.annotation("description").filter(|text| !text.is_empty()) else {
        let remedy = "write `@description(\"…\")` before it";
        return Err(wrong("the policy has no description".into(), remedy).in_policy(id));
    };
    let text = file.text.get(place.clone()).filter(|text| !text.is_empty());
    let text = text.map_or_else(|| policy.to_string(), str::to_owned);
    let document = PolicyInfo {
        id: id.to_owned(),
        description: description.to_owned(),
        effect: match policy.effect() {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        },
        file: file.name.clone(),
        line: wrong(String::new(), "").line,
        text,
    };
    Ok(ParsedPolicy {
        policy: policy.new_id(PolicyId::new(id)),
        digest: digest::of(&[&document.text]),
        document: Arc::new(document),
        place,
    })
}

/// The policies of every file that parses, in the order of files.
pub(crate) fn parsed_policies(files: &PolicyFiles) -> Vec<PolicyInfo> {
    let parsed = files.policies.iter().map(ParsedFile::read);
    let policies = parsed.flat_map(|file| file.policies);
    policies.map(|policy| Arc::unwrap_or_clone(policy.document)).collect()
}
