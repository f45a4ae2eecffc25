//! Parsing, naming and validating the policies of a set, and remembering what was found out: a
//! reload costs what has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, ValidationMode};
use miette::Diagnostic;
use parking_lot::Mutex;

use super::compile::{Compiled, Provenance};
use super::digest::{self, Digest, Lengths};
use super::parse::{ParsedFile, ParsedPolicy, Statement};
use super::policies::Policies;
use super::templates::Templates;
use super::{
    CedarOptions, Finding, PolicyFiles, PolicyInfo, SchemaFacts, Severity, SourceFile, networks,
    probe,
};
use crate::entities::{Drafts, EntityFact, Origin, read_entities};
use crate::{EntityRef, Revision};

/// Compiles sets of which each is much like the one before.
///
/// What a file parses to depends on its name and text only, and whether a policy is valid on its
/// text and the schema's only; both are remembered under the SHA-256 of exactly that. Whatever looks
/// at the set as a whole (ids that stand twice, the corporate networks) is looked at every time.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    known: Mutex<Known>,
}

/// What the latest sets were made of.
#[derive(Debug, Default)]
struct Known {
    schema: Option<(Digest, KnownSchema)>,
    files: HashMap<Digest, Arc<ParsedFile>>,
    /// What is wrong with a policy, by schema and text.
    verdicts: HashMap<(Digest, Digest), Arc<[Said]>>,
    /// How many policies the validator was asked about.
    #[cfg(test)]
    judged: usize,
}

/// A schema that was read.
#[derive(Debug, Clone)]
struct KnownSchema {
    facts: Arc<SchemaFacts>,
    warnings: Vec<Finding>,
    /// What prov asks of a schema and this one does not have.
    unsuitable: Vec<Finding>,
}

/// What the validator says of a policy, wherever it stands.
#[derive(Debug)]
struct Said {
    finding: Finding,
    /// Where, in bytes from the start of the policy.
    offset: Option<usize>,
}

impl Said {
    fn of(&self, parsed: &ParsedPolicy, file: &SourceFile) -> Finding {
        let mut finding = self.finding.clone().in_policy(&parsed.document.id);
        finding.file.clone_from(&file.name);
        match self.offset {
            Some(offset) => finding.at(&file.text, parsed.place.start + offset),
            None => finding,
        }
    }
}

/// A file with what it parses to.
struct Source {
    file: SourceFile,
    parsed: Arc<ParsedFile>,
}

impl Compiler {
    /// Compiles a set; every reason to refuse it is collected, not only the first.
    pub(crate) fn compile(
        &self,
        files: &Arc<PolicyFiles>,
        options: &CedarOptions,
    ) -> Result<Compiled, Vec<Finding>> {
        let mut known = self.known.lock();
        let generated = options.generated_policy().map_err(|finding| vec![finding])?;
        let (schema, KnownSchema { facts, mut warnings, unsuitable: mut findings }) =
            known.schema(&files.schema, &options.namespace)?;
        let mut sources: Vec<_> =
            files.policies.iter().map(|file| known.parsed(file.clone())).collect();
        if let Some(text) = generated
            && let Err(finding) = known.replace_policy(&mut sources, &text)
        {
            findings.push(finding);
        }
        let Assembled { policies, documents, templates } = assemble(&sources, &mut findings);
        for finding in known.validate(schema, &facts, &sources) {
            let list = match finding.severity {
                Severity::Error => &mut findings,
                Severity::Warning => &mut warnings,
            };
            list.push(finding);
        }
        known.forget_all_but(schema, &sources);
        let entities = match &files.entities {
            Some(file) => known_entities(&facts, file, &mut findings),
            None => Vec::new(),
        };
        if !findings.is_empty() {
            findings.extend(warnings);
            return Err(findings);
        }
        let others = [Some(&files.schema), files.entities.as_ref()];
        let revision = revision(&sources, others.into_iter().flatten());
        let (files, options) = (Arc::clone(files), options.clone());
        let provenance = Provenance::default();
        Ok(Compiled {
            facts,
            policies,
            documents,
            templates,
            files,
            options,
            revision,
            entities,
            warnings,
            provenance,
        })
    }

