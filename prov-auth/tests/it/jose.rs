//! Wycheproof's JOSE vectors through the path on which every token is verified.

use std::path::PathBuf;

use prov_auth::{Algorithm, VerificationKey, VerificationKeys};
use serde_json::Value;

/// The test groups of a file of vectors; `None`, visibly, when there are no vectors here.
fn groups(file: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("PROV_VECTORS")
        .map_or_else(|| PathBuf::from("../../shared/vectors"), PathBuf::from);
    let path = folder.join("jose").join(file);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let all: Value = serde_json::from_slice(&bytes).unwrap();
            Some(all["testGroups"].as_array().unwrap().clone())
        }
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{}: {error}",
                path.display()
            );
            eprintln!("SKIPPED: no vectors: {}: {error}", path.display());
            None
        }
    }
}

fn key_of(group: &Value) -> &Value {
    group.get("public").unwrap_or(&group["private"])
}

fn is_supported(algorithm: &Value) -> bool {
    Algorithm::ALL.iter().any(|known| algorithm == known.as_str())
}

/// A vector's token; those in JSON serialization are no compact form.
fn token_of(test: &Value) -> String {
    test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned)
}

#[test]
fn no_signature_vector_is_accepted_that_should_not_be() {
    let Some(groups) = groups("json_web_signature_test.json") else { return };
    let (mut seen, mut accepted, mut wrong) = (0, 0, Vec::new());
    for group in &groups {
        let key = VerificationKey::from_jwk(key_of(group));
        for test in group["tests"].as_array().unwrap() {
            seen += 1;
            let opened = key.as_ref().ok().and_then(|key| key.open(&token_of(test)).ok());
            // Every other algorithm is to be refused, valid or not.
            let supported = is_supported(&key_of(group)["alg"]);
            let expected = test["result"] == "valid" && supported;
            accepted += u32::from(opened.is_some());
            if opened.is_some() != expected {
                wrong.push(format!("tc{} {}: expected {expected}", test["tcId"], test["comment"]));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((seen, accepted), (401, 10));
}

#[test]
fn no_key_vector_is_accepted_that_should_not_be() {
    let Some(groups) = groups("json_web_key_test.json") else { return };
    let (mut seen, mut accepted, mut wrong) = (0, 0, Vec::new());
    for group in &groups {
        let set = key_of(group);
        let keys = VerificationKeys::from_jwks(set);
        for test in group["tests"].as_array().unwrap() {
            seen += 1;
            let opened = keys.as_ref().ok().and_then(|keys| keys.open(&token_of(test)).ok());
            let supported = is_supported(&set["keys"][0]["alg"]);
            let expected = test["result"] == "valid" && supported;
            accepted += u32::from(opened.is_some());
            if opened.is_some() != expected {
                wrong.push(format!("tc{} {}: expected {expected}", test["tcId"], test["comment"]));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((seen, accepted), (26, 1));
}
