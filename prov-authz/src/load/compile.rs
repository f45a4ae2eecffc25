//! Parsing, naming and validating the policies of a set.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use miette::Diagnostic;
use serde::Serialize;

use super::files::PolicyFiles;
use super::{CedarOptions, Finding, SchemaFacts, Severity, SourceFile, networks, probe};
use crate::entities::{Drafts, EntityFact, Origin, read_entities};
use crate::{EntityRef, Revision};

/// A set that may go live.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) facts: SchemaFacts,
    pub(crate) policies: PolicySet,
    pub(crate) documents: BTreeMap<String, PolicyInfo>,
    pub(crate) schema_text: String,
    pub(crate) revision: Revision,
    /// What `entities.json` says, each checked.
    pub(crate) entities: Vec<Arc<EntityFact>>,
    pub(crate) warnings: Vec<Finding>,
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

/// Compiles a set; every reason to refuse it is collected, not only the first.
pub(crate) fn compile(
    files: &PolicyFiles,
    options: &CedarOptions,
) -> Result<Compiled, Vec<Finding>> {
    let generated = options.generated_policy().map_err(|finding| vec![finding])?;
    let (facts, mut warnings) = SchemaFacts::read(&files.schema, &options.namespace)?;
    let mut findings = probe::unsuitable(&files.schema, &facts);
    let sources = match generated {
        Some(text) => replace_policy(&files.policies, &text).unwrap_or_else(|finding| {
            findings.push(finding);
            files.policies.clone()
        }),
        None => files.policies.clone(),
    };
    let (policies, documents) = read_policies(&sources, &mut findings);
    let validation = validate(&facts, &policies, &documents, &sources);
    let (errors, more): (Vec<_>, Vec<_>) =
        validation.into_iter().partition(|finding| finding.severity == Severity::Error);
    findings.extend(errors);
    warnings.extend(more);
    let entities = match &files.entities {
        Some(file) => known_entities(&facts, file, &mut findings),
        None => Vec::new(),
    };
    if !findings.is_empty() {
        findings.extend(warnings);
        return Err(findings);
    }
    let revision = revision(&sources, [Some(&files.schema), files.entities.as_ref()]);
    let schema_text = files.schema.text.clone();
    Ok(Compiled { facts, policies, documents, schema_text, revision, entities, warnings })
}

/// The entities of a file, each held against the schema.
fn known_entities(
    facts: &SchemaFacts,
    file: &SourceFile,
    findings: &mut Vec<Finding>,
) -> Vec<Arc<EntityFact>> {
    let mut drafts = Drafts::default();
    let mut known = Vec::new();
    let entities = read_entities(file, &facts.namespace).unwrap_or_else(|wrong| {
        findings.extend(wrong);
        Vec::new()
    });
    for (offset, entity) in entities {
        match drafts.checked(facts, &entity, Origin::Directory) {
            Ok(fact) => known.push(fact),
            Err(error) => {
                let EntityRef { kind, id } = &entity.entity;
                let what: Vec<_> =
                    error.fields().iter().map(|f| format!("{}: {}", f.field, f.message)).collect();
                let message = format!("`{kind}::{}`: {}", id.escape_debug(), what.join("; "));
                let remedy = "write what the schema declares";
                findings.push(Finding::file(&file.name, message, remedy).at(&file.text, offset));
            }
        }
    }
    known
}

/// What is wrong with a draft, held against the schema in force.
pub(crate) fn findings_of_draft(facts: &SchemaFacts, draft: SourceFile) -> Vec<Finding> {
    let sources = [draft];
    let mut findings = Vec::new();
    let (policies, documents) = read_policies(&sources, &mut findings);
    findings.extend(validate(facts, &policies, &documents, &sources));
    findings
}

fn read_policies(
    sources: &[SourceFile],
    findings: &mut Vec<Finding>,
) -> (PolicySet, BTreeMap<String, PolicyInfo>) {
    let mut set = PolicySet::new();
    let mut documents: BTreeMap<String, PolicyInfo> = BTreeMap::new();
    for file in sources {
        let parsed = match PolicySet::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                findings.extend(Finding::of_diagnostic(&file.name, &file.text, &errors));
                continue;
            }
        };
        if parsed.num_of_templates() > 0 {
            let message = "the file has a template (`?principal` or `?resource`)";
            findings.push(Finding::file(&file.name, message, "write the policy out"));
        }
        if parsed.num_of_policies() == 0 {
            let message = "the file has no policy";
            findings.push(Finding::file(&file.name, message, "delete the file if that is meant"));
        }
        for policy in parsed.policies() {
            match describe(file, policy, &documents) {
                Ok(document) => {
                    // The id is new, which is the only thing `add` could refuse.
                    if let Err(error) = set.add(policy.new_id(PolicyId::new(&document.id))) {
                        findings.push(Finding::file(&file.name, error.to_string(), ""));
                    }
                    documents.insert(document.id.clone(), document);
                }
                Err(finding) => findings.push(finding),
            }
        }
    }
    (set, documents)
}

