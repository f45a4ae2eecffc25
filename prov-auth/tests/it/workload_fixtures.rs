//! The fixtures of the crate `spiffe`, made by others to be refused, and what of them must hold.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use prov_auth::{
    SpiffeId, TrustBundle, TrustBundles, TrustDomain, WorkloadRule, WorkloadRules, Workloads,
};
use prov_core::{Attempt, Authenticator, Presented, Role, Timestamp};
use serde_json::{Value, json};
use x509_parser::parse_x509_certificate;

use crate::user_fixture::House;
use crate::workload_tokens::domain;

const AUDIENCE: &str = "receiver";

/// The folder of the fixtures in the sources that cargo has fetched.
fn fixtures() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)?;
    let registries = std::fs::read_dir(cargo.join("registry/src")).into_iter().flatten().flatten();
    let found = registries
        .map(|registry| registry.path().join("spiffe-0.19.0/tests/testdata"))
        .find(|folder| folder.is_dir());
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found.is_some() || !ci, "no sources of the crate `spiffe` below {}", cargo.display());
    if found.is_none() {
        println!("SKIPPED: no sources of the crate `spiffe` below {}", cargo.display());
    }
    found
}

fn file(path: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(fixtures()?.join(path)).unwrap())
}

/// The certificates that stand one behind the other in a file.
fn chain(path: &str) -> Option<Vec<Bytes>> {
    let bytes = file(path)?;
    let (mut rest, mut chain) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (behind, _) = parse_x509_certificate(rest).unwrap();
        chain.push(Bytes::copy_from_slice(&rest[..rest.len() - behind.len()]));
        rest = behind;
    }
    Some(chain)
}

fn programs(house: &House, bundle: &Value) -> Workloads {
    let bundle = TrustBundle::read(bundle.to_string().as_bytes()).unwrap();
    let rules = [WorkloadRule::new("spiffe://example.org/*", [Role::Developer]).unwrap()];
    let (revocations, clock) = (house.parts.revocations.clone(), Arc::new(house.clock.clone()));
    let bundles = TrustBundles::new([(domain(), bundle)]);
    Workloads::new(bundles, WorkloadRules::new(rules), [AUDIENCE], revocations, clock)
}

/// Trusts these certificates.
fn trusting(roots: &[Bytes]) -> Value {
    let keys =
        roots.iter().map(|root| json!({"use": "x509-svid", "x5c": [BASE64_STANDARD.encode(root)]}));
    json!({ "keys": keys.collect::<Vec<_>>() })
}

/// Why a chain is refused whose own certificates are all trusted, at a moment of its leaf's life; `None`: it
/// holds.
async fn refusal(path: &str) -> Option<Result<(), String>> {
    let chain = chain(path)?;
    let house = House::new().await;
    let leaf = parse_x509_certificate(&chain[0]).unwrap().1;
    let begins = leaf.validity().not_before.timestamp();
    house.clock.set(Timestamp::from_second(begins + 1).unwrap());
    let programs = programs(&house, &trusting(&chain));
    let facts = house.facts();
    Some(match programs.authenticate(&Presented::new(&facts).with_certificates(Some(&chain))) {
        Attempt::Authenticated(_) => Ok(()),
        Attempt::Refused(error) => Err(format!("{error:?}")),
        Attempt::NotRequested => panic!("a chain was presented"),
    })
}

#[track_caller]
fn assert_refused(outcome: Option<Result<(), String>>, why: &str) {
    let Some(outcome) = outcome else { return };
    let error = outcome.expect_err("it must be refused");
    assert!(error.contains(why), "{error}");
}

#[tokio::test]
async fn spiffe_x509_a_good_chain_holds_and_ends() {
    assert_eq!(refusal("svid/x509/1-svid-chain.der").await.unwrap_or(Ok(())), Ok(()));
    let Some(chain) = chain("svid/x509/expired-svid-chain.der") else { return };
    let house = House::new().await; // five years after its end
    let programs = programs(&house, &trusting(&chain));
    let facts = house.facts();
    let attempt = programs.authenticate(&Presented::new(&facts).with_certificates(Some(&chain)));
    assert!(matches!(attempt, Attempt::Refused(_)), "{attempt:?}");
}

#[tokio::test]
async fn spiffe_x509_a_leaf_that_is_an_authority_is_refused() {
    assert_refused(refusal("svid/x509/wrong-leaf-ca-true.der").await, "the leaf is an authority");
}

#[tokio::test]
async fn spiffe_x509_a_leaf_that_signs_certificates_is_refused() {
    assert_refused(refusal("svid/x509/wrong-leaf-cert-sign.der").await, "for something else");
}

#[tokio::test]
async fn spiffe_x509_a_leaf_that_signs_revocation_lists_is_refused() {
    assert_refused(refusal("svid/x509/wrong-leaf-crl-sign.der").await, "for something else");
}

#[tokio::test]
async fn spiffe_x509_a_leaf_that_signs_nothing_else_is_refused() {
    let outcome = refusal("svid/x509/wrong-leaf-no-digital-signature.der").await;
    assert_refused(outcome, "for something else");
}

#[tokio::test]
async fn spiffe_x509_a_leaf_without_an_id_is_refused() {
    assert_refused(refusal("svid/x509/wrong-leaf-empty-id.der").await, "not exactly one URI");
}

#[tokio::test]
async fn spiffe_x509_an_intermediate_that_is_no_authority_is_refused() {
    assert_refused(refusal("svid/x509/wrong-intermediate-no-ca.der").await, "is no authority");
}

