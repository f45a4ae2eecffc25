//! The form of Cedar's own command line, `cedar run-tests`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::suite::{Asked, Case, CasePlace, CedarQuestion, read_text};
use crate::{Finding, SourceFile};

#[derive(Debug, Deserialize)]
struct Test {
    name: Option<String>,
    request: Request,
    entities: Value,
    decision: Expected,
    reason: Vec<String>,
    num_errors: usize,
}

#[derive(Debug, Deserialize)]
struct Request {
    principal: String,
    action: String,
    resource: String,
    #[serde(default)]
    context: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

/// Reads one file; entities named by a file's name are read from this directory.
pub(super) fn read(file: &SourceFile, directory: Option<&Path>) -> Result<Vec<Case>, Vec<Finding>> {
    let tests: Vec<Value> = serde_json::from_str(&file.text).map_err(|error| {
        let remedy =
            "a list of objects with `request`, `entities`, `decision`, `reason`, `num_errors`";
        let mut finding = Finding::file(&file.name, error.to_string(), remedy);
        (finding.line, finding.column) = (error.line(), error.column());
        vec![finding]
    })?;
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for (at, test) in tests.into_iter().enumerate() {
        let shown = test.get("name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
        let of_this = |message: String, remedy: &str| {
            Finding::file(&file.name, format!("test {} ({shown}): {message}", at + 1), remedy)
        };
        match serde_json::from_value::<Test>(test) {
            Ok(test) => match case(file, directory, at, test) {
                Ok(case) => cases.push(case),
                Err((message, remedy)) => findings.push(of_this(message, remedy)),
            },
            Err(error) => findings.push(of_this(error.to_string(), "see `cedar run-tests`")),
        }
    }
    if findings.is_empty() { Ok(cases) } else { Err(findings) }
}

fn case(
    file: &SourceFile,
    directory: Option<&Path>,
    at: usize,
    test: Test,
) -> Result<Case, (String, &'static str)> {
    let entities = match test.entities.as_str() {
        Some(name) => entities_of_file(directory, name)?,
        None => test.entities,
    };
    let mut by = test.reason;
    by.sort_unstable();
    let name = test.name.unwrap_or_else(|| format!("{} test {}", file.name, at + 1));
    // The file says nothing of lines; a name is what people look for.
    let line = file.text.lines().position(|line| line.contains(&format!("\"{name}\"")));
    Ok(Case {
        place: CasePlace { file: file.name.clone(), line: line.map_or(0, |line| line + 1) },
        name,
        asked: Asked::Cedar(Box::new(CedarQuestion {
            principal: test.request.principal,
            action: test.request.action,
            resource: test.request.resource,
            context: match test.request.context {
                Value::Null => Value::Object(serde_json::Map::new()),
                context => context,
            },
            entities,
            errors: test.num_errors,
        })),
        allowed: test.decision == Expected::Allow,
        by: Some(by),
    })
}

/// A name without directories only, so that a test can't read elsewhere.
fn entities_of_file(directory: Option<&Path>, name: &str) -> Result<Value, (String, &'static str)> {
    let is_plain = Path::new(name).components().count() == 1 && !name.starts_with('.');
    let directory = directory.filter(|_| is_plain).ok_or_else(|| {
        (
            format!("`{name}` is not a file beside the tests"),
            "put it there, or write the entities out",
        )
    })?;
    let text = read_text(&directory.join(name)).map_err(|e| (e.message, "see that it is there"))?;
    serde_json::from_str(&text.text)
        .map_err(|error| (format!("`{name}`: {error}"), "a list of entities as Cedar writes them"))
}
