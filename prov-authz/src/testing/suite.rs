use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use prov_core::Principal;
use serde_json::Value;

use super::{cedar_json, matrix};
use crate::{Circumstances, Claims, Finding, ResourceEntity, SourceFile};

/// No file of tests is larger than this many bytes.
const LARGEST: u64 = 16 << 20;
/// No suite has more tests.
const MOST_TESTS: usize = 100_000;

/// Tests, read and found well formed.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    pub(super) cases: Vec<Case>,
}

/// One test.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) place: CasePlace,
    pub(super) asked: Asked,
    pub(super) allowed: bool,
    /// Who must determine it; `None` when anybody may.
    pub(super) by: Option<Vec<String>>,
}

/// Where a test stands.
#[derive(Debug, Clone)]
pub(super) struct CasePlace {
    pub(super) file: String,
    pub(super) line: usize,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// As prov asks.
    Prov(Box<ProvQuestion>),
    /// As Cedar's own tests ask.
    Cedar(Box<CedarQuestion>),
}

#[derive(Debug, Clone)]
pub(super) struct ProvQuestion {
    pub(super) principal: Principal,
    pub(super) action: String,
    pub(super) resource: ResourceEntity,
    pub(super) circumstances: Circumstances,
    pub(super) claims: Claims,
}

#[derive(Debug, Clone)]
pub(super) struct CedarQuestion {
    pub(super) principal: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) context: Value,
    pub(super) entities: Value,
    pub(super) errors: usize,
}

impl Suite {
    /// The tests of the policies that this crate ships: the decision matrix and what else it takes to
    /// hold every clause of them.
    #[must_use]
    pub fn shipped() -> Self {
        // The text is a part of this crate, and a test reads it.
        Self::parse(&[SourceFile::new(
            "matrix.toml",
            include_str!("../../policies/tests/matrix.toml"),
        )])
        .unwrap_or_default()
    }

    /// Reads a file, or all `*.toml` and `*.json` of a directory but those that tests name as their
    /// entities.
    ///
    /// # Errors
    /// Every file that can't be read or is not well formed, with line and remedy.
    pub fn read(path: &Path) -> Result<Self, Vec<Finding>> {
        let files = if path.is_dir() { test_files(path)? } else { vec![path.to_owned()] };
        let (mut sources, mut findings) = (Vec::new(), Vec::new());
        for file in &files {
            match read_text(file) {
                Ok(source) => sources.push(source),
                Err(finding) => findings.push(finding),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        Self::parse_in(&sources, Some(directory))
    }

    /// Reads tests from texts. Tests that name a file as their entities are refused.
    ///
    /// # Errors
    /// Whatever is not well formed, with line and remedy.
    pub fn parse(files: &[SourceFile]) -> Result<Self, Vec<Finding>> {
        Self::parse_in(files, None)
    }

    fn parse_in(files: &[SourceFile], directory: Option<&Path>) -> Result<Self, Vec<Finding>> {
        let (mut cases, mut findings) = (Vec::new(), Vec::new());
        for file in files {
            let is_json = Path::new(&file.name).extension().is_some_and(|end| end == "json");
            let read = if is_json { cedar_json::read(file, directory) } else { matrix::read(file) };
            match read {
                Ok(more) => cases.extend(more),
                Err(more) => findings.extend(more),
            }
        }
        findings.extend(repeated(&cases));
        if cases.is_empty() && findings.is_empty() {
            let remedy = "write `[[tests]]` into a `*.toml`, or name the file";
            findings.push(Finding::file("", "there is no test", remedy));
        }
        if cases.len() > MOST_TESTS {
            let message = format!("these are {} tests", cases.len());
            findings.push(Finding::file("", message, "at most 100,000 in one run"));
        }
        if findings.is_empty() { Ok(Self { cases }) } else { Err(findings) }
    }

    /// The names of the tests, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.name.as_str())
    }

    /// The number of the tests.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Only the tests for whose name this is true.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.cases.retain(|case| wanted(&case.name));
        self
    }
}

/// A name that two tests have would make a report ambiguous.
fn repeated(cases: &[Case]) -> Vec<Finding> {
    let mut first: BTreeMap<&str, &CasePlace> = BTreeMap::new();
    let mut findings = Vec::new();
    for case in cases {
        if let Some(earlier) = first.insert(&case.name, &case.place) {
            let message = format!(
                "the name `{}` stands at {}:{} already",
                case.name, earlier.file, earlier.line
            );
            let mut finding = Finding::file(&case.place.file, message, "name it otherwise");
            finding.line = case.place.line;
            findings.push(finding);
        }
    }
    findings
}

fn test_files(directory: &Path) -> Result<Vec<PathBuf>, Vec<Finding>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("`{}` can't be read: {}", directory.display(), error.kind());
        vec![Finding::file("", message, "name a file or a folder of tests")]
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let is_test = path.extension().is_some_and(|end| end == "toml" || end == "json");
        // Entities that a JSON test refers to are no tests.
        let is_data = name.is_some_and(|name| name.starts_with('.') || name.contains("entities"));
        if is_test && !is_data {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn read_text(path: &Path) -> Result<SourceFile, Finding> {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let unreadable = |error: std::io::Error| {
        let message = format!("the file can't be read: {}", error.kind());
        Finding::file(&name, message, "see that it exists and is UTF-8")
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(Finding::file(&name, "the file is larger than 16 MiB", "split it"));
    }
    Ok(SourceFile { name, text })
}
