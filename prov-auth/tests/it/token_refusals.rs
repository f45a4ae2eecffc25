//! Tokens that hold, and every way in which one does not.

use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use prov_auth::codes::{
    TOKEN_EXPIRED, TOKEN_FOREIGN, TOKEN_FORGED, TOKEN_MALFORMED, TOKEN_PREMATURE,
};
use prov_core::{Clock, Code};
use serde_json::{Value, json};

use crate::token_fixture::{Node, b64};

#[tokio::test]
async fn what_was_issued_is_what_is_found() {
    let node = Node::start().await;
    let claims = node.claims();
    let issued = node.issue(&claims);
    // Twice: the second answer comes from memory.
    for _ in 0..2 {
        let identity = node.verifier.verify(issued.token.expose()).unwrap();
        let (who, how) = (&identity.principal, &identity.authentication);
        assert_eq!((who.id.as_str(), who.name.as_str()), (claims.subject.as_str(), "alice"));
        assert_eq!((&who.roles, &who.teams), (&claims.roles, &claims.teams));
        assert_eq!((&how.amr, how.session.as_ref()), (&claims.amr, Some(&claims.session)));
        assert_eq!(how.token_id.as_ref(), Some(&issued.token_id));
        assert_eq!(how.expires_at, Some(issued.expires_at));
        assert_eq!(how.authenticated_at.as_second(), claims.authenticated_at.as_second());
    }
    assert_eq!(issued.expires_at.as_second(), node.clock.now().as_second() + 900);
}

/// Signs with one member of the header or the claims set, or removed when `null`.
fn with(node: &Node, part: &str, name: &str, value: Value) -> String {
    let (mut header, mut body) = (node.header(), node.body());
    let object = if part == "header" { &mut header } else { &mut body };
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    node.sign(&header.to_string(), &body.to_string())
}

