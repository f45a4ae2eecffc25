//! Signing out by an identity provider's word (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use prov_auth::codes::{FEDERATION_FAILED, LOGOUT_TOKEN_REFUSED};
use prov_auth::{FederatedStart, TokenSet};
use serde_json::{Value, json};

use crate::federation_fixture::{CORP, Federated, back};
use crate::user_fixture::secret;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims(fed: &Federated, id: &str) -> Value {
    json!({
        "iss": CORP, "aud": "prov-client", "iat": fed.now(), "exp": fed.now() + 120, "jti": id,
        "events": {EVENT: {}}, "sub": "248289761001", "sid": "sid-1",
    })
}

async fn logout(fed: &Federated, token: &str) -> prov_core::Result<()> {
    fed.service.federated_logout("corp", &secret(token), &fed.house.facts()).await
}

fn holds(fed: &Federated, tokens: &TokenSet) -> bool {
    fed.house.verifier.verify(tokens.access_token.expose()).is_ok()
}

#[tokio::test]
async fn the_sessions_that_are_meant_end_and_no_others() {
    let fed = Federated::new().await;
    let one = fed.tokens(|_| {}).await;
    let same = fed.tokens(|_| {}).await;
    let another = fed.tokens(|claims| claims["sid"] = json!("sid-2")).await;
    let namesake = fed.tokens(|claims| claims["sub"] = json!("namesake")).await;
    fed.house.user("bob", &[]).await;
    let local = fed.house.login("bob").await;
    let mark = fed.house.mark();
    logout(&fed, &fed.corp.signed("logout+jwt", &claims(&fed, "1"))).await.unwrap();
    assert_eq!(fed.house.events(mark), ["auth.logout.backchannel success"]);
    assert_eq!(fed.house.recorded(mark)[0].context["sessions"], 2);
    assert!(!holds(&fed, &one) && !holds(&fed, &same));
    assert!(holds(&fed, &another) && holds(&fed, &namesake) && holds(&fed, &local));
    // Without a session, every session of the subject.
    let mut all = claims(&fed, "2");
    all.as_object_mut().unwrap().remove("sid");
    logout(&fed, &fed.corp.signed("logout+jwt", &all)).await.unwrap();
    assert!(!holds(&fed, &another) && holds(&fed, &namesake));
    let refresh = another.refresh_token.unwrap();
    assert!(fed.service.refresh(&refresh, &fed.house.facts()).await.is_err());
    // Of a session alone; somebody else's subject beside it is no reason to end it.
    let mut mixed = claims(&fed, "3");
    mixed["sub"] = json!("248289761001");
    logout(&fed, &fed.corp.signed("logout+jwt", &mixed)).await.unwrap();
    assert!(holds(&fed, &namesake));
    let mut session = claims(&fed, "4");
    session.as_object_mut().unwrap().remove("sub");
    logout(&fed, &fed.corp.signed("logout+jwt", &session)).await.unwrap();
    assert!(!holds(&fed, &namesake));
}

#[tokio::test]
async fn a_logout_token_that_does_not_hold_ends_nothing() {
    let fed = Federated::new().await;
    let session = fed.tokens(|_| {}).await;
    let now = fed.now();
    let wrong: Vec<(&str, Value)> = vec![
        ("iss", json!("https://other.example.com")),
        ("aud", json!("somebody-else")),
        ("exp", json!(now - 31)),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 331)),
        ("events", json!({})),
        ("events", json!({EVENT: true})),
        ("events", json!(EVENT)),
        ("nonce", json!("n")),
        ("nonce", Value::Bool(false)),
        ("jti", json!("")),
    ];
    for (claim, value) in wrong {
        let mut claims = claims(&fed, "bad");
        claims[claim] = value;
        let refused = logout(&fed, &fed.corp.signed("logout+jwt", &claims)).await.unwrap_err();
        assert!(refused.is(LOGOUT_TOKEN_REFUSED), "{claims}: {refused:?}");
    }
    let mut nobody = claims(&fed, "nobody");
    nobody.as_object_mut().unwrap().retain(|name, _| name != "sub" && name != "sid");
    assert!(logout(&fed, &fed.corp.signed("logout+jwt", &nobody)).await.is_err());
    let good = claims(&fed, "good");
    for header in [json!({"alg": "none"}), json!({"alg": "EdDSA", "kid": "unknown"})] {
        assert!(logout(&fed, &fed.corp.sign(&header, &good)).await.is_err(), "{header}");
    }
    assert!(logout(&fed, &fed.corp.signed("at+jwt", &good)).await.is_err());
    for text in ["", "x", "a.b.c"] {
        assert!(logout(&fed, text).await.is_err(), "{text}");
    }
    assert!(holds(&fed, &session));
}

#[tokio::test]
async fn a_logout_token_is_good_once_and_no_other_token_is_one() {
    let fed = Federated::new().await;
    let token = fed.corp.signed("logout+jwt", &claims(&fed, "1"));
    logout(&fed, &token).await.unwrap();
    let later = fed.tokens(|_| {}).await;
    assert!(logout(&fed, &token).await.unwrap_err().is(LOGOUT_TOKEN_REFUSED), "replayed");
    assert!(holds(&fed, &later));
    // An ID token is no logout token, nor the other way round.
    let begun = fed.begin_with(FederatedStart::default()).await.unwrap();
    let id_token = fed.corp.signed("JWT", &fed.claims(&begun));
    assert!(logout(&fed, &id_token).await.unwrap_err().is(LOGOUT_TOKEN_REFUSED));
    fed.answer_with(&fed.corp.signed("JWT", &claims(&fed, "2")));
    let refused = fed.come_back(&back(&begun)).await.unwrap_err();
    assert!(refused.is(FEDERATION_FAILED));
    fed.house.wait(Duration::from_mins(6));
    let old = fed.corp.signed("logout+jwt", &claims(&fed, "3"));
    fed.house.wait(Duration::from_mins(6));
    assert!(logout(&fed, &old).await.is_err(), "made too long ago");
}
