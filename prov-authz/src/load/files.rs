//! The text of a policy set.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use super::Finding;
use super::digest::{Digest, Lengths};

/// The name of the schema's file.
pub(crate) const SCHEMA_FILE: &str = "schema.cedarschema";
/// The name of the file of entities, which need not be there.
pub(crate) const ENTITIES_FILE: &str = "entities.json";
/// No file of entities is larger than this many bytes: some 200,000 entities.
const LARGEST_ENTITIES: usize = 64 << 20;
/// The name of the signed list of the others.
pub(crate) const BUNDLE_FILE: &str = "bundle.note";
/// No file of a policy set is larger than this many bytes.
const LARGEST: usize = 1 << 20;
/// Nor all of them together.
const LARGEST_SET: usize = 128 << 20;
/// Nor are there more of them.
const MOST_FILES: usize = 10_000;

/// One file: its name without directory, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFile {
    /// The name.
    pub name: String,
    /// The text.
    pub text: String,
}

impl SourceFile {
    /// A file.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// The text of a policy set: one schema and at least one file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyFiles {
    /// The schema.
    pub schema: SourceFile,
    /// The policies, sorted by the name of their file.
    pub policies: Vec<SourceFile>,
    /// What is known of resources and groups, in Cedar's JSON.
    pub entities: Option<SourceFile>,
    /// The signed list of the others, when the set is a bundle.
    pub bundle: Option<String>,
}

impl PolicyFiles {
    /// A set of this schema and these policies.
    #[must_use]
    pub fn new(schema: impl Into<String>, mut policies: Vec<SourceFile>) -> Self {
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        let schema = SourceFile::new(SCHEMA_FILE, schema);
        Self { schema, policies, entities: None, bundle: None }
    }

    /// With these entities, in Cedar's JSON.
    #[must_use]
    pub fn with_entities(mut self, json: Option<String>) -> Self {
        self.entities = json.map(|json| SourceFile::new(ENTITIES_FILE, json));
        self
    }