#[tokio::test]
async fn the_means_of_these_tests_make_tokens_that_hold() {
    let node = Node::start().await;
    assert_eq!(
        node.refusal(&node.sign(&node.header().to_string(), &node.body().to_string())),
        None
    );
    let accepted = [
        ("header", "typ", json!("application/at+jwt")),
        ("header", "typ", json!("AT+JWT")),
        ("header", "unknown", json!({"any": "thing"})),
        ("claims", "aud", json!("cli")),
        ("claims", "aud", json!(["elsewhere", "cli"])),
        ("claims", "nbf", Value::Null),
        ("claims", "unknown", json!([1, 2])),
    ];
    for (part, name, value) in accepted {
        assert_eq!(node.refusal(&with(&node, part, name, value.clone())), None, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_header_that_is_not_ours_is_refused() {
    let node = Node::start().await;
    let (n, e) = node.numbers();
    let own_key = json!({"kty": "RSA", "alg": "RS256", "n": n, "e": e});
    let cases: [(&str, Value, Code); 18] = [
        ("typ", json!("JWT"), TOKEN_FORGED),
        ("typ", json!("at+jwt "), TOKEN_FORGED),
        ("typ", json!("dpop+jwt"), TOKEN_FORGED),
        ("typ", Value::Null, TOKEN_FORGED),
        ("alg", json!("none"), TOKEN_FORGED),
        ("alg", json!("RS512"), TOKEN_FORGED),
        ("alg", json!("rs256"), TOKEN_FORGED),
        ("alg", json!(""), TOKEN_FORGED),
        ("alg", Value::Null, TOKEN_MALFORMED),
        ("kid", json!("unknown"), TOKEN_FORGED),
        ("kid", json!("../../etc/passwd"), TOKEN_FORGED),
        ("kid", Value::Null, TOKEN_FORGED),
        ("jwk", own_key, TOKEN_MALFORMED),
        ("jku", json!("https://evil.example/jwks"), TOKEN_MALFORMED),
        ("x5u", json!("https://evil.example/cert"), TOKEN_MALFORMED),
        ("x5c", json!(["MIIB"]), TOKEN_MALFORMED),
        ("x5t#S256", json!("abc"), TOKEN_MALFORMED),
        ("b64", json!(false), TOKEN_MALFORMED),
    ];
    for (name, value, code) in cases {
        let refusal = node.refusal(&with(&node, "header", name, value.clone()));
        assert_eq!(refusal, Some(code), "{name}: {value}");
    }
    for crit in [json!(["exp"]), json!([]), json!(["b64"])] {
        assert_eq!(node.refusal(&with(&node, "header", "crit", crit)), Some(TOKEN_MALFORMED));
    }
    // Members that are there with the value `null`, which a lax reader takes for absent.
    let body = node.body().to_string();
    for name in ["crit", "jwk", "jku"] {
        let header = node.header().to_string().replacen('{', &format!("{{\"{name}\":null,"), 1);
        assert_eq!(node.refusal(&node.sign(&header, &body)), Some(TOKEN_MALFORMED), "{name}");
    }
}

#[tokio::test]
async fn claims_that_are_not_for_us_are_refused() {
    let node = Node::start().await;
    let now = node.clock.now().as_second();
    let cases: [(&str, Value, Code); 28] = [
        ("iss", json!("https://prov.example.com/"), TOKEN_FOREIGN),
        ("iss", json!("HTTPS://prov.example.com"), TOKEN_FOREIGN),
        ("iss", json!(5), TOKEN_MALFORMED),
        ("aud", json!("elsewhere"), TOKEN_FOREIGN),
        ("aud", json!([]), TOKEN_FOREIGN),
        ("aud", json!({}), TOKEN_MALFORMED),
        ("aud", json!(["cli", 5]), TOKEN_MALFORMED),
        ("exp", json!(now - 6), TOKEN_MALFORMED),
        ("exp", json!(now), TOKEN_MALFORMED),
        ("exp", json!(now + 86_401), TOKEN_MALFORMED),
        ("exp", json!(i64::MAX), TOKEN_MALFORMED),
        ("exp", json!("2030-01-01"), TOKEN_MALFORMED),
        ("exp", json!(1e300), TOKEN_MALFORMED),
        ("iat", json!(i64::MIN), TOKEN_MALFORMED),
        ("iat", json!(now + 6), TOKEN_PREMATURE),
        ("nbf", json!(now + 6), TOKEN_PREMATURE),
        ("nbf", json!(i64::MAX), TOKEN_PREMATURE),
        ("nbf", json!("soon"), TOKEN_MALFORMED),
        ("sub", json!("alice"), TOKEN_MALFORMED),
        ("sub", json!("sess_01ARZ3NDEKTSV4RRFFQ69G5FAV"), TOKEN_MALFORMED),
        ("sid", json!("user_01ARZ3NDEKTSV4RRFFQ69G5FAV"), TOKEN_MALFORMED),
        ("jti", json!(""), TOKEN_MALFORMED),
        ("client_id", json!(""), TOKEN_MALFORMED),
        ("roles", json!(["root"]), TOKEN_MALFORMED),
        ("roles", json!("admin"), TOKEN_MALFORMED),
        ("teams", json!(["SRE"]), TOKEN_MALFORMED),
        ("amr", json!(["telepathy"]), TOKEN_MALFORMED),
        ("gen", json!(-1), TOKEN_MALFORMED),
    ];
    for (name, value, code) in cases {
        let refusal = node.refusal(&with(&node, "claims", name, value.clone()));
        assert_eq!(refusal, Some(code), "{name}: {value}");
    }
    for name in node.body().as_object().unwrap().keys().filter(|name| *name != "nbf") {
        let refusal = node.refusal(&with(&node, "claims", name, Value::Null));
        assert_eq!(refusal, Some(TOKEN_MALFORMED), "without {name}");
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let node = Node::start().await;
    let (header, body) = (node.header().to_string(), node.body().to_string());
    let twice = |json: &str, member: &str| json.replacen('{', &format!("{{{member},"), 1);
    let duplicates = [
        (twice(&header, "\"alg\":\"RS256\""), body.clone()),
        (twice(&header, "\"x\":1,\"x\":1"), body.clone()),
        (header.clone(), twice(&body, "\"sub\":\"user_01ARZ3NDEKTSV4RRFFQ69G5FAV\"")),
        (header.clone(), twice(&body, "\"rol\\u0065s\":[\"admin\"]")),
        (header.clone(), twice(&body, "\"x\":{\"a\":1,\"a\":2}")),
        (header.clone(), format!("{body}{body}")),
        (format!("[\"RS256\",\"at+jwt\",\"{}\"]", node.key_id()), body.clone()),
        (header.clone(), "[]".to_owned()),
        (header.clone(), String::new()),
        (header.clone(), format!("{}1", "[".repeat(3000))),
    ];
    for (header, body) in duplicates {
        let refusal = node.refusal(&node.sign(&header, &body));
        assert_eq!(refusal, Some(TOKEN_MALFORMED), "{header} {body}");
    }
}

#[tokio::test]
async fn texts_that_are_no_canonical_compact_form_are_refused() {
    let node = Node::start().await;
    let token = node.token();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{token}."),
        format!("{token}.{payload}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}.{payload}\0.{signature}"),
        token.replace('.', ".\r\n"),
        format!("{token}é"),
        "a".repeat(8193),
        format!("{token}{}", "A".repeat(8192)),
    ] {
        let refusal = node.refusal(&bad);
        // Cut short, the base64url is still canonical and the signature does not hold.
        assert!(matches!(refusal, Some(TOKEN_MALFORMED | TOKEN_FORGED)), "{bad:.60}: {refusal:?}");
    }
    // 342 characters for 2048 bits leave four unused bits in the last one.
    let last = signature.chars().last().unwrap();
    let alphabet: Vec<_> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let next = alphabet[alphabet.iter().position(|c| *c == last).unwrap() ^ 1];
    let sloppy = format!("{}{next}", token.strip_suffix(last).unwrap());
    assert_eq!(node.refusal(&sloppy), Some(TOKEN_MALFORMED));
    assert_eq!(node.refusal(&token), None);
}

#[tokio::test]
async fn signatures_by_other_means_are_refused() {
    let node = Node::start().await;
    let body = b64(node.body().to_string());
    let unsigned = b64(json!({"alg": "none", "typ": "at+jwt"}).to_string());
    assert_eq!(node.refusal(&format!("{unsigned}.{body}.")), Some(TOKEN_FORGED));
    let named = b64(json!({"alg": "none", "typ": "at+jwt", "kid": node.key_id()}).to_string());
    assert_eq!(node.refusal(&format!("{named}.{body}.")), Some(TOKEN_FORGED));

    // The public key as the secret of an HMAC (CVE-2016-10555), in the forms it is published in.
    let (n, e) = node.numbers();
    let header = b64(json!({"alg": "HS256", "typ": "at+jwt", "kid": node.key_id()}).to_string());
    for secret in [n.clone(), format!("{n}.{e}"), node.keys.jwks().to_string(), String::new()] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{header}.{body}").as_bytes());
        assert_eq!(node.refusal(&format!("{header}.{body}.{}", b64(tag))), Some(TOKEN_FORGED));
    }

    // Another key under our id, and our signature of another token.
    let stranger = Node::start().await;
    let token = stranger.sign(&node.header().to_string(), &node.body().to_string());
    assert_eq!(node.refusal(&token), Some(TOKEN_FORGED));
    let (one, other) = (node.token(), node.token());
    let swapped =
        format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    assert_eq!(node.refusal(&swapped), Some(TOKEN_FORGED));
    for empty in [vec![0; 256], vec![0xff; 256], vec![0; 255], vec![0; 1]] {
        let (signed, _) = one.rsplit_once('.').unwrap();
        assert_eq!(node.refusal(&format!("{signed}.{}", b64(empty))), Some(TOKEN_FORGED));
    }
}

#[tokio::test]
async fn a_token_ends_by_the_clock_also_when_it_is_known() {
    let node = Node::start().await;
    let token = node.token();
    assert_eq!(node.refusal(&token), None);
    node.advance(904);
    assert_eq!(node.refusal(&token), None, "within the leeway");
    node.advance(1);
    assert_eq!(node.refusal(&token), Some(TOKEN_EXPIRED), "known");
    assert_eq!(node.again().await.refusal(&token), Some(TOKEN_EXPIRED), "not known");
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_tokens_premature_and_revives_nothing_revoked() {
    let node = Node::start().await;
    let start = node.clock.now();
    let (token, claims) = (node.token(), node.claims());
    let revoked = node.issue(&claims);
    assert_eq!(node.refusal(&token), None);
    assert_eq!(node.refusal(revoked.token.expose()), None);
    node.clock.set(start - Duration::from_hours(1));
    assert_eq!(node.refusal(&token), Some(TOKEN_PREMATURE), "known");
    assert_eq!(node.again().await.refusal(&token), Some(TOKEN_PREMATURE), "not known");
    // A revocation by the clock of an hour ago still covers the token "of the future".
    node.revocations.revoke_user(&claims.subject).await.unwrap();
    node.clock.set(start);
    assert_eq!(node.refusal(&token), None);
    let refusal = node.refusal(revoked.token.expose());
    assert_eq!(refusal, Some(prov_auth::codes::TOKEN_REVOKED));
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let node = runtime.block_on(Node::start());
    let token = node.token();
    assert_eq!(node.refusal(&token), None);
    // Every place, with a neighbour that is base64url too.
    for place in 0..token.len() {
        for other in [b'A', b'Q', b'_', b'.'] {
            let mut bytes = token.clone().into_bytes();
            if std::mem::replace(&mut bytes[place], other) != other {
                assert!(node.refusal(&String::from_utf8(bytes).unwrap()).is_some(), "{place}");
            }
        }
    }
    // Any place, any byte; also cuts and insertions.
    let config = ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() };
    let edits = (0..token.len(), any::<u8>(), 0..3_u8);
    proptest!(config, |((place, byte, how) in edits)| {
        let mut bytes = token.clone().into_bytes();
        match how {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            _ => { bytes.remove(place); }
        }
        let changed = String::from_utf8_lossy(&bytes);
        prop_assume!(changed != token);
        prop_assert!(node.refusal(&changed).is_some());
    });
}

#[tokio::test]
async fn options_that_cant_be_right_are_refused() {
    use crate::token_fixture::options;
    let node = Node::start().await;
    let wrong = [
        ("leeway", options().with_leeway(Duration::from_secs(31))),
        ("access_token_ttl", options().with_lifetime(Duration::from_hours(25))),
        ("access_token_ttl", options().with_lifetime(Duration::ZERO)),
        ("issuer", prov_auth::TokenOptions::new("", ["cli"])),
        ("audience", prov_auth::TokenOptions::new("prov", [""; 0])),
    ];
    for (field, options) in wrong {
        let clock = std::sync::Arc::new(node.clock.clone());
        let refused = prov_auth::TokenVerifier::new(
            node.keys.clone(),
            node.revocations.clone(),
            clock,
            &options,
        );
        assert_eq!(refused.unwrap_err().fields()[0].field, field);
    }
}
