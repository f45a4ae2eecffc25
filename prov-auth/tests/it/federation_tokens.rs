//! Tokens of a trusted issuer in the `Authorization` header.

use std::time::Duration;

use prov_auth::codes::{
    TOKEN_EXPIRED, TOKEN_FOREIGN, TOKEN_FORGED, TOKEN_PREMATURE, TOKEN_REVOKED,
};
use prov_auth::{AcceptedSubjects, AcceptedTokens};
use prov_core::{
    Attempt, AuthenticationMethod, Clock, Identity, Presented, PrincipalKind, RequestFacts,
    RequestId, Role,
};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::federation_fixture::{CORP, Federated, corp};

async fn taking(subjects: AcceptedSubjects) -> Federated {
    let fed = Federated::with(corp().accepting(AcceptedTokens::new("prov-api", subjects))).await;
    // The keys are there once somebody has signed in, or after the first look of the background work.
    fed.begin().await;
    fed
}

fn claims(fed: &Federated) -> Value {
    json!({
        "iss": CORP, "sub": "248289761001", "aud": ["prov-api", "x"], "iat": fed.now(),
        "exp": fed.now() + 300, "jti": "t1", "groups": ["dev"],
    })
}

fn present(fed: &Federated, token: &str) -> Attempt {
    let clock = &fed.house.clock;
    let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
    let text = format!("Bearer {token}");
    let presented = Presented::new(&facts).with_authorization(Some(&text));
    fed.service.federated_tokens().authenticate(&presented)
}

fn identity(fed: &Federated, claims: &Value) -> Result<Arc<Identity>, prov_core::Error> {
    match present(fed, &fed.corp.signed("at+jwt", claims)) {
        Attempt::Authenticated(identity) => Ok(identity),
        Attempt::Refused(error) => Err(error),
        Attempt::NotRequested => panic!("the issuer is known"),
    }
}

#[tokio::test]
async fn a_program_is_what_the_rules_make_of_it() {
    let fed = taking(AcceptedSubjects::Workloads).await;
    let who = identity(&fed, &claims(&fed)).unwrap();
    assert_eq!(who.principal.kind, PrincipalKind::Workload);
    assert_eq!(who.principal.id, "oidc:corp:248289761001");
    assert_eq!(who.principal.roles, [Role::Developer]);
    assert_eq!(who.authentication.method, AuthenticationMethod::FederatedToken);
    assert_eq!(who.authentication.token_id.as_deref(), Some("corp#t1"));
    let mut unknown = claims(&fed);
    unknown["groups"] = json!([]);
    assert!(identity(&fed, &unknown).unwrap_err().is(TOKEN_FOREIGN));
}

#[tokio::test]
async fn a_person_needs_an_account_and_is_as_it_is_now() {
    let fed = taking(AcceptedSubjects::Accounts).await;
    assert!(identity(&fed, &claims(&fed)).is_err(), "never signed in here");
    fed.tokens(|_| {}).await;
    let who = identity(&fed, &claims(&fed)).unwrap();
    let user = fed.service.user("alice@corp").await.unwrap();
    assert_eq!(who.principal, user.principal(), "by the account, not by the token's groups");
    fed.service.lock_user(&fed.house.system(), &user.id).await.unwrap();
    assert!(identity(&fed, &claims(&fed)).unwrap_err().is(TOKEN_REVOKED));
    fed.service.unlock_user(&fed.house.system(), &user.id).await.unwrap();
    assert!(identity(&fed, &claims(&fed)).unwrap_err().is(TOKEN_REVOKED), "made before the lock");
    fed.house.wait(Duration::from_secs(31));
    assert!(identity(&fed, &claims(&fed)).is_ok(), "made after it");
    fed.service.delete_user(&fed.house.system(), &user.id).await.unwrap();
    assert!(identity(&fed, &claims(&fed)).is_err());
}

#[tokio::test]
async fn every_wrong_token_is_refused_with_its_reason() {
    let fed = taking(AcceptedSubjects::Workloads).await;
    let now = fed.now();
    let wrong: Vec<(&str, Value, prov_core::Code)> = vec![
        ("aud", json!("prov-client"), TOKEN_FOREIGN),
        ("iat", json!(now + 60), TOKEN_PREMATURE),
        ("exp", json!(now + 48 * 3600), TOKEN_FOREIGN),
        ("exp", json!(now - 1), TOKEN_FOREIGN),
        ("sub", json!(""), TOKEN_FOREIGN),
    ];
    let mut ended = claims(&fed);
    (ended["iat"], ended["exp"]) = (json!(now - 300), json!(now - 31));
    assert!(identity(&fed, &ended).unwrap_err().is(TOKEN_EXPIRED));
    for (claim, value, code) in wrong {
        let mut claims = claims(&fed);
        claims[claim] = value;
        let refused = identity(&fed, &claims).unwrap_err();
        assert!(refused.is(code), "{claims}: {refused:?}");
    }
    let kid = fed.corp.key_id();
    for header in [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": "unknown"}),
        json!({"alg": "EdDSA"}),
    ] {
        let attempt = present(&fed, &fed.corp.sign(&header, &claims(&fed)));
        assert!(matches!(attempt, Attempt::Refused(e) if e.is(TOKEN_FORGED)), "{header}");
    }
    for kind in ["logout+jwt", "dpop+jwt"] {
        let attempt = present(&fed, &fed.corp.signed(kind, &claims(&fed)));
        assert!(matches!(attempt, Attempt::Refused(_)), "{kind}");
    }
}

#[tokio::test]
async fn tokens_of_nobody_known_are_left_to_others() {
    let fed = taking(AcceptedSubjects::Workloads).await;
    let mut foreign = claims(&fed);
    foreign["iss"] = json!("https://other.example.com");
    for token in [fed.corp.signed("at+jwt", &foreign), "prov_x".to_owned(), String::new()] {
        assert!(matches!(present(&fed, &token), Attempt::NotRequested), "{token}");
    }
    let local = fed.house.user("bob", &[]).await;
    let own = fed.house.login("bob").await;
    assert!(matches!(present(&fed, own.access_token.expose()), Attempt::NotRequested), "{local:?}");
    fed.service.delete_issuer(&fed.house.system(), "corp").await.unwrap();
    let token = fed.corp.signed("at+jwt", &claims(&fed));
    assert!(matches!(present(&fed, &token), Attempt::NotRequested), "it is known no more");
}

/// A token that its issuer bound to a key or a certificate is of no use to whoever merely has it, and one that
/// is bound to something nobody here can check, to nobody.
#[tokio::test]
async fn what_the_issuer_bound_a_token_to_is_known_and_nothing_unknown_is_taken() {
    let fed = taking(AcceptedSubjects::Workloads).await;
    let bound = |cnf: Value| {
        let mut claims = claims(&fed);
        claims["cnf"] = cnf;
        identity(&fed, &claims)
    };
    let key = bound(json!({"jkt": "a key"})).unwrap();
    assert_eq!(key.authentication.confirmation.as_ref().unwrap().key.as_deref(), Some("a key"));
    let both = bound(json!({"jkt": "a key", "x5t#S256": "a certificate", "kid": "k"})).unwrap();
    let both = both.authentication.confirmation.as_ref().unwrap();
    assert_eq!(both.certificate.as_deref(), Some("a certificate"));
    for unknown in [json!({}), json!({"jwk": {"kty": "EC"}}), json!({"kid": "k"}), json!(7)] {
        assert!(bound(unknown.clone()).unwrap_err().is(TOKEN_FOREIGN), "{unknown}");
    }
}