    /// What is wrong with a draft, held against a schema.
    pub(super) fn findings_of_draft(
        &self,
        facts: &Arc<SchemaFacts>,
        draft: &SourceFile,
    ) -> Vec<Finding> {
        let mut known = self.known.lock();
        let sources = [known.parsed(draft.clone())];
        let mut findings = Vec::new();
        assemble(&sources, &mut findings);
        // Nothing else is known to this compiler, so the schema needs no name.
        findings.extend(known.validate(Digest::default(), facts, &sources));
        findings
    }
}

#[cfg(test)]
impl Compiler {
    /// How many policies the validator was asked about.
    pub(super) fn judged(&self) -> usize {
        self.known.lock().judged
    }

    /// How many files and verdicts are remembered.
    pub(super) fn remembered(&self) -> (usize, usize) {
        let known = self.known.lock();
        (known.files.len(), known.verdicts.len())
    }
}

impl Known {
    fn schema(
        &mut self,
        file: &SourceFile,
        namespace: &str,
    ) -> Result<(Digest, KnownSchema), Vec<Finding>> {
        let digest = digest::of(&[&file.name, &file.text, namespace]);
        if let Some((known, schema)) = &self.schema
            && *known == digest
        {
            return Ok((digest, schema.clone()));
        }
        let (facts, warnings) = SchemaFacts::read(file, namespace)?;
        let unsuitable = probe::unsuitable(file, &facts);
        let schema = KnownSchema { facts: Arc::new(facts), warnings, unsuitable };
        self.schema = Some((digest, schema.clone()));
        Ok((digest, schema))
    }

    fn parsed(&mut self, file: SourceFile) -> Source {
        let digest = digest::of(&[&file.name, &file.text]);
        let parsed = self.files.entry(digest).or_insert_with(|| Arc::new(ParsedFile::read(&file)));
        Source { parsed: Arc::clone(parsed), file }
    }

    /// Puts `text` in the place of the policy whose id it has.
    fn replace_policy(&mut self, sources: &mut [Source], text: &str) -> Result<(), Finding> {
        for source in sources {
            // A file that does not parse is found by whoever assembles the set.
            let mut policies = source.parsed.policies.iter();
            let place = policies
                .find(|policy| policy.document.id == networks::POLICY)
                .map(|policy| policy.place.clone());
            if let Some(place) = place
                && source.file.text.get(place.clone()).is_some()
            {
                let mut file = source.file.clone();
                file.text.replace_range(place, text);
                *source = self.parsed(file);
                return Ok(());
            }
        }
        let message =
            format!("`corporate_networks` is set, but no policy has the id `{}`", networks::POLICY);
        Err(Finding::file("", message, "add that policy or leave `corporate_networks` out"))
    }

    /// Strict validation of every policy against the schema, of those that are new to it by Cedar.
    fn validate(
        &mut self,
        schema: Digest,
        facts: &SchemaFacts,
        sources: &[Source],
    ) -> Vec<Finding> {
        let all = || sources.iter().flat_map(|source| &source.parsed.policies);
        let new: Vec<_> =
            all().filter(|policy| !self.verdicts.contains_key(&(schema, policy.digest))).collect();
        #[cfg(test)]
        {
            self.judged += new.len();
        }
        for (policy, verdict) in judge(facts, &new) {
            self.verdicts.insert((schema, policy.digest), verdict);
        }
        let mut findings = Vec::new();
        for source in sources {
            for policy in &source.parsed.policies {
                let verdict = self.verdicts.get(&(schema, policy.digest));
                let found = verdict.into_iter().flat_map(|verdict| verdict.iter());
                findings.extend(found.map(|said| said.of(policy, &source.file)));
            }
        }
        findings
    }