    /// Every file but the signed list.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SourceFile> + Clone {
        self.policies.iter().chain([&self.schema]).chain(&self.entities)
    }

    /// With this signed list.
    #[must_use]
    pub fn with_bundle(mut self, note: Option<String>) -> Self {
        self.bundle = note;
        self
    }

    /// The set this crate ships.
    #[must_use]
    pub fn shipped() -> Self {
        let file = |name: &str, text: &str| SourceFile::new(name, text);
        Self {
            schema: file(SCHEMA_FILE, include_str!("../../policies/schema.cedarschema")),
            policies: vec![
                file("admin.cedar", include_str!("../../policies/admin.cedar")),
                file("api.cedar", include_str!("../../policies/api.cedar")),
                file("development.cedar", include_str!("../../policies/development.cedar")),
                file("production.cedar", include_str!("../../policies/production.cedar")),
                file("staging.cedar", include_str!("../../policies/staging.cedar")),
            ],
            entities: None,
            bundle: None,
        }
    }

    /// Writes the shipped set into a directory, for a site to start from; existing files stay.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write_missing(&self, directory: &Path) -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        for file in self.all() {
            let path = directory.join(&file.name);
            if !path.exists() {
                fs::write(path, &file.text)?;
            }
        }
        Ok(())
    }

    /// Reads `schema.cedarschema`, every `*.cedar`, the entities in `entities.json` and the signed list
    /// `bundle.note`, if there are such, directly in a directory; names that start with a dot are
    /// passed over, symbolic links are followed.
    ///
    /// Files that change while they are read make a mixture; what watches a directory
    /// ([`PolicyReloader`](crate::PolicyReloader)) reads again until it stands still.
    ///
    /// # Errors
    /// Every file that can't be read, is no regular file, is not UTF-8 or is larger than 1 MiB; a set
    /// without schema or without policies, with more than 10,000 files or 128 MiB.
    pub fn read(directory: &Path) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let names = policy_names(directory).map_err(|finding| vec![finding])?;
        let mut room = LARGEST_SET;
        let mut read = |name: &str| {
            read_text(directory, name, &mut room)
                .map_err(|finding| findings.push(finding))
                .ok()
                .map(|text| SourceFile::new(name, text))
        };
        let schema = read(SCHEMA_FILE);
        let policies: Vec<_> = names.iter().filter_map(|name| read(name)).collect();
        // A link that leads nowhere is not absent: it is read, which fails.
        let is_there = |name| directory.join(name).symlink_metadata().is_ok();
        let bundle = is_there(BUNDLE_FILE).then(|| read(BUNDLE_FILE)).flatten();
        let bundle = bundle.map(|file| file.text);
        let entities = is_there(ENTITIES_FILE).then(|| read(ENTITIES_FILE)).flatten();
        match schema {
            Some(schema) if findings.is_empty() => Ok(Self { schema, policies, entities, bundle }),
            _ => Err(findings),
        }
    }

    /// Whether the set keeps the limits of a directory: names, sizes, number.
    ///
    /// # Errors
    /// Everything that would be refused if it were read from a directory.
    pub(crate) fn check_limits(&self) -> Result<(), Vec<Finding>> {
        let mut findings = Vec::new();
        let mut names = BTreeSet::new();
        for file in &self.policies {
            let shown: String = file.name.chars().take(64).flat_map(char::escape_debug).collect();
            if !is_policy_name(&file.name) {
                let remedy = "take letters, digits and `-_.`, and `.cedar` at the end";
                findings.push(Finding::file(&shown, "this is no name of a policy file", remedy));
            } else if !names.insert(&file.name) {
                findings.push(Finding::file(&shown, "the file stands twice", "leave one out"));
            }
        }
        if self.policies.is_empty() {
            findings.push(no_policies());
        }
        let all = self.policies.iter().chain([&self.schema]);
        findings.extend(
            all.clone().filter(|f| f.text.len() > LARGEST).map(|f| too_large(&f.name, LARGEST)),
        );
        let size: usize = all.map(|file| file.text.len()).sum();
        if self.policies.len() > MOST_FILES || size > LARGEST_SET {
            findings.push(too_many());
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// SHA-256 over everything in it.
    pub(crate) fn digest(&self) -> Digest {
        let mut hash = Lengths::new();
        for file in self.all() {
            hash.add(&file.name);
            hash.add(&file.text);
        }
        hash.add(self.bundle.as_deref().unwrap_or_default());
        hash.finish()
    }
}

fn is_policy_name(name: &str) -> bool {
    name.len() <= 128
        && name.strip_suffix(".cedar").is_some_and(|stem| !stem.is_empty())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn policy_names(directory: &Path) -> Result<Vec<String>, Finding> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the policy directory can't be read: {}", error.kind());
        Finding::file("", message, "see that it exists and that the server may read it")
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".cedar") && !name.starts_with('.') {
            names.push(name.into_owned());
        }
        if names.len() > MOST_FILES {
            return Err(too_many());
        }
    }
    if names.is_empty() {
        return Err(no_policies());
    }
    names.sort();
    Ok(names)
}

fn no_policies() -> Finding {
    let message = "the policy set has no `*.cedar` file";
    Finding::file("", message, "a set without policies would deny everything")
}

fn too_many() -> Finding {
    let message = "the policy set has more than 10,000 files or 128 MiB";
    Finding::file("", message, "leave out what is not needed")
}

fn too_large(name: &str, largest: usize) -> Finding {
    let message = format!("the file is larger than {} MiB", largest >> 20);
    Finding::file(name, message, "split it")
}

fn read_text(directory: &Path, name: &str, room: &mut usize) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the file can't be read: {}", error.kind());
        Finding::file(name, message, "see that it exists and may be read by the server")
    };
    let path = directory.join(name);
    // Opening a pipe would wait for a writer, and a device may never end.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        let message = "this is no regular file";
        return Err(Finding::file(name, message, "put a file in its place"));
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let largest = if name == ENTITIES_FILE { LARGEST_ENTITIES } else { LARGEST };
    let mut bytes = Vec::new();
    file.take(largest as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > largest {
        return Err(too_large(name, largest));
    }
    *room = room.checked_sub(bytes.len()).ok_or_else(too_many)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = error.into_bytes();
        let before = text.get(..good).and_then(|good| std::str::from_utf8(good).ok());
        Finding::file(name, "the file is not UTF-8 from here on", "save it as UTF-8")
            .at(before.unwrap_or_default(), good)
    })
}
