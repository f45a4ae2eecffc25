//! jsonwebtoken as the second opinion: what one makes, the other accepts.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use prov_core::Clock;
use serde_json::Value;

use crate::token_fixture::{AUDIENCE, ISSUER, Node};

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false; // the clock of the test is not the machine's
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&AUDIENCE);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

#[tokio::test]
async fn a_standard_library_verifies_our_tokens_by_our_jwks() {
    let node = Node::start().await;
    let set: JwkSet = serde_json::from_value(node.keys.jwks()).unwrap();
    for _ in 0..2 {
        let claims = node.claims();
        let issued = node.issue(&claims);
        let header = jsonwebtoken::decode_header(issued.token.expose()).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let jwk = set.find(&header.kid.unwrap()).unwrap();
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let read = jsonwebtoken::decode::<Value>(issued.token.expose(), &key, &validation())
            .unwrap()
            .claims;
        assert_eq!(read["sub"], claims.subject.as_str());
        assert_eq!(read["sid"], claims.session.as_str());
        assert_eq!(read["aud"], serde_json::json!(AUDIENCE));
        assert_eq!(read["client_id"], "prov-cli");
        assert_eq!(read["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
        assert_eq!(read["iat"], node.clock.now().as_second());
        assert_eq!(read["exp"].as_i64().unwrap() - read["iat"].as_i64().unwrap(), 900);
        // The id of a key is its thumbprint (RFC 7638).
        let thumbprint = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
        assert_eq!(jwk.common.key_id.as_ref(), Some(&thumbprint));
        node.keys.rotate(prov_auth::Rotation::AtOnce).await.unwrap();
    }
}

#[tokio::test]
async fn whatever_we_accept_the_second_opinion_accepts_too() {
    let node = Node::start().await;
    let set: JwkSet = serde_json::from_value(node.keys.jwks()).unwrap();
    let key = DecodingKey::from_jwk(set.find(&node.key_id()).unwrap()).unwrap();
    let token = node.token();
    let mut accepted = 0;
    // One bit at a time.
    for bit in 0..token.len() * 8 {
        let mut bytes = token.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        if node.refusal(&changed).is_none() {
            accepted += 1;
            assert!(jsonwebtoken::decode::<Value>(&changed, &key, &validation()).is_ok());
        }
    }
    assert_eq!(accepted, 0);
    assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation()).is_ok());
}
