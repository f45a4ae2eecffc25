//! RFC 9068 and RFC 8725, clause by clause. What needs a table of bad tokens stands in
//! `token_refusals.rs`; here each clause has the test that carries its number.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use prov_auth::codes::{TOKEN_EXPIRED, TOKEN_FOREIGN, TOKEN_FORGED, TOKEN_MALFORMED};
use prov_auth::{VerificationKey, VerificationKeys};
use serde_json::{Value, json};

use crate::token_fixture::{AUDIENCE, ISSUER, Node, b64};

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// Signed as our own, with these members in header and claims.
fn signed(node: &Node, header: &[(&str, Value)], claims: &[(&str, Value)]) -> String {
    let (mut h, mut c) = (node.header(), node.body());
    for (object, members) in [(&mut h, header), (&mut c, claims)] {
        for (name, value) in members {
            object[*name] = value.clone();
        }
    }
    node.sign(&h.to_string(), &c.to_string())
}

#[tokio::test]
async fn rfc_9068_2_1_the_header_says_at_jwt_and_an_asymmetric_algorithm() {
    let (header, _) = parts(&Node::start().await.token());
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
}

#[tokio::test]
async fn rfc_9068_2_2_the_seven_required_claims_and_those_about_the_sign_in_are_there() {
    let node = Node::start().await;
    let (_, claims) = parts(&node.token());
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "auth_time", "amr"] {
        assert!(!claims[name].is_null(), "{name}");
    }
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(AUDIENCE)));
    let (_, other) = parts(&node.token());
    assert_ne!(claims["jti"], other["jti"]);
}

#[tokio::test]
async fn rfc_9068_4_step_1_both_spellings_of_the_type_and_nothing_else() {
    let node = Node::start().await;
    for (kind, refusal) in [
        ("at+jwt", None),
        ("application/at+jwt", None),
        ("AT+JWT", None),
        ("JWT", Some(TOKEN_FORGED)),
        ("logout+jwt", Some(TOKEN_FORGED)),
        ("application/jwt", Some(TOKEN_FORGED)),
    ] {
        let token = signed(&node, &[("typ", json!(kind))], &[]);
        assert_eq!(node.refusal(&token), refusal, "{kind}");
    }
}

#[tokio::test]
async fn rfc_9068_4_steps_3_and_4_issuer_and_audience_are_compared_exactly() {
    let node = Node::start().await;
    for (name, value) in [
        ("iss", json!(format!("{ISSUER}/"))),
        ("iss", json!(ISSUER.to_uppercase())),
        ("aud", json!("orchestrator2")),
        ("aud", json!(["ORCHESTRATOR"])),
        ("aud", json!([])),
    ] {
        let token = signed(&node, &[], &[(name, value.clone())]);
        assert_eq!(node.refusal(&token), Some(TOKEN_FOREIGN), "{name}: {value}");
    }
    for aud in [json!("cli"), json!(["x", "cli"])] {
        assert_eq!(node.refusal(&signed(&node, &[], &[("aud", aud)])), None);
    }
}

#[tokio::test]
async fn rfc_9068_4_step_5_an_unsigned_token_is_refused() {
    let node = Node::start().await;
    let header = json!({"alg": "none", "typ": "at+jwt", "kid": node.key_id()}).to_string();
    let unsigned = format!("{}.{}.", b64(header), b64(node.body().to_string()));
    assert_eq!(node.refusal(&unsigned), Some(TOKEN_FORGED));
}

#[tokio::test]
async fn rfc_9068_4_step_6_the_end_is_before_exp_with_seconds_of_leeway() {
    let node = Node::start().await;
    let token = node.token();
    node.advance(904);
    assert_eq!(node.refusal(&token), None);
    node.advance(1);
    assert_eq!(node.refusal(&token), Some(TOKEN_EXPIRED));
}

#[tokio::test]
async fn rfc_8725_3_1_a_key_is_for_one_algorithm() {
    let node = Node::start().await;
    let mut jwk = node.keys.jwks()["keys"][0].clone();
    for other in ["RS384", "PS256", "ES256", "HS256", "EdDSA", "none"] {
        jwk["alg"] = json!(other);
        assert!(VerificationKey::from_jwk(&jwk).is_err(), "{other}");
    }
    jwk.as_object_mut().unwrap().remove("alg");
    assert!(VerificationKey::from_jwk(&jwk).is_err(), "a key that does not say");
}

#[test]
fn rfc_8725_3_4_points_that_are_not_on_the_curve_are_refused() {
    // The first is a point of P-256 (RFC 7515, appendix A.3); the others differ in one coordinate.
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    let jwk = |x: &str, y: &str| json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": x, "y": y});
    assert!(VerificationKey::from_jwk(&jwk(x, y)).is_ok());
    for (x, y) in [(y, x), (x, x), (x, &b64([0; 32])), (x, &b64([0xff; 32])), (x, "")] {
        assert!(VerificationKey::from_jwk(&jwk(x, y)).is_err(), "{x} {y}");
    }
}

#[tokio::test]
async fn rfc_8725_3_7_and_3_9_bytes_that_are_no_utf_8_and_tokens_for_others_are_refused() {
    let node = Node::start().await;
    let header = b64(node.header().to_string());
    let mut body = node.body().to_string().into_bytes();
    let at = body.windows(5).position(|part| part == b"alice").unwrap();
    body[at] = 0xff;
    assert_eq!(node.refusal(&node.sign_raw(&header, &b64(body))), Some(TOKEN_MALFORMED));
    let foreign = signed(&node, &[], &[("aud", json!("another-service"))]);
    assert_eq!(node.refusal(&foreign), Some(TOKEN_FOREIGN));
}

#[tokio::test]
async fn rfc_8725_3_8_a_subject_that_is_no_user_of_ours_is_refused() {
    let node = Node::start().await;
    for sub in [json!("alice"), json!(""), json!(5), json!({"id": "user_1"}), json!("user_1")] {
        let token = signed(&node, &[], &[("sub", sub.clone())]);
        assert_eq!(node.refusal(&token), Some(TOKEN_MALFORMED), "{sub}");
    }
}

#[tokio::test]
async fn rfc_8725_3_10_a_key_id_is_looked_up_and_never_a_path_or_a_query() {
    let node = Node::start().await;
    for kid in ["' or 1=1 --", "/dev/null", "../keys/1", "https://evil.example/k", "\0", " "] {
        let token = signed(&node, &[("kid", json!(kid))], &[]);
        assert_eq!(node.refusal(&token), Some(TOKEN_FORGED), "{kid:?}");
    }
}

#[tokio::test]
async fn rfc_8725_3_12_keys_that_share_a_name_are_refused_together() {
    let keys = Node::start().await.keys.jwks();
    let twice = json!({"keys": [keys["keys"][0], keys["keys"][0]]});
    assert!(VerificationKeys::from_jwks(&twice).is_err());
}
