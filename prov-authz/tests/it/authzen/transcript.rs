//! The transcript of the certification scenario in the documents: asked again, and compared. With
//! `PROV_WRITE_TRANSCRIPTS=1` it is written instead.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::basic::{EVALUATION, decided};
use super::batch::{EVALUATIONS, core, properties};
use super::discovery::WELL_KNOWN;
use super::search::cases;
use super::server::{Client, Server};

const HEAD: &str = "# The AuthZEN certification scenario\n\n\
    Every case of the levels Discovery, Basic, Batch and Search of the certification scenario of \
    AuthZEN 1.0, as this decision point answers it. Numbers are the scenario's.\n";

/// The same each time: without the ids of decisions, members in the order of their names.
fn steady(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members.into_iter().collect();
            members.into_iter().map(|(name, member)| (name, steady(member))).collect()
        }
        Value::Array(list) => list.into_iter().map(steady).collect(),
        Value::String(text) if text.starts_with("dec_") => "dec_…".into(),
        other => other,
    }
}

async fn exchange(client: Client, told: &mut String, case: &str, path: &str, message: &Value) {
    let (status, answer) = client.post(path, message).await;
    let (message, answer) = (steady(message.clone()), steady(answer));
    let _ =
        write!(told, "\n{case}:\n\n```http\nPOST {path}\n{message}\n\n{status}\n{answer}\n```\n");
}

#[tokio::test]
async fn the_scenario_is_answered_as_the_documents_show_it() {
    let server = Server::certification();
    let mut told = HEAD.to_owned();
    server
        .while_asked(async |client| {
            let answer = client.send("GET", WELL_KNOWN, &[], "").await;
            let status = answer.status().as_u16();
            let document = steady(serde_json::from_str(answer.body()).unwrap());
            let _ = write!(
                told,
                "\n## Discovery\n\n```http\nGET {WELL_KNOWN}\n\n{status}\n{document}\n```\n"
            );
            told.push_str("\n## Basic\n");
            for (case, message, _) in decided() {
                exchange(client, &mut told, case, EVALUATION, &message).await;
            }
            told.push_str("\n## Batch\n");
            for (case, message, _) in core().into_iter().chain(properties()) {
                exchange(client, &mut told, case, EVALUATIONS, &message).await;
            }
            told.push_str("\n## Search\n");
            for (case, path, message, _) in cases() {
                exchange(client, &mut told, case, path, &message).await;
            }
        })
        .await;
    let path = Path::new("../docs/transcripts/authzen.md");
    if std::env::var_os("PROV_WRITE_TRANSCRIPTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &told).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    for (at, (kept, made)) in kept.lines().zip(told.lines()).enumerate() {
        assert_eq!(kept, made, "line {}: write it anew with PROV_WRITE_TRANSCRIPTS=1", at + 1);
    }
    assert_eq!(kept.lines().count(), told.lines().count(), "the transcript ends early");
}
