//! The level Discovery of the certification scenario (its chapter 6).

use prov_authz::authzen::AuthzenOptions;
use serde_json::Value;

use super::server::{Directory, PUBLIC_URL, Server};

pub(super) const WELL_KNOWN: &str = "/.well-known/authzen-configuration";

#[tokio::test]
async fn the_metadata_come_from_the_configuration_and_not_from_the_host_header() {
    let server = Server::certification();
    let answer =
        server.while_asked(async |client| client.send("GET", WELL_KNOWN, &[], "").await).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(!answer.body().contains("evil.example"));
    let document: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(document["policy_decision_point"], PUBLIC_URL);
    for (member, value) in document.as_object().unwrap() {
        if let Some(value) = value.as_str() {
            assert!(value.starts_with(PUBLIC_URL), "{member}");
        }
    }
    for (member, path) in [
        ("access_evaluation_endpoint", "/access/v1/evaluation"),
        ("access_evaluations_endpoint", "/access/v1/evaluations"),
        ("search_subject_endpoint", "/access/v1/search/subject"),
        ("search_resource_endpoint", "/access/v1/search/resource"),
        ("search_action_endpoint", "/access/v1/search/action"),
    ] {
        assert_eq!(document[member], format!("{PUBLIC_URL}{path}"));
    }
}

#[tokio::test]
async fn an_identifier_with_a_path_is_found_below_the_well_known_place() {
    let texts = [
        include_str!("certification/schema.cedarschema"),
        include_str!("certification/records.cedar"),
    ];
    let options =
        AuthzenOptions::default().published_at("https://pdp.example.com/tenant1").unwrap();
    let server = Server::new("Certification", texts, (Directory::default(), &[]), options);
    server
        .while_asked(async |client| {
            let own = client.send("GET", &format!("{WELL_KNOWN}/tenant1"), &[], "").await;
            let document: Value = serde_json::from_str(own.body()).unwrap();
            let endpoint = "https://pdp.example.com/tenant1/access/v1/evaluation";
            assert_eq!(document["access_evaluation_endpoint"], endpoint);
            let other = client.send("GET", &format!("{WELL_KNOWN}/tenant2"), &[], "").await;
            assert_eq!(other.status(), 404);
        })
        .await;
}

#[tokio::test]
async fn without_a_public_address_there_are_no_metadata() {
    let texts = [
        include_str!("certification/schema.cedarschema"),
        include_str!("certification/records.cedar"),
    ];
    let options = AuthzenOptions::default();
    let server = Server::new("Certification", texts, (Directory::default(), &[]), options);
    let answer =
        server.while_asked(async |client| client.send("GET", WELL_KNOWN, &[], "").await).await;
    assert_eq!(answer.status(), 404);
    assert!(!answer.body().contains("evil.example"));
}