#[tokio::test]
async fn spiffe_x509_an_intermediate_that_does_not_sign_certificates_is_refused() {
    let outcome = refusal("svid/x509/wrong-intermediate-no-key-cert-sign.der").await;
    assert_refused(outcome, "does not sign certificates");
}

#[tokio::test]
async fn spiffe_x509_bytes_that_are_no_certificate_are_refused() {
    let Some(bytes) = file("svid/x509/corrupted") else { return };
    let house = House::new().await;
    let (programs, chain, facts) =
        (programs(&house, &trusting(&[])), [Bytes::from(bytes)], house.facts());
    let attempt = programs.authenticate(&Presented::new(&facts).with_certificates(Some(&chain)));
    assert!(matches!(attempt, Attempt::Refused(_)), "{attempt:?}");
}

#[tokio::test]
async fn spiffe_bundle_what_is_no_certificate_or_two_in_one_lets_nobody_in() {
    let Some(chain) = chain("svid/x509/1-svid-chain.der") else { return };
    let house = House::new().await;
    house.clock.set("2026-06-01T00:00:00Z".parse().unwrap());
    let facts = house.facts();
    let holds = |roots: &[Bytes]| {
        let presented = Presented::new(&facts).with_certificates(Some(&chain));
        matches!(
            programs(&house, &trusting(roots)).authenticate(&presented),
            Attempt::Authenticated(_)
        )
    };
    assert!(holds(&chain[1..]), "the control");
    let glued = Bytes::from([&chain[1][..], &chain[1]].concat());
    let corrupted = Bytes::from(file("bundle/x509/corrupted").unwrap());
    let two = Bytes::from(file("bundle/x509/bundle.der").unwrap());
    for roots in [glued, corrupted.clone(), two] {
        assert!(!holds(&[roots]));
    }
    assert!(holds(&[corrupted, chain[1].clone()]), "one that can't be used hinders no other");
}

#[tokio::test]
async fn spiffe_jwt_of_all_tokens_and_keys_exactly_the_good_ones_hold() {
    let Some(text) = file("jwt/authority-policy.json") else { return };
    let rows: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let house = House::new().await;
    // They end at this moment, and whatever lives longer than a day is refused.
    house.clock.set(Timestamp::from_second(i64::from(u32::MAX) - 300).unwrap());
    let facts = house.facts();
    let holds = |row: &Value, change: &dyn Fn(&mut Value)| {
        let mut key = row["jwk"].clone();
        key["use"] = json!("jwt-svid");
        change(&mut key);
        let programs = programs(&house, &json!({ "keys": [key] }));
        let bearer = format!("Bearer {}", row["token"].as_str().unwrap());
        let presented = Presented::new(&facts).with_authorization(Some(&bearer));
        matches!(programs.authenticate(&presented), Attempt::Authenticated(_))
    };
    let held = rows.iter().filter(|row| holds(row, &|_| {}));
    let held: Vec<_> = held.map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(held, ["ec_ES256", "rsa_2048_RS256", "rsa_3072_RS256", "rsa_4096_RS256"]);
    assert!(rows.len() > 60, "{}", rows.len());
    // A key that is for something else, or for another algorithm, verifies nothing.
    let good = rows.iter().find(|row| row["name"] == "ec_ES256").unwrap();
    for (member, value) in [
        ("alg", json!("ES384")),
        ("use", json!("enc")),
        ("use", json!("sig")),
        ("key_ops", json!(["sign"])),
        ("crv", json!("P-384")),
        ("kty", json!("oct")),
        ("kid", json!("another")),
        ("x", json!("!")),
    ] {
        assert!(!holds(good, &|key| key[member] = value.clone()), "{member}: {value}");
    }
    let rsa = rows.iter().find(|row| row["name"] == "rsa_2048_RS256").unwrap();
    let padded = |key: &mut Value| key["n"] = json!(format!("AAAA{}", key["n"].as_str().unwrap()));
    assert!(!holds(rsa, &padded), "a modulus with zeros in front");
}

#[test]
fn spiffe_id_what_the_crate_refuses_is_refused() {
    for text in [
        "",
        "192.168.2.2:6688",
        "http://domain.test/path/element",
        "spiffe:/path/element",
        "spiffe:///path/element",
        "spiffe:path/element",
        "spiffe://domain.test/path/element?query=1",
        "spiffe://domain.test/path/element#fragment-1",
        "spiffe://domain.test:8080/path/element",
        "spiffe://user:password@test.org/path/element",
        "spiffe://test.org/",
        "spiffe://test.org//",
        "spiffe://test.org/path//other",
        "spiffe://test.org/path/other/",
        "spiffe://test.org/./other",
        "spiffe://test.org/../other",
    ] {
        assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        assert_eq!(text.parse::<spiffe::SpiffeId>().is_err(), text.parse::<SpiffeId>().is_err());
    }
    // Byte by byte: nothing is taken here that the crate does not take.
    for byte in 0..=0x7f_u8 {
        let character = char::from(byte);
        for text in
            [format!("spiffe://example.org/a{character}b"), format!("spiffe://a{character}b/c")]
        {
            let ours = text.parse::<SpiffeId>();
            assert!(ours.is_err() || text.parse::<spiffe::SpiffeId>().is_ok(), "{text:?}");
        }
        let name = format!("a{character}b");
        let ours = name.parse::<TrustDomain>();
        assert!(ours.is_err() || spiffe::TrustDomain::new(&name).is_ok(), "{name:?}");
    }
}