    /// Keeps what the latest set is made of.
    fn forget_all_but(&mut self, schema: Digest, sources: &[Source]) {
        /// As many files or policies of earlier sets as this are not worth the work.
        const FEW: usize = 256;
        let policies: usize = sources.iter().map(|source| source.parsed.policies.len()).sum();
        if self.files.len() > 2 * sources.len() + FEW {
            let used: Vec<_> = sources.iter().map(|source| Arc::as_ptr(&source.parsed)).collect();
            self.files.retain(|_, parsed| used.contains(&Arc::as_ptr(parsed)));
        }
        if self.verdicts.len() > 2 * policies + FEW {
            let used = sources.iter().flat_map(|source| &source.parsed.policies);
            let used: std::collections::HashSet<_> = used.map(|policy| policy.digest).collect();
            self.verdicts.retain(|(of, policy), _| *of == schema && used.contains(policy));
        }
    }
}

/// What decides, and what grants fill.
#[derive(Default)]
struct Assembled {
    policies: Policies,
    documents: BTreeMap<String, Arc<PolicyInfo>>,
    templates: Templates,
}

impl Assembled {
    /// What has this id.
    fn named(&self, id: &str) -> Option<&PolicyInfo> {
        let template = || self.templates.get(id).map(|template| &template.document);
        self.documents.get(id).or_else(template).map(AsRef::as_ref)
    }
}

/// One set of all policies and templates; an id that stands twice is refused where it stands again.
fn assemble(sources: &[Source], findings: &mut Vec<Finding>) -> Assembled {
    let (mut all, mut policies) = (Assembled::default(), Vec::new());
    for source in sources {
        findings.extend(source.parsed.findings.iter().cloned());
        for ParsedPolicy { statement, document, place, .. } in &source.parsed.policies {
            let wrong = |message: String, remedy: &str| {
                Finding::file(&source.file.name, message, remedy)
                    .at(&source.file.text, place.start)
                    .in_policy(&document.id)
            };
            if let Some(first) = all.named(&document.id) {
                let message = format!("the id stands at {}:{} already", first.file, first.line);
                findings.push(wrong(message, "give each policy an id of its own"));
                continue;
            }
            let id = document.id.clone();
            match statement {
                Statement::Policy(policy) => {
                    policies.push((Arc::clone(document), Arc::clone(policy)));
                    all.documents.insert(id, Arc::clone(document));
                }
                Statement::Template(_, template) => {
                    all.templates.insert(id, Arc::clone(template));
                }
            }
        }
    }
    all.policies = policies.into_iter().collect();
    all
}

/// What Cedar's validator says of each of these policies. Of those that share an id only the first is
/// looked at: the set is refused for the others already.
fn judge<'p>(
    facts: &SchemaFacts,
    policies: &[&'p ParsedPolicy],
) -> Vec<(&'p ParsedPolicy, Arc<[Said]>)> {
    let mut set = PolicySet::new();
    let first: Vec<_> =
        policies.iter().filter(|parsed| parsed.statement.is_added_to(&mut set)).collect();
    let result = facts.validator.validate(&set, ValidationMode::Strict);
    let mut said: HashMap<String, Vec<Said>> = HashMap::new();
    let mut say = |of: &PolicyId, severity, diagnostic: &dyn Diagnostic| {
        let found = Finding::unplaced(diagnostic)
            .into_iter()
            .map(|(finding, offset)| Said { finding: Finding { severity, ..finding }, offset });
        said.entry(of.to_string()).or_default().extend(found);
    };
    for error in result.validation_errors() {
        say(error.policy_id(), Severity::Error, error);
    }
    for warning in result.validation_warnings() {
        say(warning.policy_id(), Severity::Warning, warning);
    }
    let verdict = |parsed: &&'p ParsedPolicy| {
        let mut said = said.remove(&parsed.document.id).unwrap_or_default();
        for one in &mut said {
            one.offset = one.offset.and_then(|offset| offset.checked_sub(parsed.place.start));
        }
        (*parsed, said.into())
    };
    first.into_iter().map(verdict).collect()
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

/// SHA-256 over names and texts.
fn revision<'f>(sources: &'f [Source], others: impl Iterator<Item = &'f SourceFile>) -> Revision {
    let mut hash = Lengths::new();
    for file in sources.iter().map(|source| &source.file).chain(others) {
        hash.add(&file.name);
        hash.add(&file.text);
    }
    Revision::new(hex::encode(hash.finish()))
}