/// The policy as people see it; refused without a unique id and a description.
fn describe(
    file: &SourceFile,
    policy: &Policy,
    known: &BTreeMap<String, PolicyInfo>,
) -> Result<PolicyInfo, Finding> {
    let place = policy.as_ref().loc();
    let wrong = |message: String, remedy: &str| {
        let start = if let Some(loc) = place { loc.start() } else { 0 };
        Finding::file(&file.name, message, remedy).at(&file.text, start)
    };
    let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
        return Err(wrong("a policy has no id".into(), "write `@id(\"…\")` before it"));
    };
    if id.len() > 128 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b)) {
        let message = format!("`{}` can't be an id", id.escape_debug());
        return Err(wrong(message, "take at most 128 letters, digits and `-_.:/`"));
    }
    if let Some(first) = known.get(id) {
        let message = format!("the id stands at {}:{} already", first.file, first.line);
        return Err(wrong(message, "give each policy an id of its own").in_policy(id));
    }
    let Some(description) = policy.annotation("description").filter(|text| !text.is_empty()) else {
        let remedy = "write `@description(\"…\")` before it";
        return Err(wrong("the policy has no description".into(), remedy).in_policy(id));
    };
    Ok(PolicyInfo {
        id: id.to_owned(),
        description: description.to_owned(),
        effect: match policy.effect() {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        },
        file: file.name.clone(),
        line: wrong(String::new(), "").line,
        text: place
            .and_then(|loc| file.text.get(loc.start()..loc.end()))
            .map_or_else(|| policy.to_string(), str::to_owned),
    })
}

/// Strict validation of the whole set against the schema.
fn validate(
    facts: &SchemaFacts,
    policies: &PolicySet,
    documents: &BTreeMap<String, PolicyInfo>,
    sources: &[SourceFile],
) -> Vec<Finding> {
    let texts: HashMap<&str, &str> =
        sources.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    let findings = |id: &PolicyId, severity, diagnostic: &dyn Diagnostic| {
        let id = id.to_string();
        let file = documents.get(&id).map_or("", |document| document.file.as_str());
        let text = texts.get(file).copied().unwrap_or_default();
        Finding::of_diagnostic(file, text, diagnostic)
            .into_iter()
            .map(|finding| Finding { severity, ..finding }.in_policy(&id))
            .collect::<Vec<_>>()
    };
    let result = Validator::new(facts.schema.clone()).validate(policies, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .flat_map(|error| findings(error.policy_id(), Severity::Error, error));
    let warnings = result
        .validation_warnings()
        .flat_map(|warning| findings(warning.policy_id(), Severity::Warning, warning));
    errors.chain(warnings).collect()
}

/// Puts `text` in the place of the policy whose id it has.
fn replace_policy(sources: &[SourceFile], text: &str) -> Result<Vec<SourceFile>, Finding> {
    let mut replaced = sources.to_vec();
    for file in &mut replaced {
        // A file that does not parse is found by whoever reads the policies.
        let Ok(parsed) = PolicySet::from_str(&file.text) else { continue };
        let place = parsed
            .policies()
            .find(|policy| policy.annotation("id") == Some(networks::POLICY))
            .and_then(|policy| policy.as_ref().loc())
            .map(|loc| loc.start()..loc.end());
        if let Some(place) = place
            && file.text.get(place.clone()).is_some()
        {
            file.text.replace_range(place, text);
            return Ok(replaced);
        }
    }
    let message =
        format!("`corporate_networks` is set, but no policy has the id `{}`", networks::POLICY);
    Err(Finding::file("", message, "add that policy or leave `corporate_networks` out"))
}

/// SHA-256 over names and texts, each with its length before it.
fn revision(policies: &[SourceFile], others: [Option<&SourceFile>; 2]) -> Revision {
    let mut hash = digest::Context::new(&digest::SHA256);
    for file in policies.iter().chain(others.into_iter().flatten()) {
        for part in [&file.name, &file.text] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    Revision::new(hex::encode(hash.finish()))
}
