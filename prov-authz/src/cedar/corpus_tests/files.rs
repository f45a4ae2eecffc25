//! Cedar's conformance cases, as they are published.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) policies: String,
    pub(super) entities: String,
    pub(super) schema: String,
    pub(super) requests: Vec<Asked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) principal: Value,
    pub(super) action: Value,
    pub(super) resource: Value,
    pub(super) context: Value,
    #[serde(default = "yes")]
    pub(super) validate_request: bool,
    pub(super) decision: String,
    pub(super) reason: Vec<String>,
    pub(super) errors: Vec<String>,
}

const fn yes() -> bool {
    true
}

pub(super) type Files = BTreeMap<PathBuf, String>;

/// The files of an archive whose names are wanted; `None` and a visible line when it is not there.
#[expect(clippy::disallowed_methods, reason = "a test finds its vectors by the environment")]
pub(super) fn archive(name: &str, wanted: impl Fn(&str) -> bool) -> Option<Files> {
    let root = std::env::var("PROV_VECTORS")
        .map_or_else(|_| PathBuf::from("../../shared/vectors"), PathBuf::from);
    let Ok(file) = File::open(root.join("cedar").join(name)) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the vectors {name} are missing");
        println!("SKIPPED: {name} is not in PROV_VECTORS/cedar");
        return None;
    };
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut text = String::new();
        if entry.header().entry_type().is_file()
            && wanted(&name)
            && entry.read_to_string(&mut text).is_ok()
        {
            files.insert(path, text);
        }
    }
    Some(files)
}

/// Whether a file is a case, and not what one is made of.
pub(super) fn is_case(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".json") && !name.ends_with("entities.json")
}
