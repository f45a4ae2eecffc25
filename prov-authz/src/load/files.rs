//! The text of a policy set.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::Finding;

/// The name of the schema's file.
pub(super) const SCHEMA_FILE: &str = "schema.cedarschema";
/// The name of the file of entities, which need not be there.
pub(crate) const ENTITIES_FILE: &str = "entities.json";
/// No file of entities is larger than this many bytes: some 200,000 entities.
const LARGEST_ENTITIES: u64 = 64 << 20;
/// No file of a policy set is larger than this many bytes.
const LARGEST: u64 = 4 << 20;

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
}

impl PolicyFiles {
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
        }
    }

    /// Writes the shipped set into a directory, for a site to start from; existing files stay.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write_missing(&self, directory: &Path) -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        for file in self.policies.iter().chain([&self.schema]).chain(&self.entities) {
            let path = directory.join(&file.name);
            if !path.exists() {
                fs::write(path, &file.text)?;
            }
        }
        Ok(())
    }

    /// Reads `schema.cedarschema` and every `*.cedar` directly in a directory; names that start with
    /// a dot are passed over, symbolic links are followed (as in mounted configuration maps). Beside
    /// them, `entities.json` may stand.
    ///
    /// # Errors
    /// Every file that can't be read, is not UTF-8 or is larger than 4 MiB; a set without schema or
    /// without policies; a file without any policy, because that is what a file looks like that is
    /// being written.
    pub fn read(directory: &Path) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let names = policy_names(directory).map_err(|finding| vec![finding])?;
        let mut read = |name: String| {
            let largest = if name == ENTITIES_FILE { LARGEST_ENTITIES } else { LARGEST };
            read_text(directory, &name, largest)
                .map_err(|finding| findings.push(finding))
                .ok()
                .map(|text| SourceFile { name, text })
        };
        let schema = read(SCHEMA_FILE.to_owned());
        let policies: Vec<_> = names.into_iter().filter_map(&mut read).collect();
        // A link that leads nowhere is not absent: it is read, which fails.
        let has_entities = directory.join(ENTITIES_FILE).symlink_metadata().is_ok();
        let entities = has_entities.then(|| read(ENTITIES_FILE.to_owned())).flatten();
        match schema {
            Some(schema) if findings.is_empty() => Ok(Self { schema, policies, entities }),
            _ => Err(findings),
        }
    }
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
    }
    if names.is_empty() {
        let message = "the policy directory has no `*.cedar` file";
        return Err(Finding::file("", message, "a set without policies would deny everything"));
    }
    names.sort();
    Ok(names)
}

fn read_text(directory: &Path, name: &str, largest: u64) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the file can't be read: {}", error.kind());
        Finding::file(name, message, "see that it exists, is UTF-8 and may be read by the server")
    };
    let file = fs::File::open(directory.join(name)).map_err(unreadable)?;
    let mut text = String::new();
    file.take(largest + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > largest {
        let message = format!("the file is larger than {} MiB", largest >> 20);
        return Err(Finding::file(name, message, "split it"));
    }
    Ok(text)
}
