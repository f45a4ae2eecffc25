//! What is signed: the version, and every file with its SHA-256.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::{Finding, PolicyFiles, SourceFile};

/// The first line: what the text is, so that no signature made for anything else passes for one.
const KIND: &str = "prov-policy-bundle/v1";

/// A set that is what its signers signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bundle {
    /// Its version; a later set has a higher one.
    pub version: u64,
    /// The names of the trusted keys that signed it, in the order of the trust root.
    pub signers: Vec<String>,
}

/// The list of a set's files, ready to be signed:
///
/// ```text
/// prov-policy-bundle/v1
/// version 42
/// 1f0c…(SHA-256 in hexadecimal) admin.cedar
/// 77a2… schema.cedarschema
/// ```
///
/// Files are sorted by name. A version must rise with every set that is to replace another.
#[must_use]
pub fn bundle_manifest(files: &PolicyFiles, version: u64) -> String {
    let mut text = format!("{KIND}\nversion {version}\n");
    let mut all: Vec<_> = files.all().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for file in all {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}", hash(file), file.name);
    }
    text
}

fn hash(file: &SourceFile) -> String {
    hex::encode(digest(&SHA256, file.text.as_bytes()))
}

/// A list, taken apart.
#[derive(Debug)]
pub(super) struct Manifest<'t> {
    pub(super) version: u64,
    files: Vec<(&'t str, &'t str)>,
}

impl<'t> Manifest<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let version = lines.by_ref().nth(1)?.strip_prefix("version ")?;
        // One way to write a number: no sign, no zeros before it.
        let number = version.parse::<u64>().ok().filter(|n| n.to_string() == version)?;
        let files: Vec<_> = lines.map(|line| line.split_once(' ')).collect::<Option<_>>()?;
        let is_ours = text.split('\n').next() == Some(KIND);
        is_ours.then_some(Self { version: number, files })
    }

    /// Everything in which a set differs from the list: no file more, none less, none other.
    pub(super) fn differences(&self, set: &PolicyFiles) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in set.all() {
            let mut listed = self.files.iter().filter(|(_, name)| *name == file.name);
            let what = match (listed.next(), listed.next()) {
                (Some((sum, _)), None) if *sum == hash(file) => continue,
                (Some(_), None) => "the file is not the one that was signed",
                (Some(_), Some(_)) => "the signed list names the file twice",
                (None, _) => "the file is not in the signed list",
            };
            let remedy = "put the signed file back, or sign the set again";
            findings.push(Finding::file(&file.name, what, remedy));
        }
        for (_, name) in &self.files {
            if !set.all().any(|file| file.name == *name) {
                let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
                let what = "the signed list names this file, and it is not there";
                findings.push(Finding::file(&shown, what, "put it back, or sign the set again"));
            }
        }
        findings
    }
}
